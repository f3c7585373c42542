#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/run --trace: everything is recorded, in order, right, the same each time, and cheaply.

The program is programs/traced.c; each check says what of docs/trace-format.md it is evidence for.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ.get("ARAMID_SOURCE", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("ARAMID_BUILD", SOURCE / "build"))
PROGRAMS = Path(os.environ.get("ARAMID_PROGRAMS", BUILD / "tests/boot"))
sys.path.insert(0, str(SOURCE / "tools/lib"))

from aramid_tools.machine import CLEAN, Log, Machine, qemu_command # noqa: E402
from aramid_tools.trace_record import Recorder, open_output # noqa: E402

DATE = "2026-01-01T00:00:00"
MOST = 40  # instructions an event
# bench_ipc's rows: events a round, by microkernel/trace/records.h
ROUND_EVENTS = {
    "call-0": 9,        # twice a system call, a message or reply, a switch, a result; the server's state
    "call-4": 9,
    "call-unwrap": 10,  # and a capability
    "call-move": 11,    # and its move
    "signal": 3,
    "ping-pong": 14,
    "exception": 7,
    "foreign": 1,
}
KINDS = {"untyped", "cnode", "endpoint", "gate", "notification", "reply", "vspace", "table", "frame"}
failures = 0 # pylint: disable=invalid-name


def check(what, good, found=""):
    global failures # pylint: disable=global-statement
    print(f"{'ok' if good else 'not ok'} - {what}" + ("" if good else f": {found}"), flush=True)
    failures += not good


def run(file, *options, program=("/bin/traced",), tree=None, tool=(str(SOURCE / "tools/run"),)):
    command = [*tool, "--no-install", "--no-build", "--build-dir", str(BUILD), "--timeout", "120",
               *(["--trace", str(file)] if file else []), *(["--rootfs", tree] if tree else []), *options, "--", *program]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def load(file):
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def find(events, start=0, **fields):
    """The first event from `start` on with these fields; its place. None: there is none."""
    for index in range(start, len(events)):
        if all(events[index].get(name) == value for name, value in fields.items()):
            return index
    return None


def in_order(what, events, *wanted):
    """Each of them comes, after the one before; the events."""
    at, found = 0, []
    for fields in wanted:
        place = find(events, at, **fields)
        if place is None:
            check(f"{what}: {fields}", False, "not there, or not after the one before")
            return None
        found.append(events[place])
        at = place + 1
    check(what, True)
    return found


def check_frame(events):
    head, end = events[0], events[-1]
    check("the first line says version, clock and program",
          head.get("aramid-trace") == 1 and head["clock"] == "instructions" and head["program"] == ["/bin/traced"], head)
    check("the last line says that nothing was dropped", end["e"] == "end" and end["dropped"] == 0, end)
    check("the last line has the program's status and the number of events", end["exit"] == 7 and end["events"] == len(events) - 2, end)
    times = [event["t"] for event in events[1:]]
    check("time never goes backwards", times == sorted(times))
    unknown = [event for event in events[1:] if any(value == "?" for value in event.values())]
    check("nothing is without a name", not unknown, unknown[:1])


def check_calls(events):
    pid = {"pid": 2}
    calls = [event["name"] for event in events if event.get("e") == "linux" and event.get("pid") == 2]
    order = [name for name in calls if name in ("socketpair", "write", "socket", "bind", "listen", "connect", "accept", "sendmsg",
                                                "shutdown", "close", "open", "exit_group")]
    check("the first process's calls, in order", order == [
        "socketpair", "write", "socket", "socket", "bind", "listen", "connect", "accept", "sendmsg", "shutdown", "close", "close",
        "close", "write", "write", "close", "close", "close", "close", "open", "socketpair", "sendmsg", "open", "exit_group"], order)
    in_order("a write and its result", events, {"e": "linux", "name": "socketpair"} | pid,
             {"e": "linux_result", "name": "socketpair", "value": 0} | pid, {"e": "linux", "name": "write"} | pid,
             {"e": "linux_result", "name": "write", "value": 5} | pid)
    in_order("a failed call has its errno by name", events, {"e": "linux_result", "name": "open", "value": -2, "errno": "ENOENT"})
    found = in_order("fork makes a process", events, {"e": "process", "parent": 2, "name": "traced"}, {"e": "process_end"})
    child = found and found[0]["process"]
    in_order("the child reads what its parent wrote", events, {"e": "linux", "name": "read", "pid": child},
             {"e": "linux_result", "name": "read", "value": 5, "pid": child})
    in_order("exec gives a process another name", events, {"e": "process", "name": "busybox"}, {"e": "process_end"})


def check_messages(events):
    found = in_order("a write is a message to sockd, answered", events, {"e": "linux", "name": "write", "pid": 2},
                     {"e": "syscall", "call": "CALL", "pid": 2}, {"e": "message", "pid": 2}, {"e": "reply"},
                     {"e": "result", "call": "CALL", "error": "OK", "pid": 2}, {"e": "linux_result", "name": "write", "pid": 2})
    if not found:
        return
    _, call, message, reply, result, _ = found
    check("its label and words by the names in the protocol", message["op"] == "io.write" and message["fields"].get("length") == 5,
          message)
    check("the bytes that travel in the message are its tail", message.get("tail", b"hello".hex()) == b"hello".hex(), message)
    check("sent to sockd, through a gate, by the slot of descriptor 3",
          message["to"].startswith("sockd#") and message["gate"].startswith("gate#") and message["slot"] == 256 + 3 ==
          call["slot"], message)
    check("its object is an endpoint", message["object"].startswith("endpoint#"), message)
    check("the writer's memory is declared", message.get("in") == 1, message)
    check("the principal is the process's", message["principal"] & 0xFFFFFFFF == next(
        event["index"] for event in events if event.get("e") == "process" and event["process"] == 2), message)
    check("the answer says who, what and how much", reply["th"] == message["to"] and reply["to"] == message["th"] and
          reply["op"] == "io.write" and reply["status"] == "OK" and reply["fields"]["count"] == 5, reply)
    check("the cost of a step is the difference of two times", 0 < reply["ticks"] < result["ticks"], (reply, result))
    create = next((event for event in events if event.get("op") == "sock.socket_pair" and event["e"] == "reply"), {})
    caps = create.get("caps", [])
    check("socketpair's answer brings two gates of sockd, to send on", [(cap["type"], cap["issuer"], cap["rights"]) for cap in caps] ==
          [("gate", "sockd", "s")] * 2, create)
    check("the write goes to the first one's badge", caps and caps[0]["badge"] == message["badge"] and
          caps[0]["object"] == message["gate"], (caps, message))


def values(event):
    """The words of a message as far as a result has them; None for one that has a name."""
    words = event["fields"].values() if "fields" in event else event.get("words", [])
    return [value & (1 << 64) - 1 if isinstance(value, int) else int(value, 0) if re.fullmatch("0[xo]?[0-9a-f]*", value) else None
            for value in words][:4]


def same_words(sent, arrived):
    return len(sent) <= len(arrived) and all(None in pair or pair[0] == pair[1] for pair in zip(sent, arrived))


def check_delivery(events, least=50, where="the system's"):
    """What a message says went out is what its receiver's registers have when it returns, fast path or not."""
    waiting, badges, wrong, seen = {}, {}, [], {"message": 0, "reply": 0}
    for event in events:
        kind = event.get("e")
        if kind == "bind":
            badges[event["gate"]] = event["badge"]
        elif kind == "message":
            waiting[event["to"].rsplit("#")[1]] = event
            if "gate" in event and badges.get(event["gate"]) != event["badge"]:
                wrong.append(event)
        elif kind == "reply" and "fault" not in event:
            waiting[event["to"].rsplit("#")[1]] = event
        elif kind == "result" and (sent := waiting.pop(event["th"].rsplit("#")[1], None)) and sent["op"] != "fault":
            seen[sent["e"]] += 1
            same = [sent.get("badge"), sent["op"]] == [event.get("badge"), event.get("op")] if sent["e"] == "message" else (
                sent["status"] == event.get("status"))
            if not same or not same_words(values(sent), values(event)):
                wrong.append((sent, event))
    check(f"{where}: {seen['message']} messages and {seen['reply']} replies arrive as they were sent",
          not wrong and min(seen.values()) > least, wrong[:1])


def check_sockets(events):
    names = [event for event in events if event.get("e") == "socket"]
    found = in_order("sockd tells of a pair, of 5 bytes queued and taken", names, {"what": "created", "type": "stream"},
                     {"what": "connected"}, {"what": "queued", "bytes": 5, "unread": 5}, {"what": "taken", "bytes": 5, "unread": 0})
    if found:
        check("queued and taken at the same socket, from the other", found[2]["ino"] == found[3]["ino"] != found[2]["from"], found)
    found = in_order("of a connection", names, {"what": "bound", "address": "/tmp/traced"}, {"what": "listening", "backlog": 3},
                     {"what": "connected"}, {"what": "accepted"}, {"what": "queued", "bytes": 1, "rights": 1},
                     {"what": "shutdown", "how": "send"}, {"what": "closed"})
    if found:
        check("accepted from the listener", found[3]["listener"] == found[1]["ino"] == found[0]["ino"], found)


def check_objects(events):
    """Pipes, eventfds, epoll instances; fork in the child."""
    told = [event for event in events if event.get("e") in ("pipe", "eventfd", "epoll")]
    found = in_order("sockd tells of an epoll instance and the pipe in it", told, {"e": "epoll", "what": "created"},
                     {"e": "pipe", "what": "created"}, {"e": "epoll", "what": "added", "mask": "IN|ERR|HUP|ET"},
                     {"e": "pipe", "what": "queued", "bytes": 7, "unread": 7}, {"e": "epoll", "what": "ready"},
                     {"e": "pipe", "what": "taken", "bytes": 4, "unread": 3}, {"e": "epoll", "what": "removed"},
                     {"e": "pipe", "what": "closed", "end": "read"}, {"e": "pipe", "what": "closed", "end": "write"},
                     {"e": "epoll", "what": "closed"})
    if found:
        inos = {found[1]["ino"], found[3]["ino"], *(found[index]["target"] for index in (2, 4, 6))}
        check("one number for the pipe, also as a target", len(inos) == 1, found)
    in_order("and of an eventfd", told, {"e": "eventfd", "what": "created", "value": 2}, {"e": "eventfd", "what": "added", "count": 5, "value": 7},
             {"e": "eventfd", "what": "taken", "count": 7, "value": 0}, {"e": "eventfd", "what": "closed"})
    forks = {event["pid"]: event["value"] for event in events if event.get("e") == "linux_result" and event["name"] in ("fork", "clone")
             and event["value"] == 0}
    check("fork returns 0 in each child", len(forks) == 2, forks)


def check_kernel(events):
    kinds = {event.get("e") for event in events}
    wanted = {"syscall", "result", "again", "fault", "interrupt", "linux", "linux_result", "message", "reply", "kernel_message",
              "switch", "state", "signal", "name", "principal", "create", "destroy", "cap_new", "cap_move", "cap_gone",
              "bind", "issuer", "map", "unmap", "process", "process_end", "socket"}
    check("every kind of event is there", not wanted - kinds, wanted - kinds)
    closed = [event for event in events if event.get("e") == "kernel_message" and event["op"] == "closed"]
    check("closing the last copy is a closed message to its server", any(event["to"].startswith("sockd#") for event in closed))
    fault = next(event for event in events if event.get("e") == "fault" and event.get("pid") == 2)
    place = events.index(fault)
    message = events[find(events, place, e="message", op="fault")]
    check("a page fault is a message to procd with the same address", fault["vector"] == 14 and message["to"].startswith("procd#")
          and message["fields"]["address"] == fault["address"] and message["fields"]["kind"] == "page", (fault, message))
    running, wrong = None, []
    for event in events:
        if event.get("e") == "switch":
            if running is not None and event["th"] != running:
                wrong.append(event)
            running = event["to"]
        elif event.get("e") == "name" and event["who"] == running:
            running = f"{event['name']}#{running.rsplit('#')[1]}"
        elif event.get("e") in ("syscall", "linux") and running is not None and event["th"] != running:
            wrong.append(event)
    check("who runs is who was switched to", not wrong, wrong[:1])
    made, alive, bad = set(), set(), []
    for event in events:
        if event.get("e") in ("create", "destroy") and "#" in event["object"]:
            kind, number = event["object"].rsplit("#", 1)
            name = kind if kind in KINDS else "thread", number # a thread may have another name by now
            if event["e"] == "create":
                bad += [event] if name in made else []
                made.add(name)
                alive.add(name)
            else:
                bad += [] if name in alive else [event]
                alive.discard(name)
    check("every object is made once, and destroyed at most once", not bad, bad[:1])
    calls = {}
    for event in events:
        if event.get("e") == "syscall":
            calls[event["th"].rsplit("#")[1]] = event
        elif event.get("e") == "result":
            call = calls.get(event["th"].rsplit("#")[1])
            if not call or call["call"] != event["call"] or event["t"] - call["t"] != event["ticks"]:
                wrong.append(event)
    check("every result has its call", not wrong, wrong[:1])


def check_fast_path(directory):
    """bench_ipc's client and server never leave the kernel's fast path: what was said of messages holds there too."""
    bundle, file = Path(directory, "bundle"), Path(directory, "native")
    subprocess.run([sys.executable, str(SOURCE / "system/mkbundle.py"), str(bundle), f"init={BUILD / 'tests/native/bench_ipc'}"], check=True)
    kernel = BUILD / "microkernel/aramid-trace.elf"
    with open(os.devnull, "r+b") as nothing:
        recorder = Recorder(open_output(str(file)), ["bench_ipc"], kernel, True, directory, "512M")
        log = Log()
        machine = Machine(qemu_command(kernel, bundle, "rounds=100", icount=True) + recorder.drain.qemu_options(), log,
                          timeout=100, stdin=nothing.fileno(), stdout=nothing.fileno())
        recorder.drain.start(log)
        code = machine.run()
        recorder.finish(0)
    events = load(file)
    check("the fast path's messages", code == CLEAN and events[-1]["dropped"] == 0, log.last_words())
    check_delivery(events[1:], 300, "native")


def check_cost():
    rows = []
    for kernel in ("aramid", "aramid-trace"):
        done = subprocess.run([sys.executable, str(SOURCE / "tests/native/run.py"), "bench_ipc", "--no-build", "--build-dir", str(BUILD),
                               "--icount", "--set", "rounds=200", "--kernel", str(BUILD / f"microkernel/{kernel}.elf")],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
        rows.append({name: float(value) for name, value in re.findall(r"^row (\S+) ([0-9.]+)$", done.stdout, re.MULTILINE)})
    for name, events in ROUND_EVENTS.items():
        cost = (rows[1].get(name, 0) - rows[0].get(name, 0)) / events
        check(f"{name}: {cost:.1f} instructions an event, of {MOST} at most", 0 < cost <= MOST)


def check_full(directory, tree):
    """A ring that is much too small for the time between two looks of the host."""
    file = Path(directory, "small")
    rarely = (f"import sys; sys.path.insert(0, {str(SOURCE / 'tools/lib')!r}); from aramid_tools import run, trace_ring; "
              "trace_ring.POLL_SECONDS = 0.2; sys.exit(run.main(sys.argv[1:]))")
    done = run(file, "--boot", "trace=131072", tree=tree, tool=[sys.executable, "-c", rarely])
    events = load(file)
    end, lost = events[-1], [event for event in events if event.get("e") == "lost"]
    check("a full ring stops nobody", done.returncode == 7, done.stderr)
    check("what is lost is counted, once at its place and once in all", end["dropped"] > 0 and
          0 < sum(event["records"] for event in lost) <= end["dropped"], (end, lost[:3]))


def check_bad():
    for options, words in ((("--trace", "/nowhere/file"), "--trace /nowhere/file: cannot be written: No such file or directory"),
                           (("--trace", "/dev/full"), "--trace /dev/full: cannot be written: No space left on device"),
                           (("--trace", "/dev/null", "--measure"), "--trace and --measure: each has a kernel of its own"),
                           (("--date", "yesterday"), "expected a moment like")):
        done = run(None, *options, program=("/bin/true",))
        lines = [line for line in done.stderr.splitlines() if line.startswith("aramid:")]
        check(f"{' '.join(options)}: one line", done.returncode == 125 and len(lines) == 1 and words in lines[0], done.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="trace-") as directory:
        tree = Path(directory, "tree")
        (tree / "bin").mkdir(parents=True)
        (tree / "bin/traced").write_bytes((PROGRAMS / "traced.musl").read_bytes())
        (tree / "bin/traced").chmod(0o755)
        for path in (tree / "bin/traced", tree / "bin"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        files = [Path(directory, name) for name in ("first", "second")]
        for file in files:
            done = run(file, "--icount", "--date", DATE, tree=str(tree))
            check("the program runs as without a trace", done.returncode == 7, done.stderr)
        check("two runs give the same file, byte for byte", files[0].read_bytes() == files[1].read_bytes())
        events = load(files[0])
        for one in (check_frame, check_calls, check_messages, check_delivery, check_sockets, check_objects, check_kernel):
            one(events)
        check_full(directory, str(tree))
        check_fast_path(directory)
    check_cost()
    check_bad()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
