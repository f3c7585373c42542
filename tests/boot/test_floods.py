# Two processes that send each other bytes, beside one that floods sockd. SPDX-License-Identifier: MIT
"""For each kind of flood (programs/floods.c) two numbers, exact because the clock counts instructions:

cost   instructions a message takes: the pair's own processor time, libposix and the kernel's part of its calls included, and
       what sockd executes for its requests (sockd counts that itself with served=1); over that of an undisturbed pair
speed  messages in a second beside the flood, over those beside as many processes that only spin
"""
import re
import sys

import lib

if lib.NO_LOG:
    sys.exit("test_floods.py needs Aramid: sockd counts what it does for whom")

FLOODERS = 1
# Rounds of two messages. Beside some floods a message waits for a slice of 10 ms, as beside a spinning process; others lose
# their turn with each request, because a reply with a capability puts the caller behind its equals.
FEW, MANY = 20, 1000
COST_LIMIT, SPEED_LIMIT = 1.10, 0.90
KINDS = {
    "sockets": ("sockets made and closed at the limit", MANY),
    "connections": ("connections never accepted", MANY),
    "datagrams": ("datagrams never read", FEW),
    "in-flight": ("descriptors in flight, and cycles of them", MANY),
    "wake-ups": ("wake-ups armed", FEW),
    "epoll": ("epoll interests", FEW),
    "malformed": ("oversized and malformed requests", MANY),
}


def measure(root, kind, rounds):
    """(instructions a message, messages a second, requests that sockd served for the flooders); None: no result"""
    run = lib.aramid(["/test/floods", kind, str(FLOODERS), str(rounds)], root, 120,
                     options=["--icount", "--boot", "served=1"])
    text = run.stdout.decode("utf-8", "replace")
    pair = {int(m[1]): (int(m[2]), int(m[3])) for m in re.finditer(r"process (\d+): (\d+) ns, (\d+) of them", text)}
    served = {int(m[1]): (int(m[2]), int(m[3])) for m in re.finditer(r"served process (\d+): (\d+) requests, (\d+) ticks", run.log)}
    if not lib.require(run.status == 0 and len(pair) == 2 and pair.keys() <= served.keys(), f"beside {kind}: the pair is done",
                       run=run):
        return None
    cost = sum(own for _, own in pair.values()) + sum(served[process][1] for process in pair)
    flood = sum(requests for process, (requests, _) in served.items() if process > max(pair))
    return cost / rounds / 2, 2e9 * rounds / max(ns for ns, _ in pair.values()), flood


with lib.Tree(busybox=False) as tree:
    tree.add(lib.program("floods.musl"), "test/floods")
    root = tree.seal()
    undisturbed = {rounds: measure(root, "none", rounds) for rounds in (FEW, MANY)}
    spin = measure(root, "spin", FEW)
    for kind, (meaning, rounds) in KINDS.items():
        found, alone = measure(root, kind, rounds), undisturbed[rounds]
        if not (alone and spin and found):
            continue
        cost, speed = found[0] / alone[0], found[1] / spin[1]
        print(f"{meaning}: {found[0]:.0f} instructions a message, {cost:.3f} of {alone[0]:.0f} undisturbed; "
              f"{found[1]:.1f} messages a second, {speed:.3f} of {spin[1]:.1f} beside spinning; {found[2]} requests of the flood")
        lib.require(cost <= COST_LIMIT, f"{kind}: a message costs at most {COST_LIMIT:.2f}", COST_LIMIT, cost)
        lib.require(speed >= SPEED_LIMIT, f"{kind}: at least {SPEED_LIMIT:.2f} of the messages", SPEED_LIMIT, speed)
lib.finish()
