#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the bundle that the boot loader passes to the kernel (struct ar_bundle in aramid/abi.h).

usage: mkbundle.py OUTPUT NAME=FILE...

Blobs start on 4 KiB boundaries, in the order given, and nothing else shares their pages. Put large blobs last.
"""
import os
import shutil
import struct
import sys

MAGIC = b"ARAMIDBN"
PAGE = 4096
HEADER = struct.Struct("<8sQ")        # magic, count
ENTRY = struct.Struct("<48sQQ")       # name, offset, size


def page_align(offset):
    return -(-offset // PAGE) * PAGE


def write(output, blobs):
    """`blobs`: (name, path) pairs. The file appears whole or not at all."""
    entries, offset = [], page_align(HEADER.size + ENTRY.size * len(blobs))
    for name, path in blobs:
        size = os.stat(path).st_size
        entries.append((name.encode(), offset, size))
        offset = page_align(offset + size)
    partial = output + ".partial"
    with open(partial, "wb") as out:
        out.write(HEADER.pack(MAGIC, len(entries)))
        for entry in entries:
            out.write(ENTRY.pack(*entry))
        for (_, start, size), (name, path) in zip(entries, blobs):
            out.seek(start)
            with open(path, "rb") as blob:
                shutil.copyfileobj(blob, out, 1 << 20)
            if out.tell() != start + size:
                raise OSError(f"{path} changed while it was read")
        out.truncate(offset)
    os.replace(partial, output)


def main(argv):
    if len(argv) < 3 or any("=" not in arg for arg in argv[2:]):
        print(__doc__, file=sys.stderr)
        return 2
    blobs = [tuple(arg.split("=", 1)) for arg in argv[2:]]
    names = [name for name, _ in blobs]
    try:
        if len(set(names)) != len(names):
            raise OSError("a name is given twice")
        if any(not 0 < len(name.encode()) < 48 for name in names):
            raise OSError("a name is empty or longer than 47 bytes")
        write(argv[1], blobs)
    except OSError as error:
        print(f"mkbundle.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
