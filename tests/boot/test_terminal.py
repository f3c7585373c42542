# The interactive shell, driven through a pseudo-terminal as a person would. SPDX-License-Identifier: MIT
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

import lib

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
BACKSPACE, CTRL_C, CTRL_D, CTRL_U, CTRL_A, CTRL_Z = b"\x7f", b"\x03", b"\x04", b"\x15", b"\x01", b"\x1a"
UP, LEFT = b"\x1b[A", b"\x1b[D"


ROWS, COLUMNS = 33, 101


class Terminal:
    """A command on a pseudo-terminal of its own, ROWS by COLUMNS."""

    def __init__(self, command):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt100"
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execv(command[0], command)
        self.settings = termios.tcgetattr(self.fd)

    def _pump(self, until):
        ready, _, _ = select.select([self.fd], [], [], max(0, min(0.2, until - time.monotonic())))
        if ready:
            try:
                data = os.read(self.fd, 4096)
            except OSError:  # EIO: the other side is closed
                data = b""
            self.seen += data
            return bool(data)
        return True

    def expect(self, pattern, what, seconds=20):
        """Wait until the screen's text, escapes removed, matches; what was matched is used up."""
        until = time.monotonic() + seconds
        while True:
            text = ESCAPES.sub(b"", self.seen).replace(b"\r", b"")
            if match := re.search(pattern, text):
                self.seen = text[match.end():]
                return lib.require(True, what)
            if time.monotonic() > until or not self._pump(until):
                return lib.require(False, what, pattern, text[-1500:])

    def type(self, keys):
        for key in keys:  # one at a time, as from a keyboard
            os.write(self.fd, bytes([key]))
            time.sleep(0.01)

    def end(self, seconds=20):
        """The exit status; None when it had to be killed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                lib.require_equal("the terminal is as it was", self.settings, termios.tcgetattr(self.fd))
                return os.waitstatus_to_exitcode(status)
            self._pump(time.monotonic() + 0.1)
        os.kill(self.pid, signal.SIGTERM)
        time.sleep(2)
        if os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        return None


def command(*words):
    if lib.NO_LOG:
        return [str(lib.SOURCE / "tools/lib/linux-run"), "--no-install", "--cpu", lib.LINUX_CPU, "--timeout", "120", *words]
    return [str(lib.SOURCE / "tools/run"), "--no-install", "--no-build", "--build-dir", str(lib.BUILD), "--timeout", "120",
            *words]


def shell_command():
    return command("--tty", "--", "/bin/sh", "-l") if lib.NO_LOG else command()


def session():
    t = Terminal(shell_command())
    t.expect(rb"# $", "a prompt", 40)
    t.type(b"echo hi\r")
    t.expect(rb"echo hi\nhi\n.*# $", "echo hi: echoed once, answered once")
    t.type(b"echo wrogn" + BACKSPACE * 2 + b"ng\r")
    t.expect(rb"\nwrong\n", "backspace edits the line")
    t.type(b"echo lost" + CTRL_U + b"echo kept\r")
    t.expect(rb"\nkept\n", "^U kills the line")
    t.type(b"sleep 100\r")
    time.sleep(1.0)
    start = time.monotonic()
    t.type(CTRL_C)
    t.expect(rb"# $", "^C ends sleep 100")
    lib.require(time.monotonic() - start < 10, "^C works at once", "under 10 s", time.monotonic() - start)
    t.type(b"echo status $?\r")
    t.expect(rb"\nstatus 130\n", "sleep ended by SIGINT")
    t.type(b"echo abc" + CTRL_C)
    t.expect(rb"# $", "^C at the prompt drops the line")
    t.type(b"cat\r")
    time.sleep(0.5)
    t.type(b"a line" + BACKSPACE * 5 + b"nother" + b"\r")
    t.expect(rb"\nanother\n", "the terminal edits lines for cat")
    t.type(CTRL_D)
    t.expect(rb"# $", "^D ends cat's input")
    t.type(b"stty -a | head -n 1\r")
    t.expect(rb"speed.*\n", "stty speaks to the terminal")
    t.type(b"[ -t 0 ] && [ -t 1 ] && echo a terminal\r")
    t.expect(rb"\na terminal\n", "the shell has a terminal")
    t.type(b"ls /bin/busybox | cat\r")
    t.expect(rb"\n/bin/busybox\n", "a pipe from the terminal's shell")
    if not lib.NO_LOG:  # the peer's line is /dev/ttyS0, and nobody tells it a size
        t.type(b"tty\r")
        t.expect(rb"\n/dev/console\n", "tty names the terminal")
        t.type(b"stty size\r")
        t.expect(rb"\n%d %d\n" % (ROWS, COLUMNS), "the window has the size of the user's")
    t.type(b"sleep 100\r")
    time.sleep(0.5)
    t.type(CTRL_Z)
    t.expect(rb"Stopped[^\n]*\n.*# $", "^Z stops a job")
    t.type(b"kill -9 %1; wait; echo go''ne\r")
    t.expect(rb"\ngone\n", "and it can be killed")
    t.type(b"echo abd" + LEFT + b"c\r")
    t.expect(rb"\nabcd\n", "an arrow key moves in the line")
    t.type(b"echo again\r")
    t.expect(rb"\nagain\n", "a line for the history")
    t.type(UP + b"\r")
    t.expect(rb"\nagain\n", "an arrow key brings it back")
    os.write(t.fd, (b"true " + b"y" * 95 + b"\r") * 20 + b"echo pas''ted\r")
    t.expect(rb"\npasted\n.*# $", "2 KB pasted at once")
    t.type(b"exit 7\r")
    lib.require_equal("exit 7: the tool's status", 7, t.end())


def leave_by_escape():
    """Ctrl-A x ends the machine even when nothing reads the keys."""
    t = Terminal(shell_command())
    t.expect(rb"# $", "a prompt, again", 40)
    t.type(b"sleep 1000\r")
    time.sleep(0.5)
    t.type(CTRL_A + b"x")
    lib.require(t.end() is not None, "Ctrl-A x leaves")


def three_at_once():
    """poll, select and epoll over the terminal, a socket and a pipe together."""
    with lib.Tree() as tree:
        tree.add(lib.program("waitall.musl"), "test/waitall")
        t = Terminal(command("--rootfs", str(tree.seal()), "--tty", "--", "/test/waitall"))
        for call in (b"poll", b"select", b"epoll"):
            t.expect(call + rb": socket x\n" + call + rb": pipe x\n" + call + rb": type\n",
                     f"{call.decode()}: the socket, then the pipe", 40)
            t.type(b"typed\r")
            t.expect(call + rb": terminal typed\n", f"{call.decode()}: then the terminal")
        lib.require_equal("waitall's status", 0, t.end())


if lib.ON_HOST:
    sys.exit("test_terminal.py needs a machine: ARAMID_TEST_ON=linux or Aramid")
session()
leave_by_escape()
three_at_once()
lib.finish()
