#!/usr/bin/env python3
# Build Linux's own tests of AF_UNIX, unchanged, from Debian's source package. SPDX-License-Identifier: MIT
"""Usage: build.py OUTPUT_DIR.  Leaves each program of tools/testing/selftests/net/af_unix there, static, and two of them
once more as msg_oob_no_tcp and scm_rights_no_namespace (no_tcp.c and no_namespace.c say why).

The package linux-source-6.12 comes by apt with a private state made from this machine's own apt configuration and
bookworm-backports of the same mirrors; nothing of the machine is changed. Of its 150 MB the few files that are needed are
kept in the user's cache, and a second call fetches nothing.
"""
import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools/lib"))
from aramid_tools import linux  # noqa: E402
from aramid_tools.common import ToolError  # noqa: E402

PACKAGE = "linux-source-6.12"
TESTS = "tools/testing/selftests/net/af_unix"
KEPT = (TESTS + "/", "tools/testing/selftests/kselftest.h", "tools/testing/selftests/kselftest_harness.h")
# Debian 12's own headers are of Linux 6.1: what a test uses that is newer, with the kernel's number.
NEWER = ("-DSO_PASSPIDFD=76", "-DSO_PEERPIDFD=77")


# Tests that need something Aramid has not, for another thing than what they test: once more with that replaced.
SUBSTITUTES = (("no_tcp", "msg_oob", ("socket", "listen")), ("no_namespace", "scm_rights", ("unshare", "fopen")))


def fetch(target):
    """The files KEPT into the folder `target`, which does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="aramid-selftests-") as state:
        print(f"fetching Debian's {PACKAGE}, 150 MB, once", flush=True)
        try:
            deb = linux.package_fetch(PACKAGE, state)
        except (ToolError, OSError) as error:
            sys.exit(f"Debian's package {PACKAGE} cannot be fetched, so Linux's own tests cannot be built: {error}")
        subprocess.run(["dpkg", "-x", str(deb), f"{state}/unpacked"], check=True)
        deb.unlink()
        (archive,) = Path(state, "unpacked").glob("usr/src/*.tar.xz")
        partial = target.with_suffix(f".{os.getpid()}")
        with tarfile.open(archive, "r|xz") as tar:
            for member in tar:
                name = member.name.partition("/")[2]
                if member.isfile() and name.startswith(KEPT):
                    path = partial / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(tar.extractfile(member).read())
        if not (partial / TESTS).is_dir():
            sys.exit(f"{PACKAGE} has no {TESTS}")
        (partial / "package").write_text(deb.name + "\n")
        os.replace(partial, target)


def compile_test(program, test, more=()):
    command = ["gcc", "-static", "-O2", "-D_GNU_SOURCE=", *NEWER, "-o", str(program), str(test), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{test.name} does not build:\n{done.stderr[-3000:]}")


def main(output):
    output.mkdir(parents=True, exist_ok=True)
    source = linux.cache_directory() / "linux-selftests-6.12"
    with open(linux.cache_directory() / "linux-selftests.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not source.is_dir():
            fetch(source)
    for test in sorted((source / TESTS).glob("*.c")):
        compile_test(output / test.stem, test)
    for name, test, wrapped in SUBSTITUTES:
        more = [str(Path(__file__).with_name(f"{name}.c")), "-Wl," + ",".join(f"--wrap={call}" for call in wrapped)]
        compile_test(output / f"{test}_{name}", source / TESTS / f"{test}.c", more)
    shutil.copy(source / "package", output / "package")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
