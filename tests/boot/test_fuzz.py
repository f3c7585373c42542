# Random system calls beside a victim that must not notice, on two processors. SPDX-License-Identifier: MIT
"""ARAMID_FUZZ_SEED and ARAMID_FUZZ_CHILDREN choose another or a longer run."""
import os
import re
import sys

import lib

if lib.NO_LOG:
    sys.exit("test_fuzz.py needs Aramid: as root on Linux it would fuzz more than itself")

seed, children = os.environ.get("ARAMID_FUZZ_SEED", "1"), os.environ.get("ARAMID_FUZZ_CHILDREN", "16")
SCRIPT = f"/test/fuzz {seed} {children} 2000; echo status $?; ls /bin/busybox | cat; echo again | tr a-z A-Z"
EXPECTED = (r"victim: rounds, wrong 0\nvictim: exit status 0\nfuzz: \d+ children, \d+ died by a signal, 0 were stuck\n"
            r"status 0\n/bin/busybox\nAGAIN\n")

with lib.Tree() as tree:
    tree.add(lib.program("fuzz.musl"), "test/fuzz")
    tree.add(lib.program("sigfuzz.musl"), "test/sigfuzz")
    root = tree.seal()
    for cpu in ([], ["--cpu", "max"]):
        run = lib.aramid(["/bin/sh", "-c", SCRIPT], root, 100, options=cpu)
        what = f"fuzz {seed} {' '.join(cpu)}".strip()
        lib.require(re.fullmatch(EXPECTED, run.stdout.decode("utf-8", "replace")) is not None,
                    f"{what}: the victim and a shell afterwards, and no call waits for ever", EXPECTED, run.stdout, run)
        lib.require_equal(f"{what}: the system's status", 0, run.status, run)
        run = lib.aramid(["/bin/sh", "-c", f"/test/sigfuzz {seed} 6; echo status $?"], root, 60, options=cpu)
        lib.require_equal(f"signals and moved gates, {what}", b"afterwards: alive, native calls made\nstatus 0\n", run.stdout, run)
lib.finish()
