# SPDX-License-Identifier: MIT
"""The kernel's objects and capabilities as the trace has told of them so far: names for addresses and slots."""
import bisect

SLOT = 32
LEAF_BITS = 8
ORIGINAL = 1
COUNTED = {"untyped", "cnode", "endpoint", "gate", "notification", "reply", "tcb", "vspace", "table", "frame"}
SHORT = {"endpoint", "gate", "notification"}
RIGHTS = {"gate": "s", "endpoint": "srm", "notification": "sr"}


def rights_text(kind, rights):
    letters = RIGHTS.get(kind, "rwx")
    return "".join(letter for bit, letter in enumerate(letters) if rights >> bit & 1)


class Cap:
    """What a slot holds."""
    __slots__ = ("kind", "address", "rights", "flags", "bits", "asid", "extra")

    def __init__(self, kind, address, word, extra):
        self.kind, self.address, self.extra = kind, address, extra
        self.rights, self.flags, self.bits, self.asid = word >> 8 & 255, word >> 16 & 255, word >> 24 & 255, word >> 32


class Objects:
    """Names of objects, contents of slots."""

    def __init__(self, types, thread_of):
        self.types, self.thread_of = types, thread_of
        self.names = {}      # (kind, address) -> KIND#N
        self.short = {}      # address >> 5, 32 bits -> address, of those that share a word
        self.counts = {}     # kind -> how many there have been
        self.copies = {}     # (kind, address) -> capabilities to it
        self.caps = {}       # slot address -> Cap
        self.nodes = {}      # address of a CNode -> its end
        self.starts = []     # the addresses, sorted
        self.held_in = {}    # address of a CNode -> slots with it
        self.spaces = {}     # asid -> address of the vspace
        self.badges = {}     # gate -> badge
        self.gates = {}      # (endpoint, badge) -> gate that was bound to it last
        self.issuers = {}    # endpoint -> issuer
        self.endpoints = {}  # gate -> endpoint
        self.servers = {}    # endpoint -> thread that receives there
        self.own = ()        # offsets of the capabilities in a TCB

    # ---- names ----

    def name(self, kind, address):
        if kind == "tcb":
            return self.thread_of(address >> 12 & 0xFFFFFFFF)
        if kind == "irq":
            return f"irq {address}"
        if kind == "port":
            return f"port {address & 0xffff:#x}-{address >> 16:#x}"
        if kind in COUNTED:
            return self.names.get((kind, address), "?")
        return kind

    def make(self, kind, address, bits):
        number = self.counts[kind] = self.counts.get(kind, 0) + 1
        self.names[kind, address] = f"{kind}#{number}"
        if kind in SHORT:
            self.short[address >> 5 & 0xFFFFFFFF] = kind, address
        elif kind == "cnode":
            if address not in self.nodes:
                bisect.insort(self.starts, address)
            self.nodes[address] = address + (SLOT << bits)

    def destroy(self, kind, address):
        self.names.pop((kind, address), None)
        if kind in SHORT:
            self.short.pop(address >> 5 & 0xFFFFFFFF, None)
            self.gates.pop((self.endpoints.get(address), self.badges.get(address)), None)
            for table in (self.badges, self.issuers, self.endpoints, self.servers):
                table.pop(address, None)
        elif kind == "cnode" and self.nodes.pop(address, None):
            del self.starts[bisect.bisect_left(self.starts, address)]

    def short_name(self, number):
        """Of 32 bits of a pair; None for no object."""
        if not number:
            return None
        found = self.short.get(number)
        return self.name(*found) if found else "?"

    # ---- slots ----

    def node_of(self, slot):
        at = bisect.bisect_right(self.starts, slot) - 1
        if at < 0 or slot >= self.nodes[self.starts[at]]:
            return None
        return self.starts[at]

    def place(self, slot):
        """A slot's address in words of the format; None: unknown."""
        node = self.node_of(slot)
        if node is None:
            offset = slot & 4095
            if offset in self.own and (thread := self.thread_of(slot >> 12 & 0xFFFFFFFF)) != "?":
                return {"of": thread, "what": ("cspace", "vspace", "buffer", "fault_gate")[self.own.index(offset)]}
            return None
        index = (slot - node) // SLOT
        for holder in self.held_in.get(node, ()):
            root = self.node_of(holder)
            if root is not None and root != node:
                return {"space": self.name("cnode", root), "slot": ((holder - root) // SLOT) << LEAF_BITS | index}
        return {"node": self.name("cnode", node), "index": index}

    def look(self, space, number):
        """The Cap in slot `number` of the space that the slot at address `space` leads to, or None."""
        root = self.caps.get(space)
        leaf = root and self.caps.get(root.address + (number >> LEAF_BITS) * SLOT)
        if not leaf or leaf.kind != "cnode":
            return None
        return self.caps.get(leaf.address + (number & 255) * SLOT)

    def insert(self, slot, cap):
        """True: with this capability the object begins to be."""
        new = cap.flags & ORIGINAL or cap.kind in COUNTED and (cap.kind, cap.address) not in self.copies
        self.caps[slot] = cap
        if cap.kind in COUNTED:
            if new:
                if cap.kind != "tcb":
                    self.make(cap.kind, cap.address, cap.bits)
                self.copies[cap.kind, cap.address] = 0
            self.copies[cap.kind, cap.address] += 1
        if cap.kind == "cnode":
            self.held_in.setdefault(cap.address, set()).add(slot)
        elif cap.kind == "vspace":
            self.spaces[cap.asid] = cap.address
        return bool(new)

    def move(self, to, source):
        cap = self.caps.pop(source, None)
        if cap:
            self.caps[to] = cap
            if cap.kind == "cnode":
                self.held_in[cap.address].discard(source)
                self.held_in[cap.address].add(to)
        return cap

    def remove(self, slot):
        """The Cap that is gone (or None), and whether its object is gone with it."""
        cap = self.caps.pop(slot, None)
        if not cap:
            return None, False
        if cap.kind == "cnode":
            self.held_in[cap.address].discard(slot)
        key = cap.kind, cap.address
        if key not in self.copies:
            return cap, False
        self.copies[key] -= 1
        if self.copies[key]:
            return cap, False
        del self.copies[key]
        return cap, True

    def cap_text(self, cap):
        """`object` and what belongs to it."""
        text = {"type": cap.kind, "object": self.name(cap.kind, cap.address)}
        if cap.kind == "gate":
            text["badge"] = self.badges.get(cap.address, 0)
            issuer = self.issuers.get(self.endpoints.get(cap.address))
            if issuer:
                text["issuer"] = issuer
        return text
