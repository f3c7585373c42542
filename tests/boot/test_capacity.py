# How many sockets fit, and what an idle pair takes. SPDX-License-Identifier: MIT
import re
import sys

import lib

if lib.NO_LOG:
    sys.exit("test_capacity.py needs Aramid: it reads what the servers count")

PAIRS = 9000          # in one process, which may have 20,000 descriptors
PROCESSES, SOCKETS = 6, 16700
KERNEL = 2 * (64 + 32)  # a pair's gates, and the slots in which sockd keeps them: microkernel/include/aramid/abi.h
SOCKD_LIMIT, ALL_LIMIT = 1024, 2048


def taken(tree, sockets):
    """(sockd's heap that is taken when so many sockets are open, what MemFree lost by opening them)"""
    run = lib.aramid(["/test/capacity", "1", str(sockets), "leave"], tree, 120, leaves_processes=True)
    text = run.stdout.decode("utf-8", "replace")
    found = re.search(r"^open (\d+) free (-?\d+)", text, re.MULTILINE)
    if not lib.require(found and int(found[1]) == sockets, f"{sockets} sockets are open", sockets, text, run):
        return None
    return lib.leak_counts(run)["sock.taken"][1], int(found[2])


with lib.Tree(busybox=False) as tree:
    tree.add(lib.program("capacity.musl"), "test/capacity")
    root = tree.seal()

    few, many = taken(root, 2), taken(root, 2 * PAIRS)
    if few and many:
        sockd = (many[0] - few[0]) / (PAIRS - 1)
        total = sockd + KERNEL + many[1] / PAIRS
        print(f"an idle pair: {sockd:.0f} bytes of sockd's heap, {KERNEL} of gates and their slots, {many[1] / PAIRS:.0f} of "
              f"slots and pages of its process; {total:.0f} in all")
        lib.require(0 < sockd <= SOCKD_LIMIT, f"a pair takes at most {SOCKD_LIMIT} bytes of sockd's heap", SOCKD_LIMIT, sockd)
        lib.require(0 < total <= ALL_LIMIT, f"a pair takes at most {ALL_LIMIT} bytes in all", ALL_LIMIT, total)

    wanted = PROCESSES * SOCKETS
    run = lib.aramid(["/test/capacity", str(PROCESSES), str(SOCKETS)], root, 200, options=["--mem", "512M"])
    text = run.stdout.decode("utf-8", "replace")
    print(text)
    lib.require(f"open together {wanted}\n" in text, f"{wanted} sockets are open at once in 512 MiB", wanted, text, run)
    lib.require(f"all say what they were told: {PROCESSES} of {PROCESSES}\n" in text, "and carry bytes", run=run)
    lib.require("afterwards: 0\n" in text and run.status == 0, "and all are gone afterwards", run=run)
lib.finish()
