#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generate from invocations.toml, the one declaration of the kernel's interface, everything that repeats it.

usage: apigen.py header|errors|acts|table|list|manual INVOCATIONS.toml OUTPUT
       apigen.py update                    the three files that are in the tree: header, errors, manual

header   <aramid/invocations.h>  enum ar_invocation
errors   <aramid/errors.h>       enum ar_error and its texts
acts     acts.h                  the kernel's function for each invocation, declared
table    decode_table.c          what object/decode.c checks before it calls that function
list     invocation_list.h       the same as data for the test that does everything wrong
manual   docs/kernel-api.md      (manual.py)
"""
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
MICROKERNEL = HERE.parent
SOURCE = "microkernel/api/invocations.toml"
MADE = f"Made by microkernel/api/apigen.py from {SOURCE}; do not edit."
BANNER = f"/* {MADE}\n * SPDX-License-Identifier: MIT */\n"
FIELDS = {  # of a word, by kind: (needed, allowed besides)
    "any": (set(), set()),
    "cap": ({"type"}, {"rights", "size", "memory", "optional"}),
    "empty": (set(), {"space"}),
    "slot": (set(), {"space"}),
    "held": (set(), {"space"}),
    "root": (set(), set()),
    "number": ({"min", "max"}, {"align"}),
    "address": (set(), {"align", "end"}),
    "mask": ({"allowed"}, {"required"}),
    "data": ({"max", "unit"}, set()),
}


class ApiError(Exception):
    """The declaration is wrong; the message says where and how."""


def number_words(invocation):
    """Give every word its number; how many words the invocation needs."""
    at = must = 0
    for word in invocation.get("words", []):
        needed, allowed = FIELDS.get(word.get("kind"), (None, None))
        if needed is None:
            raise ApiError(f"{invocation['name']}: word {at} is of no kind: {word.get('kind')}")
        given = set(word) - {"name", "kind", "doc", "count", "omit"}
        if needed - given or given - needed - allowed:
            raise ApiError(f"{invocation['name']}: word {at}, a {word['kind']}, lacks or has too many fields: {given}")
        if word.get("count", 1) > 1 and word["kind"] != "any":
            raise ApiError(f"{invocation['name']}: word {at}: only words of kind any stand for several")
        word["word"] = at
        at += word.get("count", 1)
        if not word.get("omit"):
            must = at
        elif at > 4:
            raise ApiError(f"{invocation['name']}: word {word['word']} does not count as 0 when it is left out")
    return must


def load(path):
    api = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    errors = [error["name"] for error in api["error"]]
    objects = {item["type"]: item for item in api["object"]}
    for item in objects.values():
        item["invocations"] = []
    for invocation in api["invocation"]:
        invocation["needed"] = number_words(invocation)
        names = [word["name"] for word in invocation.get("words", [])] + ["target"]
        for error in invocation.get("errors", []):
            if error["error"] not in errors or error["word"] not in names:
                raise ApiError(f"{invocation['name']}: no such error or word: {error}")
        objects[invocation["object"]]["invocations"].append(invocation)
    for item in objects.values():
        numbers = [invocation["number"] for invocation in item["invocations"]]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers)) if numbers else []):
            raise ApiError(f"{item['type']}: its invocations are not numbered in a row")
    numbers = [invocation["number"] for invocation in api["invocation"]]
    if numbers != sorted(set(numbers)):
        raise ApiError("two invocations have one number, or they are out of order")
    return api


# ---- the public headers ----------------------------------------------------------------------------------------------

def header(api):
    out = [BANNER + "#ifndef ARAMID_INVOCATIONS_H\n#define ARAMID_INVOCATIONS_H\n",
           "/* What each does, takes and answers, and every error: docs/kernel-api.md. */",
           "enum ar_invocation {"]
    for item in api["object"]:
        if not item["invocations"]:
            continue
        out.append(f"\n    /* ---- {item['type'].removeprefix('AR_')} ---- */")
        for invocation in item["invocations"]:
            words = ", ".join(f"w{word['word']} {word['name']}" for word in invocation.get("words", []))
            out += comment(invocation["brief"] + (f": {words}" if words else ""), "    ")
            out.append(f"    {invocation['name']} = {invocation['number']:#x},")
    out += ["};\n", "#endif"]
    return "\n".join(out) + "\n"


def comment(text, indent):
    """A C comment of lines up to 100 columns."""
    lines, line = [], indent + "/*"
    for word in text.split():
        if len(line) + 1 + len(word) > 97:
            lines.append(line)
            line = indent + " *"
        line += " " + word
    return lines + [line + " */"]


def errors(api):
    out = [BANNER + "#ifndef ARAMID_ERRORS_H\n#define ARAMID_ERRORS_H\n", "enum ar_error {"]
    for number, error in enumerate(api["error"]):
        out.append(f"    {error['name']} = {number},")
    out += ["    AR_ERR_COUNT", "};\n", "/* A few words for a log. */",
            "static inline const char *ar_error_text(enum ar_error error)", "{", "    switch (error) {"]
    for error in api["error"]:
        out += [f"    case {error['name']}:", f"        return \"{error['text']}\";"]
    out += ["    default:", '        return "unknown error";', "    }", "}\n", "#endif"]
    return "\n".join(out) + "\n"


# ---- the kernel's side -----------------------------------------------------------------------------------------------

def act_name(invocation):
    return invocation.get("act", invocation["name"].removeprefix("AR_").lower())


def acts(api):
    names = dict.fromkeys(act_name(invocation) for invocation in api["invocation"])
    lines = [f"enum ar_error {name}(struct invocation *call);" for name in names]
    return (BANNER + "#ifndef OBJECT_ACTS_H\n#define OBJECT_ACTS_H\n\n#include \"object/object.h\"\n\n" +
            "\n".join(lines) + "\n\n#endif\n")


def log2(value):
    if value & (value - 1):
        raise ApiError(f"{value} is no power of two")
    return value.bit_length() - 1


SPACES = {None: "DECODE_OWN", "target": "DECODE_TARGET", "w1": "DECODE_WORD_1"}


def word_fields(word):
    """The members of struct decode_word that are not 0."""
    fields = {"word": word["word"], "kind": "DECODE_" + word["kind"].upper(), "type": "AR_CNODE" if word["kind"] == "root" else word.get("type"),
              "rights": word.get("rights"), "bits": word.get("size"), "optional": int(word.get("optional", 0)),
              "memory": int(word.get("memory", 0)), "low": word.get("min"), "high": word.get("max")}
    if word.get("space"):
        fields["space"] = SPACES[word["space"]]
    if word.get("align"):
        fields["bits"] = log2(word["align"])
    if word["kind"] == "address":
        fields["high"] = "AR_USER_END" if word.get("end") else "AR_USER_END - 1"
    if word["kind"] == "mask":
        fields["low"], fields["high"] = word.get("required"), word["allowed"]
    if word["kind"] == "data":
        fields["bits"] = log2(word["unit"])
    return ", ".join(f".{name} = {value}" for name, value in fields.items() if value not in (None, 0))


def entry_fields(invocation, words):
    target = invocation.get("target", {})
    fields = {"words": words, "end": f"{words} + sizeof({words}) / sizeof({words}[0])" if words else None,
              "needed": invocation["needed"], "rights": target.get("rights"), "bits": target.get("size"),
              "original": int(target.get("original", 0)), "not_self": int(not target.get("self", True))}
    return ", ".join(f".{name} = {value}" for name, value in fields.items() if value not in (None, 0))


def table(api):
    out = [BANNER + '#include "object/acts.h"\n#include "object/decode.h"\n']
    for item in api["object"]:
        entries = []
        for invocation in item["invocations"]:
            checked = [word for word in invocation.get("words", []) if word["kind"] != "any"]
            words = invocation["name"].lower() + "_words" if checked else None
            if words:
                out.append(f"static const struct decode_word {words}[] = {{")
                out += [f"    {{{word_fields(word)}}}," for word in checked] + ["};"]
            fields = entry_fields(invocation, words)
            entries.append(f"    {{.act = {act_name(invocation)}{', ' + fields if fields else ''}}},")
        item["entries"] = item["type"].lower() + "_invocations"
        if entries:
            out += [f"static const struct decode_entry {item['entries']}[] = {{", *entries, "};\n"]
    out.append("const struct decode_object decode_objects[AR_TYPE_COUNT] = {")
    for item in api["object"]:
        if numbers := [invocation["number"] for invocation in item["invocations"]]:
            out.append(f"    [{item['type']}] = {{{numbers[0]:#x}, {len(numbers)}, {item['entries']}}},")
    return "\n".join(out) + "\n};\n"


def test_list(api):
    """Every invocation and every word of it with what is checked, as the host test wants them."""
    out = [BANNER + '#include "object/decode.h"\n', "static const struct listed_invocation {",
           "    const char *name;", "    uint32_t label, needed;", "    uint8_t type, rights, bits, original, not_self;",
           "    struct decode_word words[8];", "    /* of the objects' state: what no kind implies */",
           "    struct listed_error { uint8_t error, word; } errors[8];", "} invocation_list[] = {"]
    for invocation in api["invocation"]:
        target = invocation.get("target", {})
        head = {"name": f'"{invocation["name"]}"', "label": invocation["name"], "needed": invocation["needed"],
                "type": invocation["object"], "rights": target.get("rights"), "bits": target.get("size"),
                "original": int(target.get("original", 0)), "not_self": int(not target.get("self", True))}
        fields = ", ".join(f".{name} = {value}" for name, value in head.items() if value not in (None, 0))
        words = [f"{{{word_fields(word)}}}" for word in invocation.get("words", []) if word["kind"] != "any"]
        numbers = {word["name"]: word["word"] for word in invocation.get("words", [])} | {"target": "AR_ARG_TARGET"}
        found = [f"{{{error['error']}, {numbers[error['word']]}}}" for error in invocation.get("errors", [])]
        out.append(f"    {{{fields},\n     .words = {{{', '.join(words)}}},\n     .errors = {{{', '.join(found)}}}}},")
    return "\n".join(out) + "\n};\n"


def manual(api):
    sys.path.insert(0, str(HERE))
    import manual as writer  # beside this file
    return writer.manual(api, MADE)


MAKERS = {"header": header, "errors": errors, "acts": acts, "table": table, "list": test_list, "manual": manual}
IN_TREE = {"header": MICROKERNEL / "include/aramid/invocations.h", "errors": MICROKERNEL / "include/aramid/errors.h",
           "manual": MICROKERNEL.parent / "docs/kernel-api.md"}


def main(argv):
    try:
        if argv[1:] == ["update"]:
            for kind, path in IN_TREE.items():
                path.write_text(MAKERS[kind](load(HERE / "invocations.toml")), encoding="utf-8")
            return 0
        if len(argv) != 4 or argv[1] not in MAKERS:
            print(__doc__, file=sys.stderr)
            return 2
        Path(argv[3]).write_text(MAKERS[argv[1]](load(argv[2])), encoding="utf-8")
    except (ApiError, tomllib.TOMLDecodeError, KeyError, OSError) as error:
        print(f"apigen.py: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
