# SPDX-License-Identifier: MIT
"""--process, --server, --call, --socket, --capability: which calls to show. One that names nothing says what there is."""
from aramid_tools.common import EXIT_USAGE, ToolError
from aramid_tools.view.reader import name_of

MOST_LISTED = 40


def all_steps(call):
    """Its steps and theirs, in order."""
    for step in call.steps:
        yield step
        yield from all_steps(step)


def servers_of(call):
    return {name_of(step.event["to"]) for step in all_steps(call) if step.kind in ("message", "fault")}


def sockets_of(call):
    found = set()
    for step in all_steps(call):
        if step.kind == "socket":
            found |= {step.event["ino"], step.event.get("peer"), step.event.get("from"), step.event.get("listener"),
                      step.event.get("target")}
    return found - {None, 0}


def objects_of(call):
    found = set()
    for step in all_steps(call):
        for event in (step.event, step.reply or {}):
            found |= {event.get("gate"), event.get("object")} | {cap.get("object") for cap in event.get("caps", [])}
    return found - {None}


def _refuse(option, wanted, there):
    there = sorted(there, key=lambda name: (len(name), name))
    more = f" and {len(there) - MOST_LISTED} more" if len(there) > MOST_LISTED else ""
    raise ToolError(f"{option} {wanted}: there is none in this trace; there are: {', '.join(there[:MOST_LISTED]) or 'none'}{more}",
                    EXIT_USAGE)


def _process(calls, wanted):
    there = {str(call.pid) for call in calls} | {call.process for call in calls}
    if wanted not in there:
        _refuse("--process", wanted, there)
    return [call for call in calls if wanted in (str(call.pid), call.process)]


def _server(calls, wanted):
    there = set().union(*map(servers_of, calls)) if calls else set()
    if wanted not in there:
        _refuse("--server", wanted, there)
    return [call for call in calls if wanted in servers_of(call)]


def _call(calls, wanted):
    there = {call.name for call in calls}
    names = wanted.split(",")
    for name in names:
        if name not in there:
            _refuse("--call", name, there)
    return [call for call in calls if call.name in names]


def socket_number(state, option, wanted):
    """The ino of a socket given by its ino or by its address."""
    for ino, known in state.sockets.items():
        if wanted == str(ino) or wanted == known.get("address"):
            return ino
    return _refuse(option, wanted, {str(ino) for ino in state.sockets} |
                   {known["address"] for known in state.sockets.values() if known.get("address")})


def _socket(calls, wanted, state):
    if wanted not in {str(ino) for ino in state.sockets}:
        inos = {ino for ino, known in state.sockets.items() if known.get("address") == wanted}
    else:
        inos = {int(wanted)}
    if not inos:
        socket_number(state, "--socket", wanted)
    return [call for call in calls if inos & sockets_of(call)]


def _capability(calls, wanted):
    there = set().union(*map(objects_of, calls)) if calls else set()
    if wanted not in there:
        _refuse("--capability", wanted, there)
    return [call for call in calls if wanted in objects_of(call)]


def apply(state, arguments):
    """The calls that every filter given lets through."""
    calls = state.calls
    if arguments.process:
        calls = _process(calls, arguments.process)
    if arguments.server:
        calls = _server(calls, arguments.server)
    if arguments.call:
        calls = _call(calls, arguments.call)
    if arguments.socket:
        calls = _socket(calls, arguments.socket, state)
    if arguments.capability:
        calls = _capability(calls, arguments.capability)
    return calls
