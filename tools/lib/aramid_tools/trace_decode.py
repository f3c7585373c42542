# SPDX-License-Identifier: MIT
"""Raw records (microkernel/trace/records.h) into the lines of docs/trace-format.md."""
import struct

from aramid_tools.trace_objects import Cap, Objects, rights_text
from aramid_tools.trace_tables import tables
from aramid_tools.trace_user import UserRecords
from aramid_tools.view import linux_args

RECORD = 64
AT_ONCE = 4096 * RECORD
MOST_RECORDS = 65 # of one event: a text of 4,096 bytes
HEX_ABOVE = 2**53 - 1
NAMED = {"INVOKE", "WAIT", "SIGNAL"} # whose object no other line says
MESSAGES = {"CALL", "CALL_UNTIL", "REPLY", "REPLY_RECV"}
KERNEL_LABELS = {1: "closed", 2: "notification", 3: "fault", 4: "timeout"}
FAULT_FIELDS = ("kind", "address", "code", "rip", "rsp", "rflags")
FAULT_KINDS = {1: "page", 2: "exception"}
USER_LABEL = 0x100
TAIL_LENGTHS = ("length", "count", "path_length", "address_length") # the field that says how long a tail is
AGAIN = "again"


def number(value):
    return value if value <= HEX_ABOVE else hex(value)


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def shown(value, is_signed, show):
    """A word of a message by what its protocol file says that it is."""
    if show is None:
        return signed(value) if is_signed else number(value)
    if isinstance(show, dict):
        return linux_args.bits(value, show)
    kind, _, more = show.partition(":")
    if kind == "address":
        return hex(value)
    return f"{value:#o}" if kind == "mode" else linux_args.flags(value, more) if kind == "flags" else linux_args.choice(value, more)


def more_records(words):
    return (words + 5) // 7


class Thread:
    """What the decoder remembers of a thread."""
    __slots__ = ("serial", "name", "pid", "text", "call", "began", "again", "gate", "asked", "linux", "linux_began",
                 "address", "receives")

    def __init__(self, serial, address):
        self.serial, self.address = serial, address
        self.pid = self.call = self.gate = self.asked = self.linux = self.receives = None
        self.began = self.linux_began = 0
        self.again = False
        self.rename("")

    def rename(self, name):
        self.name = name
        self.text = f"{name or '?'}#{self.serial}"


class Decoder:
    """Feed it records in order; `write` gets each event, a dict as docs/trace-format.md has them."""

    def __init__(self, write):
        self.write, self.tables = write, tables()
        self.threads, self.made = {}, 0
        self.current, self.time, self.events = None, 0, 0
        self.objects = Objects(self.tables.types, self.thread_text)
        self.ticks_per_us = 0
        self.lost = 0
        self.begun = lambda: None # what to do at the first record
        self.user = UserRecords(self)
        self.pending, self.pending_caps = None, 0
        self.space = None
        self.carry = b""
        self.said = self.tables.records["TRACE_SYSCALL"] | self.tables.trace_call << 8
        self.do = [None] * 256
        for name, value in self.tables.records.items():
            self.do[value] = getattr(self, "_" + name.removeprefix("TRACE_").lower(), None)

    # ---- the stream ----

    def run(self, file):
        """All records of an open file."""
        while data := file.read(AT_ONCE):
            self.feed(data)
        self.finish()

    def feed(self, data):
        """The next records; a message that is not whole yet waits for the rest."""
        data = self.carry + data
        self.carry = data[self._block(data):]

    def finish(self):
        if self.carry:
            self._block(self.carry + bytes(RECORD * MOST_RECORDS))
            self.carry = b""

    def _block(self, data):
        """How many bytes were used: a long message may go on in the next block."""
        words = struct.unpack(f"<{len(data) // 8}Q", data)
        at, end = 0, len(words)
        more = self.tables.records["TRACE_WORDS_MORE"]
        pad = self.tables.records["TRACE_PAD"]
        message = {self.tables.records["TRACE_MESSAGE"], self.tables.records["TRACE_REPLY"]}
        said = self.said # a system call record, of AR_SYS_TRACE
        do = self.do
        while at < end:
            head = words[at + 1]
            kind = head & 255
            if kind == pad or kind == more:
                at += 8
                continue
            if kind in message:
                count = 1 + more_records(words[at + 6] & 255)
                if at + count * 8 > end:
                    return at * 8
            elif head & 0xFFFFFFFF == said and (length := words[at + 2] >> 32):
                count = 1 + (length + RECORD - 1) // RECORD
                if at + count * 8 > end:
                    return at * 8
                self.time = words[at]
                self._is(head >> 32)
                self.user.record(self.current, words[at + 2:at + 8], data[(at + 8) * 8:(at + 8) * 8 + length])
                at += 8 * count
                continue
            self.time = words[at]
            do[kind](head >> 8 & 0xFFFFFF, head >> 32, words, at)
            at += 8
        return at * 8

    def emit(self, event, **fields):
        line = {"e": event, "t": self.time}
        current = self.current
        if current:
            line["th"] = current.text
            if current.pid:
                line["pid"] = current.pid
        line.update(fields)
        if self.pending_caps and event != "message" and event != "reply":
            self._flush()
        self._out(line)

    def _out(self, line):
        self.events += 1
        self.write(line)

    # ---- threads ----

    def thread(self, key):
        return self.threads.get(key)

    def thread_text(self, key):
        found = self.threads.get(key)
        return found.text if found else "?"

    def _thread_new(self, address):
        self.made += 1
        self.objects.counts["thread"] = self.made
        thread = self.threads[address >> 12 & 0xFFFFFFFF] = Thread(self.made, address)
        return thread

    def _is(self, key):
        """The thread that a record says is running."""
        self.current = self.threads.get(key)
        return self.current

    # ---- start ----

    def _start(self, _, __, words, at):
        offsets = words[at + 2]
        self.objects.own = tuple(offsets >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        self.ticks_per_us = words[at + 3]
        self.begun()

    def _lost(self, _, __, words, at):
        self.emit("lost", records=words[at + 2] - self.lost)
        self.lost = words[at + 2]

    # ---- system calls ----

    def _words(self, info, values):
        return [number(value) for value in values[:min(info & 255, 4)]]

    def _info(self, info, values):
        """What a message's info word says."""
        fields = {"words": self._words(info, values)}
        for key, value in (("nwords", info & 255), ("ncaps", info >> 8 & 255), ("in", info >> 16 & 15), ("out", info >> 20 & 15)):
            if value and (key != "nwords" or value > 4):
                fields[key] = value
        return fields

    def op(self, label):
        if label < USER_LABEL:
            return KERNEL_LABELS.get(label, f"label {label:#x}")
        found = self.tables.messages.get(label)
        return found[0] if found else f"label {label:#x}"

    def _status(self, label):
        return self.tables.status.get(label, f"status {label}")

    def _syscall(self, nr, key, words, at):
        thread = self._is(key)
        rdi, rsi, *values = words[at + 2:at + 8]
        call = self.tables.syscalls.get(nr, f"call {nr}")
        if call == "TRACE":
            self.user.record(thread, (rdi, rsi, *values), b"")
            return
        if thread:
            again = thread.again and thread.call == call
            thread.again = False
            if again:
                return
            thread.call, thread.began = call, self.time
        fields = {"call": call}
        if call not in ("YIELD", "CLOCK"):
            fields["slot"] = number(rdi)
            if call in NAMED and thread and rdi < 1 << 32 and (cap := self.objects.look(thread.address + self.objects.own[0], rdi)):
                fields["object"] = self.objects.name(cap.kind, cap.address)
        if call in MESSAGES:
            fields["op" if call.startswith("CALL") else "status"] = (
                self.op(rsi >> 32) if call.startswith("CALL") else self._status(rsi >> 32))
            fields |= self._info(rsi, values)
        elif call == "INVOKE":
            name, names = self.tables.invocations.get(rsi >> 32, (f"label {rsi >> 32:#x}", []))
            fields |= {"op": name} | self._info(rsi, values)
            fields["args"] = {word: self._invocation_word(thread, name, word, kind, value) for (word, kind), value in
                              zip(names, values[:min(rsi & 255, 4)])}
        elif call == "SIGNAL":
            fields["bits"] = number(values[0])
        elif call in ("DATA_READ", "DATA_WRITE"):
            fields |= {"offset": number(values[0]), "address": hex(values[1]), "length": number(values[2])}
        self.emit("syscall", **fields)

    def _invocation_word(self, thread, operation, name, kind, value):
        """A capability as its object when the trace knows what lies in the slot."""
        if kind == "cap" and thread and value < 1 << 32 and (cap := self.objects.look(thread.address + self.objects.own[0], value)):
            return self.objects.name(cap.kind, cap.address)
        if name == "type":
            return self.tables.types.get(value, number(value))
        if name == "rights" and operation.startswith("FRAME"): # other objects' rights are other letters
            return rights_text("frame", value)
        return hex(value) if kind == "address" else number(value)

    def _again(self, _, key, words, at): # pylint: disable=unused-argument
        thread = self._is(key)
        if thread:
            thread.again = True
        self.emit(AGAIN)

    def _result(self, error, key, words, at):
        thread = self._is(key)
        if not thread or thread.again or thread.call is None:
            return
        rdi, rsi, *values = words[at + 2:at + 8]
        call, thread.call = thread.call, None
        fields = {"call": call, "error": self.tables.errors.get(error, f"error {error}"), "ticks": self.time - thread.began}
        if call == "INVOKE":
            if error:
                fields |= {"wrong": number(values[0]), "expected": number(values[1]), "found": number(values[2])}
            else:
                fields["words"] = self._words(rsi, values)
        elif error == 0 and call in ("RECV", "REPLY_RECV"):
            fields |= {"badge": number(rdi), "op": self.op(rsi >> 32)} | self._info(rsi, values)
        elif error == 0 and call.startswith("CALL"):
            fields |= {"status": self._status(rsi >> 32)} | self._info(rsi, values)
        elif error == 0 and call == "WAIT":
            fields["bits"] = number(values[0])
        elif call in ("DATA_READ", "DATA_WRITE"):
            fields["bytes"] = number(values[0])
        elif call == "CLOCK":
            fields["words"] = [number(value) for value in values[:2]]
        self.emit("result", **fields)

    def _linux(self, nr, key, words, at):
        thread = self._is(key)
        name = self.tables.linux.get(nr, f"call {nr}")
        if thread:
            thread.linux, thread.linux_began = nr, self.time
            self.user.linux_begins(thread)
        pointers = self.tables.pointers.get(name, ())
        self.emit("linux", name=name, nr=nr, args=[hex(value) if place in pointers else number(value)
                                                   for place, value in enumerate(words[at + 2:at + 8])])

    # ---- messages ----

    def _more(self, words, at, info):
        """The words of a message, from its first record on."""
        values = [words[at + 7]]
        for index in range(more_records(info & 255)):
            record = at + 8 * (index + 1)
            values += [words[record], *words[record + 2:record + 8]]
        return values[:info & 255]

    def _fields(self, known, values):
        """`fields` when the words fit the protocol, else `words`; `tail`, the memory that travels in words itself."""
        fields, has_tail = known or (None, False)
        if fields is None or len(fields) != len(values) and not (has_tail and len(values) > self.tables.tail_word):
            return {"words": [number(value) for value in values]}
        found = {"fields": {name: shown(value, is_signed, show) for (name, is_signed, show), value in zip(fields, values)}}
        if len(values) > len(fields):
            tail = b"".join(value.to_bytes(8, "little") for value in values[self.tables.tail_word:])
            found["tail"] = tail[:next((found["fields"][name] for name in TAIL_LENGTHS if name in found["fields"]), len(tail))].hex()
        return found

    def _segments(self, info):
        return {key: value for key, value in (("in", info >> 16 & 15), ("out", info >> 20 & 15)) if value}

    def _hold(self, line, caps):
        """Its capabilities are in the records that follow."""
        self.pending, self.pending_caps = line, caps
        if not caps:
            self._flush()

    def _flush(self):
        line, self.pending, self.pending_caps = self.pending, None, 0
        if line:
            self._out(line)

    def _line(self, event, thread):
        line = {"e": event, "t": self.time}
        if thread:
            line["th"] = thread.text
            if thread.pid:
                line["pid"] = thread.pid
        return line

    def _gate(self, sender, given, slot):
        """The gate of a message: the record has it, or it was said when the sender queued, or its slot tells."""
        if given:
            return self.objects.short.get(given, (None, None))[1]
        if not sender:
            return None
        if sender.gate:
            return self.objects.short.get(sender.gate, (None, None))[1]
        cap = self.objects.own and self.objects.look(sender.address + self.objects.own[0], slot)
        return cap.address if cap and cap.kind == "gate" else None

    def _message(self, _, key, words, at):
        sender, receiver = self.threads.get(key), self.threads.get(words[at + 2] & 0xFFFFFFFF)
        pair, info = words[at + 3], words[at + 6]
        label, values = info >> 32, self._more(words, at, info)
        line = self._line("message", sender)
        line["to"] = receiver.text if receiver else "?"
        fault = label == 3
        if not fault:
            line["slot"] = words[at + 2] >> 32
        endpoint = self.objects.short.get(pair & 0xFFFFFFFF, (None, None))[1]
        line["object"] = self.objects.short_name(pair & 0xFFFFFFFF) or "?"
        if endpoint and receiver:
            self.objects.servers[endpoint] = receiver
        gate = None if fault else self._gate(sender, pair >> 32, words[at + 2] >> 32)
        if gate:
            line["gate"] = self.objects.name("gate", gate)
        line |= {"badge": number(words[at + 4]), "principal": number(words[at + 5]), "op": self.op(label)}
        if fault:
            line["fields"] = dict(zip(FAULT_FIELDS, [FAULT_KINDS.get(values[0], values[0]), *map(hex, values[1:])]))
        else:
            found = self.tables.messages.get(label)
            line |= self._fields(found and found[1], values) | self._segments(info)
        if sender:
            sender.gate, sender.asked = None, (label, self.time)
        self._hold(line, info >> 8 & 255)

    def _reply(self, fault, key, words, at):
        server, caller, info = self.threads.get(key), self.threads.get(words[at + 2] & 0xFFFFFFFF), words[at + 6]
        line = self._line("reply", server)
        line["to"] = caller.text if caller else "?"
        asked, began = caller.asked if caller and caller.asked else (None, None)
        if caller:
            caller.asked = None
        if fault & 1:
            line["fault"] = True
        else:
            if asked is not None:
                line["op"] = self.op(asked)
            line["status"] = self._status(info >> 32)
            found = self.tables.messages.get(asked)
            values = self._more(words, at, info)
            if values:
                line |= self._fields(found and found[2], values)
        if began is not None:
            line["ticks"] = self.time - began
        self._hold(line, 0 if fault & 1 else info >> 8 & 255)

    def _cap(self, what, _, words, at):
        kind = self.tables.types.get(words[at + 5] & 255, "?")
        cap = Cap(kind, words[at + 4], words[at + 5], 0)
        text = self.objects.cap_text(cap) | {"rights": rights_text(kind, words[at + 5] >> 8), "from": words[at + 2] & ~(1 << 63)}
        if what & self.tables.caps["TRACE_CAP_UNWRAPPED"]:
            text["unwrapped"] = True
        else:
            text["to"] = words[at + 3]
        if what & self.tables.caps["TRACE_CAP_MOVED"]:
            text["move"] = True
        if not self.pending:
            return
        self.pending.setdefault("caps", []).append(text)
        self.pending_caps -= 1
        if not self.pending_caps:
            self._flush()

    def _kernel_message(self, _, key, words, at):
        label, badge = words[at + 3], words[at + 2]
        fields = {"to": self.thread_text(key), "op": KERNEL_LABELS.get(label, f"label {label:#x}")}
        if label == 1:
            fields["badge"] = number(badge)
            receiver = self.threads.get(key)
            gate = self.objects.gates.get((receiver.receives, badge)) if receiver else None
            if gate:
                fields["gate"] = self.objects.name("gate", gate)
        elif label == 2:
            fields["bits"] = number(words[at + 4])
        self.emit("kernel_message", **fields)

    # ---- threads ----

    def _switch(self, _, key, words, at):
        last, following = self.threads.get(key), self.threads.get(words[at + 2])
        self.current = last
        fields = {"to": following.text if following else "?"}
        if self.space != words[at + 3]:
            self.space = words[at + 3]
            fields["space"] = True
        self.emit("switch", **fields)
        self.current = following

    def _idle(self, begins, *_):
        running, self.current = self.current, None
        self.emit("idle", on=bool(begins & 1))
        self.current = running

    def _state(self, extra, key, words, at):
        state, error, pair = extra & 255, extra >> 8, words[at + 2]
        name = self.tables.more_states.get(state) or self.tables.states.get(state, str(state))
        fields = {"who": self.thread_text(key), "state": STATES.get(name, name.lower())}
        found = self.objects.short.get(pair & 0xFFFFFFFF)
        if found:
            fields["object"] = self.objects.name(*found)
            thread = self.threads.get(key)
            if name == "BLOCKED_RECV" and thread:
                self.objects.servers[found[1]] = thread
                thread.receives = found[1]
            elif name == "BLOCKED_CALL" and thread:
                thread.gate = pair >> 32 or None
            if name != "BLOCKED_RECV" and found[1] in self.objects.servers:
                fields["server"] = self.objects.servers[found[1]].text
        if gate := self.objects.short_name(pair >> 32):
            fields["gate"] = gate
        if error:
            fields["error"] = self.tables.errors.get(error, f"error {error}")
        self.emit("state", **fields)

    def _signal(self, _, key, words, at): # pylint: disable=unused-argument
        fields = {"object": self.objects.name("notification", words[at + 2]), "bits": number(words[at + 3])}
        if words[at + 4]:
            fields["wakes"] = self.thread_text(words[at + 4])
        self.emit("signal", **fields)

    def _fault(self, _, key, words, at):
        self._is(key)
        vector, code = words[at + 2], words[at + 3]
        names = self.tables.exceptions
        fields = {"vector": vector, "name": names[vector] if vector < len(names) else "reserved"}
        if vector == 14:
            fields |= {"address": hex(words[at + 4]), "access": "execute" if code & 16 else "write" if code & 2 else "read",
                       "present": bool(code & 1)}
        self.emit("fault", **fields, code=number(code), rip=hex(words[at + 5]), rsp=hex(words[at + 6]))

    def _interrupt(self, vector, key, words, at): # pylint: disable=unused-argument
        running, self.current = self.current, self.threads.get(key)
        self.emit("interrupt", vector=vector, **({"timer": True} if vector == 48 else {"irq": vector - 32}))
        self.current = running

    def _name(self, _, key, words, at):
        thread = self.threads.get(key)
        if not thread:
            return
        before, name = thread.text, struct.pack("<2Q", words[at + 2], words[at + 3]).split(b"\0")[0].decode("utf-8", "replace")
        thread.rename(name)
        self.emit("name", who=before, name=name)

    def _principal(self, _, key, words, at):
        principal = words[at + 2]
        thread = self.threads.get(key)
        if thread:
            if thread.pid: # new credentials of the same process
                self.user.pids[principal & 0xFFFFFFFF] = thread.pid
            else:
                thread.pid = self.user.pid_of(principal & 0xFFFFFFFF)
        self.emit("principal", who=self.thread_text(key), principal=number(principal), process=principal & 0xFFFFFFFF,
                  thread=principal >> 32)

    # ---- capabilities and memory ----

    def _cap_new(self, _, __, words, at):
        slot, address, word, source = words[at + 2], words[at + 3], words[at + 4], words[at + 5]
        kind = self.tables.types.get(word & 255, "?")
        cap = Cap(kind, address, word, words[at + 6])
        if kind == "tcb" and cap.flags & 1:
            self._thread_new(address)
        new = self.objects.insert(slot, cap)
        fields = {"object": self.objects.name(kind, address)}
        place, origin = self.objects.place(slot), self.objects.caps.get(source)
        if place:
            fields["at"] = place
        if new:
            if kind == "cnode":
                fields["slots"] = 1 << cap.bits
            elif kind in ("untyped", "frame"):
                fields["bytes"] = 1 << cap.bits
            if origin:
                fields["of"] = self.objects.name(origin.kind, origin.address)
            self.emit("create", **fields)
            return
        fields["rights"] = rights_text(kind, cap.rights)
        if origin and (place := self.objects.place(source)):
            fields["from"] = place
        self.emit("cap_new", **fields)

    def _cap_move(self, _, __, words, at):
        source = self.objects.place(words[at + 3])
        cap = self.objects.move(words[at + 2], words[at + 3])
        fields = {"object": self.objects.name(cap.kind, cap.address) if cap else "?"}
        if place := self.objects.place(words[at + 2]):
            fields["at"] = place
        if source:
            fields["from"] = source
        self.emit("cap_move", **fields)

    def _cap_gone(self, _, __, words, at):
        place = self.objects.place(words[at + 2])
        cap, last = self.objects.remove(words[at + 2])
        if not cap:
            return
        name = self.objects.name(cap.kind, cap.address)
        self.emit("cap_gone", object=name, **({"at": place} if place else {}))
        if last:
            self.emit("destroy", object=name)
            self.objects.destroy(cap.kind, cap.address)

    def _bind(self, _, __, words, at):
        gate, endpoint, badge = words[at + 2:at + 5]
        self.objects.badges[gate], self.objects.endpoints[gate] = badge, endpoint
        self.objects.gates[endpoint, badge] = gate
        self.emit("bind", gate=self.objects.name("gate", gate), object=self.objects.name("endpoint", endpoint), badge=number(badge))

    def _issuer(self, _, __, words, at):
        issuer = self.tables.issuers.get(words[at + 3], words[at + 3])
        self.objects.issuers[words[at + 2]] = issuer
        self.emit("issuer", object=self.objects.name("endpoint", words[at + 2]), issuer=issuer)

    def _mapped(self, words, at):
        space = self.objects.spaces.get(words[at + 2])
        address = words[at + 4]
        kind = "frame" if ("frame", address) in self.objects.names else "table"
        return {"space": self.objects.name("vspace", space), "address": hex(words[at + 3]), "object": self.objects.name(kind, address)}

    def _map(self, extra, _, words, at):
        self.emit("map", **self._mapped(words, at), rights=rights_text("frame", extra & 7), bytes=1 << (extra >> 8))

    def _unmap(self, _, __, words, at):
        self.emit("unmap", **self._mapped(words, at))


STATES = {"BLOCKED_CALL": "call", "BLOCKED_REPLY": "reply", "BLOCKED_RECV": "receive", "BLOCKED_WAIT": "wait",
          "BLOCKED_FAULT": "fault"}
