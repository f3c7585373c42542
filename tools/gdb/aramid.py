# SPDX-License-Identifier: MIT
"""gdb -x tools/gdb/aramid.py: look into a stopped Aramid.

Connects to the machine that `tools/run --gdb` started (port 1234), with the symbols of the kernel, every server and libposix, and adds:

    threads              every thread: state, what it waits for, where it is
    waits                who waits on whom
    endpoints            each endpoint: its server, who queues, its gates
    caps THREAD          the capabilities of a thread's space
    aspace THREAD        what is mapped in a thread's address space
    sockets              sockd's sockets, their state and queues
    symbols FILE         also those of a program (a path on this machine)

THREAD is a name or a number as `threads` prints them. Everything is read from the kernel's own objects (microkernel/object/object.h,
sched/sched.h) by the debugging information, so nothing here has to know an offset.
"""
import os
import struct
import subprocess
from pathlib import Path

import gdb # pylint: disable=import-error

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ARAMID_BUILD") or ROOT / "build")
PORT = os.environ.get("ARAMID_GDB_PORT", "1234")
PHYSICAL = 0xFFFF800000000000 # all physical memory, in every address space
SERVERS = ("init", "procd", "filed", "sockd", "consoled")
PAGE = 4096
LEAF_SLOTS = 256
USER_END = 0x800000000000


class Refusal(Exception):
    """A command cannot do what was asked: one line for the user. Not gdb.GdbError, which crashes gdb 13 from inside a command."""


def value(expression):
    return gdb.parse_and_eval(expression)


def pointer(kind, address):
    return gdb.Value(int(address)).cast(gdb.lookup_type(kind).pointer())


def enum_name(kind, number, prefix):
    for field in gdb.lookup_type(kind).fields():
        if field.enumval == int(number):
            return field.name.removeprefix(prefix).lower()
    return str(int(number))


def text(array):
    return bytes(int(array[i]) & 255 for i in range(array.type.range()[1] + 1)).split(b"\0")[0].decode("utf-8", "replace")


# ---- memory of others ----

def physical(address, length):
    return bytes(gdb.selected_inferior().read_memory(PHYSICAL + address, length))


def entries(table):
    return struct.unpack("<512Q", physical(table, PAGE))


def translate(top, address):
    """The physical address behind `address` in the space with that top table; None: nothing is mapped."""
    table = top
    for shift in (39, 30, 21, 12):
        entry = entries(table)[address >> shift & 511]
        if not entry & 1:
            return None
        table = entry & 0x000FFFFFFFFFF000
        if shift == 12 or entry & 0x80:
            size = 1 << shift
            return (table & ~(size - 1)) + (address & (size - 1))
    return None


class Space:
    """Another thread's memory, whatever is mapped now."""

    def __init__(self, tcb):
        self.top = int(tcb["vspace"]["extra"])

    def read(self, address, length):
        data = b""
        while len(data) < length:
            at = address + len(data)
            found = translate(self.top, at)
            if found is None:
                raise Refusal(f"nothing is mapped at {at:#x}")
            data += physical(found, min(length - len(data), PAGE - at % PAGE))
        return data

    def value(self, address, kind):
        return gdb.Value(self.read(int(address), kind.sizeof), kind)


# ---- threads ----

def core():
    return value("*(struct core *)&core")


def all_threads():
    """The newest first, as the kernel has them."""
    thread = core()["all_threads"]
    while int(thread):
        yield thread.dereference()
        thread = thread["all_next"]


def number(tcb):
    """The page of the object: unique while it lives."""
    return int(tcb.address) // PAGE & 0xFFFFF


def name(tcb):
    return text(tcb["name"]) or "?"


def find(wanted):
    if not wanted:
        raise Refusal("expected THREAD: a name or a number as `threads` prints them")
    found = [tcb for tcb in all_threads() if wanted in (name(tcb), str(number(tcb)))]
    if not found:
        raise Refusal(f"no thread '{wanted}'; there are: {', '.join(sorted({name(tcb) for tcb in all_threads()}))}")
    return found[0]


def state(tcb):
    return "suspended" if int(tcb["suspended"]) else enum_name("enum ar_thread_state", tcb["state"], "AR_THREAD_")


def target(tcb):
    """What it waits for, in words."""
    kind = enum_name("enum ar_thread_state", tcb["state"], "AR_THREAD_")
    if kind == "blocked_reply" and int(tcb["reply"]):
        server = tcb["reply"]["server"]
        return f"the answer of {name(server) if int(server) else 'a server that is gone'}"
    if kind in ("blocked_call", "blocked_fault") and int(tcb["waiting_on"]):
        server = tcb["waiting_on"]["server"]
        return f"{name(server) if int(server) else 'somebody'} to receive at endpoint {int(tcb['waiting_on']):#x}"
    if kind == "blocked_fault" and int(tcb["reply"]):
        return f"{name(tcb['reply']['server'])} to handle its fault"
    if kind == "blocked_recv":
        return f"a message at endpoint {int(tcb['waiting_on']):#x}"
    if kind == "blocked_wait":
        return f"notification {int(tcb['waiting_for']):#x}"
    return ""


# ---- symbols ----

def symbol_file(server):
    return BUILD / ("libposix/libposix.elf" if server == "libposix" else f"servers/{server}/{server}")


def function_at(tcb, rip):
    """The function's name, in the right one of files that are linked to the same addresses."""
    if rip >= 1 << 47:
        file = BUILD / "microkernel/aramid.elf"
    elif 0x600000000000 <= rip < 0x600100000000:
        file = symbol_file("libposix")
    elif name(tcb).removesuffix("-monitor") in SERVERS:
        file = symbol_file(name(tcb).removesuffix("-monitor"))
    else:
        return ""
    done = subprocess.run(["addr2line", "-f", "-e", file, hex(rip)], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout and not done.stdout.startswith("?") else ""


def load_symbols():
    loaded = []
    for server in (*SERVERS, "libposix"):
        file = symbol_file(server)
        if file.exists():
            gdb.execute(f"add-symbol-file {file}", to_string=True)
            loaded.append(server)
    print(f"symbols: kernel, {', '.join(loaded)}")


# ---- commands ----

class Command(gdb.Command):
    """One of ours: the docstring is its help."""

    word = ""

    def __init__(self):
        super().__init__(self.word, gdb.COMMAND_DATA)

    def invoke(self, argument, _):
        try:
            if not int(core()["all_threads"]):
                raise Refusal("there are no threads yet: the kernel has not started init; continue, and stop it later")
            self.run(argument.strip())
        except Refusal as error:
            print(error)
        except gdb.MemoryError as error:
            print(f"{self.word}: {error} (is the kernel running already?)")


class Threads(Command):
    """threads: every thread, its number, priority, state, what it waits for, where it is."""

    word = "threads"

    def run(self, _):
        current = core()["current"]
        for tcb in reversed(list(all_threads())):
            here = "*" if int(current) == int(tcb.address) and not int(core()["idle"]) else " "
            rip = int(value("$pc")) if here == "*" else int(tcb["regs"]["rip"])
            print(f"{here} {number(tcb):>6} {name(tcb):<15} priority {int(tcb['priority']):>2}  {state(tcb):<14} "
                  f"rip {rip:#x} {function_at(tcb, rip):<24} {target(tcb)}".rstrip())


class Waits(Command):
    """waits: who waits on whom; threads that wait for messages in general are idle servers."""

    word = "waits"

    def run(self, _):
        for tcb in reversed(list(all_threads())):
            if words := target(tcb):
                print(f"{name(tcb)} ({number(tcb)}) waits for {words}")


def queue(head):
    names, thread = [], head
    while int(thread) and len(names) < 1000:
        names.append(f"{name(thread)} ({number(thread.dereference())})")
        thread = thread["link_next"]
    return ", ".join(names)


class Endpoints(Command):
    """endpoints: each one that a thread waits at or has a capability to."""

    word = "endpoints"

    def run(self, _):
        found = {}
        for tcb in all_threads():
            if int(tcb["waiting_on"]):
                found[int(tcb["waiting_on"])] = True
            for _, cap in capabilities(tcb, limit=LEAF_SLOTS):
                if enum_name("enum ar_type", cap["type"], "AR_") == "endpoint":
                    found[int(cap["object"])] = True
        for address in sorted(found):
            endpoint = pointer("struct endpoint", address).dereference()
            gates, gate = 0, endpoint["gates"]
            while int(gate) and gates < 1000000:
                gates, gate = gates + 1, gate["next"]
            server = endpoint["server"]
            print(f"endpoint {address:#x}: server {name(server) if int(server) else 'none yet'}, issuer {int(endpoint['issuer'])}, {gates} gates"
                  + (f"; senders: {queue(endpoint['senders']['head'])}" if int(endpoint["senders"]["head"]) else "")
                  + (f"; receives: {queue(endpoint['receivers']['head'])}" if int(endpoint["receivers"]["head"]) else ""))


def capabilities(tcb, limit=None):
    """(slot, struct cap) of everything in its space; `limit`: only the first slots."""
    root = tcb["cspace"]
    if enum_name("enum ar_type", root["type"], "AR_") != "cnode":
        return
    leaves = pointer("struct cap", root["object"])
    size = gdb.lookup_type("struct cap").sizeof
    empty = bytes(1)
    for leaf in range(int(root["extra"])):
        leaf_cap = leaves[leaf]
        if enum_name("enum ar_type", leaf_cap["type"], "AR_") != "cnode":
            continue
        memory = bytes(gdb.selected_inferior().read_memory(int(leaf_cap["object"]), size * LEAF_SLOTS))
        for index in range(LEAF_SLOTS):
            slot = leaf * LEAF_SLOTS + index
            if limit is not None and slot >= limit:
                return
            if memory[index * size:index * size + 1] != empty:
                yield slot, gdb.Value(memory[index * size:(index + 1) * size], gdb.lookup_type("struct cap"))


def describe(cap):
    kind = enum_name("enum ar_type", cap["type"], "AR_")
    letters = "rwx" if kind == "frame" else "srm"
    rights = "".join(letter for bit, letter in enumerate(letters) if int(cap["rights"]) >> bit & 1)
    words = f"{kind:<12} {rights:<4} {int(cap['object']):#x}"
    if kind == "gate":
        gate = pointer("struct gate", cap["object"]).dereference()
        server = gate["endpoint"]["server"] if int(gate["endpoint"]) else 0
        words += f" badge {int(gate['badge'])}" + (f" of {name(server)}" if int(server) else "")
    if kind == "tcb":
        words += f" {name(pointer('struct tcb', cap['object']))}"
    if kind in ("untyped", "frame"):
        words += f" {1 << int(cap['size_bits']):,} bytes"
    if kind == "frame" and int(cap["flags"]) & 2:
        words += f" mapped at {int(cap['extra']):#x}"
    return words


class Caps(Command):
    """caps THREAD: the capabilities in its space, slot by slot."""

    word = "caps"

    def run(self, argument):
        tcb = find(argument)
        print(f"{name(tcb)} ({number(tcb)}):")
        for slot, cap in capabilities(tcb):
            print(f"  {slot:>6}  {describe(cap)}")


class Aspace(Command):
    """aspace THREAD: what is mapped in the user half of its address space, joined to ranges."""

    word = "aspace"

    def run(self, argument):
        tcb = find(argument)
        top, low = int(tcb["vspace"]["extra"]), None
        print(f"{name(tcb)} ({number(tcb)}): top table at {top:#x}")
        end = rights = None
        for address, size, flags in self.pages(top, 39, 0):
            if low is not None and address == end and flags == rights:
                end += size
                continue
            self.show(low, end, rights)
            low, end, rights = address, address + size, flags
        self.show(low, end, rights)

    @staticmethod
    def show(low, end, rights):
        if low is not None:
            print(f"  {low:#016x} .. {end:#016x}  {rights}  {end - low:>12,} bytes")

    def pages(self, table, shift, base):
        for index, entry in enumerate(entries(table)):
            address = base | index << shift
            if not entry & 1 or address >= USER_END:
                continue
            if shift == 12 or entry & 0x80:
                yield address, 1 << shift, "r" + ("w" if entry & 2 else "-") + ("-" if entry >> 63 else "x")
            else:
                yield from self.pages(entry & 0x000FFFFFFFFFF000, shift - 9, address)


class Sockets(Command):
    """sockets: what sockd has, read out of its memory whoever runs now."""

    word = "sockets"

    def run(self, _):
        space = Space(find("sockd"))
        file = next((objfile for objfile in gdb.objfiles() if objfile.filename.endswith("/sockd/sockd")), None)
        where = file.lookup_static_symbol("state_for_debuggers") if file else None
        if where is None:
            raise Refusal("sockets: sockd's symbols are not loaded: expected build/servers/sockd/sockd")
        state_at = struct.unpack("<Q", space.read(int(where.value().address), 8))[0]
        # by sockd's own fields: other servers have a struct object too
        sockd_type = where.type.target()
        object_type, socket_type = sockd_type["objects"].type.target(), sockd_type["abstract"].type.target().target()
        at, count = int(space.value(state_at, sockd_type)["objects"]), 0
        while at:
            head = space.value(at, object_type)
            if str(head["kind"]) == "OBJECT_SOCKET":
                count += 1
                print(self.line(space, space.value(at, socket_type), object_type))
            at = int(head["next"])
        print(f"{count} sockets")

    @staticmethod
    def line(space, socket, object_type):
        types = {1: "stream", 2: "dgram", 5: "seqpacket"}
        words = f"  ino {int(socket['object']['ino'])} badge {int(socket['object']['badge'])} {types.get(int(socket['type']), int(socket['type']))}"
        words += " " + str(socket["state"]).removeprefix("SOCKET_").lower()
        if int(socket["address"]):
            kind = socket["address"].type.target()
            length = int(space.value(socket["address"], kind)["length"])
            raw = space.read(int(socket["address"]) + kind["bytes"].bitpos // 8, length)[2:]
            shown = "@" + raw[1:].decode("utf-8", "replace") if raw[:1] == b"\0" else raw.split(b"\0")[0].decode("utf-8", "replace")
            words += f" '{shown}'"
        if int(socket["peer"]):
            words += f" peer {int(space.value(socket['peer'], object_type)['ino'])}"
        words += f", {int(socket['message_count'])} messages, {int(socket['unread'])} bytes unread"
        if int(socket["accept_count"]):
            words += f", {int(socket['accept_count'])} wait to be accepted"
        return words


class Symbols(Command):
    """symbols FILE: load a program's, for backtraces of a process that runs it."""

    word = "symbols"

    def run(self, argument):
        if not os.path.isfile(argument):
            raise Refusal(f"symbols: {argument or 'FILE'}: no such file")
        gdb.execute(f"add-symbol-file {argument}", to_string=True)
        print(f"symbols: {argument}")


def main():
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    gdb.execute("set max-value-size unlimited") # struct sockd is large
    gdb.execute("set architecture i386:x86-64", to_string=True)
    kernel = BUILD / "microkernel/aramid.elf"
    if not kernel.exists():
        raise Refusal(f"{kernel}: not built: tools/run builds it")
    gdb.execute(f"file {kernel}", to_string=True)
    load_symbols()
    for command in (Threads, Waits, Endpoints, Caps, Aspace, Sockets, Symbols):
        command()
    if not os.environ.get("ARAMID_GDB_OFFLINE"):
        gdb.execute(f"target remote :{PORT}", to_string=True)
    print("threads, waits, endpoints, caps THREAD, aspace THREAD, sockets, symbols FILE; `continue` starts the machine, ^C stops it")


try:
    main()
except (Refusal, gdb.error) as failure:
    print(f"aramid.py: {failure}")
