#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_core_imports.py ARCHIVE…: a server's core links against nothing but libipc's types and memory functions.

Each archive is a core as it boots. What it leaves undefined must be libipc's (memory, sessions, generated dispatchers)
or a mem* or str* function of the C library: no system call, no clock, no kernel invocation can hide in it.
"""
import re
import subprocess
import sys

ALLOWED = re.compile(r"mem_(alloc(_unset)?|resize|free|in_use|taken)|session_(find|begin|close|grant_take|disarm_exclusive)|waiters_(arm(_exclusive|_question)?|has_exclusive|wake(_answering)?|destroy)|status_name"
                     r"|(session|io|fs|sock|console|proc)_(dispatch|print)"
                     r"|(mem|str)[a-z]+")


def symbols(archive):
    """(defined, undefined) names of all members together."""
    done = subprocess.run(["nm", "-P", archive], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"nm {archive}: {done.stderr.strip()}")
    defined, undefined = set(), set()
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) >= 2 and len(words[1]) == 1:
            (undefined if words[1] in "Uw" else defined).add(words[0])
    return defined, undefined


def main(archives):
    print(f"1..{len(archives)}")
    for number, archive in enumerate(archives, 1):
        defined, undefined = symbols(archive)
        wrong = sorted(name for name in undefined - defined if not ALLOWED.fullmatch(name))
        name = archive.rpartition("/")[2]
        print(f"{'not ok' if wrong or not defined else 'ok'} {number} - {name}")
        for symbol in wrong:
            print(f"# {name} imports {symbol}: expected only libipc's types and memory functions, mem* and str*")
    return 0


sys.exit(main(sys.argv[1:]))
