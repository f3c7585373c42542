#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_vectors.py PROGRAM…: a server has no instruction that touches vector registers.

One that has would be given a vector state of its own, to be saved and loaded at each call.
"""
import re
import subprocess
import sys

VECTOR = re.compile(r"^\s*[0-9a-f]+:\s.*(%[xyz]?mm[0-9]|%st\b|\bf(ninit|xsave|xrstor|ldcw)\b)")
SHOWN = 5


def main(programs):
    print(f"1..{len(programs)}")
    for number, program in enumerate(programs, 1):
        done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        wrong = [line.strip() for line in lines if VECTOR.match(line)]
        name = program.rpartition("/")[2]
        print(f"{'not ok' if wrong or len(lines) < 100 else 'ok'} {number} - {name}, {len(lines)} lines of disassembly")
        for line in wrong[:SHOWN]:
            print(f"# {name} touches vector registers: {line}")
    return 0


sys.exit(main(sys.argv[1:]))
