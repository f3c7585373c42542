# SPDX-License-Identifier: MIT
"""One QEMU as a child: COM1 is the program's input and output, COM2 the system's log.

Nothing is lost when somebody reads slowly: QEMU holds the UART busy. COM1 is a pair of pipes, since QEMU writes each byte
by itself and a pipe gathers them (a socket holds under 300 such writes); COM2 is a socket pair. What goes in by COM1 is escaped in run mode (DLE, 0x10: see libipc/protocols/console.toml), so that end of file can travel. A UART that
no driver has set up yet loses bytes, so nothing goes in before the log says READY.
"""
import ctypes
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

from aramid_tools.common import EXIT_SYSTEM, EXIT_TIMEOUT, ToolError, note

DEFAULT_CPU = "qemu64,+smep,+smap,+umip,+fsgsbase,+rdtscp,+pdpe1gb,+xsave,+xsaveopt,+rdrand,+arat,+erms"
DEFAULT_MEMORY = "512M"
ICOUNT_SLEEP = "sleep"   # count instructions, but an idle guest waits as long as its clock says
# What the guest writes to isa-debug-exit's port n ends QEMU with status n << 1 | 1.
EXIT_CODES = {0x10 << 1 | 1: "clean", 0x20 << 1 | 1: "init failed", 0x30 << 1 | 1: "kernel panic"}
CLEAN = 0x10 << 1 | 1

DLE, EOT = b"\x10", b"\x04"
CHUNK = 65536
# QEMU writes byte by byte, and waking us for each would halve its speed: after a small read, let more gather.
GATHER_BYTES, GATHER_SECONDS = 8192, 0.003
WHO_WAITS = b"T"         # on COM2: the kernel prints every thread and what it waits for
WHO_WAITS_SECONDS = 1.0
LOG_KEEP = 1 << 20       # bytes of the log that are kept in memory
READY = b"ready for input"
ESCAPE = b"\x01"         # Ctrl-A
# The end of a terminal's input stays its end, and one ^D may come while nobody reads lines: say it again so often.
END_AGAIN_SECONDS = 0.5
# What in the log says why: kernel_stop, a server's panic or fault, init_fail; the most telling first.
CAUSES = ("kernel: stop:", " died:", "init: failed", "Kernel panic", "panic")
STATUS_LINE = re.compile(rb"aramid-exit: (\d+)\s*$", re.MULTILINE)
START_LINE = re.compile(rb"cannot start ([^\r\n]*)") # libposix/start.c


def qemu_command(kernel, initrd, append, cpu=DEFAULT_CPU, memory=DEFAULT_MEMORY, icount=False, gdb=False):
    """`icount`: False, True or ICOUNT_SLEEP. The command without its serial lines."""
    qemu = shutil.which("qemu-system-x86_64")
    if not qemu:
        raise ToolError("qemu-system-x86_64 is not on this machine (Debian package qemu-system-x86)")
    command = [qemu, "-M", "pc", "-accel", "tcg", "-cpu", cpu, "-m", memory, "-nodefaults", "-vga", "none", "-net", "none",
               "-display", "none", "-monitor", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
               "-kernel", str(kernel), "-initrd", str(initrd), "-append", append]
    if icount:
        command += ["-icount", f"shift=0,sleep={'on' if icount == ICOUNT_SLEEP else 'off'}"]
    if gdb:
        command += ["-s", "-S"]
    return command


def _die_with_parent():
    """In the child: QEMU must not outlive a tool that was killed outright."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


THREAD_LINE = re.compile(r"^kernel:   #([0-9a-f]+) (.*?) principal ", re.MULTILINE)
WAITS_ON = re.compile(r"(: (?:in call|waits for reply|in fault)[^,]*? on )#([0-9a-f]+),")


def named_threads(text):
    """The kernel's list of threads with names for the numbers of those that others wait on. The kernel would have to
    search all its threads for each."""
    names = {number: name for number, name in THREAD_LINE.findall(text)}
    return WAITS_ON.sub(lambda found: f"{found[1]}{names.get(found[2], 'nobody')},", text)


class Log:
    """The system log: COM2."""

    def __init__(self, verbose=False, file=None, newline="\n"):
        self.verbose, self.file, self.newline = verbose, file, newline
        self.text = bytearray()
        self.ready = False # the guest listens on COM1

    def add(self, data):
        self.text += data
        self.ready = self.ready or READY in self.text
        del self.text[:-LOG_KEEP]
        if self.file:
            self.file.write(data)
            self.file.flush()
        if self.verbose:
            shown = data.replace(b"\r", b"").decode("utf-8", "replace").replace("\n", self.newline)
            sys.stderr.write(shown)
            sys.stderr.flush()

    def status(self):
        """The program's exit status as init wrote it, or None."""
        found = STATUS_LINE.findall(self.text.replace(b"\r", b""))
        return int(found[-1]) if found else None

    def not_started(self):
        """Why the first program could not be executed, or None when it was."""
        found = START_LINE.search(self.text)
        return found[1].decode("utf-8", "replace") if found else None

    def last_words(self):
        """The line that most likely says why the system ended, with what belongs to it."""
        lines = [line.rstrip() for line in self.text.decode("utf-8", "replace").splitlines() if line.strip()]
        for words in CAUSES:
            for index in range(len(lines) - 1, -1, -1):
                if words in lines[index]:
                    more = [line.removeprefix("init:").strip() for line in lines[index + 1:index + 2]
                            if line.startswith("init:   ")]
                    return " ".join([lines[index], *more])
        return lines[-1] if lines else "the log is empty"


class Machine:
    """Runs a QEMU command and shuttles bytes until it ends, the deadline passes, or the user leaves."""

    def __init__(self, command, log, terminal=False, timeout=None, stdin=0, stdout=1, dump_on_timeout=True,
                 on_first_byte=None, no_input=False):
        self.log, self.terminal, self.timeout = log, terminal, timeout
        self.stdin, self.stdout = stdin, stdout
        self.dump_on_timeout = dump_on_timeout
        self.on_first_byte = on_first_byte
        self.no_input = no_input # the guest has been told (input=none): send not even that it ended
        self.timed_out = self.left = False
        self.pending = bytearray()  # on its way into the guest
        self.escape_seen = False
        self.end_again = None       # when to repeat the end of the terminal's input
        self.system, system_far = socket.socketpair()
        serial = ["-chardev", "stdio,id=user,signal=off", "-serial", "chardev:user",
                  "-chardev", f"socket,id=system,fd={system_far.fileno()}", "-serial", "chardev:system"]
        self.qemu = subprocess.Popen(command + serial, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                     stderr=subprocess.PIPE, pass_fds=(system_far.fileno(),),
                                     start_new_session=True, preexec_fn=_die_with_parent)
        system_far.close()
        self.user_in, self.user_out = self.qemu.stdin.fileno(), self.qemu.stdout.fileno()
        os.set_blocking(self.user_in, False)

    def run(self):
        """QEMU's exit status; None when it was ended here (timed_out, left)."""
        deadline = time.monotonic() + self.timeout if self.timeout else None
        open_lines = {self.user_out, self.system}
        reading = not self.no_input
        try:
            while open_lines:
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    self._timeout()
                    return None
                if self.end_again is not None and now >= self.end_again:
                    self._input_ended()
                wait = min((at - now for at in (deadline, self.end_again) if at is not None), default=None)
                readers = [*open_lines, *([self.stdin] if reading and len(self.pending) < CHUNK else [])]
                writers = [self.user_in] if self.pending and self.log.ready and self.user_out in open_lines else []
                ready, writable, _ = select.select(readers, writers, [], wait)
                if self.stdin in ready:
                    reading = self._read_stdin()
                    if self.left:
                        return None
                if writable:
                    self._write_user()
                for line in open_lines & set(ready):
                    if not self._read_line(line):
                        open_lines.discard(line)
            return self.qemu.wait()
        finally:
            self.stop()

    def stop(self):
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        self.qemu.stdin.close()
        self.qemu.stdout.close()
        self.system.close()

    def complaint(self):
        """What QEMU itself said on stderr."""
        return self.qemu.stderr.read().decode("utf-8", "replace").strip()

    # ---- input ----

    def _input_ended(self):
        if not self.terminal:
            self.pending += DLE + EOT
            return
        if not self.pending:
            self.pending += EOT
        self.end_again = time.monotonic() + END_AGAIN_SECONDS

    def _read_stdin(self):
        """False at end of file."""
        try:
            data = os.read(self.stdin, CHUNK)
        except OSError: # a terminal that hung up, a directory
            data = b""
        if not data:
            self._input_ended()
            return False
        if self.terminal:
            self._terminal_input(data)
        else:
            self.pending += data.replace(DLE, DLE + DLE)
        return True

    def _terminal_input(self, data):
        for index in range(len(data)):
            byte = data[index:index + 1]
            if self.escape_seen:
                self.escape_seen = False
                if byte in (b"x", b"X"):
                    self.left = True
                    return
                self.pending += byte if byte == ESCAPE else ESCAPE + byte
            elif byte == ESCAPE:
                self.escape_seen = True
            else:
                self.pending += byte

    def _write_user(self):
        try:
            sent = os.write(self.user_in, self.pending[:CHUNK])
            del self.pending[:sent]
        except BlockingIOError:
            pass
        except OSError: # QEMU is gone: reading will find out
            self.pending.clear()

    # ---- output ----

    def _read_line(self, line):
        """False when QEMU has closed it."""
        try:
            data = line.recv(CHUNK) if line is self.system else os.read(line, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            return False
        if line is self.system:
            self.log.add(data)
            return True
        if self.on_first_byte:
            self.on_first_byte()
            self.on_first_byte = None
        view = memoryview(data)
        while view:
            view = view[os.write(self.stdout, view):]
        if len(data) < GATHER_BYTES:
            time.sleep(GATHER_SECONDS)
        return True

    def _timeout(self):
        self.timed_out = True
        if not self.dump_on_timeout:
            return
        mark = len(self.log.text)
        end = time.monotonic() + WHO_WAITS_SECONDS
        try:
            self.system.send(WHO_WAITS)
            while (left := end - time.monotonic()) > 0:
                if not select.select([self.system], [], [], left)[0] or not self._read_line(self.system):
                    break
        except OSError:
            pass
        answer = bytes(self.log.text[mark:]).replace(b"\r", b"").decode("utf-8", "replace").strip()
        answer = named_threads(answer)
        if not self.log.verbose:
            note("who waits on whom:" if answer else "the kernel did not answer who waits on whom")
            if answer:
                print(answer, file=sys.stderr, flush=True)


def verdict(machine, code):
    """(exit status of the tool, complaint or None) from how the machine ended."""
    if machine.left:
        print(file=sys.stderr) # the cursor is where the guest left it
        return 0, "left by Ctrl-A x; the machine is off"
    if machine.timed_out:
        return EXIT_TIMEOUT, f"time-out: the program still ran after {machine.timeout:g} s"
    status = machine.log.status()
    if code == CLEAN and status is not None:
        return status, machine.log.not_started() if status in (126, 127) else None
    if code == CLEAN:
        return EXIT_SYSTEM, "the machine ended in order, but the log has no line 'aramid-exit: N'"
    what = EXIT_CODES.get(code)
    if what is None:
        what = f"the machine ended unexpectedly (QEMU's status {code}, expected {CLEAN})"
        if complaint := machine.complaint():
            lines = complaint.splitlines()
            return EXIT_SYSTEM, f"{what}: {next((line for line in lines if 'warning:' not in line), lines[0])}"
    return EXIT_SYSTEM, f"{what}: {machine.log.last_words()}"
