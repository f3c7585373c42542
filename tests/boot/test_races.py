# Ends, forks and execs at the worst moment, much at once, and memory against a model. SPDX-License-Identifier: MIT
"""ARAMID_RACES_SEED chooses another run, ARAMID_RACES_SECONDS a longer one; from 10 seconds on, all process numbers are
used up once as well."""
import os
import re
import sys

import lib

if lib.NO_LOG:
    sys.exit("test_races.py needs Aramid: memmodel leaves out on Linux what it would have to map there, and it counts leaks")

seed, seconds = os.environ.get("ARAMID_RACES_SEED", "1"), int(os.environ.get("ARAMID_RACES_SECONDS", "4"))

COUNTS = re.compile(rb"\d+ (rounds|forks, \d+ moves)\n")  # how much was done depends on the machine

DEEP = b"""round 0: 990 threads at once
joined: 990
round 1: 990 threads at once
joined: 990
round 2: 990 threads at once
sent 1000, received 1000, the pipe lives 1
its end when all are closed: 0
queued: 1
queued: 1
queued: 1
queued: 1
send_fds(pair[0], fds, IN_ONE + 1): EINVAL
send_fds(pair[0], fds, IN_ONE): 1
send_fds(pair[0], fds, IN_ONE): 1
received 253, the last writes 1
control data truncated
with room for fewer: 1
the pipe: 1, then its end: 0
nested 64 deep
the pipe's end: 0
send_fds(outer[0], &outer[1], 1): 1
send_fds(outer[1], outer, 2): 1
send_fds(pair[0], outer, 2): 1
send_fds(outer[0], pair, 2): 1
send_fds(pair[1], &ends[1], 1): 1
collected: 1
the pipe's end: 0
nested: exit status 0
nested 64 deep
unpacked 64, the pipe writes 1
nested, unpacked: exit status 0
"""

with lib.Tree() as tree:
    for name in ("races", "deep", "memmodel"):
        tree.add(lib.program(f"{name}.musl"), f"test/{name}")
    root = tree.seal()
    ways = ("kill", "threads", "exec", "storm")
    script = "".join(f"/test/races {way} {seconds} {seed}; " for way in ways) + "echo status $?"
    run = lib.aramid(["/bin/sh", "-c", script], root, 60 + 8 * seconds)
    expected = "".join(f"{way}: everything works afterwards\n" for way in ways) + "status 0\n"
    lib.require_equal(f"races {seed}: nobody ends wrongly, and sockets, pipes, forks and files work afterwards",
                      expected.encode(), COUNTS.sub(b"", run.stdout), run)
    script = "for what in threads descriptors message nested; do /test/deep $what; done; echo status $?"
    run = lib.aramid(["/bin/sh", "-c", script], root, 60)
    lib.require_equal("much of a thing at once", DEEP + b"status 0\n", run.stdout, run)
    run = lib.aramid(["/bin/sh", "-c", f"/test/memmodel {seconds * 2000} {seed}; echo status $?"], root, 60 + 4 * seconds)
    lib.require_equal(f"memory against a model, {seed}", b"memory is as the model has it\nstatus 0\n",
                      COUNTS.sub(b"", run.stdout), run)
    if seconds >= 10:
        run = lib.aramid(["/test/races", "wrap", "0"], root, 120)
        lib.require_equal("process numbers", b"process numbers went round: 1\n", run.stdout, run)
lib.finish()
