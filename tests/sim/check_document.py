#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The example in docs/testing-servers.md is the test that runs, and has fewer than 40 lines."""
import sys
from pathlib import Path

document, example = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])
listed = document.split("```c\n", 1)[1].split("```", 1)[0]
print("1..2")
same = listed == example
print(f"{'ok' if same else 'not ok'} 1 - docs/testing-servers.md lists tests/sim/test_example.c as it is")
short = len(example.splitlines()) < 40
print(f"{'ok' if short else 'not ok'} 2 - it has fewer than 40 lines")
sys.exit(not (same and short))
