#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn the manifest (manifest.toml) into the binary table that init reads (servers/init/manifest.h).

usage: mkmanifest.py MANIFEST.toml OUTPUT
"""
import struct
import sys
import tomllib
from pathlib import Path

# The layout of struct manifest, manifest_server and manifest_grant; init checks version and sizes.
MAGIC, VERSION = b"ARAMIDMF", 3
HEADER = struct.Struct("<8sIIII")           # magic, version, server count, size of a server, reserved
GRANT = struct.Struct("<IIII")              # kind, slot, server, badge
SERVER = struct.Struct("<16s48sQQIIIIIIIIIIII")
GRANTS_MAX, SERVERS_MAX = 8, 16
GRANT_ROOT_GATE, GRANT_SIGNAL = 1, 2
UNTYPED_REST = (1 << 64) - 1
NO_IRQ = 0xFFFFFFFF

ISSUERS = {"ISSUER_PROCD": 1, "ISSUER_FILED": 2, "ISSUER_SOCKD": 3, "ISSUER_CONSOLED": 4}
BADGES = {"BADGE_PRIVILEGED": 1, "BADGE_ROOT": 2, "BADGE_MOUNT": 4}
ROOT_SLOTS = {"procd": 16, "filed": 17, "sockd": 18, "consoled": 19}  # enum server_slot
SLOT_SIGNAL = 24
CREDENTIALS = {None: 0, "read": 1, "write": 2}
KEYS = {"name", "issuer", "priority", "heap", "heap_percent", "untyped", "slots", "irq", "ports", "log", "blob", "credentials",
        "root_gates", "signals", "signal_ring"}


class ManifestError(Exception):
    """The manifest is wrong; the message says where and how."""


def size(where, text):
    """Bytes of "64M", "256K" or a number."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    if isinstance(text, int):
        return text
    if text[-1:] in units and text[:-1].isdigit():
        return int(text[:-1]) * units[text[-1]]
    raise ManifestError(f"{where}: '{text}' is not a size like 64M")


def choose(where, table, key):
    if key not in table:
        raise ManifestError(f"{where}: '{key}' is not one of {', '.join(str(k) for k in table if k)}")
    return table[key]


def grants(where, server, names):
    out = []
    for gate in server.get("root_gates", []):
        target = gate["server"]
        out.append((GRANT_ROOT_GATE, choose(where, ROOT_SLOTS, target), choose(where, names, target),
                    choose(where, BADGES, gate["badge"])))
    if "signals" in server:
        out.append((GRANT_SIGNAL, SLOT_SIGNAL, choose(where, names, server["signals"]), 0))
    if len(out) > GRANTS_MAX:
        raise ManifestError(f"{where}: {len(out)} grants, {GRANTS_MAX} fit")
    if len({slot for _, slot, _, _ in out}) != len(out):
        raise ManifestError(f"{where}: two grants for one slot")
    return out


def pack(server, names):
    where = f"server {server.get('name', '?')}"
    if unknown := set(server) - KEYS:
        raise ManifestError(f"{where}: unknown key {sorted(unknown)}")
    heap, untyped = size(where, server["heap"]), server["untyped"]
    if heap == 0 or heap % (2 << 20):
        raise ManifestError(f"{where}: heap {heap} is not a multiple of 2 MiB")
    if untyped == "rest":
        untyped = UNTYPED_REST
    else:
        untyped = size(where, untyped)
        if untyped < 4096 or untyped & (untyped - 1):
            raise ManifestError(f"{where}: untyped {untyped} is not a power of two of at least 4K")
    percent = server.get("heap_percent", 0)
    if not 0 <= percent <= 90:
        raise ManifestError(f"{where}: heap_percent {percent} is not in 0..90")
    slots = server["slots"]
    if slots % 256 or not 512 <= slots <= 1 << 20:
        raise ManifestError(f"{where}: slots {slots} is not a multiple of 256 from 512 to 1048576")
    if not 0 <= server["priority"] <= 62:
        raise ManifestError(f"{where}: priority {server['priority']} is not in 0..62")
    first, last = server.get("ports", [1, 0])
    granted = grants(where, server, names)
    blob = server.get("blob", "").encode()
    if len(server["name"]) > 15 or len(blob) > 47:
        raise ManifestError(f"{where}: a name is too long")
    packed = SERVER.pack(server["name"].encode(), blob, heap, untyped, server["priority"],
                         choose(where, ISSUERS, server["issuer"]), slots, server.get("irq", NO_IRQ), first, last,
                         int(server.get("log", False)), choose(where, CREDENTIALS, server.get("credentials")),
                         len(granted), percent, int(server.get("signal_ring", False)), 0)
    granted += [(0, 0, 0, 0)] * (GRANTS_MAX - len(granted))
    return packed + b"".join(GRANT.pack(*grant) for grant in granted)


def build(path):
    with open(path, "rb") as file:
        spec = tomllib.load(file)
    if unknown := set(spec) - {"server"}:
        raise ManifestError(f"unknown key {sorted(unknown)}")
    servers = spec.get("server", [])
    names = {server["name"]: index for index, server in enumerate(servers)}
    if len(names) != len(servers) or not 1 <= len(servers) <= SERVERS_MAX:
        raise ManifestError(f"a server is named twice, or there are not 1 to {SERVERS_MAX}")
    if sum(server["untyped"] == "rest" for server in servers) > 1:
        raise ManifestError("two servers want the rest of the memory")
    record = SERVER.size + GRANTS_MAX * GRANT.size
    return HEADER.pack(MAGIC, VERSION, len(servers), record, 0) + b"".join(pack(s, names) for s in servers)


def main(argv):
    if len(argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        Path(argv[2]).write_bytes(build(argv[1]))
    except (ManifestError, tomllib.TOMLDecodeError, OSError) as error:
        print(f"mkmanifest.py: {argv[1]}: {error}", file=sys.stderr)
        return 1
    except KeyError as error:
        print(f"mkmanifest.py: {argv[1]}: a server lacks {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
