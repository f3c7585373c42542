# SPDX-License-Identifier: MIT
"""The guest's root file system: Debian's busybox and a few files of /etc, with host directories laid over it."""
import os
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from aramid_tools.common import ToolError
from aramid_tools.cpio import Writer

BASE_TIME = 1704067200  # 2024-01-01: the base tree is the same on every machine
BUSYBOX = "/bin/busybox"
SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
LINKS_MAX = 40  # symbolic links followed while looking for a program, as Linux

DIRECTORIES = {
    "bin": 0o755, "sbin": 0o755, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "usr/lib": 0o755, "usr/share": 0o755,
    "etc": 0o755, "root": 0o700, "tmp": 0o1777, "var": 0o755, "var/log": 0o755, "var/run": 0o755, "var/tmp": 0o1777,
    "run": 0o755, "dev": 0o755, "proc": 0o555, "sys": 0o555, "home": 0o755, "mnt": 0o755, "lib": 0o755, "lib64": 0o755,
    "opt": 0o755,
}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
                  "user:x:1000:1000:user:/home:/bin/sh\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\nuser:x:1000:\n",
    "etc/profile": "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPS1='\\w # '\n",
    "etc/hostname": "aramid\n",
    "etc/hosts": "127.0.0.1 localhost aramid\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/shells": "/bin/sh\n",
}


@dataclass
class Node:
    """One name. `source` is the host file that holds the data, read when the archive is written."""
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = BASE_TIME
    data: bytes = b""
    source: str = ""
    rdev: tuple = (0, 0)
    links: int = 1
    link_key: tuple = field(default=None)


def base_tree():
    """{path: Node} of the base, parents before children."""
    tree = {path: Node(stat.S_IFDIR | mode) for path, mode in DIRECTORIES.items()}
    for path, text in FILES.items():
        tree[path] = Node(stat.S_IFREG | 0o644, data=text.encode())
    tree["bin/busybox"] = Node(stat.S_IFREG | 0o755, source=BUSYBOX)
    try:
        applets = subprocess.run([BUSYBOX, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolError(f"{BUSYBOX} --list-full failed: {error} (expected Debian's busybox-static)") from error
    for path in applets:
        parent = path.rpartition("/")[0]
        if path not in tree and parent in DIRECTORIES:
            tree[path] = Node(stat.S_IFLNK | 0o777, data=b"/bin/busybox")
    tree.setdefault("bin/sh", Node(stat.S_IFLNK | 0o777, data=b"/bin/busybox"))
    return tree


def overlay(tree, directory):
    """Lay a host directory over the tree, with owners, modes, times and hard links as lstat gives them."""
    top = Path(directory)
    if not top.is_dir():
        what = "does not exist" if not os.path.lexists(top) else "is not a directory"
        raise ToolError(f"--rootfs {directory}: {what}")
    groups = {}
    _overlay_directory(tree, groups, str(top), "")
    for paths in groups.values(): # links counted inside the guest, not on the host
        for path in paths:
            tree[path].links = len(paths)


def _overlay_directory(tree, groups, host, prefix):
    try:
        entries = sorted(os.scandir(host), key=lambda entry: entry.name)
    except OSError as error:
        raise ToolError(f"--rootfs: cannot read {host}: {error.strerror}") from error
    for entry in entries:
        info = entry.stat(follow_symlinks=False)
        path = prefix + entry.name
        node = Node(info.st_mode, info.st_uid, info.st_gid, int(info.st_mtime))
        old = tree.get(path)
        if old and stat.S_ISDIR(old.mode) and not stat.S_ISDIR(info.st_mode):
            for below in [name for name in tree if name.startswith(path + "/")]:
                del tree[below]
        if stat.S_ISREG(info.st_mode):
            node.source = entry.path
            if info.st_nlink > 1:
                node.link_key = (info.st_dev, info.st_ino)
                groups.setdefault(node.link_key, []).append(path)
        elif stat.S_ISLNK(info.st_mode):
            node.data = os.fsencode(os.readlink(entry.path))
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            node.rdev = (os.major(info.st_rdev), os.minor(info.st_rdev))
        tree.pop(path, None) # a new place in the order: after its parent, which may be new too
        tree[path] = node
        if stat.S_ISDIR(info.st_mode):
            _overlay_directory(tree, groups, entry.path, path + "/")


def write_archive(tree, file, extra=()):
    """Write the tree as newc cpio, ordered so that parents come first; `extra` is more (path, Node)."""
    writer = Writer(file)
    for path, node in [*sorted(tree.items()), *extra]:
        data = node.data
        if node.source:
            try:
                data = Path(node.source).read_bytes()
            except OSError as error:
                raise ToolError(f"cannot read {node.source} for the guest's /{path}: {error.strerror}") from error
        writer.add(path, node.mode, node.uid, node.gid, node.mtime, data, node.rdev,
                   None if stat.S_ISDIR(node.mode) else node.links, node.link_key)
    writer.finish()


def _resolve(tree, path):
    """The Node at an absolute path, symbolic links followed; None when there is none."""
    todo, done, links = [part for part in path.split("/") if part], [], 0
    while todo:
        part = todo.pop(0)
        if part in (".", ".."):
            done = done[:-1] if part == ".." else done
            continue
        node = tree.get("/".join([*done, part]))
        if node is None:
            return None
        if not stat.S_ISLNK(node.mode):
            done.append(part)
            continue
        links += 1
        if links > LINKS_MAX:
            return None
        target = os.fsdecode(node.data)
        if target.startswith("/"):
            done = []
        todo = [piece for piece in target.split("/") if piece] + todo
    return tree.get("/".join(done))


def find_program(tree, name):
    """What execvp would find for `name` in the guest: a path. A name that is nowhere comes back as it is, so that the
    guest itself reports it."""
    if "/" in name:
        return name
    for directory in SEARCH:
        if is_program(tree, f"{directory}/{name}"):
            return f"{directory}/{name}"
    return name


def is_program(tree, path):
    """A file that may be executed."""
    node = _resolve(tree, path)
    return bool(node and stat.S_ISREG(node.mode) and node.mode & 0o111)
