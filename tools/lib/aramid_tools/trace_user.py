# SPDX-License-Identifier: MIT
"""What user space puts into the trace: <aramid/trace.h>."""
import struct

from aramid_tools.view import linux_args

TYPES = {1: "stream", 2: "dgram", 5: "seqpacket"}
SHUT = {1: "receive", 2: "send", 3: "both"}
RESTARTS = (-512, -514) # POSIX_RESTART and its like: a signal, and the call begins again
AF_UNIX_HEADER = 2
PIECES = {"PIECE", "LINUX_FILLED"}
FROM_PROGRAMS, FROM_SERVERS = {"TEXT", "LINUX_RESULT"} | PIECES, {"PROCESS", "PROCESS_END", "SOCKET", "OBJECT"}


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


def _address(text):
    text = text[AF_UNIX_HEADER:]
    if text[:1] == b"\0":
        return "@" + text[1:].decode("utf-8", "backslashreplace")
    return text.split(b"\0")[0].decode("utf-8", "backslashreplace")


class UserRecords:
    """One for a decoder."""

    def __init__(self, decoder):
        self.decoder = decoder
        self.texts = {}   # thread -> {argument: what it points to}
        self.pids = {}    # index in principals -> pid

    def pid_of(self, index):
        return self.pids.get(index)

    def record(self, thread, words, text):
        """`words`: rdi and the others; `text`: what the kernel copied with them."""
        name = self.decoder.tables.said.get(words[0] & 0xFF)
        if name in PIECES: # the kind, the argument, the length
            text = struct.pack("<4Q", *words[2:6])[:words[0] >> 16 & 0xFF]
            words = (0, words[0] >> 8 & 0xFF, words[1])
        # What servers say counts from servers alone: a program has the kernel record what it likes.
        if name in FROM_PROGRAMS if thread and thread.pid else name in FROM_SERVERS or name in FROM_PROGRAMS:
            getattr(self, "_" + name.lower())(thread, text, *words[1:])

    def _text(self, thread, text, argument, *_):
        if thread:
            self.texts.setdefault(thread.serial, {})[argument] = self._shown(thread.linux, argument, text)

    _piece = _text

    def _linux_filled(self, thread, text, argument, value):
        self._text(thread, text, argument)
        self._linux_result(thread, b"", thread.linux if thread and thread.linux is not None else -1, value)

    def _shown(self, nr, argument, text):
        """A path is recorded with what lies behind it."""
        kinds = self.decoder.tables.linux_kinds.get(self.decoder.tables.linux.get(nr), ())
        return text.split(b"\0")[0] if kinds[argument:argument + 1] == ["path"] else text

    def linux_begins(self, thread):
        """What was said of a call that never ended is over."""
        self.texts.pop(thread.serial, None)

    def _linux_result(self, thread, _, nr, value, *__):
        value = _signed(value)
        fields = {"name": self.decoder.tables.linux.get(nr, f"call {nr}"), "nr": nr, "value": value}
        if value in RESTARTS:
            fields["restart"] = True
        elif -4096 < value < 0 and -value in self.decoder.tables.errno:
            fields["errno"] = self.decoder.tables.errno[-value]
        if thread and thread.linux == nr:
            fields["ticks"] = self.decoder.time - thread.linux_began
            thread.linux = None
        if texts := self.texts.pop(thread.serial, None) if thread else None:
            fields["texts"] = {str(argument): text.hex() for argument, text in sorted(texts.items())}
        self.decoder.emit("linux_result", **fields)

    def _process(self, _, __, pid, index, parent, *name):
        self.pids[index] = pid
        fields = {"process": pid, "name": struct.pack("<2Q", *name[:2]).split(b"\0")[0].decode("utf-8", "replace")}
        if parent:
            fields["parent"] = parent
        self.decoder.emit("process", **fields, index=index)

    def _process_end(self, _, __, pid, *___):
        self.decoder.emit("process_end", process=pid)

    def _socket(self, _, text, which, badge, first, second, third):
        what = self.decoder.tables.sockets.get(which >> 32, str(which >> 32))
        fields = {"socket": badge, "ino": which & 0xFFFFFFFF, "what": what.lower()}
        if what == "CREATED":
            fields["type"] = TYPES.get(first, first)
        elif what == "BOUND":
            fields["address"] = _address(text)
        elif what == "LISTENING":
            fields["backlog"] = first
        elif what in ("CONNECTING", "ACCEPTED"):
            fields["listener"] = first
        elif what == "CONNECTED" and first:
            fields["peer"] = first
        elif what == "SHUTDOWN":
            fields["how"] = SHUT.get(first, first)
        elif what in ("QUEUED", "TAKEN"):
            unread, sender = second, third
            if what == "QUEUED":
                unread, sender = second & 0xFFFFFFFF, second >> 32
                text = text or struct.pack("<Q", third)[:first & 0xFFFFFFFF]
            fields |= {"bytes": first & 0xFFFFFFFF, "unread": unread, "from": sender}
            if first >> 32:
                fields["rights"] = first >> 32
            if text:
                fields["data"] = text.hex()
        self.decoder.emit("socket", **fields)

    def _object(self, _, __, which, badge, first, second, third):
        """Pipes, eventfds and epoll instances, each a kind of event with fields of its own."""
        kind, _, what = self.decoder.tables.objects.get(which >> 32, f"OBJECT_{which >> 32}").lower().partition("_")
        fields = {"socket": badge, "ino": which & 0xFFFFFFFF, "what": what}
        if kind == "pipe" and what == "closed":
            fields["end"] = "write" if first else "read"
        elif kind == "pipe" and what != "created":
            fields |= {"bytes": first, "unread": second}
        elif kind == "eventfd" and what == "created":
            fields["value"] = first
        elif kind == "eventfd" and what != "closed":
            fields |= {"count": first, "value": second}
        elif kind == "epoll" and what not in ("created", "closed"):
            fields |= {"fd": first, **({"target": second} if second else {}), "mask": linux_args.flags(third, "poll")}
        self.decoder.emit(kind, **fields)

