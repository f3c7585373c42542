#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/trace and tools/run --strace: each way to look at a recorded run says what happened in it.

The programs are programs/traced.c and programs/busline.c; strace, tshark and the rules of the trace event format judge.
"""
import json
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from lib import SOURCE, Tree, aramid_command, finish, linux, program, require, require_equal

DATE = "2026-01-01T00:00:00"


def run(*options, program_argv, tree, icount=True):
    command = aramid_command(program_argv, tree, 120, [*(["--icount", "--date", DATE] if icount else []), *options])
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False)


def view(*arguments):
    return subprocess.run([str(SOURCE / "tools/trace"), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def lines_with(text, *words):
    return [line for line in text.splitlines() if all(word in line for word in words)]


# ---- what was recorded ----

def check_print(trace):
    out = view(trace).stdout
    require(len(lines_with(out, 'write(3, "hello", 5) = 5')) == 1, "strace's notation, with the bytes", "one write", out[:3000])
    require(len(lines_with(out, 'sun_path="/tmp/traced"', "connect(")) == 1, "an address by its path")
    require(len(lines_with(out, 'open', '"/nowhere"', "-1 ENOENT (No such file or directory)")) == 1, "an error by its name")
    call = next((index for index, line in enumerate(out.splitlines()) if "socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4]) = 0" in line), None)
    below = out.splitlines()[call + 1:call + 4] if call is not None else [] # page faults may come first
    require(lines_with("\n".join(below), "sockd ← sock.socket_pair", "with gate#"),
            "a message below its call, with its capabilities", "sock.socket_pair", out.splitlines()[call or 0:][:3])
    require(bool(lines_with(out, "sock.socket_pair(domain=AF_UNIX, type=SOCK_STREAM, protocol=0)")), "a message's numbers have names", None,
            out.splitlines()[call or 0:][:3])
    require(bool(lines_with(out, "proc.map(address=0x", "protection=PROT_READ|PROT_WRITE")), "an address is no decimal number, a protection no number",
            None, lines_with(out, "proc.map(")[:1])
    require(bool(lines_with(out, "procd ← page fault at 0x", "(write, not mapped)")), "a page fault says what was wanted", None, lines_with(out, "page fault")[:2])
    cost = re.search(r"(\d[\d,]*)  \((client [\d,]+, kernel [\d,]+,.* sockd [\d,]+)\)$", out.splitlines()[call or 0])
    parts = [int(part.replace(",", "")) for part in (cost[1], *re.findall(r"[a-z] ([\d,]*\d)", cost[2]))] if cost else [0, 1]
    require(parts[0] == sum(parts[1:]) and all(parts), "a call's cost is the sum of its layers", "client + kernel + sockd", (parts, cost and cost[0]))


def check_filters(trace):
    only = view(trace, "--call", "socketpair,connect").stdout
    names = {line.split("(")[0].split()[-1] for line in only.splitlines() if re.match(r" *[\d,]+ \[\d", line)}
    require_equal("--call shows these calls and no other", {"socketpair", "connect"}, names)
    by_address = view(trace, "--socket", "/tmp/traced").stdout
    require(bool(lines_with(by_address, "listen(")) and not lines_with(by_address, "socketpair("), "--socket by address", "listen, no socketpair", by_address)
    by_server = view(trace, "--server", "filed").stdout
    require(bool(lines_with(by_server, "/nowhere")) and not lines_with(by_server, "write(3"), "--server")
    native = view(trace, "-v", "--call", "socketpair").stdout
    require(bool(lines_with(native, "GATE_BIND(gate#", "endpoint=endpoint#")) and bool(lines_with(native, "UNTYPED_RETYPE(untyped#", "type=gate")),
            "-v: invocations name their objects", None, lines_with(native, "kernel:")[:4])
    require("do not go by calls" in view(trace, "--caps", "sockd", "--call", "write").stderr, "a filter that cannot hold is refused")
    for option, wrong in (("--process", "9999"), ("--server", "nfsd"), ("--call", "frobnicate"), ("--socket", "/no"), ("--capability", "gate#99999")):
        done = view(trace, option, wrong)
        require(done.returncode == 2 and wrong in done.stderr and "there are: " in done.stderr,
                f"{option} {wrong} says what there is", "status 2 and a list", (done.returncode, done.stderr))


def check_costs(trace, work):
    table = view(trace, "--cost").stdout.splitlines()
    rows = {line.split()[0]: [int(word.replace(",", "")) for word in line.split()[1:]] for line in table[1:]}
    require(rows["socketpair"][0] == 2 and rows["all"][0] == sum(row[0] for name, row in rows.items() if name != "all"), "--cost counts calls")
    require(all(row[1] == sum(row[3:]) for row in rows.values()), "each row is the sum of its layers", None, rows)
    picture = work / "flame.svg"
    view(trace, "--flame", picture)
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    require(any(title.startswith("sock.socket_pair: ") for title in titles), "the flame graph has a frame for a message", None, titles[:10])
    require(not re.search(r"(href|src)=|<script", picture.read_text(encoding="utf-8")), "and needs nothing from outside")
    waits = view(trace, "--waits").stdout
    require(bool(lines_with(waits, "traced", "a wake-up", "procd", "wait4")), "--waits: the parent slept until procd woke it", None, waits)


def check_capabilities(trace):
    story = view(trace, "--follow-fd", "2:3").stdout
    require(bool(lines_with(story, "made for sockd", "socketpair")), "--follow-fd: made by", None, story)
    require(bool(lines_with(story, "copied to", "(3) fd 3 from", "(2) fd 3", "proc.fork")), "copied by fork", None, story)
    listener = [line for line in view(trace, "--follow-fd", "2:5").stdout.splitlines() if "shown to sockd" in line and "sendmsg" in line]
    require(bool(listener), "handed over in a message", "shown to sockd, in sendmsg", view(trace, "--follow-fd", "2:5").stdout)
    passed = view(trace, "--follow-fd", "2:40").stdout
    require(bool(lines_with(passed, "copied to", "fd 40", "dup2")), "--follow-fd of a file: dup2", None, passed)
    require(bool(lines_with(passed, "sent to sockd", "sendmsg")), "it goes to sockd in a message", None, passed)
    require(bool(lines_with(passed, "fd 8 from", "recvmsg")), "and comes out of it as another descriptor", None, passed)
    wrong = view(trace, "--follow-fd", "2:77")
    require(wrong.returncode == 2 and "there are: 2:0, 2:1" in wrong.stderr, "--follow-fd of nothing says what there is", None, wrong.stderr)
    have = view(trace, "--caps", "sockd").stdout
    require(re.search(r"slot \d+ +endpoint#.*\n +before, at [\d,]+: created from untyped#", have) is not None, "--caps of a server, and how it got them", None, have)
    gone = view(trace, "--caps", "3")
    require(gone.returncode == 2 and "@TICK" in gone.stderr, "--caps of a process that has ended says to name a moment", None, gone.stderr)


def check_chrome(trace, work):
    """The trace event format's rules: an object with traceEvents; X has ts and dur; arrows are s and f of one id, each inside a slice
    of its thread; slices of a thread nest."""
    file = work / "chrome.json"
    view(trace, "--chrome", file)
    events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    slices = {}
    for event in events:
        if event["ph"] == "X":
            slices.setdefault((event["pid"], event["tid"]), []).append(event)
    require(len(slices) >= 4 and {event["ph"] for event in events} == {"X", "s", "f", "M"}, "slices, arrows and names")
    require(all(isinstance(event["ts"], (int, float)) and event["dur"] >= 0 and event["name"] for own in slices.values() for event in own), "each slice has ts, dur and a name")
    nested = True
    for own in slices.values():
        ends = []
        for event in sorted(own, key=lambda event: (event["ts"], -event["dur"])):
            while ends and ends[-1] <= event["ts"] + 1e-9:
                ends.pop()
            nested = nested and (not ends or event["ts"] + event["dur"] <= ends[-1] + 1e-6)
            ends.append(event["ts"] + event["dur"])
    require(nested, "slices of a thread nest")
    starts = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = {event["id"]: event for event in events if event["ph"] == "f"}
    inside = all(any(own["ts"] <= event["ts"] <= own["ts"] + own["dur"] for own in slices.get((event["pid"], event["tid"]), []))
                 for event in [*starts.values(), *ends.values()])
    require(starts and starts.keys() == ends.keys() and inside, "each arrow begins and ends in a slice")
    named = {(event["pid"], event["tid"]) for event in events if event["ph"] == "M" and event["name"] == "thread_name"}
    require(named == set(slices), "every thread has a name")


def check_mermaid(trace):
    out = view(trace, "--mermaid", "--process", "2", "--call", "socketpair,connect").stdout.splitlines()
    people = {line.split()[1] for line in out if line.startswith("    participant ")}
    arrows = [re.match(r"    (\w+)(->>\+|-->>-|-\))(\w+): .+$", line) for line in out if ">>" in line or "-)" in line]
    require(out[0] == "sequenceDiagram" and all(arrows) and {end for arrow in arrows for end in (arrow[1], arrow[3])} <= people,
            "--mermaid: arrows between participants", None, out[:10])
    require(any("sock.socket_pair" in line for line in out), "with the message's name", None, out)


def check_pcap(trace, work):
    file = work / "busline.pcapng"
    require_equal("--pcap: status", 0, view(trace, "--pcap", file).returncode)
    dissected = subprocess.run(["tshark", "-r", file, "-Y", "dbus", "-T", "fields", "-e", "dbus.message_type", "-e", "dbus.interface", "-e", "dbus.member"],
                               capture_output=True, text=True, check=False)
    rows = [line.split("\t") for line in dissected.stdout.splitlines()]
    require_equal("tshark reads the D-Bus messages", [["1", "org.freedesktop.DBus", "Hello"], ["2", "", ""]],
                  [[(row + ["", ""])[0].split(",")[0], *(row + ["", ""])[1:3]] for row in rows])
    datagram = subprocess.run(["tshark", "-r", file, "-Y", "udp", "-T", "fields", "-e", "data.text", "-e", "data.data", "-o", "data.show_as_text:TRUE"],
                              capture_output=True, text=True, check=False).stdout
    require("unknown tongue" in datagram or "unknown tongue".encode().hex() in datagram, "and the datagram", None, datagram)
    broken = subprocess.run(["tshark", "-r", file, "-Y", "_ws.malformed"], capture_output=True, text=True, check=False)
    require(broken.returncode == 0 and not broken.stdout.strip(), "nothing is malformed", "", broken.stdout + broken.stderr)


def check_damage(trace, work):
    whole = trace.read_bytes()
    cut = work / "cut"
    cut.write_bytes(whole[:len(whole) * 9 // 10])
    done = view(cut, "--cost")
    require(done.returncode == 2 and "damaged at line" in done.stderr and "socketpair" in done.stdout,
            "a cut file is read up to the cut", "the table, and where", done.stderr)
    rows = whole.splitlines(keepends=True)
    headless = work / "no-end"
    headless.write_bytes(b"".join(rows[:-1]))
    require("cut off after line" in view(headless, "--cost").stderr, "a missing last line is told")
    bad = work / "bad"
    bad.write_bytes(b"".join([*rows[:len(rows) // 2], b"{\"e\": 7\n", *rows[len(rows) // 2:]]))
    require(f"damaged at line {len(rows) // 2 + 1}" in view(bad, "--cost").stderr, "damage is told with its line")
    check_odd(rows, work)
    for what in (work, work / "nothing", work / "empty"):
        (work / "empty").write_bytes(b"")
        done = view(what)
        require(done.returncode == 125 and str(what) in done.stderr and len(done.stderr.splitlines()) == 1, f"{what.name} is refused in one line", None, done.stderr)
    newer = work / "newer"
    newer.write_bytes(whole.replace(b'"aramid-trace": 1', b'"aramid-trace": 99', 1))
    require("version 99" in view(newer).stderr, "another version is told")
    require("is no trace" in view(SOURCE / "README.md").stderr, "a file that is none is told")


def check_odd(rows, work):
    """An event that is JSON and yet none: a field of another type, or that does not fit another."""
    odd = work / "odd"
    for field, value, way in (("th", 7, "--cost"), ("to", None, "--waits"), ("args", 3, "--mermaid"), ("args", [1, 2], "--cost"), ("texts", {"0": "zz"}, "--cost"),
                              ("fields", 4, "--cost"), ("caps", [3], "--cost"), ("t", "late", "--cost"), ("at", 5, "--caps=init")):
        place = next(index for index, row in enumerate(rows) if index > 100 and f'"{field}": '.encode() in row)
        event = json.loads(rows[place]) | {field: value}
        odd.write_bytes(b"".join([*rows[:place], json.dumps(event).encode() + b"\n", *rows[place + 1:place + 100]]))
        done = view(odd, way)
        require(done.returncode == 2 and f"damaged at line {place + 1}:" in done.stderr and "Traceback" not in done.stderr,
                f"an event whose {field} is {value!r} is damage", None, done.stderr)


# ---- --strace ----

def with_libraries(tree, path):
    """A dynamic program of this machine, with what it needs, for the reference Linux."""
    where = Path(shutil.which(path)).resolve()
    tree.add(where, f"bin/{path}")
    for library in re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", where], capture_output=True, text=True, check=True).stdout):
        tree.add(library, library.lstrip("/"))


VDSO = {"time", "gettimeofday", "clock_gettime"} # no system calls on Linux, whose kernel lends programs code for them


def sequences(text):
    """The names of calls, a list a process, in the order in which the processes first appear. The first, which has the lowest
    number, is printed without it while it is alone."""
    found = {}
    first = min(map(int, re.findall(r"^\[pid +(\d+)\] ", text, re.MULTILINE)), default=None)
    text = re.sub(r"^(?=[a-z_0-9]+\()", f"[pid {first}] ", text, flags=re.MULTILINE) if first else text
    for line in text.splitlines():
        match = re.match(r"(?:\[pid +(\d+)\] |(\d+) +)?(\w+)\(", line)
        if match and "<unfinished" not in line:
            found.setdefault(match[1] or match[2] or "", []).append(match[3])
        resumed = re.match(r"(?:\[pid +(\d+)\] |(\d+) +)?<\.\.\. (\w+) resumed>", line)
        if resumed:
            found.setdefault(resumed[1] or resumed[2] or "", []).append(resumed[3])
    return [names for names in (without_start(names) for names in found.values()) if names]


def without_start(names):
    """strace begins with the execve that its child makes; on Aramid the first program has none."""
    return [name for name in (names[1:] if names[:1] == ["execve"] else names) if name not in VDSO]


def check_strace(work):
    with Tree() as tree:
        with_libraries(tree, "strace")
        tree.add(program("busline.musl"), "bin/busline")
        tree.write("etc/motd", "hello\n")
        tree.seal()
        for argv in (["/bin/busybox", "cat", "/etc/motd"], ["/bin/busybox", "ls", "/etc"], ["/bin/busline"]):
            there = linux(["/bin/sh", "-c", f"/bin/strace -f -o /tmp/out {' '.join(argv)} | cat >/dev/null; cat /tmp/out"], tree.root)
            here = run("--strace", program_argv=argv, tree=tree.root)
            expected, found = sequences(there.stdout.decode()), sequences(here.stderr)
            require_equal(f"--strace {' '.join(argv)}: the calls are Linux's", expected, found)


def check_last_events(tree):
    died = run("--strace", program_argv=["/bin/busybox", "sh", "-c", "kill -SEGV $$"], tree=tree)
    after = died.stderr.partition("aramid: the last ")[2]
    require(died.returncode == 139 and re.match(r"\d+ events of \S+:", after) and "op=proc.kill" in after and len(after.splitlines()) <= 201,
            "a program that dies: its thread's last events", "at most 200, proc.kill among them", died.stderr[-1500:])
    child = run("--strace", program_argv=["/bin/busybox", "sh", "-c", 'sh -c "kill -SEGV \\$\\$"; true'], tree=tree)
    after = child.stderr.partition("died of SIGSEGV")[2]
    require(child.returncode == 0 and re.match(r"\naramid: the last \d+ events of \S+:", after) and "op=proc.exit" in after,
            "a program that dies while the run goes on, too", "its last events, proc.exit the last", child.stderr[-1500:])
    for seconds in ("4", "30", "90"): # on a machine that is busy the program has not begun after the first
        late = run("--strace", "--timeout", seconds, program_argv=["/bin/busybox", "sleep", "1000"], tree=tree, icount=False)
        if "name=clock_nanosleep" in late.stderr:
            break
    require(late.returncode == 124 and "aramid: the last " in late.stderr and "name=clock_nanosleep" in late.stderr,
            "a run that times out as well", None, late.stderr[-1500:])


def main():
    with tempfile.TemporaryDirectory(prefix="aramid-test-") as folder, Tree() as tree:
        work = Path(folder)
        tree.add(program("traced.musl"), "bin/traced")
        tree.add(program("busline.musl"), "bin/busline")
        root = tree.seal()
        trace = work / "trace"
        done = run("--trace", str(trace), program_argv=["/bin/traced"], tree=root)
        require_equal("traced: status", 7, done.returncode)
        check_print(trace)
        check_filters(trace)
        check_costs(trace, work)
        check_capabilities(trace)
        check_chrome(trace, work)
        check_mermaid(trace)
        check_damage(trace, work)
        run("--trace", str(trace), program_argv=["/bin/busline"], tree=root)
        check_pcap(trace, work)
        check_last_events(root)
        check_strace(work)
    finish()


main()
