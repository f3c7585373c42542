#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""part.py OUTPUT LIBRARY [-T SCRIPT] SYMBOL…: one object file of a library, with only these symbols to be seen from outside,
so that cores and libposix, which never meet in the guest, may use the same names."""
import subprocess
import sys

output, library, *rest = sys.argv[1:]
link = ["ld", "-r", "-o", output + ".all", "--whole-archive", library]
if rest[0] == "-T":
    link[1:1] = rest[:2]
    rest = rest[2:]
subprocess.run(link, check=True)
subprocess.run(["objcopy", *["--keep-global-symbol=" + name for name in rest], output + ".all", output], check=True)
