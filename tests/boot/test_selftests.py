# Linux's own tests of AF_UNIX, unchanged, on both systems: what passes there passes here. SPDX-License-Identifier: MIT
"""The programs are built from Debian's kernel source (selftests/build.py). Which cannot pass here, and why, stands in
docs/af_unix-selftests.md and below: no more and no fewer may differ from Linux."""
import re
import subprocess
import sys

import lib

PROGRAMS = lib.BUILD / "tests/boot/selftests"
RESULT = re.compile(r"^(ok|not ok) \d+ (\S+)( # SKIP.*)?$")
NAMESPACES, NETLINK, TCP = "unshare(CLONE_NEWNET)", "a netlink socket", "a TCP connection to compare with"
# Program, test (a regular expression on its whole name): what it needs that Aramid has not.
CANNOT = [
    ("msg_oob", r"msg_oob\..*", TCP),  # msg_oob_no_tcp has all of them
    ("scm_rights", r"scm_rights\..*", NAMESPACES),  # scm_rights_no_namespace has all of them
    ("unix_connect", r"unix_connect\..*_netns\..*", NAMESPACES),
    ("diag_uid", r"diag_uid\..*", NETLINK),
]
# What the reference Linux must pass, so that the comparison is worth something. diag_uid's two need the module unix_diag,
# which is not in the kernel's image.
LINUX_PASSES = {"msg_oob": 40, "msg_oob_no_tcp": 40, "scm_pidfd": 4, "scm_rights": 20, "scm_rights_no_namespace": 20,
                "unix_connect": 8}

SCRIPT = """#!/bin/sh
cd /tmp || exit 1
ifconfig lo 127.0.0.1 up 2> /dev/null
for test in $*; do
    echo "program $test"
    # one at a time: a test that fails leaves its socket's name behind
    if [ $test = unix_connect ]; then
        for variant in stream_pathname stream_pathname_netns stream_abstract stream_abstract_netns dgram_pathname dgram_pathname_netns dgram_abstract dgram_abstract_netns; do rm -f test; /selftests/$test -v $variant; done
    else
        /selftests/$test
    fi
done
"""


def results(run):
    """{(program, test): passed} of one run's output."""
    found, name = {}, None
    for line in run.lines():
        if line.startswith("program "):
            name = line.split()[1]
        elif match := RESULT.match(line.strip()):
            found[name, match[2]] = match[1] == "ok" and not match[3]
    return found


def cannot(program, test):
    return next((reason for name, pattern, reason in CANNOT if name == program and re.fullmatch(pattern, test)), None)


def compare(on_linux, on_aramid, linux, aramid):
    count = sum(on_linux.values())
    for name, wanted in LINUX_PASSES.items():
        passed = sum(ok for (program, _), ok in on_linux.items() if program == name)
        lib.require(passed >= wanted, f"Linux passes its own {name}: {passed}", wanted, passed, linux)
    differ = {key for key, ok in on_linux.items() if ok and not on_aramid.get(key)}
    listed = {key for key, ok in on_linux.items() if ok and cannot(*key)}
    lib.require_equal(f"{count - len(listed)} of {count} pass here as well; nothing beyond the list fails", set(),
                      differ - listed, aramid)
    lib.require_equal("what is listed as impossible does fail (else take it off the list)", set(), listed - differ)
    for program, reason in sorted({(program, cannot(program, test)) for program, test in listed}):
        tests = sum(name == program for name, _ in listed)
        print(f"     not here: {tests} of {program}: need {reason}")


def main():
    build = subprocess.run([sys.executable, str(lib.SOURCE / "tests/boot/selftests/build.py"), str(PROGRAMS)],
                           capture_output=True, text=True)
    if not lib.require(build.returncode == 0, "Linux's tests build from Debian's source", 0, build.stdout + build.stderr):
        lib.finish()
    print("     " + (PROGRAMS / "package").read_text().strip())
    with lib.Tree() as tree:
        names = sorted(path.name for path in PROGRAMS.iterdir() if path.name != "package")
        for name in names:
            tree.add(PROGRAMS / name, f"selftests/{name}")
        tree.write("selftests.sh", SCRIPT, 0o755)
        root = tree.seal()
        argv = ["/bin/env", "-i", "PATH=/bin", "/bin/sh", "/selftests.sh", *names]
        linux = lib.linux(argv, root, 200)
        aramid = lib.aramid(argv, root, 300)
        compare(results(linux), results(aramid), linux, aramid)
    lib.finish()


main()
