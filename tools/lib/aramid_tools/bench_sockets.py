# SPDX-License-Identifier: MIT
"""tools/bench sockets: what AF_UNIX costs, beside Linux on the same machine.

tests/bench does the work, the same static binary on both systems: under icount, where a TSC tick is an instruction, on
Aramid, on a lean Linux and on Linux as it comes; once without icount, for wall time; once on Aramid's kernel that records,
for switches of the address space and the price of recording; and once to leave idle sockets behind, which are counted.
"""
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from aramid_tools import build, common, linux
from aramid_tools.common import ROOT, ToolError, note

PROGRAM = "tests/bench/sockets"
TARGETS = (build.KERNEL, build.TRACED, *build.BLOBS.values(), PROGRAM)
TIMEOUT_SECONDS = 400
# Hardware copies far quicker with ERMS than icount's instruction a byte says, so all but one run do without.
CPU, CPU_PLAIN = "max,-erms", "max"
CPU_WALL = "max,-erms,-cx16"       # linux_run.py says why not cx16; under icount no interrupt comes in between
LEAN = "mitigations=off init_on_alloc=0 apparmor=0 audit=0 hardened_usercopy=off randomize_kstack_offset=off"
SMALL = "percent=5"                # of the operations: the trace would be long
IDLE_PAIRS = 1500
GATE_BYTES = 64 + 32               # a gate, and the slot of sockd's own capability for it
HALF, SAME = 0.5, 1.0              # of lean Linux's instructions, at most
TRACE_LIMIT, MEMORY_LIMIT = 40, 2048
# The program's name for it: what it is, the limit
ROWS = {
    "null": ("null call: getppid", HALF),
    "ping": ("1 byte there and back, STREAM", HALF),
    "ping-poll": ("1 byte there and back, poll before each read", HALF),
    "ping-seqpacket": ("64 bytes there and back, SEQPACKET", HALF),
    "ping-dgram": ("64 bytes there and back, DGRAM", HALF),
    "stream-64": ("64 bytes one way, STREAM", SAME),
    "stream-4096": ("4,096 bytes one way, STREAM", SAME),
    "stream-65536": ("65,536 bytes one way, STREAM", SAME),
    "connect": ("connect by path, accept, close", HALF),
    "connect-two": ("connect by path, accept, close, two processes", HALF),
    "rights-1": ("SCM_RIGHTS, 1 descriptor, sent, received, closed", HALF),
    "rights-8": ("SCM_RIGHTS, 8 descriptors", HALF),
    "rights-1-two": ("SCM_RIGHTS, 1 descriptor, two processes, 1 byte back", HALF),
    "rights-8-two": ("SCM_RIGHTS, 8 descriptors, two processes, 1 byte back", HALF),
    "passcred": ("message with SO_PASSCRED", HALF),
    "socketpair": ("socketpair, close both", HALF),
    "epoll-1": ("event by epoll, 1 idle socket", HALF),
    "epoll-100": ("event by epoll, 100 idle sockets", HALF),
    "epoll-1000": ("event by epoll, 1,000 idle sockets", HALF),
    "poll-1": ("event by poll, 1 idle socket", HALF),
    "poll-100": ("event by poll, 100 idle sockets", HALF),
    "poll-1000": ("event by poll, 1,000 idle sockets", HALF),
}
MARK = 1000 # tests/bench/main.c: around row n are closes of -1000 - 2n and the number below


def _guest(tool, tree, options, words):
    command = [str(ROOT / tool), "--no-install", "--rootfs", tree, "--timeout", str(TIMEOUT_SECONDS), *options, "--",
               "/bin/sockets", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise ToolError(f"bench sockets: '{' '.join(command)}' ended with status {done.returncode}: "
                        f"{done.stdout.strip()[-300:]} {done.stderr.strip()[-600:]}")
    return done.stdout


def _aramid(tree, options, words):
    return _guest("tools/run", tree, ["--no-build", *options], words)


def _linux(tree, options, words):
    return _guest("tools/lib/linux-run", tree, options, words)


def _rows(text, settled):
    """Row name -> (ticks, ns, switches) an operation, and row name -> (operations, ticks). With `settled` the loop of two
    instructions must have read 2.00 before the first row and after the last one."""
    loops = [float(value) for value in re.findall(r"^loop ([0-9.]+)", text, re.MULTILINE)]
    if len(loops) != 2 or (settled and any(abs(ticks - 2) >= 0.005 for ticks in loops)):
        raise ToolError(f"bench sockets: a loop of two instructions read {loops} ticks, expected 2.00 twice: the run does not count")
    found = re.findall(r"^row (\S+) (\d+) (\d+) (\d+) (\d+)\s*$", text, re.MULTILINE)
    if [name for name, *_ in found] != list(ROWS):
        raise ToolError(f"bench sockets: expected the rows {', '.join(ROWS)}, got {', '.join(row[0] for row in found) or 'none'}")
    each, whole = {}, {}
    for name, *numbers in found:
        count, *rest = map(int, numbers)
        each[name] = [value / count for value in rest]
        whole[name] = (count, rest[0])
    return each, whole


def _trace(tree, work):
    """Row name -> address-space switches an operation on Aramid; what recording an event costs."""
    _, plain = _rows(_aramid(tree, ["--icount", "--cpu", CPU], ["settle", SMALL]), True)
    file = Path(work, "trace")
    options = ["--icount", "--cpu", CPU, "--mem", "1G", "--boot", "trace=256M", "--trace", str(file)]
    _, traced = _rows(_aramid(tree, options, ["settle", SMALL]), True)
    names, row = list(ROWS), None
    events, spaces = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    mark = re.compile(r'^\{"e": "linux",.*"name": "close",.*"args": \["(0xfffffff[0-9a-f]+)"')
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            if found := mark.match(line):
                index, after = divmod((1 << 64) - int(found[1], 16) - MARK, 2)
                row = names[index] if not after else None
            elif row:
                events[row] += 1
                spaces[row] += line.startswith('{"e": "switch"') and '"space": true' in line
    if not all(events.values()):
        raise ToolError("bench sockets: the trace lacks rows: " + ", ".join(name for name in names if not events[name]))
    extra = sum(traced[name][1] - plain[name][1] for name in names)
    return {name: spaces[name] / traced[name][0] for name in names}, extra / sum(events.values())


def _memory(tree, work):
    """Bytes of an idle connected pair on both systems. Ours: sockd's heap and procd's memory as they count them themselves,
    and the gates, which lie in neither."""
    def measured(text):
        return int(re.search(r"^idle \d+ (\d+)", text, re.MULTILINE)[1]) / IDLE_PAIRS

    def heap(pairs):
        log = Path(work, f"log-{pairs}")
        text = _aramid(tree, ["--boot", "leakcheck=1", "--log", str(log)], [f"idle={pairs}"])
        return text, int(re.search(r"aramid-leak: sock.taken \d+ (\d+)", log.read_text(errors="replace"))[1])
    text, many = heap(IDLE_PAIRS)
    _, few = heap(1)
    ours = (many - few) / (IDLE_PAIRS - 1) + measured(text) + 2 * GATE_BYTES
    return ours, measured(_linux(tree, ["--append", LEAN], [f"idle={IDLE_PAIRS}"]))


def _row(name, unit, ours, peer, peer_name, part=None, limit=None):
    text = ROWS[name][0] if name in ROWS else name
    return {"suite": "sockets", "row": text, "unit": unit, "ours": round(ours, 3), "peer": None if peer is None else round(peer, 3),
            "peer_name": peer_name, "ratio": round(ours / peer, 3) if peer else None,
            "limit": round(part * peer, 3) if part else limit}


def rows():
    kernel = linux.kernel_version(linux.kernel())
    lean, plain = f"Linux {kernel} lean", f"Linux {kernel}"
    note("measuring sockets; about two minutes")
    with tempfile.TemporaryDirectory(prefix="aramid-bench-") as work:
        tree = str(Path(work, "root"))
        Path(tree, "bin").mkdir(parents=True)
        shutil.copy(common.BUILD / PROGRAM, Path(tree, "bin/sockets"))
        ours, _ = _rows(_aramid(tree, ["--icount", "--cpu", CPU], ["settle"]), True)
        on_lean, _ = _rows(_linux(tree, ["--icount", "--cpu", CPU, "--append", LEAN], ["settle"]), True)
        on_plain, _ = _rows(_linux(tree, ["--icount", "--cpu", CPU_PLAIN], ["settle"]), True)
        wall, _ = _rows(_aramid(tree, ["--cpu", CPU_WALL], []), False)
        wall_lean, _ = _rows(_linux(tree, ["--cpu", CPU_WALL, "--append", LEAN], []), False)
        spaces, recording = _trace(tree, work)
        memory, memory_lean = _memory(tree, work)
    table = []
    for name, (_, part) in ROWS.items():
        table.append(_row(name, "instructions", ours[name][0], on_lean[name][0], lean, part))
        table.append(_row(name, "instructions", ours[name][0], on_plain[name][0], plain))
    table += [_row(name, "switches", spaces[name], on_lean[name][2], lean) for name in ROWS]
    table += [_row(name, "us", wall[name][1] / 1000, wall_lean[name][1] / 1000, lean) for name in ROWS]
    table.append(_row("memory of an idle connected pair", "bytes", memory, memory_lean, lean, limit=MEMORY_LIMIT))
    table.append(_row("recording an event (tools/run --trace)", "instructions", recording, None, None, limit=TRACE_LIMIT))
    return table


def show(table):
    print("An operation on Aramid and on Linux's cloud kernel, the same binary in the same QEMU. Instructions by icount, Linux "
          "lean and\nas it comes (-cpu max); switches of the address space (ours, from the trace; Linux: context switches, "
          "/proc/stat); wall time\nunder plain TCG; ratios are ours to theirs.\n")
    width = max(len(row["row"]) for row in table)
    print(f"  {'':{width}}    instructions                            | switches     | wall time, us")
    print(f"  {'':{width}}    ours    lean   ratio limit    max  ratio |  ours  lean  |   ours   lean ratio")
    for text, _ in ROWS.values():
        lean, plain, switches, wall = [row for row in table if row["row"] == text]
        met = "" if lean["ours"] <= lean["limit"] else " MISSED"
        print(f"  {text:{width}}{lean['ours']:8.0f}{lean['peer']:8.0f}{lean['ratio']:8.2f}{lean['limit'] / lean['peer']:5.1f}"
              f"{plain['peer']:8.0f}{plain['ratio']:7.2f} |{switches['ours']:6.2f}{switches['peer']:6.2f}  |{wall['ours']:7.1f}"
              f"{wall['peer']:7.1f}{wall['ratio']:6.2f}{met}")
    for row in table[-2:]:
        peer = f", {row['peer_name']} {row['peer']:.0f}, ratio {row['ratio']:.2f}" if row["peer"] else ""
        met = "met" if row["ours"] <= row["limit"] else "MISSED"
        print(f"  {row['row']}: {row['ours']:.0f} {row['unit']}{peer}; the limit of {row['limit']} is {met}")
