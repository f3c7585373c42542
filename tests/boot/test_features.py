# The kernel looks at the processor first: what is missing stops it, what weakens it is said. SPDX-License-Identifier: MIT
import sys

import lib

if lib.NO_LOG:
    sys.exit("test_features.py needs Aramid")

sys.path.insert(0, str(lib.SOURCE / "tools/lib"))
from aramid_tools.machine import DEFAULT_CPU # pylint: disable=wrong-import-position

NEEDED = {"fsgsbase": "FSGSBASE", "nx": "NX", "syscall": "SYSCALL", "fxsr": "FXSR", "sse2": "SSE2", "pge": "PGE", "apic": "APIC"}
MELTDOWN = "safe from Meltdown"


def boot(cpu, options=()):
    return lib.aramid(["/bin/true"], timeout=60, options=["--cpu", cpu, *options])


def check_needed(cpu, name):
    run = boot(cpu)
    lines = [line for line in run.stderr.decode("utf-8", "replace").splitlines() if line.startswith("aramid:")]
    lib.require_equal(f"without {name}: status", 125, run.status, run)
    lib.require(len(lines) == 1 and f"this processor has no {name} " in lines[0], f"without {name}: one line says so",
                f"aramid: ... this processor has no {name} ...", run.stderr, run)


def check_meltdown(cpu, is_open):
    run = boot(cpu)
    lib.require_equal(f"{cpu}: the program runs", 0, run.status, run)
    lines = [line for line in run.log_lines(MELTDOWN) if line.startswith("kernel: ")]
    lib.require_equal(f"{cpu}: log lines about Meltdown", 1 if is_open else 0, len(lines), run)
    lib.require(not is_open or "read all memory" in "".join(lines), f"{cpu}: it says what that means", found=lines)
    return run


check_needed("qemu64", "FSGSBASE") # as QEMU starts without a word about the processor
for flag, feature in NEEDED.items():
    check_needed(f"{DEFAULT_CPU},-{flag}", feature)
check_meltdown(f"{DEFAULT_CPU},vendor=GenuineIntel", True)
check_meltdown("Skylake-Client", True)
everything = check_meltdown(DEFAULT_CPU, False)
lib.require(not everything.log_lines("this processor has no"), "every protection is there", run=everything)
check_meltdown("max", False)
weaker = check_meltdown("qemu64,+fsgsbase", False)
lib.require_log("no protections", weaker, "this processor has no SMEP SMAP UMIP")
lib.finish()
