# SPDX-License-Identifier: MIT
"""--chrome: the trace event format, which Perfetto and chrome://tracing load. A process a row group: programs by pid, servers, each
with its threads; a call is a slice, a message a slice inside it and an arrow to the server's slice."""
import json

from aramid_tools.view import linux_args
from aramid_tools.view.filters import all_steps
from aramid_tools.view.reader import id_of, name_of

SERVER_GROUP = 1_000_000 # pids of servers in the file: above every Linux pid


def _slice(name, group, thread, began, ended, scale, category, args):
    return {"name": name, "cat": category, "ph": "X", "pid": group, "tid": thread, "ts": began / scale,
            "dur": max(ended - began, 0) / scale, "args": args}


def _arrow(phase, number, group, thread, tick, scale):
    event = {"name": "message", "cat": "ipc", "ph": phase, "id": number, "pid": group, "tid": thread, "ts": tick / scale}
    return event | ({"bp": "e"} if phase == "f" else {})


def events(calls, state, head):
    scale, groups, arrows = head.get("ticks_per_us") or 1, {}, 0
    for call in calls:
        thread = id_of(call.thread)
        groups[call.pid, thread] = (state.processes.get(call.pid, call.process), call.thread)
        ended = call.ended if call.ended is not None else state.time
        name = "page fault" if call.name == "fault" else call.name
        args = {"cost": call.cost} | ({} if call.name == "fault" else {"call": linux_args.formatted(call), "value": linux_args.value(call)})
        yield _slice(name, call.pid, thread, call.began, ended, scale, "call", args)
        for step in all_steps(call):
            if step.kind not in ("message", "fault"):
                continue
            arrows += 1
            over = step.ended if step.ended is not None else ended
            server = id_of(step.event["to"])
            groups[SERVER_GROUP + server, server] = (name_of(step.event["to"]), step.event["to"])
            sender = id_of(step.event["th"])
            group = call.pid if sender == thread else SERVER_GROUP + sender
            yield _slice(step.event["op"], group, sender, step.began, over, scale, "ipc", {"fields": step.event.get("fields", {})})
            yield _slice(step.event["op"], SERVER_GROUP + server, server, step.began, over, scale, "serve", {"for": call.thread, "cost": step.cost})
            yield _arrow("s", arrows, group, sender, step.began, scale)
            yield _arrow("f", arrows, SERVER_GROUP + server, server, step.began, scale)
    for (group, thread), (process, name) in sorted(groups.items()):
        yield {"name": "process_name", "ph": "M", "pid": group, "tid": thread, "args": {"name": process}}
        yield {"name": "thread_name", "ph": "M", "pid": group, "tid": thread, "args": {"name": name}}


def lines(calls, state, head):
    yield '{"displayTimeUnit": "ns", "traceEvents": ['
    before = None
    for event in events(calls, state, head):
        if before is not None:
            yield before + ","
        before = json.dumps(event)
    if before is not None:
        yield before
    yield "]}"
