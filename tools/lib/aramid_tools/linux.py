# SPDX-License-Identifier: MIT
"""The other side of every comparison: Debian's cloud kernel in the same QEMU, with the same tree and program.

The kernel package comes from the Debian mirror that this machine's apt already uses, through a private apt state, so
nothing of the machine changes. It is fetched once and kept in the user's cache.
"""
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from aramid_tools import common, rootfs
from aramid_tools.common import ToolError, note

RELEASE = "bookworm"
SUITES = (f"{RELEASE}-backports", RELEASE) # 6.12 in the first, 6.1 in the second
META_PACKAGE = "linux-image-cloud-amd64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# The log on COM2; `quiet` because each line on a serial port costs time that the comparison would count.
COMMAND_LINE = "console=ttyS1 quiet panic=-1 rdinit=/init 8250.nr_uarts=2"
INIT_SOURCE = Path(__file__).resolve().parents[1] / "linux_init.c"


def cache_directory():
    """Shared by all checkouts of one user; build/ when there is no home to write to."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aramid"
    try:
        base.mkdir(parents=True, exist_ok=True)
        if os.access(base, os.W_OK):
            return base
    except OSError:
        pass
    base = common.BUILD / "cache"
    base.mkdir(parents=True, exist_ok=True)
    return base


def _apt(state, tool, *arguments, check=True, cwd=None):
    options = {"Dir::Etc::sourcelist": f"{state}/sources.list", "Dir::Etc::sourceparts": "-",
               "Dir::State::lists": f"{state}/lists", "Dir::Cache": f"{state}/cache", "APT::Sandbox::User": "root"}
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    done = subprocess.run([tool, *flags, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, cwd=cwd)
    if check and done.returncode != 0:
        raise ToolError(f"{tool} {' '.join(arguments)} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return done.stdout if done.returncode == 0 else None


def _mirrors():
    """URIs of the Debian mirrors in this machine's own apt sources."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"],
                          capture_output=True, text=True, check=False)
    rows = {tuple(line.split()) for line in done.stdout.splitlines() if len(line.split()) == 3}
    found = sorted({uri for uri, release, component in rows if release == RELEASE and component == "main"})
    if not found:
        raise ToolError(f"this machine's apt sources name no mirror for Debian {RELEASE} main: "
                        "expected one, to fetch the Linux kernel that Aramid is compared with")
    return found


def _fetch(cache):
    with tempfile.TemporaryDirectory(prefix="aramid-linux-") as state:
        for part in ("lists/partial", "cache/archives/partial", "unpacked"):
            Path(state, part).mkdir(parents=True)
        signed = f"[signed-by={KEYRING}] " if Path(KEYRING).exists() else ""
        for suite in SUITES:
            Path(state, "sources.list").write_text(
                "".join(f"deb {signed}{uri} {suite} main\n" for uri in _mirrors()), encoding="ascii")
            if _apt(state, "apt-get", "update", "-q", check=False) is None:
                continue
            depends = _apt(state, "apt-cache", "depends", META_PACKAGE, check=False) or ""
            match = re.search(r"Depends: (linux-image-(\S+-cloud-amd64))\s", depends)
            if match:
                break
        else:
            raise ToolError(f"no suite of {', '.join(SUITES)} on this machine's Debian mirror has {META_PACKAGE}")
        package, version = match.group(1), match.group(2)
        note(f"fetching Debian's {package} ({suite}) for the comparison")
        _apt(state, "apt-get", "download", "-q", package, cwd=state)
        (deb,) = Path(state).glob("*.deb")
        subprocess.run(["dpkg", "-x", str(deb), f"{state}/unpacked"], check=True)
        target = cache / f"vmlinuz-{version}"
        shutil.copy(f"{state}/unpacked/boot/vmlinuz-{version}", target.with_suffix(".partial"))
        os.replace(target.with_suffix(".partial"), target)
        return target


def package_fetch(package, state):
    """The newest `package` that Debian has for this release: its .deb in the folder `state`, which is empty. From the
    machine's own apt sources and from backports of the same mirrors."""
    for part in ("lists/partial", "cache/archives/partial"):
        Path(state, part).mkdir(parents=True)
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"],
                          capture_output=True, text=True, check=False)
    rows = {tuple(line.split()) for line in done.stdout.splitlines() if len(line.split()) == 3}
    places = {(uri, release) for uri, release, component in rows if component == "main" and release.startswith(RELEASE)}
    places |= {(uri, f"{RELEASE}-backports") for uri in _mirrors()}
    signed = f"[signed-by={KEYRING}] " if Path(KEYRING).exists() else ""
    # One that a mirror lacks must not keep the others from being used.
    Path(state, "sources.list").write_text(
        "".join(f"deb {signed}{uri} {suite} main\n" for uri, suite in sorted(places)), encoding="ascii")
    _apt(state, "apt-get", "update", "-q", check=False)
    _apt(state, "apt-get", "download", "-q", package, cwd=state)
    (deb,) = Path(state).glob("*.deb")
    return deb


def kernel():
    """Path of vmlinuz-VERSION; the newest that was fetched, fetched now when none was."""
    cache = cache_directory()
    def version_key(path):
        return [int(number) for number in re.findall(r"\d+", path.name)]
    have = sorted((path for path in cache.glob("vmlinuz-*-cloud-amd64")), key=version_key)
    return have[-1] if have else _fetch(cache)


def kernel_version(path):
    return path.name.removeprefix("vmlinuz-")


def init_program():
    """/init, built with musl-gcc; kept under its source's hash."""
    digest = hashlib.sha256(INIT_SOURCE.read_bytes()).hexdigest()[:16]
    target = cache_directory() / f"linux-init-{digest}"
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}")
        done = subprocess.run(["musl-gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(partial), str(INIT_SOURCE)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(f"musl-gcc could not build {INIT_SOURCE.name}: {done.stderr.strip()}")
        os.replace(partial, target)
    return target


def write_initramfs(work, tree, mode, argv, environment):
    """The tree, our /init and what it is to run; the archive's path."""
    command = [mode, str(len(argv)), *argv, *environment]
    data = b"".join(os.fsencode(item) + b"\0" for item in command)
    extra = [(".aramid", rootfs.Node(stat.S_IFREG | 0o600, data=data)),
             ("init", rootfs.Node(stat.S_IFREG | 0o755, source=str(init_program())))]
    path = Path(work, "initramfs.cpio")
    with open(path, "wb", buffering=1 << 20) as file:
        rootfs.write_archive(tree, file, extra)
    return path
