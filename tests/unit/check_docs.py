#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_docs.py REPOSITORY: every anchor `path/file:name` in docs/ names a file and a thing defined in it. TAP.

What "defined" means depends on the file: a C function or type, an assembly label, an operation of a protocol, a Python
function. A page that shows no anchor at all is not checked. And docs/protocols.md is what ipcgen.py makes of the
protocol files today, and docs/kernel-api.md and two headers what apigen.py makes of the kernel's declaration.
"""
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ANCHOR = re.compile(r"`([\w./-]+\.(?:c|h|asm|toml|py)):(\w+)`")
MUST_HAVE = {"connect.md": 20}  # a walk with fewer anchors than this has lost its way

DEFINITION = {
    # At the start of a line: a declaration whose next significant thing is a body or, in a header, its end; or a type.
    ".c": r"^(?!\s|#|\*|/)[^\n;=]*\b{name}\([^;{{]*\)\s*\{{|^(?:struct|enum|union) {name}\b[^;]*\{{",
    ".h": r"^(?!\s|#|\*|/)[^\n=]*\b{name}\(|^(?:struct|enum|union) {name}\b[^;]*\{{|^#define {name}\b",
    ".asm": r"^{name}:",
    ".toml": r'^name = "{name}"$',
    ".py": r"^\s*def {name}\(",
}


def problem(root, path, name):
    """None, or what is wrong with the anchor."""
    file = root / path
    if not file.is_file():
        return f"no such file: {path}"
    if not re.search(DEFINITION[file.suffix].format(name=name), file.read_text(), re.M):
        return f"{path} defines no {name}"
    return None


def manual_is_fresh(root):
    with tempfile.NamedTemporaryFile() as made:
        generator, protocols = root / "libipc/generator/ipcgen.py", sorted((root / "libipc/protocols").glob("*.toml"))
        subprocess.run([sys.executable, generator, "manual", made.name, *protocols], check=True)
        return Path(made.name).read_text() == (root / "docs/protocols.md").read_text()


def kernel_interface_problems(root):
    """What microkernel/api/invocations.toml would make differently today, or does not know of."""
    generator, declared = root / "microkernel/api/apigen.py", root / "microkernel/api/invocations.toml"
    for kind, path in (("header", "microkernel/include/aramid/invocations.h"), ("manual", "docs/kernel-api.md"),
                       ("errors", "microkernel/include/aramid/errors.h")):
        with tempfile.NamedTemporaryFile() as made:
            subprocess.run([sys.executable, generator, kind, declared, made.name], check=True)
            if Path(made.name).read_text() != (root / path).read_text():
                yield f"{path} is old: microkernel/api/apigen.py update"
    api, abi = tomllib.loads(declared.read_text()), (root / "microkernel/include/aramid/abi.h").read_text()
    calls = {name: int(number) for name, number in re.findall(r"^    (AR_SYS_\w+) = (\d+)", abi, re.M)}
    if calls != {call["name"]: call["number"] for call in api["syscall"]}:
        yield "abi.h has other system calls than microkernel/api/invocations.toml"
    types = re.search(r"enum ar_type \{(.*?)\}", abi, re.S).group(1)
    if re.findall(r"AR_\w+", types)[1:-1] != [item["type"] for item in api["object"]]:
        yield "abi.h has other object types than microkernel/api/invocations.toml, or in another order"


def main(root):
    pages = sorted((root / "docs").glob("*.md"))
    print(f"1..{len(pages) + 2}")
    for number, page in enumerate(pages, 1):
        wrong, count = [], 0
        for line_number, line in enumerate(page.read_text().splitlines(), 1):
            for path, name in ANCHOR.findall(line):
                count += 1
                if text := problem(root, path, name):
                    wrong.append(f"docs/{page.name}:{line_number}: {text}")
        if count < MUST_HAVE.get(page.name, 0):
            wrong.append(f"docs/{page.name}: {count} anchors, expected at least {MUST_HAVE[page.name]}")
        print(f"{'not ok' if wrong else 'ok'} {number} - docs/{page.name}, {count} anchors")
        for text in wrong:
            print("# " + text)
    print(f"{'ok' if manual_is_fresh(root) else 'not ok'} {len(pages) + 1} - docs/protocols.md is up to date "
          "(else: libipc/generator/ipcgen.py manual docs/protocols.md libipc/protocols/*.toml)")
    problems = list(kernel_interface_problems(root))
    print(f"{'not ok' if problems else 'ok'} {len(pages) + 2} - the kernel's interface is what its declaration says")
    for text in problems:
        print("# " + text)
    if "connect.md" not in [page.name for page in pages]:
        print("Bail out! docs/connect.md is missing")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
