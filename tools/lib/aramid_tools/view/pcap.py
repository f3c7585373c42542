# SPDX-License-Identifier: MIT
"""--pcap: what went through sockets, as pcapng for Wireshark and tshark.

A conversation that begins with D-Bus's authentication is link type 231, one packet a D-Bus message; any other becomes IPv4 with TCP
(DGRAM: UDP), the address made of the socket's ino, so that "follow stream" works.
"""
import re
import struct

from aramid_tools.common import ToolError
from aramid_tools.view.reader import name_of

LINK_IPV4, LINK_DBUS = 228, 231
SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
OPTION_END, OPTION_COMMENT, OPTION_NAME, OPTION_RESOLUTION = 0, 1, 2, 9
NANOSECONDS = 9
MOST = 60000 # bytes of a packet: IPv4 has 65,535
TCP, UDP, PORT = 6, 17, 1
DBUS_ANSWER = re.compile(rb"(?:OK|REJECTED|DATA|ERROR|AGREE_UNIX_FD)[^\r\n]*\r\n")
DBUS_HEADER = 16


# ---- pcapng ----

def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind, body, options=()):
    data = body + b"".join(option(code, value) for code, value in options) + (struct.pack("<HH", OPTION_END, 0) if options else b"")
    length = len(data) + 12
    return struct.pack("<II", kind, length) + data + struct.pack("<I", length)


class File:
    def __init__(self, file, ticks_per_us):
        self.file, self.ticks_per_us, self.interfaces = file, ticks_per_us or 1, {}
        file.write(block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))

    def interface(self, link, name):
        key = (link, name)
        if key not in self.interfaces:
            self.interfaces[key] = len(self.interfaces)
            self.file.write(block(INTERFACE, struct.pack("<HHI", link, 0, 0),
                                  [(OPTION_NAME, name.encode()), (OPTION_RESOLUTION, bytes([NANOSECONDS]))]))
        return self.interfaces[key]

    def packet(self, interface, tick, data, length, comment):
        when = tick * 1000 // self.ticks_per_us
        body = struct.pack("<IIIII", interface, when >> 32, when & 0xFFFFFFFF, len(data), length) + data + bytes(-len(data) % 4)
        self.file.write(block(PACKET, body, [(OPTION_COMMENT, comment.encode())]))


# ---- IPv4 ----

def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def host(ino):
    return struct.pack(">I", 10 << 24 | ino & 0xFFFFFF)


def ipv4(protocol, sender, receiver, payload, length):
    header = struct.pack(">BBHHHBBH", 0x45, 0, min(20 + length, 65535), 0, 0, 64, protocol, 0) + host(sender) + host(receiver)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def segment(flow, sender, receiver, data, length):
    """One packet of a stream or datagram socket; `length`: with what the trace did not keep."""
    if flow.datagrams:
        return ipv4(UDP, sender, receiver, struct.pack(">HHHH", PORT, PORT, min(8 + length, 65535), 0) + data, 8 + length)
    header = struct.pack(">HHIIBBHHH", PORT, PORT, flow.sent & 0xFFFFFFFF, flow.peer.sent & 0xFFFFFFFF, 5 << 4, 0x18, 65535, 0, 0)
    return ipv4(TCP, sender, receiver, header + data, 20 + length)


# ---- conversations ----

class Flow:
    """One direction of a conversation."""

    def __init__(self, datagrams):
        self.datagrams, self.sent, self.peer = datagrams, 1, None
        self.waiting, self.dbus = b"", None # not parsed yet; None: not known, True in messages, False: not D-Bus
        self.missing = 0                    # bytes of the message in progress that the trace did not keep


def dbus_length(data):
    """Of the message that `data` begins with; None: not enough to say; 0: it is none."""
    if data[:1] not in (b"l", b"B"):
        return 0
    if len(data) < DBUS_HEADER:
        return None
    order = "<" if data[:1] == b"l" else ">"
    kind, version, (body, _, fields) = data[1], data[3], struct.unpack(order + "III", data[4:DBUS_HEADER])
    if version != 1 or not 1 <= kind <= 4 or fields > 1 << 26 or body > 1 << 27:
        return 0
    return DBUS_HEADER + (fields + 7) // 8 * 8 + body


def skip_authentication(flow):
    """Past the lines before the messages; flow.dbus says what was found."""
    if flow.dbus is None:
        flow.dbus = flow.waiting.startswith(b"\0AUTH") or bool(flow.peer and flow.peer.dbus)
    if flow.waiting.startswith(b"\0"):
        head, begun, rest = flow.waiting.partition(b"BEGIN\r\n")
        flow.waiting = rest if begun else head
        return bool(begun)
    while answer := DBUS_ANSWER.match(flow.waiting):
        flow.waiting = flow.waiting[answer.end():]
    return dbus_length(flow.waiting) != 0


class Writer:
    def __init__(self, file):
        self.file, self.flows, self.types = file, {}, {}

    def flow(self, sender, receiver):
        if (sender, receiver) not in self.flows:
            datagrams = self.types.get(receiver) == "dgram"
            here, there = Flow(datagrams), Flow(datagrams)
            here.peer, there.peer = there, here
            self.flows[sender, receiver] = here
            self.flows.setdefault((receiver, sender), there)
        return self.flows[sender, receiver]

    def event(self, event):
        if event["e"] != "socket":
            return
        if "type" in event:
            self.types[event["ino"]] = event["type"]
        if event["what"] == "queued":
            self._queued(event)

    def _queued(self, event):
        sender, receiver = event["from"], event["ino"]
        flow, data = self.flow(sender, receiver), bytes.fromhex(event.get("data", ""))
        comment = f"{name_of(event.get('th', '?#0'))}: socket {sender} to {receiver}, {event['bytes']} bytes"
        comment += f", {event['rights']} descriptors" if event.get("rights") else ""
        if flow.dbus is None and not flow.datagrams and (data.startswith(b"\0AUTH") or flow.peer.dbus or data == b"\0"):
            flow.dbus = True
        if flow.dbus:
            self._dbus(event, flow, data, comment)
            return
        name = f"sockets {min(sender, receiver)} and {max(sender, receiver)}"
        data = data[:MOST]
        packet = segment(flow, sender, receiver, data, event["bytes"])
        self.file.packet(self.file.interface(LINK_IPV4, name), event["t"], packet, len(packet) - len(data) + event["bytes"], comment)
        flow.sent += event["bytes"]

    def _dbus(self, event, flow, data, comment):
        flow.waiting += data
        cut = event["bytes"] - len(data)
        if not skip_authentication(flow):
            return
        name = f"D-Bus {min(event['from'], event['ino'])} and {max(event['from'], event['ino'])}"
        while (length := dbus_length(flow.waiting)) and len(flow.waiting) + cut >= length:
            message, flow.waiting = flow.waiting[:length], flow.waiting[length:]
            cut -= length - len(message)
            self.file.packet(self.file.interface(LINK_DBUS, name), event["t"], message, length, comment)
        if cut or length == 0: # what comes next cannot be told from its middle
            flow.waiting = b""


def write(trace, path):
    try:
        with open(path, "wb") as file:
            writer = Writer(File(file, trace.head.get("ticks_per_us")))
            for event in trace:
                writer.event(event)
    except OSError as error:
        raise ToolError(f"--pcap {path}: cannot be written: {error.strerror}") from error
