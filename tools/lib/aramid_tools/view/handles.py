# SPDX-License-Identifier: MIT
"""--follow-fd and --caps: capabilities, from their creation on, through dup, fork, messages and SCM_RIGHTS."""
import re
from functools import cache

from aramid_tools.common import EXIT_USAGE, ROOT, ToolError
from aramid_tools.view import linux_args
from aramid_tools.view.calls import Calls
from aramid_tools.view.reader import name_of, number_of


@cache
def fd_slots():
    """(first, end) of the slots that are descriptors: enum posix_slot in libposix's posix_abi.h."""
    text = (ROOT / "libposix/include/posix_abi.h").read_text(encoding="utf-8")
    return tuple(int(re.search(rf"\b{name} = (\d+)", text)[1]) for name in ("POSIX_SLOT_FD", "POSIX_SLOT_FD_END"))


class Handle:
    """A capability in a slot, and how it came there."""

    def __init__(self, event, how, source):
        self.object, self.rights, self.when = event["object"], event.get("rights"), event["t"]
        self.how, self.source = how, source # the Handle that it is a copy of


class Handles:
    """Feed it every event, and ask what is where. `calls` has the context. `later`: another that has been fed the whole trace and
    knows whose a space will be, while fork still fills it."""

    def __init__(self, later=None):
        self.calls, self.later = Calls(), later
        self.slots = {}      # (space, slot) -> Handle
        self.spaces = {}     # root CNode -> a thread that has it
        self.ever = {}       # the same, never forgotten
        self.badges = {}     # gate -> (endpoint, badge)
        self.servers = {}    # endpoint -> server, by issuer

    def feed(self, event):
        self.calls.feed(event)
        self.calls.calls.clear() # those in progress are enough here
        handler = getattr(self, "_" + event["e"], None)
        if handler:
            handler(event)

    # ---- names ----

    def thread(self, space):
        """The calls.Thread whose space that is; None when nobody knows."""
        thread = self.calls.threads.get(number_of(self.ever.get(space, "")))
        if thread and (thread.pid is not None or self.later is None):
            return thread
        return self.later.thread(space) if self.later else None

    def owner(self, space):
        thread = self.thread(space)
        if thread is None:
            return space
        return f"{thread.name} ({thread.pid})" if thread.pid is not None else thread.name

    def who(self, name):
        thread = self.calls.threads.get(number_of(name))
        return f"{name_of(name)} ({thread.pid})" if thread and thread.pid is not None else name_of(name)

    def pid(self, space):
        thread = self.thread(space)
        return thread.pid if thread else None

    def place(self, at):
        if at is None:
            return "a space that is taken apart"
        if "of" in at:
            return f"{at['of']}'s own {at['what']}"
        if "space" not in at:
            return f"{at.get('node', '?')}[{at.get('index', '?')}]"
        first, end = fd_slots()
        if self.pid(at["space"]) is not None and first <= at["slot"] < end:
            return f"{self.owner(at['space'])} fd {at['slot'] - first}"
        if self.pid(at["space"]) is not None and at["slot"] >= end:
            return f"{self.owner(at['space'])} in transit"
        return f"{self.owner(at['space'])} slot {at['slot']}"

    def context(self, event):
        """In which call it happened, and at whose hands."""
        thread = self.calls.threads.get(number_of(event["th"])) if "th" in event else None
        if thread is None:
            return ""
        step = thread.serving or (thread.open[-1] if thread.open else None)
        call = thread.call or (step.call if step else None)
        parts = []
        if call:
            parts.append(f"in {call.process} ({call.pid})'s {call.name if call.name == 'fault' else linux_args.formatted(call)}")
        if step and step.kind == "message":
            parts.append(step.event["op"])
        return ", ".join(parts) or f"by {name_of(thread.full)}"

    def gate(self, object_):
        if object_ not in self.badges:
            return object_
        endpoint, badge = self.badges[object_]
        return f"{object_} ({self.servers.get(endpoint, endpoint)}:{badge})"

    # ---- events ----

    @staticmethod
    def _key(at):
        return (at["space"], at["slot"]) if at and "space" in at else None

    def _put(self, event, how):
        key = self._key(event.get("at"))
        if event.get("at", {}).get("what") == "cspace":
            self.spaces[event["object"]] = self.ever[event["object"]] = event["at"]["of"]
        if key:
            self.slots[key] = Handle(event, f"{how} {self.context(event)}".strip(), self.slots.get(self._key(event.get("from"))))

    def _create(self, event):
        self._put(event, f"created from {event['of']}" if "of" in event else "created at boot")

    def _cap_new(self, event):
        self._put(event, f"copied from {self.place(event.get('from'))}")

    def _cap_move(self, event):
        before = self.slots.pop(self._key(event["from"]), None)
        self._put(event, f"moved from {self.place(event['from'])}")
        key = self._key(event["at"])
        if key and before:
            self.slots[key].source, self.slots[key].rights = before, before.rights

    def _cap_gone(self, event):
        self.slots.pop(self._key(event.get("at")), None)

    def _destroy(self, event):
        if event["object"] in self.spaces:
            self.spaces.pop(event["object"])
            for key in [key for key in self.slots if key[0] == event["object"]]:
                del self.slots[key]

    def _bind(self, event):
        self.badges[event["gate"]] = (event["object"], event["badge"])

    def _issuer(self, event):
        self.servers[event["object"]] = event["issuer"]


# ---- --caps ----

def reachable(trace, wanted):
    who, _, tick = wanted.partition("@")
    if tick and not tick.isdigit():
        raise ToolError(f"--caps {wanted}: expected PID or SERVER, or either with @TICK, a number", EXIT_USAGE)
    handles, seen = Handles(), set()
    found = None
    for event in trace:
        if tick and event.get("t", 0) > int(tick):
            break
        handles.feed(event)
        if event["e"] in ("process", "name"):
            seen |= {str(event["process"]), event["name"]} if "process" in event else {event["name"]}
    for space in handles.spaces:
        if who in _names(handles, space):
            found = space
    if found is None:
        ended = f"; it ended before the trace did: name a moment, --caps {who}@TICK" if who in seen else ""
        raise ToolError(f"--caps {wanted}: no such process or server then{ended}; there are: "
                        f"{', '.join(sorted(set().union(*(_names(handles, space) for space in handles.spaces))))}", EXIT_USAGE)
    yield from _caps(handles, found)


def _names(handles, space):
    thread = handles.calls.threads.get(number_of(handles.spaces.get(space, "")))
    if thread is None:
        return set()
    return {str(thread.pid), thread.name} if thread.pid is not None else {thread.name}


def _caps(handles, space):
    yield f"{handles.owner(space)}, capability space {space}:"
    for (_, slot), handle in sorted((item for item in handles.slots.items() if item[0][0] == space), key=lambda item: item[0][1]):
        at = handles.place({"space": space, "slot": slot}).removeprefix(handles.owner(space)).strip()
        yield f"  {at:<12} {handles.gate(handle.object):<28} {handle.rights or '':<4} since {handle.when:,}: {handle.how}"
        source = handle.source
        while source:
            yield f"  {'':<12} {'':<28}      before, at {source.when:,}: {source.how}"
            source = source.source


# ---- --follow-fd ----

def _objects_at(trace, pid, fd):
    """Everything that was ever that descriptor; every (pid, descriptor) there is; the Handles at the end."""
    handles, (first, end), filled = Handles(), fd_slots(), {}
    for event in trace:
        handles.feed(event)
        at = event.get("at", {})
        if event["e"] in ("cap_new", "cap_move") and first <= at.get("slot", 0) < end:
            objects = filled.setdefault((at["space"], at["slot"] - first), [])
            if event["object"] not in objects:
                objects.append(event["object"])
    there = {(handles.pid(space), number): objects for (space, number), objects in filled.items() if handles.pid(space) is not None}
    return there.get((pid, fd), []), sorted(there), handles


def follow(trace, wanted):
    pid, colon, fd = wanted.partition(":")
    if not colon or not pid.isdigit() or not fd.isdigit():
        raise ToolError(f"--follow-fd {wanted}: expected PID:FD, two numbers", EXIT_USAGE)
    objects, there, later = _objects_at(trace, int(pid), int(fd))
    if not objects:
        listed = ", ".join(f"{owner}:{number}" for owner, number in there[:60])
        raise ToolError(f"--follow-fd {wanted}: no such descriptor in this trace; there are: {listed}", EXIT_USAGE)
    again = type(trace)(trace.path)
    handles, stories, first = Handles(later), {name: Story() for name in objects}, fd_slots()[0]
    for event in again:
        told = list(_tell(handles, event, stories))
        handles.feed(event)
        at = event.get("at", {})
        if event.get("object") in stories and at.get("slot") == first + int(fd) and handles.pid(at.get("space")) == int(pid):
            stories[event["object"]].wanted = True
        for name, text in told:
            stories[name].tell(f"  {event['t']:>14,}  {text() if callable(text) else text}")
            if event["e"] == "kernel_message":
                stories[name].end()
    trace.damage, trace.lost = again.damage, again.lost
    for name, story in stories.items():
        yield f"{handles.gate(name)}:"
        story.end()
        yield from story.lines


class Story:
    """What became of a gate. A server uses a closed one again, for something else: such a chapter counts only when the descriptor
    asked for was in it."""

    def __init__(self):
        self.lines, self.chapter, self.wanted = [], [], False

    def tell(self, line):
        self.chapter.append(line)

    def end(self):
        self.lines += self.chapter if self.wanted else []
        self.chapter, self.wanted = [], False


def _tell(handles, event, stories):
    """(object, text or what gives it after the event) for each line of a story."""
    kind, name = event["e"], event.get("object")
    if kind in ("create", "cap_new", "cap_move") and name in stories:
        at, source = event.get("at"), event.get("from")
        where = f" from {handles.place(source)}" if source else ""
        verb = {"create": "made for", "cap_new": "copied to", "cap_move": "moves to"}[kind]
        yield name, lambda: f"{verb} {handles.place(at)}{where}; {handles.context(event)}".rstrip("; ")
    elif kind == "cap_gone" and name in stories:
        yield name, f"gone from {handles.place(event.get('at'))}; {handles.context(event)}".rstrip("; ")
    elif kind == "destroy" and name in stories:
        yield name, "destroyed: nobody has it"
    elif kind == "kernel_message" and event["op"] == "closed" and event.get("gate") in stories:
        yield event["gate"], f"closed: {name_of(event['to'])} hears that the last copy is gone"
    elif kind in ("message", "reply"):
        for cap in event.get("caps", []):
            if cap.get("object") in stories:
                verb = "shown to" if cap.get("unwrapped") else "sent to"
                yield cap["object"], f"{verb} {handles.who(event['to'])}: {handles.context(event)}"
