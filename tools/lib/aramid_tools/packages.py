# SPDX-License-Identifier: MIT
"""The Debian packages that Aramid is built and tested with, and their installation."""
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from aramid_tools import common
from aramid_tools.common import ToolError, note

# The lists. What each is for:
PACKAGES = {
    "meson": "build", "ninja-build": "build", "nasm": "build: assembly", "gcc": "build: compiler",
    "libc6-dev": "unit tests, programs linked with glibc", "libcmocka-dev": "unit tests",
    "uthash-dev": "hash tables of the servers", "musl-dev": "C library headers of the guest",
    "musl-tools": "musl-gcc for test programs", "qemu-system-x86": "the machine",
    "busybox-static": "the guest's shell and tools", "dpkg-dev": "sources of test programs", "xz-utils": "same",
    "cpio": "tests of the archive writer", "python3": "these tools", "ca-certificates": "fetching the Linux peer",
}
# Only for tools/run --iso: none of them installs a boot loader on this machine.
ISO = {
    "grub-common": "grub-mkrescue", "grub-pc-bin": "GRUB for BIOS", "grub-efi-amd64-bin": "GRUB for UEFI",
    "xorriso": "ISO 9660", "mtools": "the EFI partition's files",
}
TEST = { # tools/test
    **ISO, "ovmf": "UEFI firmware for QEMU", "spin": "the model of the kernel", "gcovr": "tools/test --coverage",
    "tshark": "reads what tools/trace --pcap writes", "strace": "what tools/run --strace is compared with",
    "gdb": "tools/gdb/aramid.py",
}


def _missing(names):
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
                           capture_output=True, text=True, check=False)
    installed = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def _apt(*arguments):
    command = ["apt-get", "-o", "Dpkg::Use-Pty=0", *arguments] # no progress bars in between
    if os.geteuid() != 0:
        command = ["sudo", *command]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, env=environment, check=False)
    except FileNotFoundError as error:
        raise ToolError(f"'{error.filename}' is not on this machine: expected Debian 12 with apt-get"
                        + ("" if os.geteuid() == 0 else ", and sudo or root")) from error
    return done.returncode == 0


def ensure(allow=True, more=()):
    """Install what is missing of PACKAGES and `more`; with allow=False only say what it would be. A stamp makes the usual
    case free."""
    names = [*PACKAGES, *more]
    key = hashlib.sha256("\n".join(names).encode()).hexdigest()
    stamp = common.BUILD / f".packages-{key[:12]}"
    database = Path("/var/lib/dpkg/status")
    try:
        if stamp.stat().st_mtime >= database.stat().st_mtime:
            return
    except OSError:
        pass
    try:
        missing = _missing(names)
    except FileNotFoundError as error:
        raise ToolError("dpkg-query is not on this machine: expected Debian 12") from error
    if missing:
        if not allow:
            raise ToolError(f"packages are missing and --no-install was given: apt-get install {' '.join(missing)}")
        if os.geteuid() != 0 and not shutil.which("sudo"):
            raise ToolError("packages are missing, and only root can install them: sudo is missing too. "
                            f"As root: apt-get install {' '.join(missing)}")
        note(f"installing with apt-get: {' '.join(missing)}")
        install = ("install", "-y", "-q", "--no-install-recommends", *missing)
        # Lists may be absent (a fresh image) or stale (a file named in them is gone): refresh once.
        if not (any(Path("/var/lib/apt/lists").glob("*_Packages*")) and _apt(*install)):
            if not _apt("update", "-q") or not _apt(*install):
                raise ToolError(f"apt-get could not install: {' '.join(missing)} (its own message is above)")
    common.BUILD.mkdir(exist_ok=True)
    stamp.touch()
