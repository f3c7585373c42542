# SPDX-License-Identifier: MIT
"""main.py MODULE [ARGUMENT…]: run aramid_tools.MODULE.main, and turn its errors into one line and an exit status."""
import importlib
import os
import sys

# A standard stream that was closed (`<&-`) must not become the number of something else that is opened here.
for descriptor in range(3):
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)

from aramid_tools.common import ToolError, say

name = sys.argv.pop(1)
try:
    status = importlib.import_module("aramid_tools." + name).main(sys.argv[1:])
except ToolError as error:
    say(str(error))
    status = error.status
except KeyboardInterrupt:
    status = 130
except BrokenPipeError:
    status = 141
sys.exit(status)
