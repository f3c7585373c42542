# SPDX-License-Identifier: MIT
"""docs/kernel-api.md: manual.md with the tables that apigen.py's declaration makes."""
import re
import textwrap
from pathlib import Path

CAUSES = {  # what a kind implies, with the word's fields
    "cap": lambda word: [
        ("AR_ERR_SLOT", "no such slot"), ("AR_ERR_EMPTY", "the slot is empty"),
        ("AR_ERR_TYPE", f"not {article(word['type'])}"),
        *([("AR_ERR_RIGHTS", f"it lacks {code(word['rights'])}")] if word.get("rights") else []),
        *([("AR_ERR_SIZE", f"not of 2^{word['size']} {'slots' if word['type'] == 'AR_CNODE' else 'bytes'}")]
          if word.get("size") else []),
        *([("AR_ERR_DEVICE", "it is device memory")] if word.get("memory") else [])],
    "empty": lambda word: [("AR_ERR_SLOT", "no such slot, or 0"), ("AR_ERR_OCCUPIED", "the slot is not empty")],
    "slot": lambda word: [("AR_ERR_SLOT", "no such slot")],
    "held": lambda word: [("AR_ERR_SLOT", "no such slot"), ("AR_ERR_EMPTY", "the slot is empty")],
    "root": lambda word: [("AR_ERR_SLOT", "no such slot"), ("AR_ERR_EMPTY", "the slot is empty"),
                          ("AR_ERR_TYPE", "not a CNode")],
    "number": lambda word: [
        ("AR_ERR_RANGE", bounds(word)),
        *([("AR_ERR_ALIGNMENT", f"not a multiple of {word['align']}")] if word.get("align") else [])],
    "address": lambda word: [
        ("AR_ERR_ADDRESS", "above `AR_USER_END`" if word.get("end") else "not below `AR_USER_END`"),
        *([("AR_ERR_ALIGNMENT", f"not a multiple of {word['align']}")] if word.get("align") else [])],
    "mask": lambda word: [
        ("AR_ERR_MASK", f"bits other than {code(word['allowed'])}"),
        *([("AR_ERR_RIGHTS", f"it lacks {code(word['required'])}")] if word.get("required") else [])],
    "data": lambda word: [("AR_ERR_RANGE", f"above {number(word['max'])}"),
                          ("AR_ERR_LENGTH", "the message has not so many words from word 4 on")],
    "any": lambda word: [],
}
KINDS = {
    "any": lambda word: "",
    "cap": lambda word: (short(word["type"]) + (f" with {code(word['rights'])}" if word.get("rights") else "")
                         + (", or 0" if word.get("optional") else "")),
    "empty": lambda word: "empty slot" + place(word),
    "slot": lambda word: "slot" + place(word),
    "held": lambda word: "slot that is not empty" + place(word),
    "root": lambda word: "CNode, or `AR_CAP_SELF`",
    "number": lambda word: (f"{number(word['min'])} to {number(word['max'])}"
                            + (f", a multiple of {word['align']}" if word.get("align") else "")),
    "address": lambda word: "user address" + (f", a multiple of {word['align']}" if word.get("align") else ""),
    "mask": lambda word: "bits of " + code(word["allowed"]),
    "data": lambda word: f"0 to {number(word['max'])}",
}
ABI = Path(__file__).resolve().parents[1] / "include/aramid/abi.h"
VALUES = {name: int(value) for name, value in re.findall(r"^#define (AR_\w+) (\d+)u?\b", ABI.read_text(), re.M)}


def code(text):
    return ", ".join(f"`{part.strip()}`" for part in str(text).split("|"))


def number(value):
    """A number as a reader wants it; a constant with its value."""
    if isinstance(value, int):
        return f"{value:#x}" if value > 4096 else str(value)
    return f"`{value}` ({VALUES[value]})" if value in VALUES else f"`{value}`"


def short(ar_type):
    special = {"AR_CNODE": "CNode", "AR_TCB": "TCB", "AR_VSPACE": "VSpace", "AR_IRQ": "IRQ",
               "AR_IRQ_CONTROL": "IRQ control"}
    return special.get(ar_type, ar_type.removeprefix("AR_").capitalize().replace("_", " "))


def article(ar_type):
    return ("an " if short(ar_type)[0] in "AEIOU" else "a ") + short(ar_type)


def place(word):
    return {None: "", "target": " of the target", "w1": " of the space in word 1"}[word.get("space")]


def bounds(word):
    low = f"below {number(word['min'])} or " if word["min"] else ""
    return f"{low}above {number(word['max'])}"


def index(word):
    return str(word["word"]) if word.get("count", 1) == 1 else f"{word['word']}–{word['word'] + word['count'] - 1}"


def flat(text):
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def argument_table(invocation):
    out = ["| word | name | what it must be | meaning |", "|---|---|---|---|"]
    for word in invocation["words"]:
        out.append(f"| {index(word)} | `{word['name']}` | {KINDS[word['kind']](word)} | {word['doc']} |")
    return out + [""]


def result_table(invocation):
    out, at = ["| result | name | meaning |", "|---|---|---|"], 0
    for result in invocation["results"]:
        count = result.get("count", 1)
        out.append(f"| {at if count == 1 else f'{at}–{at + count - 1}'} | `{result['name']}` | {result['doc']} |")
        at += count
    return out + [""]


def target_causes(invocation):
    target = invocation.get("target", {})
    if not target.get("self", True):
        yield "AR_ERR_SLOT", "target", "it is `AR_CAP_SELF`"
    if target.get("rights"):
        yield "AR_ERR_RIGHTS", "target", f"it lacks {code(target['rights'])}"
    if target.get("original"):
        yield "AR_ERR_RIGHTS", "target", "it is a copy, and the original is needed"
    if target.get("size"):
        yield "AR_ERR_SIZE", "target", f"not of 2^{target['size']} bytes"


def error_table(invocation):
    """One row an error and cause; words that share both share the row."""
    rows = {}
    for error, word, cause in target_causes(invocation):
        rows.setdefault((error, cause), []).append(word)
    for word in invocation.get("words", []):
        for error, cause in CAUSES[word["kind"]](word):
            rows.setdefault((error, cause), []).append(f"`{word['name']}`")
    for error in invocation.get("errors", []):
        word = error["word"] if error["word"] == "target" else f"`{error['word']}`"
        rows.setdefault((error["error"], error["cause"]), []).append(word)
    if not rows:
        return []
    out = ["| error | word | cause |", "|---|---|---|"]
    for (error, cause), words in rows.items():
        out.append(f"| {error} | {', '.join(words)} | {cause} |")
    return out + [""]


def objects(api):
    out = []
    for item in api["object"]:
        out += [f"### {item['title']}", "", flat(item["doc"]), "", f"- Rights: {item['rights']}",
                f"- Size: {item['size']}", ""]
        for invocation in item["invocations"]:
            out += [f"#### {invocation['name']} ({invocation['number']:#x})", "", flat(invocation["doc"]), ""]
            for key, maker in (("words", argument_table), ("results", result_table)):
                if invocation.get(key):
                    out += maker(invocation)
            out += error_table(invocation)
    return "\n".join(out).rstrip()


def syscalls(api):
    out = []
    for call in api["syscall"]:
        out += [f"### {call['name']} ({call['number']})", "", flat(call["doc"]), ""]
        if call.get("registers"):
            out += ["| register | |", "|---|---|"]
            out += [f"| {register} | {meaning} |" for register, meaning in call["registers"]] + [""]
        if call.get("errors"):
            out += ["| error | cause |", "|---|---|"]
            out += [f"| {error} | {cause} |" for error, cause in call["errors"]] + [""]
    return "\n".join(out).rstrip()


def manual(api, made):
    types = [f"| {short(item['type'])} | `{item['type']}` | {item['size'].rstrip('.')} | {item['summary']} |"
             for item in api["object"]]
    errors = [f"| {value} | {error['name']} | {error['doc']} | {error.get('expected', '')} | {error.get('found', '')} |"
              for value, error in enumerate(api["error"])]
    parts = {"MADE": made, "SYSCALLS": syscalls(api), "TYPES": "\n".join(types), "OBJECTS": objects(api),
             "ERRORS": "\n".join(errors), "SYSCALL_COUNT": str(len(api["syscall"])),
             "INVOCATION_COUNT": str(len(api["invocation"]))}
    text = (Path(__file__).resolve().parent / "manual.md").read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text
