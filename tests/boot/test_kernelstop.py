# A kernel stop says its cause, the thread and the registers, and the tool exits 125. SPDX-License-Identifier: MIT
"""An NMI is the machine's doing: no program may get it as a fault of its own. It is injected through QEMU's protocol, once
while a program computes (user mode) and once while the system idles (kernel mode)."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import lib

if lib.NO_LOG:
    sys.exit("test_kernelstop.py needs Aramid")


def inject_nmi(path):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(path)
        stream = line.makefile("rw", encoding="ascii")
        stream.readline() # the greeting
        for command in ({"execute": "qmp_capabilities"}, {"execute": "inject-nmi"}):
            stream.write(json.dumps(command) + "\n")
            stream.flush()
            stream.readline()


def stop_while(script, work, settle):
    """Run `script`; when its first line is out and `settle` seconds have passed, inject. The tool's status and texts."""
    log, qmp = os.path.join(work, "log"), os.path.join(work, "qmp")
    command = lib.aramid_command(["/bin/sh", "-c", script], None, 40, ["--log", log, "--qmp", qmp])
    tool = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True)
    try:
        first = tool.stdout.readline()
        time.sleep(settle)
        inject_nmi(qmp)
        _, err = tool.communicate(timeout=40)
    except (OSError, subprocess.TimeoutExpired) as error:
        os.killpg(tool.pid, signal.SIGKILL)
        _, err = tool.communicate()
        err += str(error).encode()
        first = b""
    with open(log, encoding="utf-8", errors="replace") as file:
        return lib.Run("aramid", tool.returncode, first, err, file.read(), 0)


def check(what, run, cause, thread):
    lines = [line for line in run.stderr.decode("utf-8", "replace").splitlines() if line.startswith("aramid:")]
    lib.require_equal(f"{what}: status", 125, run.status, run)
    lib.require(len(lines) == 1 and "non-maskable interrupt" in lines[0], f"{what}: one line says why",
                "aramid: ... non-maskable interrupt ...", run.stderr, run)
    lib.require_log(what, run, "kernel: stop:", *cause)
    registers = [line for line in run.log.splitlines() if line.startswith("kernel: current thread '")]
    lib.require(len(registers) == 1 and re.search(thread, registers[0]) is not None and
                all(f" {name} " in registers[0] for name in ("rip", "rsp", "rflags", "rax", "r15")),
                f"{what}: the log has the thread and its registers", thread, registers, run)


with tempfile.TemporaryDirectory(prefix="aramid-stop-") as folder:
    check("NMI in a program", stop_while("echo go; while :; do :; done", folder, 1), ("non-maskable interrupt", "ran"),
          "current thread '[a-z/0-9]+")
with tempfile.TemporaryDirectory(prefix="aramid-stop-") as folder:
    check("NMI while idle", stop_while("echo go; sleep 30", folder, 2), ("non-maskable interrupt in the kernel",), "current thread '")
lib.finish()
