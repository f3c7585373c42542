# SPDX-License-Identifier: MIT
"""tools/bench: measurements, each beside Linux's in the same QEMU."""
import argparse
import json
import statistics
import subprocess
import sys
import time

from aramid_tools import build, linux, packages
from aramid_tools.common import EXIT_USAGE, ROOT, ToolError, say

LATER = ("ipc", "sockets", "dbus")
BOOT_LIMIT_SECONDS = 60
BOOT_GOAL_SECONDS = 2.0


def _seconds_to_first_byte(command):
    """Wall time from starting a command to the first byte on its stdout; the command runs to its end."""
    start = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        first = process.stdout.read(1)
        seconds = time.monotonic() - start
        _, complaint = process.communicate()
    if process.returncode != 0 or not first:
        raise ToolError(f"'{' '.join(command)}' ended with status {process.returncode}: "
                        f"{complaint.decode('utf-8', 'replace').strip()}")
    return seconds


def boot(runs):
    """From the command to the first byte of the same program on both systems: /bin/busybox echo."""
    program = ["--timeout", str(BOOT_LIMIT_SECONDS), "--no-install", "--", "/bin/busybox", "echo", "x"]
    commands = {"aramid": [str(ROOT / "tools/run"), "--no-build", *program],
                "linux": [str(ROOT / "tools/lib/linux-run"), *program]}
    result = {"bench": "boot", "unit": "s", "runs": runs,
              "linux_kernel": linux.kernel_version(linux.kernel())}
    samples = {name: [] for name in commands}
    for name, command in commands.items():
        _seconds_to_first_byte(command) # warms the page cache on each side; not counted
        samples[name] = [_seconds_to_first_byte(command) for _ in range(runs)]
    for name, values in samples.items():
        result[name] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    result["ratio"] = result["linux"]["median"] / result["aramid"]["median"]
    return result


def _print(result):
    print(f"From the command to the first program's first byte, {result['runs']} runs, wall time, QEMU without KVM:")
    for name, label in (("aramid", "Aramid"), ("linux", f"Linux {result['linux_kernel']}")):
        row = result[name]
        print(f"  {label:34} {row['median']:6.2f} s   ({row['least']:.2f} to {row['most']:.2f})")
    print(f"  Aramid is {result['ratio']:.1f} times as quick; its goal is under {BOOT_GOAL_SECONDS:.0f} s: "
          f"{'met' if result['aramid']['median'] < BOOT_GOAL_SECONDS else 'missed'}")


def main(argv):
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measure Aramid beside Linux in the same QEMU.")
    parser.add_argument("bench", nargs="?", default="boot", metavar="BENCH", help=f"boot; not yet: {', '.join(LATER)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--runs", type=int, default=5, help="runs a system (default: %(default)s)")
    parser.add_argument("--no-install", action="store_true", help="install nothing; say what is missing")
    arguments = parser.parse_args(argv)
    if arguments.bench in LATER:
        raise ToolError(f"bench {arguments.bench}: not yet", EXIT_USAGE)
    if arguments.bench != "boot":
        raise ToolError(f"no bench is named '{arguments.bench}': there is boot", EXIT_USAGE)
    if arguments.runs < 1:
        raise ToolError(f"--runs {arguments.runs}: expected at least 1", EXIT_USAGE)
    packages.ensure(not arguments.no_install)
    build.build_system()
    say("measuring; about half a minute")
    result = boot(arguments.runs)
    if arguments.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        _print(result)
    return 0
