# Random system calls beside a victim that must not notice, on two processors. SPDX-License-Identifier: MIT
"""ARAMID_FUZZ_SEED and ARAMID_FUZZ_CHILDREN choose another or a longer run."""
import os
import sys

import lib

if lib.NO_LOG:
    sys.exit("test_fuzz.py needs Aramid: as root on Linux it would fuzz more than itself")

seed, children = os.environ.get("ARAMID_FUZZ_SEED", "1"), os.environ.get("ARAMID_FUZZ_CHILDREN", "16")
SCRIPT = f"/test/fuzz {seed} {children} 2000; echo status $?; ls /bin/busybox | cat; echo again | tr a-z A-Z"

with lib.Tree() as tree:
    tree.add(lib.program("fuzz.musl"), "test/fuzz")
    root = tree.seal()
    for cpu in ([], ["--cpu", "max"]):
        run = lib.aramid(["/bin/sh", "-c", SCRIPT], root, 100, options=cpu)
        what = f"fuzz {seed} {' '.join(cpu)}".strip()
        lib.require_equal(f"{what}: the victim and a shell afterwards",
                          b"victim: rounds, wrong 0\nvictim: exit status 0\nstatus 0\n/bin/busybox\nAGAIN\n", run.stdout, run)
        lib.require_equal(f"{what}: the system's status", 0, run.status, run)
        lib.require(", 0 were stuck" in run.stderr.decode("utf-8", "replace"), f"{what}: no call waits for ever", run=run)
lib.finish()
