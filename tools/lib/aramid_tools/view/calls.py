# SPDX-License-Identifier: MIT
"""From events to POSIX calls: what each sent, to whom, what came back, and where its instructions went.

Between two events the processor belongs to one thread, and its time goes to the call on whose behalf that thread runs: a
program's own, or the one whose message a server has received last (its reply and what it does until the next message included).
A layer is `client` (libposix, in the program's process), `kernel`, or a server's name.
"""
from aramid_tools.view.reader import name_of, number_of


class Step:
    """Something that a call did: a message to a server, a fault, a system call of its own, a socket's new state."""

    def __init__(self, kind, event, call, parent):
        self.kind, self.event, self.call, self.parent = kind, event, call, parent
        self.began, self.ended, self.reply = event["t"], None, None
        self.steps, self.cost = [], {}
        self.woken_by = None # of a wait: the signal that ended it


class Call:
    """One Linux call; `name` is `fault` for a page fault outside any, `run` for what a program does between calls."""

    kind = "call"

    def __init__(self, thread, event, name, args=()):
        self.thread, self.pid, self.process = thread.full, thread.pid, thread.name
        self.name, self.args, self.began, self.ended = name, args, event["t"], None
        self.value = self.errno = None
        self.restart = False
        self.texts = {}
        self.steps, self.cost = [], {}


class Thread:
    def __init__(self, full):
        self.full, self.number = full, number_of(full)
        self.pid = self.call = self.serving = self.native = None
        self.open = []           # steps that have begun and not ended, the innermost last
        self.in_kernel = False

    @property
    def name(self):
        return name_of(self.full)


class Calls:
    """Feed it every event; `calls` are all calls by their beginning, `idle` the ticks when nobody ran, `outside` {(pid or server,
    layer): ticks} what was done in no call."""

    def __init__(self):
        self.threads, self.calls, self.outside = {}, [], {}
        self.current, self.time, self.idle = None, None, 0
        self.processes = {}       # pid -> its last name
        self.sockets = {}         # ino -> what is known of it
        self.woken = {}           # thread number -> the signal event that woke it

    def thread(self, full):
        number = number_of(full)
        thread = self.threads.get(number)
        if thread is None:
            thread = self.threads[number] = Thread(full)
        thread.full = full
        return thread

    # ---- time ----

    def _spend(self, now):
        ticks, self.time = now - (self.time if self.time is not None else now), now
        if not ticks:
            return
        thread = self.current
        if thread is None:
            self.idle += ticks
            return
        layer = "kernel" if thread.in_kernel else "client" if thread.pid is not None else thread.name
        step = thread.serving or (thread.open[-1] if thread.open else thread.call)
        if step is None:
            key = (thread.pid if thread.pid is not None else thread.name, "kernel" if thread.in_kernel else "program")
            self.outside[key] = self.outside.get(key, 0) + ticks
            return
        step.cost[layer] = step.cost.get(layer, 0) + ticks
        while step.kind != "call":
            step = step.parent or step.call
            step.cost[layer] = step.cost.get(layer, 0) + ticks

    # ---- events ----

    def feed(self, event):
        thread = self.thread(event["th"]) if "th" in event else None
        if "t" in event:
            self._spend(event["t"])
        if thread is not None:
            if event.get("pid") is not None:
                thread.pid = event["pid"]
            if event["e"] != "switch":
                self.current = thread
        handler = getattr(self, "_" + event["e"], None)
        if handler:
            handler(thread, event)

    def _begin(self, thread, kind, event, parent=None):
        step = Step(kind, event, None, parent)
        owner = parent or thread.call
        if owner is None:
            return None
        step.call = owner if owner.kind == "call" else owner.call
        step.parent = owner if owner.kind != "call" else None
        owner.steps.append(step)
        return step

    @staticmethod
    def _inner(thread):
        return thread.serving or (thread.open[-1] if thread.open else None)

    def _switch(self, _, event):
        self.current = self.thread(event["to"])

    def _idle(self, _, event):
        if event.get("on"):
            self.current = None

    def _name(self, _, event):
        self.thread(f"{event['name']}#{number_of(event['who'])}")

    def _process(self, _, event):
        self.processes[event["process"]] = event["name"]

    def _linux(self, thread, event):
        self._close(thread, event)
        thread.call = Call(thread, event, event["name"], event["args"])
        thread.call.texts = event.get("texts", {})
        thread.in_kernel = False
        self.calls.append(thread.call)

    def _linux_result(self, thread, event):
        call = thread.call
        if call is None or call.name != event["name"]:
            return
        call.value, call.errno, call.restart = event["value"], event.get("errno"), event.get("restart", False)
        call.texts = call.texts | event.get("texts", {})
        self._close(thread, event)

    @staticmethod
    def _close(thread, event):
        for step in thread.open:
            step.ended = step.ended or event["t"]
        if thread.call:
            thread.call.ended = thread.call.ended or event["t"]
        thread.open, thread.call = [], None

    def _syscall(self, thread, event):
        thread.in_kernel = True
        thread.native = None
        if event["call"] in ("INVOKE", "WAIT", "SIGNAL", "CLOCK", "YIELD", "DATA_READ", "DATA_WRITE"):
            thread.native = self._begin(thread, "native", event, self._inner(thread))
            if thread.native and event["call"] == "WAIT":
                thread.open.append(thread.native)

    def _result(self, thread, event):
        thread.in_kernel = False
        step, thread.native = thread.native, None
        if step:
            step.ended, step.reply = event["t"], event
            if step in thread.open:
                thread.open.remove(step)
                step.woken_by = self.woken.pop(thread.number, None)

    def _fault(self, thread, event):
        thread.in_kernel = True
        if thread.call is None and thread.pid is not None:
            thread.call = Call(thread, event, "fault", [event.get("address"), event.get("access")])
            self.calls.append(thread.call)

    def _message(self, thread, event):
        step = self._begin(thread, "fault" if event["op"] == "fault" else "message", event, self._inner(thread))
        if step:
            thread.open.append(step)
        self.thread(event["to"]).serving = step

    def _kernel_message(self, _, event):
        receiver = self.thread(event["to"])
        if receiver.pid is None:
            receiver.serving = None

    def _reply(self, thread, event):
        client = self.thread(event["to"])
        step = next((step for step in reversed(client.open) if step.kind in ("message", "fault")), None)
        if step:
            step.ended, step.reply = event["t"], event
            del client.open[client.open.index(step):]
        if event.get("fault"):
            client.in_kernel = False
            if client.call and client.call.name == "fault":
                self._close(client, event)
        thread.serving = step or thread.serving

    def _signal(self, thread, event):
        if "wakes" in event:
            self.woken[number_of(event["wakes"])] = event

    def _state(self, _, event):
        who = self.thread(event["who"])
        if event["state"] == "inactive":
            self._close(who, event)

    def _destroy(self, _, event):
        who = self.threads.get(number_of(event["object"]))
        if who and event["object"] == who.full:
            self._close(who, event)

    def _socket(self, thread, event):
        known = self.sockets.setdefault(event["ino"], {})
        known.update({key: event[key] for key in ("type", "address", "peer", "backlog") if key in event})
        if event["what"] == "accepted" and event["listener"] in self.sockets:
            known.setdefault("address", self.sockets[event["listener"]].get("address"))
        self._told(thread, event)

    def _told(self, thread, event):
        """What a server said of an object of its own."""
        self.sockets.setdefault(event["ino"], {})
        parent = thread.serving
        if parent:
            step = self._begin(thread, "socket", event, parent)
            step.ended = event["t"]

    _pipe = _eventfd = _epoll = _told


def read(trace):
    """All calls of a trace."""
    calls = Calls()
    for event in trace:
        calls.feed(event)
    return calls


def layers(cost):
    """`client`, `kernel`, then servers by name: how costs are always ordered."""
    return sorted(cost, key=lambda layer: (layer != "client", layer != "kernel", layer))


def total(cost):
    return sum(cost.values())
