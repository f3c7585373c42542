# What `tools/run --iso` makes boots by GRUB, under BIOS and UEFI, from a CD and a stick. SPDX-License-Identifier: MIT
"""QEMU gets the image and nothing else of ours: COM1 is the terminal (stdout here), COM2 the log."""
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lib

if lib.NO_LOG:
    sys.exit("test_iso.py needs Aramid")

sys.path.insert(0, str(lib.SOURCE / "tools/lib"))
from aramid_tools.machine import CLEAN, DEFAULT_CPU # pylint: disable=wrong-import-position

OVMF = "/usr/share/ovmf/OVMF.fd"
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
# GRUB's last line; the firmware and GRUB may have painted before it.
ANNOUNCED = b"Aramid: the terminal is the first serial port (COM1, 115200 baud, 8N1)."
LIMIT = 120

# A word with everything in it that GRUB's shell, the command line and the list of arguments could stumble over.
AWKWARD = "a b,c%41'd\"e\\f$g;h{i}~&|<>#*"
SCRIPT = 'echo begin; echo "$2"; echo "$MARK"; cat /etc/iso; exit 3'
EXPECTED = f"begin\r\n{AWKWARD}\r\n=x y%\r\nfrom the host\r\n".encode()


def make(image, *words, environment=None):
    """Run tools/run --iso; (status, stderr)."""
    command = [str(lib.SOURCE / "tools/run"), "--no-install", "--no-build", "--build-dir", str(lib.BUILD), "--iso", str(image)]
    done = subprocess.run([*command, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
                          check=False, env=environment)
    lib.require_equal(f"--iso {image}: nothing on standard output", "", done.stdout)
    return done.returncode, done.stderr


def qemu(image, log, firmware, medium, cpu=DEFAULT_CPU, more=()):
    media = {"cd": ["-cdrom", str(image)], "stick": ["-drive", f"file={image},format=raw,if=ide,snapshot=on"]}
    return ["qemu-system-x86_64", *(["-bios", OVMF] if firmware == "OVMF" else []), "-M", "pc", "-accel", "tcg", "-cpu", cpu,
            "-nodefaults", "-vga", "std", "-net", "none", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", "stdio",
            "-serial", f"file:{log}", *media[medium], *more]


def after_grub(output):
    """What the terminal got once the kernel ran. UEFI's console is the screen and COM1, so GRUB says things twice there, and
    at the very end that the screen will be of no use to the system."""
    rest = output.rpartition(ANNOUNCED)[2]
    for words in (b"WARNING: no console will be available to OS", b"error: no suitable video mode found."):
        rest = rest.replace(words, b"")
    return rest.lstrip(b"\r\n")


def check_program(image, work, firmware, medium, cpu=DEFAULT_CPU, memory="512M"):
    what = f"{firmware}, {medium}, {memory}" + ("" if cpu == DEFAULT_CPU else f", {cpu}")
    log = os.path.join(work, "log")
    start = time.monotonic()
    command = ["timeout", "-s", "KILL", str(LIMIT), *qemu(image, log, firmware, medium, cpu, [*DEBUG_EXIT, "-m", memory])]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    run = lib.Run(what, done.returncode, done.stdout, done.stderr, Path(log).read_text(errors="replace"),
                  time.monotonic() - start)
    lib.require_equal(f"{what}: the machine ended in order", CLEAN, run.status, run)
    lib.require_equal(f"{what}: the program's output", EXPECTED, after_grub(run.stdout), run)
    lib.require_log(f"{what}: the program's status", run, "aramid-exit: 3")
    lib.require(not run.log_lines("left out"), f"{what}: all memory is used", run=run)


def wait_for(process, seen, words, what):
    """Read the terminal until it has shown `words`."""
    until = time.monotonic() + LIMIT
    while words not in seen and time.monotonic() < until:
        if select.select([process.stdout], [], [], 1)[0]:
            data = os.read(process.stdout.fileno(), 4096)
            if not data:
                break
            seen += data
    lib.require(words in seen, what, words, bytes(seen[-1500:]))


def check_shell(image, work):
    """Without a program it is a shell, and without a debug exit device the machine says that it can be switched off."""
    command = qemu(image, os.path.join(work, "log"), "SeaBIOS", "cd", more=["-m", "512M"])
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    try:
        seen = bytearray()
        wait_for(process, seen, b"# ", "shell: a prompt")
        process.stdin.write(b"echo $((6 * 7)) $TERM\r")
        wait_for(process, seen, b"42 vt100\r\n", "shell: it answers")
        process.stdin.write(b"exit 5\r")
        wait_for(process, seen, b"aramid-exit: 5\r\nAramid has ended. The machine can be switched off.\r\n",
                 "shell: how it ends where QEMU cannot be told to")
        lib.require_equal("shell: and then it halts", None, process.poll())
    finally:
        process.kill()
        process.wait()


def check_stop(image, work):
    """QEMU's own default processor lacks what is needed, and nobody is there to read COM2: the terminal has the reason."""
    process = subprocess.Popen(qemu(image, os.path.join(work, "log"), "SeaBIOS", "cd", cpu="qemu64", more=["-m", "512M"]),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
    try:
        wait_for(process, bytearray(), b"kernel: stop: this processor has no FSGSBASE", "a kernel that stops says why on COM1")
    finally:
        process.kill()
        process.wait()


def check_bad_input(work):
    def refused(what, words, *arguments, environment=None, file="x.iso"):
        target = os.path.join(work, file) if not os.path.isabs(file) else file
        status, err = make(target, *arguments, environment=environment)
        lines = [line for line in err.splitlines() if line.startswith("aramid:")]
        lib.require_equal(f"{what}: status", 125, status)
        lib.require(len(lines) == 1 and all(word in lines[0] for word in words), f"{what}: one line says why", words, err)
        lib.require(not os.path.isfile(target) and not os.path.exists(target + ".partial"), f"{what}: no file is left")

    refused("a directory", ["is a directory"], file=work)
    refused("a device", ["/dev/null", "a device"], file="/dev/null")
    refused("no such directory", ["no directory"], file="none/x.iso")
    refused("below a file", ["Not a directory"], file="/etc/passwd/x.iso")
    refused("nobody may write there", ["/proc"], file="/proc/x.iso")
    refused("an option without meaning", ["--timeout"], "--timeout", "5")
    refused("no such program", ["/bin/nothing"], "--", "/bin/nothing")
    bare = Path(work, "bin") # python3 and what tools/run needs before it looks for GRUB's tools, but not those
    bare.mkdir()
    for name in ("sh", "dirname", "readlink", "id", "python3"):
        (bare / name).symlink_to(f"/usr/bin/{name}")
    refused("no GRUB tools", ["grub-common", "xorriso", "apt-get install"], environment={"PATH": str(bare)})


with tempfile.TemporaryDirectory(prefix="aramid-iso-", dir="/var/tmp") as folder, lib.Tree() as tree:
    tree.write("etc/iso", "from the host\n")
    iso = Path(folder, "with a space.iso")
    status, err = make(iso, "--rootfs", str(tree.seal()), "--env", "MARK==x y%", "--", "/bin/sh", "-c", SCRIPT, "sh", "-", AWKWARD)
    lib.require_equal("the image is made", 0, status)
    lib.require(all(word in err for word in (str(iso), "qemu-system-x86_64", "dd if=")), "and the tool says how to boot it", found=err)
    for firmware in ("SeaBIOS", "OVMF"):
        for medium in ("cd", "stick"):
            check_program(iso, folder, firmware, medium)
    check_program(iso, folder, "SeaBIOS", "cd", cpu="max")
    check_program(iso, folder, "OVMF", "cd", memory="5G") # some of it above 4 GiB
    plain = Path(folder, "plain.iso")
    lib.require_equal("the image of a shell is made", 0, make(plain)[0])
    check_shell(plain, folder)
    check_stop(plain, folder)
    check_bad_input(folder)
lib.finish()
