# SPDX-License-Identifier: MIT
"""A trace file, line by line, up to its end or to where it is damaged."""
import json

from aramid_tools.common import ToolError
from aramid_tools.trace_record import VERSION

# What every event of a kind must have for a reader to go on: a line without is damage, not a surprise somewhere later.
REQUIRED = {
    "syscall": ("th", "call"), "result": ("th", "call", "error"), "linux": ("th", "name", "nr", "args"),
    "linux_result": ("th", "name", "value"), "message": ("th", "to", "op"), "reply": ("th", "to"), "kernel_message": ("to", "op"),
    "switch": ("to",), "state": ("who", "state"), "signal": ("object",), "name": ("who", "name"), "fault": ("th", "vector"),
    "create": ("object",), "destroy": ("object",), "cap_new": ("object", "at"), "cap_move": ("object", "at", "from"),
    "cap_gone": ("object",), "process": ("process", "name"), "socket": ("ino", "what"), "pipe": ("ino", "what"),
    "eventfd": ("ino", "what"), "epoll": ("ino", "what"), "lost": ("records",),
}
# What a field of that name is in any event; `from` is a place of capabilities and a socket of sockets.
TYPES = {name: str for name in ("th", "to", "who", "object", "gate", "name", "call", "op", "what", "state", "error", "address", "errno",
                                "of", "access", "server", "wakes", "data", "mask", "tail")}
TYPES |= {name: int for name in ("t", "pid", "ino", "records", "process", "parent", "ticks", "peer", "listener", "target", "unread", "bytes")}
TYPES |= {"at": dict, "fields": dict, "texts": dict, "caps": list, "args": (list, dict), "words": list}


class Damage(Exception):
    """From here on the file says nothing."""


class Trace:
    """`head`, the first line; iterate over it for the events; afterwards `end` (the last line) or `damage` (a text)."""

    def __init__(self, path):
        self.path, self.end, self.damage, self.lost = path, None, None, 0
        self.number = 1 # of the line read last
        try:
            self.file = open(path, "rb")
            first = self.file.readline()
        except OSError as error:
            raise ToolError(f"{path}: cannot be read: {error.strerror}") from error
        self.head = self._head(first)

    def _head(self, line):
        try:
            head = json.loads(line)
            version = head["aramid-trace"]
        except (ValueError, KeyError, TypeError):
            raise ToolError(f"{self.path}: is no trace: expected a first line {{\"aramid-trace\": {VERSION}, …}}, found "
                            f"{line[:40].decode('utf-8', 'replace')!r}") from None
        if version != VERSION:
            raise ToolError(f"{self.path}: is a trace of version {version}, and this tools/trace reads version {VERSION}")
        return head

    def __iter__(self):
        last = 0
        for line in self.file:
            self.number += 1
            try:
                event = self._event(line, last)
            except Damage as damage:
                self.damage = f"{self.path}: damaged at line {self.number}: {damage}; read up to there"
                return
            last = event.get("t", last)
            if event["e"] == "end":
                self.end = event
                return
            self.lost += event["records"] if event["e"] == "lost" else 0
            yield event
        self.damage = f"{self.path}: is cut off after line {self.number}: its last line, \"e\": \"end\", is missing; read up to there"

    @staticmethod
    def _event(line, last):
        if not line.endswith(b"\n"):
            raise Damage("the line has no end")
        try:
            event = json.loads(line)
        except ValueError as error:
            raise Damage(f"is not JSON: {error}") from None
        if not isinstance(event, dict) or not isinstance(event.get("e"), str):
            raise Damage("expected an object with \"e\", the kind of event")
        if not isinstance(event.get("t", last), int) or event.get("t", last) < last:
            raise Damage(f"its time is {event.get('t')!r}, and the event before has {last}")
        for field in REQUIRED.get(event["e"], ()):
            if field not in event:
                raise Damage(f"an event of kind {event['e']!r} without {field!r}")
        for field, value in event.items():
            if not isinstance(value, TYPES.get(field, object)):
                raise Damage(f"{field!r} is {value!r:.60}")
        if "texts" in event or "caps" in event or "args" in event or "value" in event or "at" in event:
            _check_inside(event)
        return event


def _check_inside(event):
    """The fields that have fields."""
    try:
        for text in event.get("texts", {}).items():
            int(text[0]), bytes.fromhex(text[1])
        good = all(isinstance(cap, dict) and isinstance(cap.get("object", ""), str) for cap in event.get("caps", ()))
        if event["e"] != "linux":
            good = good and isinstance(event.get("args", {}), dict)
        else:
            good = good and isinstance(event["args"], list) and len(event["args"]) == 6 and all(isinstance(value, int) or int(value, 16) >= 0 for value in event["args"])
        good = good and (event["e"] != "linux_result" or isinstance(event["value"], int))
        for place in (event.get("at", {}), event.get("from", {})):
            good = good and (isinstance(place, int) or isinstance(place.get("slot", 0), int) and
                             all(isinstance(place.get(name, ""), str) for name in ("space", "of", "what", "node")))
    except (TypeError, ValueError, AttributeError):
        good = False
    if not good:
        raise Damage(f"an event of kind {event['e']!r} has fields that do not fit the format")


def number_of(thread):
    """`NAME#N` -> N, as text: what identifies a thread."""
    return thread.rpartition("#")[2]


def id_of(thread):
    """The same as a number; 0 for one that the trace does not know."""
    number = number_of(thread)
    return int(number) if number.isdecimal() else 0


def name_of(thread):
    return thread.rpartition("#")[0]
