#!/usr/bin/env python3
# Build static redis programs from Debian's source package. SPDX-License-Identifier: MIT
"""Usage: build.py OUTPUT_DIR.  Leaves redis-server, redis-cli and redis-benchmark there, static, against musl.

The source comes by `apt-get source` with a private list of sources made from this machine's own apt configuration; nothing
of the machine is changed. The result is kept: a second call does nothing.
"""
import fcntl
import glob
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("redis-server", "redis-cli", "redis-benchmark")
LIMIT = 900  # seconds for any one step


def run(command, cwd=None, env=None):
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=LIMIT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def write_sources(folder):
    """This machine's binary package sources, asked for source packages instead."""
    folder.mkdir(parents=True, exist_ok=True)
    deb822, lines = [], []
    for name in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        deb822.append(re.sub(r"(?m)^Types:.*$", "Types: deb-src", Path(name).read_text()))
    for name in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        if os.path.exists(name):
            lines += [re.sub(r"^deb(-src)?\b", "deb-src", line) for line in Path(name).read_text().splitlines()
                      if line.startswith("deb")]
    (folder / "all.sources").write_text("\n\n".join(deb822))
    (folder / "all.list").write_text("\n".join(dict.fromkeys(lines)) + "\n")


def apt(work, *arguments):
    for name in ("state/lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True, exist_ok=True)
    options = {"Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": work / "sources", "Dir::State": work / "state",
               "Dir::State::status": "/var/lib/dpkg/status", "Dir::Cache": work / "cache", "APT::Sandbox::User": ""}
    command = ["apt-get", "-q", "-y"]
    for key, value in options.items():
        command += ["-o", f"{key}={value}"]
    return run(command + list(arguments), cwd=work)


def fetch(work):
    write_sources(work / "sources")
    apt(work, "update")
    for old in glob.glob(str(work / "redis-*")):
        shutil.rmtree(old)
    apt(work, "source", "--only-source", "redis")
    found = [path for path in work.glob("redis-*") if path.is_dir()]
    if len(found) != 1:
        sys.exit(f"apt-get source redis left {found}, expected one directory redis-VERSION")
    return found[0]


def build(source):
    # The Debian patches replace the bundled Lua and hiredis by the system's; those two switches bring them back.
    env = dict(os.environ, CFLAGS="-O2 -g0", LDFLAGS="-static")
    make = ["make", f"-j{os.cpu_count() or 1}", "CC=musl-gcc", "MALLOC=libc", "BUILD_TLS=no", "USE_SYSTEMD=no",
            "USE_SYSTEM_LUA=no", "USE_SYSTEM_HIREDIS=no", "USE_SYSTEM_JEMALLOC=no", "OPTIMIZATION=-O2", "V=1"]
    run(make + ["-C", "src", *PROGRAMS], cwd=source, env=env)


def main():
    output = Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    with open(output / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if all((output / name).exists() for name in PROGRAMS):
            return
        source = fetch(output / "work")
        build(source)
        for name in PROGRAMS:
            shutil.copy(source / "src" / name, output / (name + ".new"))
            run(["strip", str(output / (name + ".new"))])
            os.replace(output / (name + ".new"), output / name)
        shutil.rmtree(output / "work")


if __name__ == "__main__":
    main()
