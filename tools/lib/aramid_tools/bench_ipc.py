# SPDX-License-Identifier: MIT
"""tools/bench ipc: what messages cost, beside seL4's figures.

tests/native/bench_ipc.c does the work, alone on the kernel: once under icount, where a TSC tick is an instruction; once
under icount on the kernel that counts its CR3 writes; once with no icount, for wall time.
"""
import re
import subprocess
import sys

from aramid_tools import common
from aramid_tools.common import ROOT, ToolError, note

PROGRAM = "bench_ipc"
MEASURING_KERNEL = "microkernel/aramid-measure.elf"
TARGETS = ("microkernel/aramid.elf", MEASURING_KERNEL, f"tests/native/{PROGRAM}")
TIMEOUT_SECONDS = 120
WALL_ROUNDS = 20000
# seL4 16.0.0-dev, x86_64, release, fastpath, one core, no page-table split, in the same QEMU with the same options.
PEER = "seL4 16.0.0-dev"
# bench_ipc.c's name for it: what it is, seL4's instructions (None: it has no such thing), ours at most
ROWS = {
    "call-0": ("Call + ReplyRecv between address spaces, 0 words", 421, 300),
    "call-4": ("Call + ReplyRecv between address spaces, 4 words", 454, 320),
    "call-10": ("Call + ReplyRecv between address spaces, 10 words", 1596, 380),
    "call-unwrap": ("Call with one capability unwrapped to a badge", 1269, 700),
    "call-move": ("Call that moves one capability", None, 900),
    "ping-pong": ("notification ping-pong between two threads, round trip", 2007, 800),
    "signal": ("signal with nobody waiting", 363, 100),
    "exception": ("exception to a handler in another address space and back", 1587, 700),
    "foreign": ("foreign system call into the process's own handler, kernel part", None, 16),
}


def _run(*options):
    """Row name -> value for each kind of line that the program prints."""
    command = [sys.executable, str(ROOT / "tests/native/run.py"), PROGRAM, "--no-build", "--build-dir", str(common.BUILD),
               "--timeout", str(TIMEOUT_SECONDS), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise ToolError(f"bench ipc: '{' '.join(command)}' failed: {done.stderr.strip()}")
    found = {"row": {}, "spaces": {}}
    for kind, name, value in re.findall(r"^(row|spaces) (\S+) ([0-9.]+)$", done.stdout, re.MULTILINE):
        found[kind][name] = float(value)
    ticks = re.search(r"^ticks-per-us (\d+)$", done.stdout, re.MULTILINE)
    if set(found["row"]) != set(ROWS) or not ticks:
        raise ToolError(f"bench ipc: expected the rows {', '.join(ROWS)}, got {', '.join(found['row']) or 'none'}")
    return found["row"], found["spaces"], int(ticks[1])


def rows():
    note("measuring ipc; a few seconds")
    instructions, _, _ = _run("--icount")
    _, spaces, _ = _run("--icount", "--measure", "--set", "measure=1")
    wall, _, ticks_per_us = _run("--set", f"rounds={WALL_ROUNDS}")
    result = []
    for name, (text, peer, limit) in ROWS.items():
        ours = instructions[name]
        result.append({"suite": "ipc", "row": text, "unit": "instructions", "ours": ours, "peer": peer,
                       "peer_name": PEER if peer else None, "ratio": round(ours / peer, 3) if peer else None, "limit": limit})
    for name, (text, _, _) in ROWS.items():
        if name in spaces:
            # one for each switch of the space, two in a round trip
            limit = 0 if name in ("signal", "foreign") else 2
            result.append({"suite": "ipc", "row": text, "unit": "CR3 writes", "ours": spaces[name], "peer": None,
                           "peer_name": None, "ratio": None, "limit": limit})
    for name, (text, _, _) in ROWS.items():
        if name != "foreign":
            result.append({"suite": "ipc", "row": text, "unit": "us", "ours": round(wall[name] / ticks_per_us, 3), "peer": None,
                           "peer_name": None, "ratio": None, "limit": None})
    return result


def show(table):
    print(f"Instructions with QEMU's icount (stubs and loop included) beside {PEER}; address-space switches; wall time under "
          "plain TCG.")
    width = max(len(text) for text, _, _ in ROWS.values())
    titles = {"instructions": f"{'instructions':{width}}    ours    seL4   ratio   limit",
              "CR3 writes": f"{'CR3 writes a round':{width}}    ours                   limit", "us": f"{'wall time, us':{width}}    ours"}
    unit = None
    for row in table:
        if row["unit"] != unit:
            unit = row["unit"]
            print(f"\n  {titles[unit]}")
        peer = f"{row['peer']:8.0f}{row['ratio']:8.2f}" if row["peer"] else " " * 16
        met = "" if row["limit"] is None else f"{row['limit']:8} {'met' if row['ours'] <= row['limit'] else 'MISSED'}"
        digits = 2 if unit == "us" else 1 if row["ours"] % 1 else 0
        print(f"  {row['row']:{width}}{row['ours']:8.{digits}f}{peer if unit != 'us' else ''}{met}".rstrip())
