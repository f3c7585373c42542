#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One client, on the host's simulator and in the guest: every message to the servers and every reply is the same.

The client is tests/sim/protocol_client.h. The host's messages come from tests/sim/protocol_host.c, the guest's from
tools/run --trace. Compared are operation, words, number of capabilities, status, the reply's words and capabilities."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ.get("ARAMID_SOURCE", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("ARAMID_BUILD", SOURCE / "build"))
PROGRAMS = Path(os.environ.get("ARAMID_PROGRAMS", BUILD / "tests/boot"))
sys.path.insert(0, str(SOURCE / "tools/lib"))

from aramid_tools.trace_decode import shown # noqa: E402
from aramid_tools.trace_tables import tables # noqa: E402

MARK = "proc.ids" # getsid(2), before and after what counts
# Fields of replies that depend on when it ran, and on what ran before.
LOCAL = {"ino", "sequence", "atime", "mtime", "ctime"}
LEAST = 50 # messages
WORD = (1 << 64) - 1


def fields_of(side, words):
    """As the trace has them. A tail is compared by what follows from it: the host's words go on where its fields end."""
    return {name: shown(word & WORD, is_signed, show) for (name, is_signed, show), word in zip(side[0], words) if name not in LOCAL}


def from_host(program):
    """(operation, words, capabilities, status, reply's words, reply's capabilities) of each message."""
    found = []
    for line in subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        label, words, caps, status, reply, reply_caps = ([int(word) for word in part.split()] for part in line.split("|"))
        name, request, answer = tables().messages[label[0]]
        found.append((name, fields_of(request, words), caps[0], tables().status[status[0]],
                      fields_of(answer, reply), reply_caps[0]))
    return found


def values(event):
    return {name: value for name, value in event.get("fields", {}).items() if name not in LOCAL}


def from_guest(directory):
    file, tree = Path(directory, "trace"), Path(directory, "tree")
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/protocol").write_bytes((PROGRAMS / "protocol.musl").read_bytes())
    (tree / "bin/protocol").chmod(0o755)
    subprocess.run([str(SOURCE / "tools/run"), "--no-install", "--no-build", "--build-dir", str(BUILD), "--timeout", "120",
                    "--icount", "--trace", str(file), "--rootfs", str(tree), "--", "/bin/protocol"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    found, sent = [], None
    for line in file.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event.get("e") == "message" and event.get("pid") == 2 and event["op"] != "fault": # the host has no page faults
            sent = event
        elif event.get("e") == "reply" and sent and event["to"] == sent["th"]:
            found.append((sent["op"], values(sent), len(sent.get("caps", [])), event["status"], values(event),
                          len(event.get("caps", []))))
            sent = None
    return found


def between_marks(messages):
    marks = [place for place, message in enumerate(messages) if message[0] == MARK]
    return messages[marks[-2] + 1:marks[-1]] if len(marks) > 1 else [] # exec asks too


def main():
    host = between_marks(from_host(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="protocol-") as directory:
        guest = between_marks(from_guest(directory))
    differences = [(place, one, other) for place, (one, other) in enumerate(zip(host, guest)) if one != other]
    for place, one, other in differences[:5]:
        print(f"# message {place}\n#   host:  {one}\n#   guest: {other}")
    print("1..3")
    good = len(host) >= LEAST
    print(f"{'ok' if good else 'not ok'} 1 - the client sends {len(host)} messages, at least {LEAST}")
    same = len(host) == len(guest)
    print(f"{'ok' if same else 'not ok'} 2 - the guest's sends as many: {len(guest)}")
    print(f"{'ok' if not differences else 'not ok'} 3 - they are the same, {len(differences)} differ")
    return 0 if good and same and not differences else 1


if __name__ == "__main__":
    sys.exit(main())
