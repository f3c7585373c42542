# SPDX-License-Identifier: MIT
"""tools/bench: measurements, each beside Linux's in the same QEMU, or beside seL4's figures."""
import argparse
import json
import statistics
import subprocess
import time

from aramid_tools import bench_ipc, bench_sockets, build, linux, packages
from aramid_tools.common import EXIT_USAGE, ROOT, ToolError, note

LATER = ("dbus",)
BENCHES = ("boot", "ipc", "sockets")
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
    """From the command to the first byte of the same program on both systems: /bin/busybox echo. One row."""
    program = ["--timeout", str(BOOT_LIMIT_SECONDS), "--no-install", "--", "/bin/busybox", "echo", "x"]
    commands = ([str(ROOT / "tools/run"), "--no-build", *program], [str(ROOT / "tools/lib/linux-run"), *program])
    kernel = linux.kernel_version(linux.kernel())
    medians = []
    for command in commands:
        _seconds_to_first_byte(command)  # warms the page cache on each side; not counted
        medians.append(statistics.median(_seconds_to_first_byte(command) for _ in range(runs)))
    ours, peer = medians
    return [{"suite": "boot", "row": "command to the first program's first byte", "unit": "s", "ours": round(ours, 3),
             "peer": round(peer, 3), "peer_name": f"Linux {kernel}", "ratio": round(ours / peer, 3),
             "limit": BOOT_GOAL_SECONDS}]


def _print_boot(rows, runs):
    print(f"Median of {runs} runs, wall time, both systems in the same QEMU without KVM; ratio is ours to theirs.")
    for row in rows:
        met = "met" if row["ours"] <= row["limit"] else "missed"
        print(f"  {row['suite']}: {row['row']}: {row['ours']:.2f} {row['unit']}, {row['peer_name']} {row['peer']:.2f} "
              f"{row['unit']}, ratio {row['ratio']:.2f}; the limit of {row['limit']:.0f} {row['unit']} is {met}")


def main(argv):
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measure Aramid beside Linux in the same QEMU, or beside "
                                     "what seL4 needs for the same.")
    parser.add_argument("bench", nargs="*", metavar="BENCH", 
                        help=f"{', '.join(BENCHES)}; default all; not yet: {', '.join(LATER)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    parser.add_argument("--runs", type=int, default=5, help="runs a system, for wall times (default: %(default)s)")
    parser.add_argument("--no-install", action="store_true", help="install nothing; say what is missing")
    arguments = parser.parse_args(argv)
    benches = arguments.bench or BENCHES
    for bench in benches:
        if bench in LATER:
            raise ToolError(f"bench {bench}: not yet", EXIT_USAGE)
        if bench not in BENCHES:
            raise ToolError(f"no bench is named '{bench}': there are {', '.join(BENCHES)}", EXIT_USAGE)
    if arguments.runs < 1:
        raise ToolError(f"--runs {arguments.runs}: expected at least 1", EXIT_USAGE)
    packages.ensure(not arguments.no_install)
    for bench in benches:
        if bench == "boot":
            build.build_system()
            note("measuring boot; about half a minute")
            rows = boot(arguments.runs)
        else:
            suite = bench_ipc if bench == "ipc" else bench_sockets
            build.build(suite.TARGETS)
            rows = suite.rows()
        if arguments.json:
            for row in rows:
                print(json.dumps(row, ensure_ascii=False))
        elif bench == "boot":
            _print_boot(rows, arguments.runs)
        else:
            suite.show(rows)
    return 0
