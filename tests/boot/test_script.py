# busybox sh scripts print on Aramid, byte for byte, what they print on Linux. SPDX-License-Identifier: MIT
"""Each script runs twice on Linux (what differs there proves nothing) and twice on Aramid."""
import lib

SCRIPTS = ("first", "second", "third", "fourth", "fifth", "sixth")
LIMIT = 120  # seconds a run


def prepare(tree):
    for name in SCRIPTS:
        tree.add(lib.SOURCE / f"tests/boot/scripts/{name}.sh", f"scripts/{name}.sh")
    tree.write("data/big.txt", "".join(f"line {n} of a longer file\n" for n in range(20000)))
    tree.write("data/docs/readme.txt", "first line\nsecond line\nthird with a needle\n")
    tree.write("data/docs/deep/er/note.txt", "a needle here\nnone there\n", 0o600)
    tree.write("data/table.csv", "id,name,size\n1,bolt,120\n2,nut,45\n3,washer,7\n4,screw,300\n")
    tree.write("data/bin/tool", "#!/bin/sh\necho \"tool has $#: $1, $2\"\nexit 17\n", 0o755)
    tree.write("data/empty", "")
    (tree.root / "data/latest").symlink_to("docs/readme.txt")
    (tree.root / "data/nowhere").symlink_to("does/not/exist")


def check(name, root):
    argv = ["/bin/env", "-i", "PATH=/bin", "HOME=/root", "TZ=UTC", "LC_ALL=C", "/bin/sh", f"/scripts/{name}.sh"]
    linux = [lib.linux(argv, root, LIMIT) for _ in range(2)]
    lib.require_same(f"{name}: the script repeats on Linux", linux[0], linux[1])
    lib.require(len(linux[0].stdout) > 500, f"{name}: Linux ran it", run=linux[0])
    for n in (1, 2):
        lib.require_same(f"{name}, run {n}", linux[0], lib.aramid(argv, root, LIMIT))


with lib.Tree() as tree:
    prepare(tree)
    root = tree.seal()
    for script in SCRIPTS:
        check(script, root)
lib.finish()
