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


class Damage(Exception):
    """From here on the file says nothing."""


class Trace:
    """`head`, the first line; iterate over it for the events; afterwards `end` (the last line) or `damage` (a text)."""

    def __init__(self, path):
        self.path, self.end, self.damage, self.lost = path, None, None, 0
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
        number, last = 1, 0
        for line in self.file:
            number += 1
            try:
                event = self._event(line, last)
            except Damage as damage:
                self.damage = f"{self.path}: damaged at line {number}: {damage}; read up to there"
                return
            last = event.get("t", last)
            if event["e"] == "end":
                self.end = event
                return
            self.lost += event["records"] if event["e"] == "lost" else 0
            yield event
        self.damage = f"{self.path}: is cut off after line {number}: its last line, \"e\": \"end\", is missing; read up to there"

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
        return event


def number_of(thread):
    """`NAME#N` -> N, as text: what identifies a thread."""
    return thread.rpartition("#")[2]


def name_of(thread):
    return thread.rpartition("#")[0]
