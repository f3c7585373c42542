#!/usr/bin/env python3
# Each sockd of bugs.toml, and whether the replay finds what is wrong with it. SPDX-License-Identifier: MIT
"""bugs.py [NAME…]: the sources are copied to build/oracle-bugs once and built there; exit status 1: one was not found."""
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build/oracle-bugs"
BUILD = WORK / "build"
TARGET = "tests/oracle/oracle-sim"


def build():
    done = subprocess.run(["ninja", "-C", BUILD, TARGET], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout[-2000:]


def replay():
    """(found, the first difference)"""
    try:
        done = subprocess.run([HERE / "run", "--build-dir", BUILD, "--show", "1", "replay"], capture_output=True, text=True,
                              timeout=200, check=False, errors="replace")
    except subprocess.TimeoutExpired:
        return True, "does not end"
    counts = [int(number) for number in re.findall(r"(\d+) differences", done.stdout)]
    lines = [line for line in done.stdout.splitlines() if line.startswith("seed ")]
    return done.returncode != 0, f"{sum(counts)} differences | " + (lines[0] if lines else "a ceiling, or no end")


def main():
    bugs = tomllib.loads((HERE / "bugs.toml").read_text())["bug"]
    wanted = [bug for bug in bugs if not sys.argv[1:] or bug["name"] in sys.argv[1:]]
    for bug in bugs:
        found = (ROOT / "servers/sockd" / bug["file"]).read_text().count(bug["old"])
        if found != 1:
            sys.exit(f"bugs.py: {bug['name']}: `old` is {found} times in {bug['file']}, not once: follow sockd")
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(ROOT, WORK, ignore=shutil.ignore_patterns(".git", "build*", "recorded"), symlinks=True)
    subprocess.run(["meson", "setup", BUILD, WORK, "--cross-file", WORK / "cross-x86_64.ini"], check=True, capture_output=True)
    good, said = build()
    if not good or replay()[0]:
        sys.exit(f"bugs.py: sockd without any of these mistakes is not in order\n{said}")
    missed = 0
    print("| bug | found | differences | first |\n|---|---|---|---|")
    for bug in wanted:
        path = WORK / "servers/sockd" / bug["file"]
        right = path.read_text()
        path.write_text(right.replace(bug["old"], bug["new"]))
        good, said = build()
        found, what = replay() if good else (False, "does not compile: " + said)
        missed += not found
        print(f"| {bug['name']} | {'yes' if found else 'NO'} | {what} |", flush=True)
        path.write_text(right)
    print(f"{missed} not found" if missed else f"all {len(wanted)} found")
    return missed > 0


sys.exit(main())
