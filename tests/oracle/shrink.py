# The shortest program that still differs, and the same as C. SPDX-License-Identifier: MIT
"""Lists go to the program by text (main.c, `list`): once to the kernel that runs here, once to the simulator. Only a
difference that this kernel shares with the recording can be shortened here; README.md says what to do with the others."""
import lzma
import re
import subprocess
import tempfile

import print_c


def answers(program, lists, uid):
    """Per list of operations the answers, {id: text}."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n\n".join("\n".join(lines) for lines in lists) + "\n")
        file.flush()
        done = subprocess.run([program, "list", "--uid", str(uid), file.name], stdout=subprocess.PIPE, text=True, timeout=300,
                              check=False)
    result = []
    for block in done.stdout.split("\n\n"):
        result.append(dict(line.split(" ", 1) for line in block.strip().splitlines() if " " in line))
    return result


def identity(line):
    return re.search(r"\bid=(\d+)", line)[1]


def differs(programs, lines, uid):
    """(id, here, there) of the first difference, or None."""
    here, there = (answers(program, [lines], uid)[0] for program in programs)
    for line in lines:
        number = identity(line)
        if here.get(number) != there.get(number):
            return number, here.get(number), there.get(number)
    return None


def shrink(programs, lines, uid):
    found = differs(programs, lines, uid)
    if not found:
        return None, lines
    lines = lines[:1 + [identity(line) for line in lines].index(found[0])]
    size = max(1, len(lines) // 2)
    while size:
        at = 0
        while at < len(lines):
            shorter = lines[:at] + lines[at + size:]
            now = differs(programs, shorter, uid) if shorter else None
            if now and now[1:] == found[1:]:
                lines, found = shorter, now
            else:
                at += size
        size //= 2
    return found, lines


def main(options, root, recorded):
    options.uid = options.uid or 0
    folder = options.build_dir / "tests/oracle"
    dumped = ""
    for file in options.files or recorded.glob("user-*.xz" if options.uid else "root-*.xz"):
        dumped += subprocess.run([folder / "oracle-sim", "dump", "--seed", str(options.seed), "--programs", "1", "-"],
                                 input=lzma.decompress(file.read_bytes()), stdout=subprocess.PIPE, check=True).stdout.decode()
    lines = [line for line in dumped.splitlines() if line and not line.startswith("#")]
    programs = folder / "oracle-linux", folder / "oracle-sim"
    found, lines = shrink(programs, lines, options.uid)
    if not found:
        print(f"oracle: seed {options.seed}: this machine's kernel and the simulator answer alike")
        return 1
    expected = answers(programs[0], [lines], options.uid)[0]
    print(print_c.program(lines, expected, found, options.seed, options.uid))
    return 0
