# SPDX-License-Identifier: MIT
"""The trace as strace would print it, with the messages under the call that caused them and what each step cost."""
from aramid_tools.view import linux_args
from aramid_tools.view.linux_args import quoted
from aramid_tools.view.calls import layers, total
from aramid_tools.view.reader import name_of

COLUMN = 78 # where costs begin


def cost_text(cost):
    parts = [f"{layer} {cost[layer]:,}" for layer in layers(cost) if cost[layer]]
    return f"{total(cost):>9,}" + (f"  ({', '.join(parts)})" if len(parts) > 1 else f"  {parts[0].split()[0]}" if parts else "")


def line(text, cost):
    return f"{text:<{COLUMN}} {cost_text(cost)}" if cost else text


def capability(cap):
    text = cap.get("object", cap.get("type", "?"))
    if "badge" in cap:
        text += f" {cap.get('issuer', '?')}:{cap['badge']}"
    return text + (" moved" if cap.get("move") else "")


def fields_text(event):
    if "fields" in event:
        tail = [quoted(bytes.fromhex(event["tail"]))] if "tail" in event else []
        return ", ".join([f"{name}={value}" for name, value in event["fields"].items()] + tail)
    return ", ".join(str(word) for word in event.get("words", []))


def message(step):
    event, reply = step.event, step.reply
    text = f"{name_of(event['to'])} ← {event['op']}({fields_text(event)})"
    if event.get("caps"):
        text += " with " + ", ".join(capability(cap) for cap in event["caps"])
    if reply is None:
        return text + " …"
    text += f" → {reply.get('status', 'OK')}"
    if reply.get("fields") or reply.get("words"):
        text += f" {fields_text(reply)}"
    if reply.get("caps"):
        text += " with " + ", ".join(capability(cap) for cap in reply["caps"])
    return text


def fault(step):
    fields = step.event.get("fields", {})
    server = name_of(step.event["to"])
    if fields.get("kind") != "page":
        return f"{server} ← exception {fields.get('address', '?')} at {fields.get('rip', '?')}"
    code = linux_args.number(fields.get("code", 0))
    access = "execute" if code & 16 else "write" if code & 2 else "read"
    return f"{server} ← page fault at {fields.get('address', '?')} ({access}, {'not allowed' if code & 1 else 'not mapped'})"


def native(step):
    event, result = step.event, step.reply or {}
    if event["call"] == "INVOKE":
        args = ", ".join(f"{name}={value}" for name, value in event.get("args", {}).items())
        target = event.get("object") or f"slot {event.get('slot')}"
        text = f"kernel: {event.get('op', 'INVOKE')}({target}{', ' if args else ''}{args})"
    else:
        text = f"kernel: {event['call']}" + (f"({event.get('object') or 'slot ' + str(event['slot'])})" if "slot" in event else "")
    if result.get("error", "OK") != "OK":
        text += f" → {result['error']}"
    if event["call"] == "WAIT" and step.ended:
        text += f", for {step.ended - step.began:,}"
        if step.woken_by:
            text += f", woken by {step.woken_by.get('th', 'an interrupt')}"
    return text


def socket(step):
    event = step.event
    if "data" in event:
        data = bytes.fromhex(event["data"])
        event = event | {"data": quoted(data[:linux_args.STRING_LIMIT], cut=event["bytes"] > linux_args.STRING_LIMIT)}
    rest = ", ".join(f"{name} {value}" for name, value in event.items() if name not in ("e", "t", "th", "pid", "ino", "what", "socket"))
    return f"{event['e']} {event['ino']} {event['what']}" + (f": {rest}" if rest else "")


SHOW = {"message": message, "fault": fault, "native": native, "socket": socket}


def shown(step, verbose):
    """A server's own system calls and capability moves are noise unless asked for; sleeping never is."""
    return verbose or step.kind != "native" or step.event["call"] == "WAIT"


def call_text(call):
    if call.name == "fault":
        return f"--- page fault at {call.args[0]} ({call.args[1]}) ---"
    return f"{linux_args.formatted(call)} = {linux_args.value(call)}"


def steps_text(steps, depth, verbose):
    for step in steps:
        if shown(step, verbose):
            yield line("   " * depth + SHOW[step.kind](step), step.cost)
            yield from steps_text(step.steps, depth + 1, verbose)


def lines(calls, verbose=False):
    for call in calls:
        who = f"[{call.pid} {call.process}]"
        yield line(f"{call.began:>12,} {who} {call_text(call)}", call.cost)
        yield from steps_text(call.steps, 5, verbose)
