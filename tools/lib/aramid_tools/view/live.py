# SPDX-License-Identifier: MIT
"""While a program runs, and when it has died: tools/run --strace, and the last events of a thread."""
import re
import sys
from collections import deque

from aramid_tools.view import linux_args
from aramid_tools.view.calls import Calls
from aramid_tools.view.reader import name_of, number_of

LAST = 200
MOST_DEAD = 5 # programs
EXITS = ("exit_group", "exit")


class Strace:
    """Prints each Linux call when it returns, as strace -f does: with `[pid N]` once there is more than one process."""

    def __init__(self, output=sys.stderr):
        self.output, self.calls, self.pids = output, Calls(), set()
        self.pending = {} # thread number -> call

    def __call__(self, event):
        if event["e"] == "linux" and "pid" in event:
            self.calls.feed(event)
            self._pid(event["pid"])
            call = self.calls.calls.pop()
            self.pending[number_of(event["th"])] = call
            if call.name in EXITS:
                self._print(call)
                if call.name == "exit_group":
                    self._line(call.pid, f"+++ exited with {linux_args.number(call.args[0]) & 0xFF} +++")
                self.pending.pop(number_of(event["th"]))
        elif event["e"] == "linux_result":
            call = self.pending.pop(number_of(event["th"]), None)
            self.calls.feed(event)
            if call and call.ended is not None:
                self._print(call)

    def finish(self):
        """Calls that never returned."""
        for call in self.pending.values():
            self._line(call.pid, f"{linux_args.formatted(call).removesuffix(')')} <unfinished ...>")

    def _pid(self, pid):
        self.pids.add(pid)

    def _line(self, pid, text):
        print((f"[pid {pid:5}] " if len(self.pids) > 1 else "") + text, file=self.output, flush=True)

    def _print(self, call):
        self._line(call.pid, f"{linux_args.formatted(call)} = {linux_args.value(call)}")


class PostMortem:
    """Keeps the last events of each thread, for when something dies."""

    def __init__(self):
        self.last, self.pids, self.running = {}, {}, None
        self.died = [] # of a signal that means a mistake: (what to say, its last events then)

    def __call__(self, event):
        thread = event.get("th") or event.get("who")
        if thread is None:
            return
        self.running = number_of(thread)
        if "pid" in event:
            self.pids[self.running] = event["pid"]
        self.last.setdefault(self.running, deque(maxlen=LAST)).append(event)
        if event["e"] == "message" and event["op"] == "proc.exit" and event.get("fields", {}).get("core") == 1:
            self.died.append((f"{event['th']} (process {event.get('pid')}) died of {event['fields']['signal']}", list(self.last[self.running])))
            del self.died[MOST_DEAD:]

    def _whose(self, complaint):
        """A server that the complaint names; else the program's thread that had the last fault or call; else who ran last."""
        for number, events in self.last.items():
            name = name_of(events[-1].get("th", "?#0"))
            if name and number not in self.pids and re.search(rf"\bserver '?{re.escape(name)}\b", complaint or ""):
                return number
        programs = [number for number in self.last if number in self.pids]
        return max(programs, key=lambda number: self.last[number][-1].get("t", 0), default=self.running)

    def report_dead(self, output=sys.stderr):
        """Programs that died while the run went on, or ended with it."""
        for what, events in self.died:
            print(f"aramid: {what}", file=output)
            self._print(events, output)

    def report(self, complaint, output=sys.stderr):
        number = self._whose(complaint)
        if number is None:
            return
        self._print(self.last[number], output)

    @staticmethod
    def _print(events, output):
        print(f"aramid: the last {len(events)} events of {events[-1].get('th', events[-1].get('who'))}:", file=output)
        for event in events:
            print("  " + event_text(event), file=output)


def event_text(event):
    """One event on one line, for people."""
    kind, rest = event["e"], {name: value for name, value in event.items() if name not in ("e", "t", "th", "pid")}
    if kind in ("linux", "linux_result"):
        rest.pop("nr", None)
    fields = rest.pop("fields", None) or rest.pop("args", None) or {}
    words = [f"{name}={value}" for name, value in rest.items() if value not in ({}, [])]
    words += [f"{name}={value}" for name, value in fields.items()] if isinstance(fields, dict) else [str(fields)]
    return f"{event.get('t', 0):>14,} {kind:<15} {' '.join(words)}"
