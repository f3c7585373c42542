# SPDX-License-Identifier: MIT
"""tools/test: build and run the tests, by suite or by name."""
import argparse
import json
import subprocess
import sys
from collections import Counter

from aramid_tools import build, common, coverage, packages
from aramid_tools.common import EXIT_USAGE, ROOT, ToolError, note

DESCRIPTION = """\
Without arguments: everything. A SUITE is `unit` (on this machine, no QEMU, seconds), `model` (the same, every
state of a small world; two minutes), `native` (programs alone on the kernel, in QEMU) or `boot` (the system in QEMU, minutes); a TEST is a name that --list prints. Exit status: 0
when all passed, 1 when one failed, 2 for an unknown name."""
FAILED_LINES = 60 # of a failed test's output, shown
GOOD = {"OK", "EXPECTEDFAIL"}


def _configure():
    """build/ knows the test files by their names at configuration: configure again when they changed."""
    names = "\n".join(sorted(path.name for path in (ROOT / "tests/unit").glob("test_*.c")))
    stamp = common.BUILD / ".unit-files"
    fresh = not (common.BUILD / "build.ninja").exists()
    if not fresh and (not stamp.exists() or stamp.read_text() != names):
        build.reconfigure()
    build.build(["build.ninja"])
    stamp.write_text(names)


def _tests():
    """{name: suite} of what meson knows, in order."""
    done = subprocess.run(["meson", "introspect", str(common.BUILD), "--tests"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"meson introspect failed: {done.stderr.strip() or done.stdout.strip()}")
    return {test["name"]: test["suite"][0].rpartition(":")[2] for test in json.loads(done.stdout)}


def _choose(wanted, tests):
    """Names of the tests that the arguments mean; all without arguments."""
    suites = sorted(set(tests.values()), reverse=True)
    unknown = [name for name in wanted if name not in tests and name not in suites]
    if unknown:
        raise ToolError(f"no suite or test is named '{unknown[0]}'. Suites: {', '.join(suites)}. "
                        f"Tests: {', '.join(tests) or 'none'}", EXIT_USAGE)
    return [name for name, suite in tests.items() if not wanted or name in wanted or suite in wanted]


def _show_failure(record):
    note(f"test {record['name']}: {record['result']} after {record['duration']:.1f} s; the end of its output:")
    text = (record.get("stdout") or "") + (record.get("stderr") or "")
    for line in text.splitlines()[-FAILED_LINES:]:
        print("    " + line)


def _run(names, tests):
    """Run them; (passed, failed names)."""
    if any(tests[name] == "boot" for name in names):
        build.build()
    log = common.BUILD / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    done = subprocess.run(["meson", "test", "-C", str(common.BUILD), *names], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    if not log.exists():
        raise ToolError(f"meson test ended with status {done.returncode} before it ran a test (its message is above)")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for record in records: # meson writes 'aramid:unit / NAME'
        record["name"] = record["name"].rpartition(" ")[2].rpartition(":")[2]
    failed = [record for record in records if record["result"] not in GOOD and record["result"] != "SKIP"]
    skipped = [record["name"] for record in records if record["result"] == "SKIP"]
    sys.stdout.flush()
    for record in failed:
        _show_failure(record)
    for line in "".join(record.get("stdout") or "" for record in records).splitlines():
        if line.startswith("# model: "): # how much was explored
            print(line[2:])
    if skipped:
        print(f"skipped: {' '.join(skipped)}")
    seen = {record["name"] for record in records}
    lost = [name for name in names if name not in seen] # a test that leaves no record did not pass
    return len(records) - len(failed) - len(skipped), [record["name"] for record in failed] + lost


def main(argv):
    parser = argparse.ArgumentParser(prog="tools/test", description=DESCRIPTION)
    parser.add_argument("names", nargs="*", metavar="SUITE|TEST")
    parser.add_argument("--list", action="store_true", help="print the tests, run none")
    parser.add_argument("--no-install", action="store_true", help="install nothing; say what is missing")
    parser.add_argument("--coverage", action="store_true", help="print which lines of the kernel's objects and IPC the unit tests execute; status 1 below 90 %%")
    arguments = parser.parse_args(argv)
    if arguments.coverage and arguments.names:
        raise ToolError("--coverage takes no names: it always runs the kernel's unit tests", EXIT_USAGE)
    packages.ensure(not arguments.no_install, packages.TEST)
    if arguments.coverage:
        return coverage.run()
    _configure()
    tests = _tests()
    names = _choose(arguments.names, tests)
    counts = Counter(tests[name] for name in names)
    if arguments.list:
        for name in names:
            print(f"{tests[name]:6} {name}")
        return 0
    note(f"{len(names)} tests: " + ", ".join(f"{suite} {count}" for suite, count in counts.items()))
    passed, failed = _run(names, tests) if names else (0, [])
    if failed:
        print(f"failed: {' '.join(failed)}")
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    return 1 if failed or not passed else 0
