# SPDX-License-Identifier: MIT
"""tools/test --coverage: which lines of the kernel's objects and IPC the unit tests execute."""
import json
import subprocess

from aramid_tools import common
from aramid_tools.common import ROOT, ToolError, note

FOLDERS = ("object", "ipc") # of microkernel/
ENOUGH = 90.0 # per cent of the lines of both together
BUILD = common.BUILD.parent / (common.BUILD.name + "-coverage")


def _run(what, command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout[-6000:])
        raise ToolError(f"{what} failed with status {done.returncode}; the end of its output is above "
                        f"(to repeat: {' '.join(str(word) for word in command)})")


def _build(tests):
    """A build of its own, in which the unit tests count lines. Configured anew: there may be new tests."""
    setup = ["meson", "setup", BUILD, "--cross-file", ROOT / "cross-x86_64.ini", "-Dcoverage=true"]
    _run("meson setup", [*setup, "--reconfigure"] if (BUILD / "build.ninja").exists() else setup)
    _run("the build", ["ninja", "-C", BUILD, *(f"tests/unit/{path.stem}" for path in tests)])
    for counts in BUILD.rglob("*.gcda"):
        counts.unlink() # of an earlier run


def _measure():
    """{file: (lines, executed, [numbers of those that are not])}, as gcovr counts."""
    report = BUILD / "coverage.json"
    _run("gcovr", ["gcovr", "--root", ROOT, "--object-directory", BUILD, "--json", report,
                   *(f"--filter={ROOT}/microkernel/{folder}/" for folder in FOLDERS), BUILD / "microkernel"])
    files = {}
    for entry in json.loads(report.read_text())["files"]:
        lines = [line for line in entry["lines"] if not line["gcovr/noncode"]]
        missed = [line["line_number"] for line in lines if not line["count"]]
        files[entry["file"]] = (len(lines), len(lines) - len(missed), missed)
    return files


def _ranges(numbers):
    """[3, 4, 5, 9] -> '3-5 9'"""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def _row(name, lines, executed, missed=""):
    print(f"{name:36} {lines:6} {executed:8} {100 * executed / lines:6.1f} %  {missed}".rstrip())


def run():
    """Print the table; exit status 1 when it is not enough."""
    tests = sorted((ROOT / "tests/unit").glob("test_kernel_*.c"))
    note(f"coverage: a build of its own in {BUILD.name}/, then {len(tests)} test programs")
    _build(tests)
    for path in tests:
        _run(path.stem, [BUILD / "tests/unit" / path.stem])
    files = _measure()
    print(f"{'file':36} {'lines':>6} {'executed':>8} {'':8}  lines never executed")
    for name, (lines, executed, missed) in sorted(files.items()):
        _row(name, lines, executed, _ranges(missed))
    for folder in FOLDERS:
        chosen = [row for name, row in files.items() if name.startswith(f"microkernel/{folder}/")]
        if not chosen:
            raise ToolError(f"no line of microkernel/{folder}/ was measured")
        _row(f"microkernel/{folder}/", sum(row[0] for row in chosen), sum(row[1] for row in chosen))
    lines, executed = (sum(row[i] for row in files.values()) for i in (0, 1))
    _row("together", lines, executed)
    if 100 * executed < ENOUGH * lines:
        print(f"not enough: less than {ENOUGH:.0f} % of the lines are executed")
        return 1
    return 0
