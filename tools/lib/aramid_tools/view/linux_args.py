# SPDX-License-Identifier: MIT
"""A Linux call in strace's notation: what each argument is, from libposix/linux_calls.toml.

A trace has the registers; what a pointer pointed to it has in `texts` (by the argument's number) when the run recorded it.
"""
import errno
import os
import struct
import tomllib
from functools import cache

from aramid_tools.common import ROOT

STRING_LIMIT = 32 # bytes of a buffer that strace shows


@cache
def _table():
    with open(ROOT / "libposix/linux_calls.toml", "rb") as file:
        return tomllib.load(file)


def signed(value, bits=32):
    value = number(value) & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def number(value):
    return int(value, 16) if isinstance(value, str) else value


def quoted(data, cut=False):
    text = ""
    for index, byte in enumerate(data):
        if byte in b'"\\':
            text += "\\" + chr(byte)
        elif byte in b"\n\t\r\v\f":
            text += {10: "\\n", 9: "\\t", 13: "\\r", 11: "\\v", 12: "\\f"}[byte]
        elif 32 <= byte < 127:
            text += chr(byte)
        else:
            following = data[index + 1:index + 2]
            text += f"\\{byte:03o}" if following.isdigit() else f"\\{byte:o}"
    return f'"{text}"' + ("..." if cut else "")


def flags(value, kind):
    return bits(value, _table()["flags"][kind])


def bits(value, table):
    """Names of a [flags] table joined by |; a table may have `_choice`, bits whose value is one of several."""
    mask, names = table.get("_choice", 0), []
    if mask or value == 0:
        chosen = next((name for name, bit in table.items() if name[0] != "_" and bit == value & mask and bit <= mask), None)
        if chosen:
            names += [chosen] if chosen != "0" else [] # a choice without a name
            value &= ~mask
    for name, bit in table.items():
        if name[0] != "_" and bit and value & bit == bit and not (mask and bit <= mask):
            names.append(name)
            value &= ~bit
    if value or not names:
        names.append(hex(value) if value else "0")
    return "|".join(names)


def choice(value, kind):
    table = _table()["choices"][kind]
    return next((name for name, known in table.items() if known == value), hex(value) if value > 9 else str(value))


def address(data):
    """struct sockaddr_un, as strace has it."""
    if len(data) < 2:
        return None
    family, path = struct.unpack("<H", data[:2])[0], data[2:]
    if family != 1:
        return f"{{sa_family={family:#x}}}"
    if not path:
        return "{sa_family=AF_UNIX}"
    if path[:1] == b"\0":
        return f"{{sa_family=AF_UNIX, sun_path=@{quoted(path[1:])}}}"
    return f"{{sa_family=AF_UNIX, sun_path={quoted(path.split(bytes(1))[0])}}}"


def pointer(value):
    return "NULL" if value == 0 else hex(value)


def argument(kind, value, text, call):
    """One argument of a call. `text`: the recorded bytes it points to, or None."""
    result = call.value if call.value is not None else -1
    value = number(value)
    kind, _, more = kind.partition(":")
    if kind in ("fd", "int", "pid"):
        return "AT_FDCWD" if more == "at" and signed(value) == -100 else str(signed(value))
    if kind in ("uint", "size", "offset"):
        return str(signed(value, 64) if kind == "offset" else value)
    if kind == "mode":
        return f"{value & 0o7777:#05o}" if value & 0o7777 else "000"
    if kind == "flags":
        return flags(value & 0xFFFFFFFF, more)
    if kind == "choice":
        return choice(value & 0xFFFFFFFF, more)
    if value == 0:
        return "NULL"
    if text is None:
        return pointer(value)
    if kind == "path":
        return quoted(text.split(b"\0")[0])
    if kind in ("in", "out"):
        length = result if more == "r" else number(call.args[int(more)])
        return quoted(text[:STRING_LIMIT], cut=length > STRING_LIMIT) if kind == "in" or result >= 0 else pointer(value)
    if kind == "fds":
        return f"[{', '.join(str(fd) for fd in struct.unpack('<2i', text[:8]))}]" if result >= 0 else pointer(value)
    if kind == "address":
        return address(text) or pointer(value)
    return pointer(value)


def formatted(call):
    """`name(arguments)`; the value is `value(call)`."""
    kinds = _table()["calls"].get(call.name)
    if kinds is None:
        kinds = ["pointer"] * 6
    if "creat" in kinds and not number(call.args[kinds.index("flags:open")]) & 0o100:
        kinds = kinds[:kinds.index("creat")]
    if kinds and kinds[-1].startswith("by:"):
        before = choice(number(call.args[len(kinds) - 2]) & 0xFFFFFFFF, kinds[-2].partition(":")[2])
        kind = _table()["by"][kinds[-1].partition(":")[2]].get(before, "pointer")
        kinds = kinds[:-1] + ([kind] if kind else [])
    texts = {int(place): bytes.fromhex(text) for place, text in call.texts.items()}
    shown = [argument("mode" if kind == "creat" else kind, value, texts.get(place), call)
             for place, (kind, value) in enumerate(zip(kinds, call.args))]
    return f"{call.name}({', '.join(shown)})"


def value(call):
    if call.restart:
        return "? ERESTARTSYS (To be restarted if SA_RESTART is set)"
    if call.value is None:
        return "?"
    if call.errno:
        return f"-1 {call.errno} ({os.strerror(getattr(errno, call.errno))})"
    kind = _table().get("results", {}).get(call.name)
    if kind == "pointer" or call.value > 1 << 32:
        return hex(call.value & (1 << 64) - 1) if call.value else "0"
    return str(call.value)
