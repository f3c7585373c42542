#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the instructions of one row of `tools/bench sockets` go, function by function, exactly.

    tests/bench/profile.py rights-1             who executes how many in one round
    tests/bench/profile.py rights-1 --order     the same round in the order of execution
    tests/bench/profile.py rights-1 --code op_send   that function's instructions, with how often each runs

The row is repeated under icount while QEMU logs every instruction's address; nothing is sampled. Of the servers it knows
sockd alone: they all lie at the same address.
"""
import argparse
import bisect
import collections
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "tests/bench/sockets-profiled"
SECONDS = 3         # of logging: a hundred rounds or more
BOOT_SECONDS = 300  # at most, until the row is warm
# domain: its file, and where it lies
DOMAINS = {
    "kernel": ("microkernel/aramid.elf", 0xffffffff80000000, 1 << 64),
    "libposix": ("libposix/libposix.elf", 0x600000000000, 0x600100000000),
    "program": (PROGRAM, 0x10000000, 0x20000000),
    "sockd": ("servers/sockd/sockd", 0x400000, 0x10000000),
}
ADDRESS = re.compile(r"\[[0-9a-f]+/([0-9a-f]+)/")


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self._file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "error" in answer:
                sys.exit(f"profile: QEMU refuses {name}: {answer['error']['desc']}")
            if "return" in answer:
                return

    def human(self, line):
        self.command("human-monitor-command", **{"command-line": line})


def addresses(build, row):
    """Of every instruction that the machine executes for a while."""
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        (work / "root/bin").mkdir(parents=True)
        (work / "root/bin/sockets").write_bytes((build / PROGRAM).read_bytes())
        (work / "root/bin/sockets").chmod(0o755)
        command = [str(ROOT / "tools/run"), "--no-build", "--no-install", "--build-dir", str(build), "--icount", "--rootfs",
                   str(work / "root"), "--qmp", str(work / "qmp"), "--timeout", str(BOOT_SECONDS), "--", "/bin/sockets",
                   f"loop={row}"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True) as run:
            first = run.stdout.readline()
            if first != "go\n":
                sys.exit(f"profile: row {row} does not begin: {first.strip() or 'no output'}")
            monitor = Monitor(work / "qmp")
            monitor.command("stop")
            monitor.human("singlestep on")
            monitor.human(f"logfile {work}/log")
            monitor.human("log exec,nochain")
            monitor.command("cont")
            time.sleep(SECONDS)
            monitor.command("stop")
            monitor.human("log none")
            monitor.command("quit")
            run.wait(timeout=60)
        with open(work / "log", encoding="ascii", errors="replace") as log:
            return [int(found[1], 16) for found in map(ADDRESS.search, log) if found]


class Symbols:
    """Whose instruction is at an address."""

    def __init__(self, build):
        self._tables = {}
        for domain, (file, _, _) in DOMAINS.items():
            lines = subprocess.run(["nm", "-n", "--defined-only", str(build / file)], check=True, capture_output=True,
                                   text=True).stdout.splitlines()
            table = [(int(words[0], 16), words[2]) for words in map(str.split, lines)
                     if len(words) == 3 and words[1] in "tTwW"]
            self._tables[domain] = ([address for address, _ in table], [name for _, name in table])

    def __call__(self, address):
        for domain, (_, low, high) in DOMAINS.items():
            if low <= address < high:
                starts, names = self._tables[domain]
                index = bisect.bisect(starts, address) - 1
                return domain, names[index] if index >= 0 else "?"
        return "?", hex(address)

    def address(self, domain, name):
        starts, names = self._tables[domain]
        if name not in names:
            sys.exit(f"profile: {DOMAINS[domain][0]} has no {name}")
        return starts[names.index(name)]


def show_functions(whose, counted, rounds):
    functions, domains = collections.Counter(), collections.Counter()
    for address, count in counted.items():
        functions[whose(address)] += count
        domains[whose(address)[0]] += count
    for domain, count in domains.most_common():
        print(f"{count / rounds:9.1f}  {domain}")
    print()
    for (domain, name), count in functions.most_common():
        print(f"{count / rounds:9.1f}  {domain:8}  {name}")


def show_order(whose, trace):
    last, count = None, 0
    for address in [*trace, None]:
        now = whose(address) if address is not None else None
        if now != last:
            if last:
                print(f"{count:6}  {last[0]:8}  {last[1]}")
            last, count = now, 0
        count += 1


def show_code(whose, counted, rounds, build, name):
    here = sorted(address for address in counted if whose(address)[1] == name)
    if not here:
        sys.exit(f"profile: {name} is not executed")
    file = build / DOMAINS[whose(here[0])[0]][0]
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--start-address={here[0]}",
                           f"--stop-address={here[-1] + 16}", str(file)], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        address = line.split(":")[0].strip()
        if re.fullmatch("[0-9a-f]+", address) and int(address, 16) in counted:
            print(f"{counted[int(address, 16)] / rounds:7.2f}  {line.strip()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", help="as tools/bench sockets --json names it: null, ping, rights-1, ...")
    parser.add_argument("--build-dir", default=str(ROOT / "build"), help="default: build/")
    parser.add_argument("--order", action="store_true", help="one round in the order of execution")
    parser.add_argument("--code", metavar="FUNCTION", help="the instructions of one function")
    arguments = parser.parse_args()
    build = Path(arguments.build_dir).resolve()
    subprocess.run(["ninja", "-C", str(build), PROGRAM, *(file for file, _, _ in DOMAINS.values())], check=True,
                   stdout=subprocess.DEVNULL)
    trace = addresses(build, arguments.row)
    whose = Symbols(build)
    start = whose.address("program", "bench_round")
    marks = [index for index, address in enumerate(trace) if address == start]
    if len(marks) < 3:
        sys.exit(f"profile: {len(marks)} rounds in {len(trace)} instructions: too few")
    usual, often = collections.Counter(b - a for a, b in zip(marks, marks[1:])).most_common(1)[0]
    rounds = len(marks) - 1
    print(f"{arguments.row}: {usual} instructions a round ({often} of {rounds} rounds; the others were interrupted)\n")
    if arguments.order:
        first = next(a for a, b in zip(marks, marks[1:]) if b - a == usual)
        show_order(whose, trace[first:first + usual])
        return
    counted = collections.Counter(trace[marks[0]:marks[-1]])
    if arguments.code:
        show_code(whose, counted, rounds, build, arguments.code)
    else:
        show_functions(whose, counted, rounds)


if __name__ == "__main__":
    main()
