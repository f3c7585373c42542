# What a program cannot do, what each server holds, and that everything comes back. SPDX-License-Identifier: MIT
import re
import struct
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import lib

HOSTILE_VERDICTS = 20  # at least so many things are tried
# aramid-leak counts that need not come back exactly, with how much may stay: heaps keep free lists and tables.
MAY_STAY = {"fs.heap": 65536, "sock.heap": 65536, "sock.taken": 65536}
CAP_LINE = re.compile(r"aramid-cap: (\w+) (\d+) (\w+) (\d+) ([0-9a-f]+) (\d+)")


def operation(protocol, name):
    """(label, words, capabilities) of a well-formed request, as ipcgen.py has it."""
    with open(lib.SOURCE / f"libipc/protocols/{protocol}.toml", "rb") as file:
        spec = tomllib.load(file)
    index = [op["name"] for op in spec["op"]].index(name)
    op = spec["op"][index]
    return hex(spec["protocol"]["id"] << 8 | index), len(op.get("request", [])), len(op.get("caps_in", []))


def label(protocol, name):
    return operation(protocol, name)[0]


def check_hostile(root):
    privileged = [operation("proc", "spawn"), operation("proc", "spawn_wait"), operation("console", "set_mode")]
    argv = ["/test/hostile", label("sock", "stage"), *(":".join(map(str, words)) for words in privileged)]
    run = lib.aramid(argv, root, 180)
    lib.require_equal("hostile program: nothing was granted", 0, run.status, run)
    refused = run.stdout.count(b"refused:")
    lib.require(refused >= HOSTILE_VERDICTS, "hostile program: it tried", f"{HOSTILE_VERDICTS} or more", refused)
    for line in run.lines():
        if line.startswith("GRANTED"):
            lib.require(False, line)
    lib.require(b"afterwards: sockets alive, files 1" in run.stdout, "hostile program: the servers live on", run=run)


def manifest():
    """The binary manifest that init reads, and the TOML it is made of."""
    source = lib.SOURCE / "system/manifest.toml"
    with tempfile.TemporaryDirectory() as work, open(source, "rb") as file:
        output = Path(work) / "manifest"
        subprocess.run([sys.executable, str(lib.SOURCE / "system/mkmanifest.py"), str(source), str(output)], check=True)
        return tomllib.load(file)["server"]


def slot_names():
    """enum server_slot of ipc/server.h: {number: name}."""
    text = (lib.SOURCE / "libipc/include/ipc/server.h").read_text()
    body = re.sub(r"/\*.*?\*/", "", re.search(r"enum server_slot \{(.*?)\};", text, re.S)[1], flags=re.S)
    names, number = {}, 0
    for item in body.split(","):
        name, _, value = (part.strip() for part in item.partition("="))
        if name:
            number = int(value, 0) if value else number
            names[number] = name
            number += 1
    return names


def expected_caps(server):
    """{slot name: type} that this server's manifest entry gives it; what every server has comes first."""
    caps = {"SERVER_SLOT_IRQ": "IRQ"} if "irq" in server else {}
    if "ports" in server:
        caps["SERVER_SLOT_PORT"] = "PORT"
    if server.get("log"):
        caps["SERVER_SLOT_LOG"] = "LOG"
    for grant in server.get("root_gates", []):
        caps[f"SERVER_SLOT_ROOT_{grant['server'].upper()}"] = "GATE"
    if "signals" in server:
        caps["SERVER_SLOT_SIGNAL"] = "NOTIFICATION"
    return caps


# Only these may be there because the manifest says so; kinds of every server's own objects are not in question.
GRANTED_TYPES = {"IRQ", "IRQ_CONTROL", "PORT", "LOG"}
FIRST_OWN_SLOT = 256  # below it are the well-known slots


def check_capabilities(root):
    run = lib.aramid(["/bin/true"], root, 60, options=["--boot", "capdump=1"])
    lib.require_equal("capability dump: the program ran", 0, run.status, run)
    found = {}
    for line in run.log.splitlines():
        if match := CAP_LINE.search(line):
            found.setdefault(match[1], []).append((int(match[2]), match[3], int(match[6])))
    names = slot_names()
    servers = manifest()
    lib.require_equal("capability dump: each server of the manifest, and no other", sorted(s["name"] for s in servers),
                      sorted(found), run)
    for server in servers:
        caps = found.get(server["name"], [])
        well_known = {names.get(slot, f"slot {slot}"): kind for slot, kind, _ in caps if slot < FIRST_OWN_SLOT}
        wanted = expected_caps(server)
        for slot, kind in wanted.items():
            name = next((n for n in well_known if n == slot or n == slot.replace("ROOT_", "")), slot)
            lib.require_equal(f"{server['name']}: {slot} is there", kind, well_known.get(name))
        extra = {n: k for n, k in well_known.items() if k in GRANTED_TYPES and n not in wanted}
        lib.require_equal(f"{server['name']}: no device, line or log beyond the manifest", {}, extra)
        beyond = [(slot, kind) for slot, kind, _ in caps if slot >= FIRST_OWN_SLOT and kind in GRANTED_TYPES]
        lib.require_equal(f"{server['name']}: none hidden in other slots", [], beyond)
        # Gates of other servers: exactly as many as root_gates say (their issuer is not this server's own).
        own = [s["name"] for s in servers].index(server["name"])
        issuers = {"procd": 1, "filed": 2, "sockd": 3, "consoled": 4}
        foreign = sorted(issuer for slot, kind, issuer in caps if kind == "GATE" and issuer not in (0, issuers[server["name"]]))
        wanted_issuers = sorted(issuers[g["server"]] for g in server.get("root_gates", []))
        lib.require_equal(f"{server['name']} ({own}): gates of other servers", wanted_issuers, foreign)


LEAK_SCRIPT = """
cd /tmp; n=0; while [ $n -lt 15 ]; do n=$((n + 1)); (echo $n | cat | tr 1 2 > f.$n) & done; wait; rm -f f.*
mkdir d; echo x > d/y; ln -s y d/z; mkfifo q; (echo through > q) & cat q; wait; rm -r d q
sleep 100 & kill -9 $!; wait $! 2> /dev/null; sh -c 'kill -SEGV $$' 2> /dev/null
/test/session > /tmp/out && rm /tmp/out; /test/sockets > /tmp/out; rm -f /tmp/out; echo done
"""


def check_leaks(root):
    run = lib.aramid(["/bin/sh", "-c", LEAK_SCRIPT], root, 180)
    lib.require(run.stdout.endswith(b"done\n") and run.status == 0, "leak test: the script ran", run=run)
    counts = lib.leak_counts(run)
    lib.require(len(counts) >= 14, "leak test: the servers were asked", 14, len(counts), run)
    for name, (before, after) in sorted(counts.items()):
        lib.require(abs(after - before) <= MAY_STAY.get(name, 0), f"{name} is back at its starting count", before, after)


def check_addresses():
    """The hostile program is built against these; a moved constant would make it test nothing."""
    text = (lib.SOURCE / "libposix/include/posix_abi.h").read_text()
    magic = int(re.search(r"POSIX_MAGIC (0x[0-9a-f]+)", text)[1], 16)
    lib.require(struct.pack("<Q", magic) in lib.program("hostile.musl").read_bytes(), "hostile knows libposix's magic")


with lib.Tree() as tree:
    for source, name in (("hostile.musl", "hostile"), ("afunix_session.musl", "session"), ("posix_sockets.musl", "sockets")):
        tree.add(lib.program(source), f"test/{name}")
    root = tree.seal()
    check_addresses()
    check_capabilities(root)
    check_hostile(root)
    check_leaks(root)
lib.finish()
