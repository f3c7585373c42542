#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generate C and documentation from Aramid protocol files (libipc/protocols/*.toml).

usage: ipcgen.py header|client|server|print|docs PROTOCOL.toml OUTPUT
       ipcgen.py manual OUTPUT PROTOCOL.toml...

A protocol file has [protocol] (name, id, doc), optional [constants], and one [[op]] per message:
  name, doc          the operation
  request, reply     lists of {name, type = "u64" | "i64", min, max, show}: one message word each. `show` says for the tracer what
                     the number is: "address", "mode" (octal), a list of constants that are bits, or "flags:NAME" and "choice:NAME",
                     tables of libposix/linux_calls.toml
  data_in, data_out  true: the caller declares memory that the server reads / writes
  caps_in, caps_out  names: exactly so many capabilities; *_optional: these or none; *_max = N: up to N
  tail_in, tail_out  true: the request / the reply may carry up to 64 bytes of that memory itself (ipc/message.h)
  hot                true: the client stub is an inline function, for what programs do all the time
  errors             status names without ST_ that the operation answers with
The label of operation n (from 0) is id << 8 | n.
"""
import sys
import tomllib
from pathlib import Path

C_TYPES = {"u64": "uint64_t", "i64": "int64_t"}
MAX_WORDS = 64
MAX_CAPS = 8
TAIL_WORD = 4 # IPC_TAIL_WORD


class ProtocolError(Exception):
    """The protocol file is wrong; the message says where and how."""


def caps(op, direction):
    """(least, most, names) of the capabilities that travel `direction` ('in' or 'out')."""
    exact, optional = op.get(f"caps_{direction}"), op.get(f"caps_{direction}_optional")
    most = op.get(f"caps_{direction}_max")
    if sum(x is not None for x in (exact, optional, most)) > 1:
        raise ProtocolError(f"op {op['name']}: caps_{direction} is given twice")
    if exact is not None:
        return len(exact), len(exact), exact
    if optional is not None:
        return 0, len(optional), optional
    return 0, most or 0, []


def load(path):
    with open(path, "rb") as file:
        spec = tomllib.load(file)
    protocol = spec["protocol"]
    for key in ("name", "id", "doc"):
        if key not in protocol:
            raise ProtocolError(f"{path}: [protocol] lacks '{key}'")
    if not 1 <= protocol["id"] <= 0xFFFFFF:
        raise ProtocolError(f"{path}: protocol id {protocol['id']} is not in 1..0xffffff")
    seen = set()
    for op in spec.get("op", []):
        where = f"{path}: op {op.get('name', '?')}"
        if op["name"] in seen:
            raise ProtocolError(f"{where}: named twice")
        seen.add(op["name"])
        known = {"name", "doc", "request", "reply", "data_in", "data_out", "tail_in", "tail_out", "hot", "errors"} | {
            f"caps_{d}{s}" for d in ("in", "out") for s in ("", "_optional", "_max")}
        if unknown := set(op) - known:
            raise ProtocolError(f"{where}: unknown key {sorted(unknown)}")
        for side in ("request", "reply"):
            fields = op.setdefault(side, [])
            if len(fields) > MAX_WORDS:
                raise ProtocolError(f"{where}: {len(fields)} {side} fields, a message holds {MAX_WORDS}")
            for field in fields:
                if field["type"] not in C_TYPES:
                    raise ProtocolError(f"{where}: field {field['name']} has type '{field['type']}', not u64 or i64")
                check_show(spec, f"{where}: field {field['name']}", field.get("show", "address"))
        for direction, side in ("in", "request"), ("out", "reply"):
            if caps(op, direction)[1] > MAX_CAPS:
                raise ProtocolError(f"{where}: more than {MAX_CAPS} capabilities {direction}")
            if op.get(f"tail_{direction}") and not (op.get(f"data_{direction}") and len(op[side]) <= TAIL_WORD):
                raise ProtocolError(f"{where}: tail_{direction} wants data_{direction} and at most {TAIL_WORD} {side} fields")
    return spec


def check_show(spec, where, show):
    if isinstance(show, list):
        if unknown := [name for name in show if name not in spec.get("constants", {})]:
            raise ProtocolError(f"{where}: show has {unknown}, which [constants] lacks")
    elif show not in ("address", "mode") and show.partition(":")[0] not in ("flags", "choice"):
        raise ProtocolError(f"{where}: show is '{show}', expected address, mode, flags:NAME, choice:NAME or a list of constants")


def comment(text, indent=""):
    lines = " ".join(text.split())
    out, line = [], ""
    for word in lines.split(" "):
        if len(indent) + len(line) + len(word) + 4 > 100:
            out.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    out.append(line)
    return "\n".join([f"{indent}/* {out[0]}"] + [f"{indent} * {x}" for x in out[1:]]) + " */"


def names(spec, op):
    p = spec["protocol"]["name"]
    return f"{p}_{op['name']}", f"{p.upper()}_{op['name'].upper()}"


def has_transfer(op):
    return bool(op.get("data_in") or op.get("data_out") or caps(op, "in")[1] or caps(op, "out")[1])


def stub_signature(spec, op):
    lower, _ = names(spec, op)
    args = ["ar_cap target"] + [f"{C_TYPES[f['type']]} {f['name']}" for f in op["request"]]
    if op["reply"]:
        args.append(f"struct {lower}_reply *reply")
    if has_transfer(op):
        args.append("struct ipc_transfer *transfer")
    return f"enum status {lower}({', '.join(args)})"


def header(spec, source):
    p = spec["protocol"]
    name, guard = p["name"], f"PROTO_{p['name'].upper()}_H"
    out = [f"/* Generated by ipcgen.py from {source}; do not edit. */", f"#ifndef {guard}", f"#define {guard}", "",
           "#include <ipc/client.h>", "#include <ipc/message.h>"]
    out += ["#include <ipc/carry.h>"] if any(op.get("hot") for op in spec["op"]) else []
    out += ["", comment(p["doc"]), ""]
    for key, value in spec.get("constants", {}).items():
        out.append(f"#define {key} ({value})")
    out += ["", f"enum {{", f"    {name.upper()}_PROTOCOL = {p['id']},"]
    for number, op in enumerate(spec["op"]):
        out.append(f"    {names(spec, op)[1]} = 0x{p['id'] << 8 | number:x},")
    out += ["};", ""]
    for op in spec["op"]:
        lower, _ = names(spec, op)
        for side in ("request", "reply"):
            if not op[side]:
                continue
            out.append(f"struct {lower}_{side} {{")
            out += [f"    {C_TYPES[f['type']]} {f['name']};" for f in op[side]]
            out += ["};", f"_Static_assert(sizeof(struct {lower}_{side}) == {8 * len(op[side])}, \"one word a field\");"]
            out += [f"_Static_assert(offsetof(struct {lower}_{side}, {f['name']}) == {8 * i}, \"layout\");"
                    for i, f in enumerate(op[side])]
            out.append("")
    out += ["/* What a server implements. A NULL member answers ST_INVAL. A handler that does not answer ST_OK has its",
            " * request's slot capabilities dropped for it; reply words and capabilities go out on ST_OK and ST_REDIRECT. */",
            f"struct {name}_server {{"]
    for op in spec["op"]:
        lower, _ = names(spec, op)
        args = ["void *state", "struct ipc_call *call"]
        if op["request"]:
            args.append(f"const struct {lower}_request *request")
        if op["reply"]:
            args.append(f"struct {lower}_reply *reply")
        out.append(comment(op["doc"], "    "))
        out.append(f"    enum status (*{op['name']})({', '.join(args)});")
    out += ["};", "", "/* Validate and dispatch; false when the label is not of this protocol. Fills the reply and its status. */",
            f"bool {name}_dispatch(const struct {name}_server *server, void *state, struct ipc_call *call);", "",
            "/* Client stubs. They block for the reply. `transfer` may be NULL when nothing is transferred. */"]
    for op in spec["op"]:
        out.append("static inline __attribute__((always_inline)) " + "\n".join(stub(spec, op)) if op.get("hot") else stub_signature(spec, op) + ";")
    out += ["", "/* One line of text for a message of this protocol, without a newline; returns as snprintf does. */",
            f"int {name}_print(char *buffer, size_t size, uint32_t label, bool reply, const uint64_t *words,",
            "               unsigned word_count);", "", "#endif", ""]
    return "\n".join(out)


def bounds(field):
    checks = []
    access = f"request->{field['name']}"
    if "min" in field:
        checks.append(f"{access} < {field['min']}")
    if "max" in field:
        checks.append(f"{access} > {field['max']}")
    return checks


def server(spec, source):
    name = spec["protocol"]["name"]
    out = [f"/* Generated by ipcgen.py from {source}; do not edit. */", f"#include <proto/{name}.h>",
           "#include <ipc/dispatch.h>", ""]
    for op in spec["op"]:
        lower, _ = names(spec, op)
        least, most, _ = caps(op, "in")
        words = f"call->word_count != {len(op['request'])}"
        if op.get("tail_in"):
            words = f"({words} && !ipc_dispatch_tail(call, {len(op['request'])}))"
        out += [f"static enum status {op['name']}_decode(const struct {name}_server *server, void *state,",
                "                               struct ipc_call *call)", "{",
                f"    if ({words} || call->cap_count "
                + (f"!= {least})" if least == most else f"> {most})"), "        return ST_MESSAGE;"]
        args = ["state", "call"]
        if op["request"]:
            out.append(f"    const struct {lower}_request *request = (const struct {lower}_request *)call->words;")
            args.append("request")
            if checks := [c for f in op["request"] for c in bounds(f)]:
                out += [f"    if ({' || '.join(checks)})", "        return ST_MESSAGE;"]
        out += [f"    if (!server->{op['name']})", "        return ST_INVAL;"]
        if op["reply"]:
            out += [f"    struct {lower}_reply *reply = (struct {lower}_reply *)call->reply_words;",
                    # those that travel in registers go out whether the reply has them or not
                    *(f"    call->reply_words[{i}] = 0;" for i in range(len(op["reply"]), TAIL_WORD)),
                    "    __builtin_memset(reply, 0, sizeof(*reply));"]
            args.append("reply")
        out.append(f"    enum status status = server->{op['name']}({', '.join(args)});")
        if op["reply"]:
            out.append(f"    call->reply_word_count = {len(op['reply'])};")
            if op.get("tail_out"):
                out.append("    ipc_dispatch_tail_end(call);")
        out += ["    return status;", "}", ""]
    out += [f"bool {name}_dispatch(const struct {name}_server *server, void *state, struct ipc_call *call)", "{",
            "    enum status status;", "    switch (call->label) {"]
    for op in spec["op"]:
        out += [f"    case {names(spec, op)[1]}:", f"        status = {op['name']}_decode(server, state, call);",
                "        break;"]
    out += ["    default:", "        return false;", "    }", "    ipc_dispatch_finish(call, status);", "    return true;",
            "}", ""]
    return "\n".join(out)


def stub(spec, op):
    """The definition of a client stub, in lines."""
    _, upper = names(spec, op)
    least, most, _ = caps(op, "out")
    words = [f"(uint64_t){field['name']}" for field in op["request"]]
    size, tail = max(len(words), TAIL_WORD), "true" if op.get("tail_out") else "false"
    return [stub_signature(spec, op), "{",
            f"    static const struct ipc_operation ipc_op = {{{upper}, {len(words)}, {len(op['reply'])}, {least}, {most}, {tail}}};",
            f"    const uint64_t ipc_words[{size}] = {{{', '.join(words) or '0'}}};",
            f"    return {'ipc_carry' if op.get('hot') else 'ipc_stub_call'}(&ipc_op, target, ipc_words, "
            f"{'(uint64_t *)reply' if op['reply'] else 'NULL'}, {'transfer' if has_transfer(op) else 'NULL'});", "}", ""]


def client(spec, source):
    name = spec["protocol"]["name"]
    out = [f"/* Generated by ipcgen.py from {source}; do not edit. */", f"#include <proto/{name}.h>",
           "#include <ipc/stub.h>", ""]
    for op in spec["op"]:
        out += [] if op.get("hot") else stub(spec, op)
    return "\n".join(out)


def printer(spec, source):
    name = spec["protocol"]["name"]
    out = [f"/* Generated by ipcgen.py from {source}; do not edit. */", f"#include <proto/{name}.h>", "#include <stdio.h>",
           "", f"int {name}_print(char *buffer, size_t size, uint32_t label, bool reply, const uint64_t *words,",
           "               unsigned word_count)", "{", "    switch (label << 1 | reply) {"]
    for op in spec["op"]:
        for side in ("request", "reply"):
            fields = op[side]
            form = ", ".join(f"{f['name']}=" + ("%llu" if f["type"] == "u64" else "%lld") for f in fields)
            values = "".join(", (" + ("unsigned long long" if f["type"] == "u64" else "long long") + f")words[{i}]"
                             for i, f in enumerate(fields))
            arrow = "" if side == "request" else " ->"
            out += [f"    case {names(spec, op)[1]} << 1 | {int(side == 'reply')}:",
                    f"        if (word_count < {len(fields)})", "            break;" if fields else "            break;",
                    f"        return snprintf(buffer, size, \"{name}.{op['name']}{arrow}({form})\"{values});"]
            if not fields:
                del out[-3:-1]
    out += ["    }", f"    return snprintf(buffer, size, \"{name}.?(label=%u, %u words)\", label, word_count);", "}", ""]
    text = "\n".join(out)
    return text if "words[" in text else text.replace("{\n    switch", "{\n    (void)words;\n    switch", 1)


def docs(spec, source):
    p = spec["protocol"]
    out = [f"## {p['name']} (protocol {p['id']})", "", " ".join(p["doc"].split()), ""]
    if spec.get("constants"):
        out += ["| constant | value |", "|---|---|"] + [f"| `{k}` | {v} |" for k, v in spec["constants"].items()] + [""]
    for number, op in enumerate(spec["op"]):
        out += [f"### {p['name']}.{op['name']}  (label 0x{p['id'] << 8 | number:x})", "", " ".join(op["doc"].split()), ""]
        for side in ("request", "reply"):
            if op[side]:
                words = ", ".join(f"`{f['name']}` {f['type']}" + (f" ≤ {f['max']}" if "max" in f else "")
                                  for f in op[side])
                out.append(f"- {side}: {words}")
        for direction in ("in", "out"):
            least, most, cap_names = caps(op, direction)
            if most:
                count = f"{least}" if least == most else f"{least} to {most}"
                out.append(f"- capabilities {direction}: {count}" + (f" ({', '.join(cap_names)})" if cap_names else ""))
            if op.get(f"data_{direction}"):
                out.append(f"- memory: {'read' if direction == 'in' else 'written'} by the server"
                           + (", or up to 64 bytes in the message itself" if op.get(f"tail_{direction}") else ""))
        if op.get("errors"):
            out.append(f"- errors: {', '.join(op['errors'])}")
        out.append("")
    return "\n".join(out)


def message_table(spec):
    """For the tracer: label -> (name, the request's, the reply's), each (fields, may it have a tail); a field is (name, signed, show),
    where show is as in the file, constants with their values, or None."""
    p, found = spec["protocol"], {}

    def field_shown(field):
        show = field.get("show")
        return field["name"], field["type"] == "i64", {name: spec["constants"][name] for name in show} if isinstance(show, list) else show
    for number, op in enumerate(spec.get("op", [])):
        sides = [([field_shown(field) for field in op[side]], bool(op.get(f"tail_{direction}")))
                 for direction, side in (("in", "request"), ("out", "reply"))]
        found[p["id"] << 8 | number] = (f"{p['name']}.{op['name']}", *sides)
    return found


def main(argv):
    makers = {"header": header, "client": client, "server": server, "print": printer, "docs": docs}
    try:
        if len(argv) >= 4 and argv[1] == "manual":
            parts = [docs(load(path), Path(path).name) for path in sorted(argv[3:])]
            text = "# Aramid's protocols\n\nGenerated by `libipc/generator/ipcgen.py manual`; do not edit.\n\n" + "\n".join(parts)
            Path(argv[2]).write_text(text, encoding="utf-8")
            return 0
        if len(argv) != 4 or argv[1] not in makers:
            print(__doc__, file=sys.stderr)
            return 2
        Path(argv[3]).write_text(makers[argv[1]](load(argv[2]), Path(argv[2]).name), encoding="utf-8")
    except (ProtocolError, tomllib.TOMLDecodeError, KeyError, OSError) as error:
        print(f"ipcgen.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
