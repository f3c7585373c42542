# SPDX-License-Identifier: MIT
"""--mermaid: a sequence diagram of programs and servers."""
import re

from aramid_tools.view import linux_args
from aramid_tools.view.reader import name_of, number_of

MOST = 2000 # arrows: what a browser still draws
LONGEST = 60


def identifier(thread):
    return f"t{number_of(thread)}"


def clean(text):
    """Mermaid ends a message at ; and takes # for an entity."""
    text = text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"
    return re.sub(r"[;#<>{}]", lambda match: f"#{ord(match[0])};", text)


def _steps(steps):
    for step in steps:
        if step.kind in ("message", "fault"):
            sender, server = identifier(step.event["th"]), identifier(step.event["to"])
            yield sender, step.event["th"], server, step.event["to"], "->>+", step.event["op"]
            yield from _steps(step.steps)
            if step.reply is not None:
                yield server, step.event["to"], sender, step.event["th"], "-->>-", step.reply.get("status", "OK")
        elif step.kind == "native" and step.woken_by and step.woken_by.get("th"):
            waker = step.woken_by["th"]
            yield identifier(waker), waker, identifier(step.event["th"]), step.event["th"], "-)", "wakes"


def lines(calls):
    people, arrows = {}, []
    for call in calls:
        own = identifier(call.thread)
        people.setdefault(own, f"{name_of(call.thread)} ({call.pid})")
        text = "page fault" if call.name == "fault" else f"{linux_args.formatted(call)} = {linux_args.value(call)}"
        arrows.append(f"    Note over {own}: {clean(text)}")
        for sender, sender_name, receiver, receiver_name, arrow, label in _steps(call.steps):
            people.setdefault(sender, name_of(sender_name))
            people.setdefault(receiver, name_of(receiver_name))
            arrows.append(f"    {sender}{arrow}{receiver}: {clean(label)}")
    yield "sequenceDiagram"
    for person, name in people.items():
        yield f"    participant {person} as {clean(name)}"
    yield from arrows[:MOST]
    if len(arrows) > MOST:
        yield f"    %% {len(arrows) - MOST} more: use a filter"
