# Small checks of the POSIX interface, each built with musl and with glibc, print what they print on Linux.
# SPDX-License-Identifier: MIT
"""Usage: test_posix.py NAME…   each NAME is a program posix_NAME."""
import sys

import lib

LIMIT = {"signals": 60, "vector": 180}  # seconds of guest time on Aramid; else 90

with lib.Tree() as tree:
    runs = [f"posix_{name}.{library}" for name in sys.argv[1:] for library in ("musl", "glibc")]
    for run in runs:
        tree.add(lib.program(run), f"test/{run}")
    root = tree.seal()
    for run in runs:
        # Under a shell, so that the program is neither process 1 nor the leader of a session.
        argv = ["/bin/env", "-i", "PATH=/bin", "TZ=UTC", "/bin/sh", "-c", '"$0"; exit $?', f"/test/{run}"]
        linux = lib.linux(argv, root, 90)
        lib.require(linux.status == 0 and len(linux.stdout) > 100, f"{run}: Linux ran it", run=linux)
        name = run.split("_")[1].split(".")[0]
        lib.require_same(run, linux, lib.aramid(argv, root, LIMIT.get(name, 90)))
lib.finish()
