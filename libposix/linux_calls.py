#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""linux_calls.py linux_calls.toml linux_table.c OUTPUT.h: the pointers of each Linux call, as trace.c's struct text_code."""
import re
import sys
import tomllib
from pathlib import Path

BEFORE_MOST = 2
SHOWN, PATH, ADDRESS, FDS = 32, 256, 128, 8 # bytes at most: of a buffer as strace, …, of struct sockaddr, of two descriptors


def text(argument, kind):
    """(known only when the call has returned, its struct text_code); None: it is no pointer that we follow."""
    kind, _, more = kind.partition(":")
    source, limit = {"path": ("SOURCE_STRING", PATH), "fds": ("SOURCE_LIMIT", FDS), "in": (more, SHOWN), "address": (more, ADDRESS),
                     "out": ("SOURCE_RESULT" if more == "r" else more, SHOWN)}.get(kind, (None, 0))
    return limit and (kind in ("out", "fds"), f"{{{argument}, {source}, {limit}}}")


def main():
    calls, table, output = sys.argv[1:]
    numbers = {name: int(number) for number, name in
               re.findall(r"\b(?:CALL|NONE|QUIET)\((\d+), (\w+)\)", Path(table).read_text(encoding="ascii"))}
    rows, indices = [], []
    for name, kinds in tomllib.loads(Path(calls).read_text(encoding="utf-8"))["calls"].items():
        if name not in numbers:
            sys.exit(f"{calls}: {name}: linux_table.c has no such call")
        if len(kinds) > 6:
            sys.exit(f"{calls}: {name}: {len(kinds)} arguments, expected at most 6")
        texts = list(filter(None, (text(argument, kind) for argument, kind in enumerate(kinds))))
        read, filled = [code for late, code in texts if not late], [code for late, code in texts if late]
        if len(read) > BEFORE_MOST or len(filled) > 1:
            sys.exit(f"{calls}: {name}: {len(read)} pointers to read and {len(filled)} to fill, expected at most {BEFORE_MOST} and 1")
        if texts:
            rows.append(f"    {{{{{', '.join(read) or '{0}'}}}, {(filled or ['{0}'])[0]}}}, /* {name} */")
            indices.append(f"    [{numbers[name]}] = {len(rows)},")
    Path(output).write_text("\n".join([
        "/* Made from linux_calls.toml. SPDX-License-Identifier: MIT */",
        "static const struct call_texts call_texts[] = {", "    {{{0}}, {0}},", *rows, "};",
        "static const uint8_t texts_of[LINUX_CALLS] = {", *indices, "};", ""]), encoding="ascii")


main()
