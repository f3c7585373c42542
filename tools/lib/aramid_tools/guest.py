# SPDX-License-Identifier: MIT
"""What to run in a guest: options that tools/run and tools/lib/linux-run share, and the files they hand to it."""
import argparse
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import termios
import tty
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from aramid_tools import common, rootfs
from aramid_tools.build import BLOBS
from aramid_tools.common import EXIT_SYSTEM, ROOT, ToolError
from aramid_tools.machine import DEFAULT_CPU, DEFAULT_MEMORY, Log

ENVIRONMENT = {"PATH": ":".join(rootfs.SEARCH), "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/sh",
               "TZ": "UTC", "TERM": "vt100"}
COMMAND_LINE_MAX = 500 # bytes; struct ar_boot_info has 512


class Parser(argparse.ArgumentParser):
    """Usage errors are the tool's, not the program's."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(EXIT_SYSTEM, f"aramid: {message}\n")


def seconds(text):
    """--timeout's value."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of seconds above 0")
    return value


def date(text):
    """--date's value, as QEMU's -rtc wants it."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': expected a moment like 2026-01-31T12:00:00") from None


def add_options(parser, cpu=DEFAULT_CPU):
    parser.add_argument("--rootfs", action="append", default=[], metavar="DIR",
                        help="lay this host directory over the guest's root; may be given again")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="give up after S seconds: exit 124")
    parser.add_argument("--env", action="append", default=[], metavar="K=V", help="set a variable of the program")
    parser.add_argument("--cpu", default=cpu, metavar="MODEL", help="QEMU's -cpu (default: %(default)s)")
    parser.add_argument("--mem", default=DEFAULT_MEMORY, metavar="SIZE", help="memory (default: %(default)s)")
    parser.add_argument("--icount", action="store_true", help="the clock counts instructions: runs repeat exactly")
    parser.add_argument("--verbose", action="store_true", help="show the system's log on stderr")
    parser.add_argument("--log", metavar="FILE", help="write the system's log to FILE")
    parser.add_argument("--keep", action="store_true", help="keep what was made for this boot, and say where")
    parser.add_argument("--no-install", action="store_true", help="install nothing; say what is missing")


def split_program(argv):
    """Options before the first '--', the program after it; None without one."""
    if "--" in argv:
        at = argv.index("--")
        return argv[:at], argv[at + 1:]
    return argv, None


def environment(parser, extra):
    values = dict(ENVIRONMENT)
    for item in extra:
        name, equals, value = item.partition("=")
        if not equals or not name:
            parser.error(f"--env {item}: expected NAME=VALUE")
        values[name] = value
    return [f"{name}={value}" for name, value in values.items()]


def tree(directories):
    """The merged root file system."""
    merged = rootfs.base_tree()
    for directory in directories:
        rootfs.overlay(merged, directory)
    return merged


def command_text(mode, argv, variables, words=()):
    """What init is to do, as servers/init/command.c reads it: every item percent-encoded, items separated by commas."""
    def encode(items):
        return ",".join(quote(item, safe="/:=._-+", errors="surrogateescape") for item in items)
    return " ".join([f"mode={mode}", f"argv={encode(argv)}", f"env={encode(variables)}", *words])


def _mkbundle():
    """system/mkbundle.py, which alone knows the bundle's layout."""
    spec = importlib.util.spec_from_file_location("mkbundle", ROOT / "system" / "mkbundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_bundle(work, merged, text):
    """Write the bundle into directory `work`; its path, and the kernel's command line."""
    archive, bundle = Path(work, "rootfs.cpio"), Path(work, "bundle")
    with open(archive, "wb", buffering=1 << 20) as file:
        rootfs.write_archive(merged, file)
    blobs = [(name, str(common.BUILD / path)) for name, path in BLOBS.items()]
    append = text
    if len(text.encode()) > COMMAND_LINE_MAX:
        Path(work, "command").write_text(text, encoding="ascii")
        blobs.append(("command", str(Path(work, "command"))))
        append = text.split()[0] # the bundle's words come on top
    _mkbundle().write(str(bundle), [*blobs, ("rootfs", str(archive))])
    return bundle, append


@contextmanager
def work_directory(keep):
    """Where one boot's files are; memory-backed where the machine has that."""
    top = "/dev/shm" if os.access("/dev/shm", os.W_OK) and not keep else None
    path = tempfile.mkdtemp(prefix="aramid-", dir=top)
    try:
        yield path
    finally:
        if keep:
            print(f"[aramid] kept {path}", file=sys.stderr)
        else:
            shutil.rmtree(path, ignore_errors=True)


def open_log(arguments, raw):
    """The machine's log as --log and --verbose want it; `raw`: the terminal needs its line ends spelt out."""
    try:
        file = open(arguments.log, "wb") if arguments.log else None # pylint: disable=consider-using-with
    except OSError as error:
        raise ToolError(f"--log {arguments.log}: cannot be written: {error.strerror}") from error
    return Log(arguments.verbose, file, "\r\n" if raw else "\n")


def end_in_order():
    """A signal that ends the tool, or a terminal that goes away, leaves neither files nor a machine behind."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def terminal_words():
    """What init is to know of the user's terminal: its size, as it is now."""
    try:
        size = os.get_terminal_size(0)
    except OSError: # no terminal
        return []
    return [f"size={size.lines}x{size.columns}"]


def input_is_empty():
    """Standard input is /dev/null. The guest is told at the start, so that nothing comes at a moment of the host's choice:
    such a run repeats exactly under --icount."""
    try:
        return os.path.samestat(os.fstat(0), os.stat(os.devnull))
    except OSError:
        return True


@contextmanager
def raw_terminal(wanted):
    """The user's terminal passes every key through; put back whatever happens."""
    if not wanted or not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
