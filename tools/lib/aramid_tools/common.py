# SPDX-License-Identifier: MIT
"""What every tool needs: where the tree is, how to complain."""
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("ARAMID_BUILD") or ROOT / "build") # another place: for checks that must not touch build/

EXIT_TIMEOUT = 124  # as timeout(1)
EXIT_SYSTEM = 125   # the tool or the system failed, not the program
EXIT_USAGE = 2


class ToolError(Exception):
    """The tool cannot go on. One line that names the thing, what was expected, and what there is."""

    def __init__(self, message, status=EXIT_SYSTEM):
        super().__init__(message)
        self.status = status


def note(text):
    """How things are going, to the user."""
    sys.stdout.flush()
    print(f"[aramid] {text}", file=sys.stderr, flush=True)


def say(text):
    """What went wrong: the one line that begins with `aramid:` whenever a tool fails."""
    sys.stdout.flush()
    print(f"aramid: {text}", file=sys.stderr, flush=True)
