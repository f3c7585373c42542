# SPDX-License-Identifier: MIT
"""meson and ninja."""
import fcntl
import shutil
import subprocess
import sys
import time

from aramid_tools import common
from aramid_tools.common import ROOT, ToolError, note

SERVERS = ("procd", "filed", "sockd", "consoled")
KERNEL = "microkernel/aramid.elf"
MEASURED = "microkernel/aramid-measure.elf" # logs how long interrupts are off
# name in the bundle -> build output; the big one, rootfs, is added last
TRACED = "microkernel/aramid-trace.elf"     # records what happens
BLOBS = {"init": "servers/init/init", "manifest": "system/manifest.bin", "libposix": "libposix/libposix.elf",
         **{name: f"servers/{name}/{name}" for name in SERVERS}}
SLOW_SECONDS = 1.0


def _run(what, command):
    for program in command[:1]:
        if not shutil.which(program):
            raise ToolError(f"{program} is not on this machine: run without --no-install, or apt-get install it")
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines()
        print("\n".join(lines[-60:]), file=sys.stderr)
        raise ToolError(f"{what} failed with status {done.returncode}; its last lines are above "
                        f"(to repeat: {' '.join(command)})")
    return done.stdout


def build(targets=()):
    """Configure build/ when it is not, then build `targets` (paths under build/; none: everything)."""
    start = time.monotonic()
    common.BUILD.mkdir(parents=True, exist_ok=True)
    with open(common.BUILD / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX) # two tools at once, say two tests: one builds, the other finds it done
        if not (common.BUILD / "build.ninja").exists():
            note("first build: about half a minute")
            _run("meson setup", ["meson", "setup", str(common.BUILD), "--cross-file", str(ROOT / "cross-x86_64.ini")])
        _run("the build", ["ninja", "-C", str(common.BUILD), *targets])
    if (seconds := time.monotonic() - start) > SLOW_SECONDS:
        note(f"built in {seconds:.0f} s")


def reconfigure():
    _run("meson setup --reconfigure", ["meson", "setup", "--reconfigure", str(common.BUILD)])


def build_system(kernel=KERNEL):
    """Only what boots."""
    build([kernel, *BLOBS.values()])


def check_built(kernel=KERNEL):
    for path in (kernel, *BLOBS.values()):
        if not (common.BUILD / path).exists():
            raise ToolError(f"{common.BUILD / path} is missing: expected it from an earlier build (run without --no-build)")
