#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run one native program: it alone on the kernel, in QEMU, its COM1 on stdout.

Exit status 0 when the program passed; else 1, with the reason and the end of the kernel's log (COM2) on stderr. The whole
log is in BUILD/tests/native/NAME.log.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tools/lib"))

from aramid_tools import common # noqa: E402
from aramid_tools.machine import CLEAN, DEFAULT_CPU, EXIT_CODES, Log, Machine, qemu_command # noqa: E402

KERNEL, MEASURE = "microkernel/aramid.elf", "microkernel/aramid-measure.elf"
LOG_LINES = 30 # of the kernel's log, shown after a failure


def parse(argv):
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="a program of tests/native")
    parser.add_argument("--cpu", default=DEFAULT_CPU, help="for QEMU's -cpu")
    parser.add_argument("--mem", default="512M", metavar="SIZE")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS")
    parser.add_argument("--icount", action="store_true", help="one TSC tick is one instruction; a run repeats exactly")
    parser.add_argument("--measure", action="store_true", help="the kernel that measures itself")
    parser.add_argument("--kernel", metavar="FILE", help="another kernel")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=N", help="a parameter of the program")
    parser.add_argument("--expect-failure", action="store_true", help="a failed check is the pass, anything else a failure")
    parser.add_argument("--expect-stop", metavar="REGEX", help="the kernel stopping with this message is the pass")
    parser.add_argument("--no-build", action="store_true", help="run what is in the build directory")
    parser.add_argument("--build-dir", default=str(common.BUILD), metavar="DIR")
    parser.add_argument("--verbose", action="store_true", help="the kernel's log on stderr while it runs")
    return parser.parse_args(argv)


def stop_reason(machine, code, expected):
    """Why a run in which the kernel should have stopped failed, or None when it did not."""
    if EXIT_CODES.get(code) != "kernel panic":
        return f"the kernel did not stop, expected: {expected}"
    words = machine.log.last_words()
    return None if re.search(expected, words) else f"the kernel stopped otherwise: {words}; expected: {expected}"


def reason(machine, code, expect_failure):
    """Why the run failed, or None when it did not."""
    if machine.timed_out:
        return f"time-out: still running after {machine.timeout:g} s"
    if code == CLEAN:
        return "no check failed" if expect_failure else None
    if code == 0:
        return "the machine reset itself: a triple fault"
    what = EXIT_CODES.get(code, f"QEMU's exit status {code}, expected {CLEAN}")
    if what == "init failed":
        return None if expect_failure else "a check failed (above)"
    return f"{what}: {machine.complaint() or machine.log.last_words()}"


def run(arguments):
    build = Path(arguments.build_dir)
    program = f"tests/native/{arguments.name}"
    kernel = Path(arguments.kernel or build / (MEASURE if arguments.measure else KERNEL))
    if not arguments.no_build:
        targets = [program] + ([str(kernel.relative_to(build))] if kernel.is_relative_to(build) else [])
        done = subprocess.run(["ninja", "-C", str(build), *targets], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True, check=False)
        if done.returncode:
            return f"the build failed:\n{done.stdout}"
    log_file = build / f"{program}.log"
    with tempfile.TemporaryDirectory(prefix="native-") as work, open(log_file, "wb") as file, \
            open(os.devnull, "rb") as nothing:
        bundle = Path(work, "bundle")
        subprocess.run([sys.executable, str(SOURCE / "system/mkbundle.py"), str(bundle), f"init={build / program}"], check=True)
        command = qemu_command(kernel, bundle, " ".join(arguments.set) or "native", arguments.cpu, arguments.mem,
                               arguments.icount)
        log = Log(arguments.verbose, file)
        machine = Machine(command, log, timeout=arguments.timeout, stdin=nothing.fileno())
        code = machine.run()
        if arguments.expect_stop and not machine.timed_out:
            failure = stop_reason(machine, code, arguments.expect_stop)
        else:
            failure = reason(machine, code, arguments.expect_failure)
    if failure and not arguments.verbose:
        for line in log.text.decode("utf-8", "replace").splitlines()[-LOG_LINES:]:
            print(f"    {line}", file=sys.stderr)
    return failure


def main(argv):
    arguments = parse(argv)
    failure = run(arguments)
    if failure:
        sys.stdout.flush()
        print(f"run.py: {arguments.name}: {failure}", file=sys.stderr)
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
