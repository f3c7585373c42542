#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/run --gdb and tools/gdb/aramid.py: a scripted session on a stopped system, each command once, and its refusals."""
import os
import re
import signal
import subprocess
import time

from lib import BUILD, SOURCE, Tree, aramid_command, finish, program, require

COMMANDS = ["hbreak sys_nanosleep", "hbreak sys_clock_nanosleep", "continue", "threads", "waits", "endpoints", "caps sleeper", "aspace sleeper", "sockets",
            "caps nobody", "symbols /no/such", "kill"]


def gdb(*commands):
    arguments = ["gdb", "-nx", "-batch", "-x", str(SOURCE / "tools/gdb/aramid.py")]
    for command in commands:
        arguments += ["-ex", f"echo \\n=== {command}\\n", "-ex", command]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          env=os.environ | {"ARAMID_BUILD": str(BUILD)}, check=False)
    parts = re.split(r"^=== (.*)$", done.stdout, flags=re.MULTILINE)
    return parts[0], dict(zip(parts[1::2], parts[2::2]))


def waiting_machine(tree, *options):
    """tools/run --gdb, once it waits; and what it said."""
    machine = subprocess.Popen(aramid_command(["/bin/sleeper"], tree, 60, ["--gdb", *options]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    said = ""
    while "waits for gdb" not in said and machine.poll() is None:
        said += machine.stderr.readline()
    time.sleep(1) # QEMU opens its port a moment after the line
    return machine, said


def check_server_stops(tree):
    """A server that jumps to nowhere: the system fails, names it, and shows what it did last."""
    machine, _ = waiting_machine(tree, "--strace")
    try:
        gdb("hbreak op_socket_pair", "continue", "set var $rip = 0", "continue")
        said = machine.communicate(timeout=20)[1]
    finally:
        if machine.poll() is None:
            os.killpg(machine.pid, signal.SIGTERM)
            machine.wait(10)
    last = said.partition("aramid: the last ")[2]
    require(machine.returncode == 125 and "server sockd died" in said, "a server that dies: 125, and its name", None, said)
    require(bool(re.match(r"\d+ events of sockd#\d+:", last)) and "sock.socket_pair" in last and 3 <= len(last.splitlines()) <= 201,
            "and its thread's last events, decoded", "at most 200 of sockd, sock.socket_pair among them", last or said)


def main():
    with Tree() as tree:
        tree.add(program("sleeper.musl"), "bin/sleeper")
        root = tree.seal()
        machine, said = waiting_machine(root)
        try:
            head, out = gdb(*COMMANDS)
        finally:
            try:
                machine.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(machine.pid, signal.SIGTERM)
                machine.wait(10)
        check_server_stops(root)
    require("gdb -x" in said and "tools/gdb/aramid.py" in said, "--gdb says that it waits and what to type", "gdb -x tools/gdb/aramid.py", said)
    require("symbols: kernel, init, procd, filed, sockd, consoled, libposix" in head, "symbols of every server", None, head)
    threads = out.get("threads", "")
    require(bool(re.search(r"^\* +\d+ sleeper .* ready .* sys_(clock_)?nanosleep", threads, re.MULTILINE)), "threads: the one that runs, and where", None, threads or out)
    require(bool(re.search(r"^ +\d+ sockd .*blocked_recv .*a message at endpoint", threads, re.MULTILINE)), "threads: an idle server", None, threads)
    require("filed (" in out.get("waits", "") and "a message at endpoint" in out.get("waits", ""), "waits", None, out.get("waits"))
    require(bool(re.search(r"server sockd, issuer 3, [1-9]\d* gates; receives: sockd", out.get("endpoints", ""))), "endpoints", None, out.get("endpoints"))
    require(len(re.findall(r"gate +s +0x[0-9a-f]+ badge \d+ of sockd", out.get("caps sleeper", ""))) >= 5, "caps: the program's sockets are gates of sockd",
            "root gate and four descriptors", out.get("caps sleeper"))
    ranges = re.findall(r"0x([0-9a-f]+) \.\. 0x[0-9a-f]+  (r[w-][x-])", out.get("aspace sleeper", ""))
    require({"r-x", "rw-"} <= {rights for _, rights in ranges} and not any("wx" in rights for _, rights in ranges)
            and any(int(low, 16) < 0x600000000000 for low, _ in ranges), "aspace: text, data, and nothing that is both", None, out.get("aspace sleeper"))
    sockets = out.get("sockets", "")
    require(bool(re.search(r"seqpacket connected peer \d+, 1 messages, 6 bytes unread", sockets)), "sockets: queued data", None, sockets)
    require(bool(re.search(r"stream listening '/tmp/sleeper', 0 messages, 0 bytes unread, 1 wait to be accepted", sockets)), "sockets: a listener", None, sockets)
    require("no thread 'nobody'; there are: " in out.get("caps nobody", ""), "a thread that is not there: the list of those that are", None, out.get("caps nobody"))
    require("no such file" in out.get("symbols /no/such", ""), "symbols of a file that is not there")
    finish()


main()
