#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""linux_calls.py linux_calls.toml linux_table.c OUTPUT.h: the pointers of each Linux call, for trace.c."""
import re
import sys
import tomllib
from pathlib import Path

# enum pointer_kind of trace.c
PATH, IN, OUT, OUT_RESULT, ADDRESS, FDS = range(1, 7)
LENGTH_SHIFT = 4


def code(kind):
    """What trace.c has to do for one argument: a kind, and above it the number of the argument that is the length."""
    kind, _, more = kind.partition(":")
    if kind == "path":
        return PATH
    if kind == "fds":
        return FDS
    if kind == "out" and more == "r":
        return OUT_RESULT
    if kind in ("in", "out", "address"):
        return {"in": IN, "out": OUT, "address": ADDRESS}[kind] | int(more) << LENGTH_SHIFT
    return 0


def main():
    calls, table, output = sys.argv[1:]
    numbers = {name: int(number) for number, name in
               re.findall(r"\b(?:CALL|NONE|QUIET)\((\d+), (\w+)\)", Path(table).read_text(encoding="ascii"))}
    lines = []
    for name, kinds in tomllib.loads(Path(calls).read_text(encoding="utf-8"))["calls"].items():
        if name not in numbers:
            sys.exit(f"{calls}: {name}: linux_table.c has no such call")
        if len(kinds) > 6:
            sys.exit(f"{calls}: {name}: {len(kinds)} arguments, expected at most 6")
        if any(map(code, kinds)):
            lines.append(f"    [{numbers[name]}] = {{{', '.join(str(code(kind)) for kind in kinds)}}}, /* {name} */")
    Path(output).write_text("/* Made from linux_calls.toml. SPDX-License-Identifier: MIT */\n"
                            "static const uint8_t pointers[LINUX_CALLS][8] = {\n" + "\n".join(lines) + "\n};\n", encoding="ascii")


main()
