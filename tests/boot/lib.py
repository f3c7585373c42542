# What the boot tests share. SPDX-License-Identifier: MIT
"""A driver runs a program on Aramid and on Linux, from the same prepared tree, and compares.

Environment, set by meson:  ARAMID_SOURCE the repository, ARAMID_BUILD the build directory.
ARAMID_MEASURE=1 boots the kernel that measures itself, under -icount: no stretch with interrupts off may be too long.
To try a test itself: ARAMID_TEST_ON=host runs everything in a chroot of this machine, ARAMID_TEST_ON=linux on the
reference Linux.
"""
import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(os.environ.get("ARAMID_SOURCE", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("ARAMID_BUILD", SOURCE / "build"))
PROGRAMS = Path(os.environ.get("ARAMID_PROGRAMS", BUILD / "tests/boot"))
ON_HOST = os.environ.get("ARAMID_TEST_ON") == "host"
NO_LOG = os.environ.get("ARAMID_TEST_ON") in ("host", "linux")  # there is no Aramid, so none of its log
MEASURE = os.environ.get("ARAMID_MEASURE") == "1"  # tools/run then boots the kernel that counts
BUSYBOX = Path("/bin/busybox")
EPOCH = 1_000_000_000  # 2001-09-09: the time of everything in a prepared tree
# QEMU 7.2 leaves garbage in EFLAGS after cmpxchg16b when an interrupt follows; Linux's slab allocator uses it when CPUID
# says it is there, and one boot in five then ends in a double fault. Without cx16: none in 12 boots.
LINUX_CPU = "qemu64,+smep,+smap,+umip,+fsgsbase,+rdtscp,+pdpe1gb,+xsave,+xsaveopt,+rdrand,+arat,+erms,-cx16"
SLACK = 30             # seconds for the runner to end a machine whose own limit has passed

_failures = []


@dataclass
class Run:
    """One finished run: wait status as a shell has it, the program's two streams, the system's log."""
    where: str
    status: int
    stdout: bytes
    stderr: bytes
    log: str
    seconds: float

    def lines(self):
        return self.stdout.decode("utf-8", "replace").splitlines()

    def log_lines(self, word):
        return [line for line in self.log.splitlines() if word in line]


def _finish(where, command, stdin, limit, log_path, cwd=None):
    """Run to the end, bounded; the whole process group goes when the limit passes."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True, cwd=cwd)
    try:
        out, err = process.communicate(stdin, timeout=limit)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        status = 124
        err += f"\n{where}: no end after {limit} s; killed by tests/boot/lib.py\n".encode()
    if status < 0:
        status = 128 - status
    log = ""
    if log_path and os.path.exists(log_path):
        log = Path(log_path).read_text(errors="replace")
    return Run(where, status, out, err, log, time.monotonic() - start)


def _on_host(where, argv, rootfs, timeout, stdin):
    """A stand-in for both systems: a tmpfs copy of the tree, a chroot, a process and a mount space of its own."""
    with tempfile.TemporaryDirectory(prefix="aramid-host-") as work:
        copy = rootfs or work
        inner = (f"mount -t tmpfs none {work} && cp -a {copy}/. {work}/ && mkdir -p {work}/proc {work}/dev && "
                 f"mount -t proc none {work}/proc && "
                 f"for d in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 {work}/dev/${{d%:*}} c 1 ${{d#*:}}; done;"
                 f"ulimit -c 0; cd / && exec chroot {work} \"$@\"")
        command = ["unshare", "-p", "-f", "-m", "-u", "-i", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/",
                   "timeout", "-s", "KILL", str(timeout), "/bin/sh", "-c", inner, "sh", *argv]
        return _finish(where, command, stdin, timeout + SLACK, None)


# What the servers count; files that a program leaves behind are its own business.
LEAK_LINE = re.compile(r"aramid-leak: (\w+\.\w+) (\d+) (\d+)")
MAY_CHANGE = ("fs.nodes", "fs.heap", "sock.heap", "sock.taken")


def leak_counts(run):
    """{count: (before, after)} of a run with leakcheck=1."""
    return {m[1]: (int(m[2]), int(m[3])) for m in map(LEAK_LINE.search, run.log.splitlines()) if m}


def _require_no_leaks(argv, run):
    if run.status in (124, 125):  # the machine was stopped, and nobody counted
        return
    counts = leak_counts(run)
    wrong = {name: pair for name, pair in counts.items() if pair[0] != pair[1] and name not in MAY_CHANGE}
    if len(counts) < 14 or wrong:
        require(False, f"{argv[0]}: frames, slots, descriptions and sockets are back at their starting counts",
                "14 or more counts, before = after", wrong or counts, run)


MEASURE_LINE = re.compile(r"kernel: measure: interrupts off for (\d+) instructions: (.*)")
SLOWER = 4         # the guest's clock under -icount, against the user's
STRETCH_MAX = 5000 # instructions with interrupts off, whatever user space does


def _require_short_stretches(argv, run):
    """What the instrumented kernel logs: each stretch that is longer than all before it."""
    stretches = [(int(m[1]), m[2]) for m in map(MEASURE_LINE.search, run.log.splitlines()) if m]
    if run.status == 125 and not run.log:  # nothing was booted
        return
    require(bool(stretches), f"{argv[0]}: the kernel measured itself", "lines 'kernel: measure: …'", run.log[-2000:])
    longest = max(stretches, default=(0, ""))
    if longest[0] > STRETCH_MAX:
        require(False, f"{argv[0]}: interrupts are off for at most {STRETCH_MAX} instructions", STRETCH_MAX, longest)


def aramid(argv, rootfs=None, timeout=60, stdin=b"", options=(), leaves_processes=False):
    """Run argv on Aramid. `options`: further arguments of tools/run, before `--`. Unless it `leaves_processes` running,
    every count of the servers must be afterwards what it was before."""
    if ON_HOST:
        return _on_host("aramid", argv, rootfs, timeout, stdin)
    if NO_LOG:
        return linux(argv, rootfs, timeout, stdin, options)
    if MEASURE and timeout >= 20:  # a limit that is for hanging, not the thing that is tested
        timeout *= SLOWER
    with tempfile.TemporaryDirectory(prefix="aramid-test-") as work:
        log = os.path.join(work, "log")
        command = aramid_command(argv, rootfs, timeout, ["--log", log, "--boot", "leakcheck=1", *options])
        run = _finish("aramid", command, stdin, timeout + SLACK, log)
    if not leaves_processes:
        _require_no_leaks(argv, run)
    if MEASURE:
        _require_short_stretches(argv, run)
    return run


def aramid_command(argv, rootfs=None, timeout=60, options=()):
    command = [str(SOURCE / "tools/run"), "--no-install", "--no-build", "--build-dir", str(BUILD), "--timeout",
               str(timeout)]
    if rootfs:
        command += ["--rootfs", str(rootfs)]
    return command + [*options, "--", *argv]


def linux(argv, rootfs=None, timeout=60, stdin=b"", options=()):
    """Run argv on the reference Linux, in the same tree."""
    if ON_HOST:
        return _on_host("linux", argv, rootfs, timeout, stdin)
    command = [str(SOURCE / "tools/lib/linux-run"), "--no-install", "--cpu", LINUX_CPU, "--timeout",
               str(timeout)]
    if rootfs:
        command += ["--rootfs", str(rootfs)]
    return _finish("linux", command + [*options, "--", *argv], stdin, timeout + SLACK, None)


class Tree:
    """A root directory with busybox in it, the same to the byte each time it is made."""

    def __init__(self, busybox=True):
        self.work = tempfile.mkdtemp(prefix="aramid-tree-")
        self.root = Path(self.work) / "root"
        for name in ("bin", "etc", "tmp", "proc", "dev", "run", "var", "root"):
            (self.root / name).mkdir(parents=True)
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n")
        self.write("etc/group", "root:x:0:\nuser:x:1000:\n")
        if busybox:
            shutil.copy(BUSYBOX, self.root / "bin/busybox")
            names = subprocess.run([str(BUSYBOX), "--list"], capture_output=True, text=True, check=True).stdout.split()
            for name in names:
                if name != "busybox":
                    (self.root / "bin" / name).symlink_to("busybox")

    def write(self, path, content, mode=0o644):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        return "/" + path

    def add(self, source, path, mode=0o755):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        target.chmod(mode)
        return "/" + path

    def seal(self):
        """Fixed owners, modes and times, files before the directories that hold them."""
        for folder, names, files in os.walk(self.root, topdown=False):
            for name in files + [n for n in names if os.path.islink(os.path.join(folder, n))]:
                self._fix(os.path.join(folder, name), None)
            self._fix(folder, 0o1777 if folder == str(self.root / "tmp") else 0o755)
        return self.root

    @staticmethod
    def _fix(path, mode):
        if os.geteuid() == 0:
            os.chown(path, 0, 0, follow_symlinks=False)
        if mode is not None:
            os.chmod(path, mode)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.work, ignore_errors=True)


def program(name):
    """A guest program that meson built, for example `afunix_session.musl`."""
    path = PROGRAMS / name
    if not path.exists():
        sys.exit(f"{path}: not built (ninja -C {BUILD})")
    return path


def _short(value):
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) < 4000 else text[:2000] + "\n ... \n" + text[-2000:]


def require(condition, what, expected=None, found=None, run=None):
    """Count a check; on failure say what was expected and what was found, and go on."""
    if condition:
        print(f"ok   {what}")
        return True
    _failures.append(what)
    print(f"FAIL {what}")
    if expected is not None:
        print(f"     expected: {_short(expected)}")
    if found is not None or expected is not None:
        print(f"     found:    {_short(found)}")
    if run is not None:
        print(f"     {run.where}: status {run.status} after {run.seconds:.1f} s\n     stdout: {_short(run.stdout)}\n"
              f"     stderr: {_short(run.stderr)}")
        if run.log:
            print("     end of the log:\n       " + "\n       ".join(run.log.splitlines()[-25:]))
    return False


def require_equal(what, expected, found, run=None):
    return require(expected == found, what, expected, found, run)


def require_same(what, on_linux, on_aramid, transform=lambda out: out):
    """Same status, and the same standard output byte for byte, after `transform`."""
    require(on_linux.status == on_aramid.status, f"{what}: exit status", on_linux.status, on_aramid.status,
            run=on_aramid)
    expected, found = transform(on_linux.stdout), transform(on_aramid.stdout)
    if expected == found:
        return require(True, f"{what}: output, {len(expected)} bytes")
    lines = difflib.unified_diff(expected.decode("utf-8", "replace").splitlines(),
                                 found.decode("utf-8", "replace").splitlines(), "linux", "aramid", lineterm="")
    shown = list(lines)
    require(False, f"{what}: output differs from Linux's", run=on_aramid)
    print("\n".join(shown[:120]))
    if not shown:
        print("     (only line ends or bytes that are not text differ)")
    return False


def require_log(what, run, *words):
    """One line of the log holds all of `words`. """
    if NO_LOG:
        return True
    found = [line for line in run.log.splitlines() if all(word.lower() in line.lower() for word in words)]
    return require(bool(found), f"{what}: a log line with {', '.join(words)}", " ".join(words),
                   "\n".join(run.log.splitlines()[-25:]))


def finish():
    """The driver's last line."""
    if _failures:
        print(f"{len(_failures)} failed:\n  " + "\n  ".join(_failures))
    sys.exit(1 if _failures else 0)
