#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_af_unix.py REPOSITORY: docs/af_unix.md has a row for each id of the checklist, and each row names code and tests that
are there. A test names its id in its own name or in a comment of its file. TAP."""
import re
import sys
from pathlib import Path

from check_docs import ANCHOR, problem

LINES = {"N": 6, "C": 7, "S": 9, "A": 6, "R": 3, "O": 4, "B": 11}
COLUMNS = ["id", "what", "where", "test", "difference"]


def rows(text):
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[A-Z]\d+", cells[0]):
            yield dict(zip(COLUMNS, cells))


def names_id(root, path, name, id):
    if re.match(id + "_", name, re.I):
        return True
    return bool(re.search(rf"(?:/\*|\*| )[^\n]*\b{id}\b", (root / path).read_text()))


def problems(root, id, row):
    if row is None:
        yield "no row"
        return
    if not row["what"]:
        yield "says nothing"
    for column in ("where", "test"):
        anchors = ANCHOR.findall(row[column])
        if not anchors:
            yield f"names no {column}"
        for path, name in anchors:
            if text := problem(root, path, name):
                yield text
            elif column == "test" and not path.startswith("tests/"):
                yield f"{path} is no test"
            elif column == "test" and not names_id(root, path, name, id):
                yield f"{path}:{name} does not name {id}"


def main(root):
    ids = [f"{letter}{n}" for letter, count in LINES.items() for n in range(1, count + 1)]
    found = {row["id"]: row for row in rows((root / "docs/af_unix.md").read_text())}
    print(f"1..{len(ids) + 1}")
    for number, id in enumerate(ids, 1):
        wrong = list(problems(root, id, found.get(id)))
        print(f"{'not ok' if wrong else 'ok'} {number} - {id}")
        for text in wrong:
            print("# " + text)
    strangers = set(found) - set(ids)
    print(f"{'not ok' if strangers else 'ok'} {len(ids) + 1} - no row without a line {' '.join(sorted(strangers))}")


main(Path(sys.argv[1]))
