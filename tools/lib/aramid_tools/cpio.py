# SPDX-License-Identifier: MIT
"""Write a newc cpio archive (cpio(5), the format of Linux's initramfs), fast enough for tens of MB at each boot."""
import stat

TRAILER = "TRAILER!!!"


class Writer:
    """Writes entries to a binary file. Hard links: give every name the same `link_key` and the final number of links;
    the first one carries the data."""

    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.linked = {}

    def _header(self, name, mode, uid, gid, nlink, mtime, size, inode, rdev):
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        head = (f"070701{inode:08x}{mode:08x}{uid:08x}{gid:08x}{nlink:08x}{max(0, int(mtime)) & 0xffffffff:08x}{size:08x}"
                f"{0:08x}{0:08x}{rdev[0]:08x}{rdev[1]:08x}{len(raw):08x}{0:08x}").encode()
        self.file.write(head + raw + b"\0" * (-(len(head) + len(raw)) % 4))

    def add(self, name, mode, uid=0, gid=0, mtime=0, data=b"", rdev=(0, 0), nlink=None, link_key=None):
        """`data` is bytes: a file's contents or a symlink's target."""
        inode = self.linked.get(link_key)
        if inode is not None:
            data = b""
        else:
            self.inode += 1
            inode = self.inode
            if link_key is not None:
                self.linked[link_key] = inode
        if nlink is None:
            nlink = 2 if stat.S_ISDIR(mode) else 1
        self._header(name, mode, uid, gid, nlink, mtime, len(data), inode, rdev)
        if data:
            self.file.write(data)
            self.file.write(b"\0" * (-len(data) % 4))

    def finish(self):
        self._header(TRAILER, 0, 0, 0, 1, 0, 0, 0, (0, 0))
