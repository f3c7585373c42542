# SPDX-License-Identifier: MIT
"""--waits: who waited on whom, how often and for how long. Waiting for a server's answer, or asleep until somebody signals."""
from aramid_tools.view.filters import all_steps
from aramid_tools.view.reader import name_of


def _who(thread):
    return name_of(thread) if thread else "an interrupt or the clock"


def collect(calls):
    """{(process, pid, for what, on whom): [times, ticks, longest]}"""
    found = {}
    for call in calls:
        for step in all_steps(call):
            if step.ended is None or step.parent is not None and step.kind != "native":
                continue
            if step.kind in ("message", "fault"):
                what, whom = "an answer", name_of(step.event["to"])
            elif step.kind == "native" and step.event["call"] == "WAIT":
                what = "a wake-up"
                whom = _who(step.woken_by.get("th")) if step.woken_by else "nobody (it was there, or the time was over)"
            else:
                continue
            where = "page fault" if call.name == "fault" else call.name
            entry = found.setdefault((call.process, call.pid, what, whom, where), [0, 0, 0])
            ticks = step.ended - step.began
            entry[0] += 1
            entry[1] += ticks
            entry[2] = max(entry[2], ticks)
    return found


def lines(calls):
    found = collect(calls)
    yield f"{'who':<24} {'waited for':<12} {'on':<44} {'in':<16} {'times':>7} {'ticks':>14} {'longest':>12}"
    for (process, pid, what, whom, name), (times, ticks, longest) in sorted(found.items(), key=lambda item: -item[1][1]):
        yield f"{f'{process} ({pid})':<24} {what:<12} {whom:<44} {name:<16} {times:>7,} {ticks:>14,} {longest:>12,}"
