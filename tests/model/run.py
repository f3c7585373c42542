#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Explore the model of the kernel with spin, then the same with mistakes put into the kernel (bugs.toml).

Without options, as a test: every scene must be without error and complete, every mistake found as the property that it
breaks. TAP on standard output. README.md has the rest.
"""
import argparse
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KERNEL = ROOT / "microkernel"
# The scenes of scenes.c, and how much work an entry into the kernel may do (work.h): with 1, what can be
# done in pieces is, and others run between them.
SCENES = {"living": 30, "moving": 30, "priorities": 30, "death": 1, "deaths": 1, "all": 30, "all-death": 1,
          "moving-deaths": 1}
TESTS = ("living", "moving", "priorities", "death", "deaths")
KERNEL_FOLDERS = ("object", "ipc", "sched")
# no-pie: kernel objects have 32-bit addresses, as the links of capabilities need (machine.c)
COMPILE = ["gcc", "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing", "-fno-pie",
           "-Dsched_yield=kernel_sched_yield"]
INCLUDE = [f"-I{KERNEL}", f"-I{KERNEL}/include", f"-I{KERNEL}/trace/off", f"-I{HERE}"]
# SAFETY: assertions, no cycles. NOREDUCE: every step touches the whole state, there is nothing to reduce.
PAN = ["-w", "-DSAFETY", "-DNOREDUCE", "-DMEMLIM=12000"]
DEPTH = 4_000_000 # never reached: pan would say so, and that is an error here
SECONDS = 3600


class Broken(Exception):
    """What went wrong, for the person who runs this."""


def command(*words, folder, **options):
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Broken(f"{words[0]} failed ({done.returncode}):\n{done.stderr or done.stdout}")
    return done.stdout


class Model:
    """The objects that every program is linked from, built once for each limit of work."""

    def __init__(self, folder, limit):
        self.folder = folder / f"work-{limit}"
        self.first = self._headers(limit)
        (self.folder / "kernel.pml").write_text((HERE / "kernel.pml").read_text())
        command("spin", "-a", "kernel.pml", folder=self.folder)
        self.pan = self.compile(self.folder / "pan.c", "pan.o", *PAN)
        self.machine = [self.compile(source, f"model-{source.stem}.o") for source in sorted(HERE.glob("*.c"))]
        sources = [source for name in KERNEL_FOLDERS for source in sorted((KERNEL / name).glob("*.c"))]
        names = {source: source.relative_to(KERNEL).as_posix() for source in sources}
        self.kernel = {name: self.compile(source, f"kernel-{name.replace('/', '-')}.o") for source, name in names.items()}
        self.machine.append(self.compile(self.first / "object/decode_table.c", "decode_table.o"))

    def _headers(self, limit):
        """What is generated, and work.h with another limit: a folder that is searched first."""
        first = self.folder / "first"
        for name in ("object", "sched"):
            (first / name).mkdir(parents=True, exist_ok=True)
        for kind, name in (("table", "decode_table.c"), ("acts", "acts.h")):
            command("python3", KERNEL / "api/apigen.py", kind, KERNEL / "api/invocations.toml", first / "object" / name,
                    folder=first)
        text = (KERNEL / "sched/work.h").read_text()
        changed, count = re.subn(r"WORK_LIMIT = \d+,", f"WORK_LIMIT = {limit},", text)
        if count != 1:
            raise Broken("sched/work.h has no WORK_LIMIT")
        (first / "sched/work.h").write_text(changed)
        return first

    def compile(self, source, name, *extra):
        output = self.folder / name
        command(*COMPILE, f"-I{self.first}", *INCLUDE, *extra, "-c", source, "-o", output, folder=self.folder)
        return output

    def link(self, name, changed=None):
        """A pan with the kernel, some of its files replaced: {path: object}."""
        objects = (self.kernel | (changed or {})).values()
        command("gcc", "-no-pie", "-o", name, self.pan, *self.machine, *objects, folder=self.folder)
        return self.folder / name

    def link_mutant(self, bug):
        source = KERNEL / bug["file"]
        text = source.read_text()
        if text.count(bug["find"]) != 1:
            raise Broken(f"bugs.toml: the text to find stands {text.count(bug['find'])} times in {bug['file']}, not once")
        mutant = self.folder / "mutant.c"
        mutant.write_text(text.replace(bug["find"], bug["replace"]))
        return self.link("pan-mutant", {bug["file"]: self.compile(mutant, "mutant.o", "-Wno-unused")})


class Result:
    """What pan says."""

    def __init__(self, text, seconds):
        def number(pattern):
            found = re.search(pattern, text)
            return int(found.group(1)) if found else None
        self.seconds = seconds
        self.states = number(r"(\d+) states, stored")
        self.transitions = number(r"(\d+) transitions")
        self.depth = number(r"depth reached (\d+)")
        self.errors = number(r"errors: (\d+)")
        broken = re.search(r"assertion violated \( ?holds\.(\w+)", text)
        self.broken = broken.group(1) if broken else None
        self.complete = self.errors == 0 and "Search not completed" not in text and "too small" not in text
        self.text = text

    def __str__(self):
        return f"{self.states:,} states, {self.transitions:,} transitions, depth {self.depth:,}, {self.seconds:.1f} s"


def explore(program, scene):
    trail = program.parent / "kernel.pml.trail"
    trail.unlink(missing_ok=True)
    began = time.monotonic()
    # E: that everybody waits is no error. b: neither is it silently passed over when the depth is reached.
    done = subprocess.run([program, "-E", "-b", f"-m{DEPTH}", "-w24"], cwd=program.parent, capture_output=True, text=True,
                          check=False, timeout=SECONDS, env=os.environ | {"MODEL_SCENE": scene})
    result = Result(done.stdout + done.stderr, time.monotonic() - began)
    if result.errors is None:
        raise Broken(f"pan gave no result (status {done.returncode}):\n{result.text[-2000:]}")
    return result


def steps(program, scene, last=40):
    """The way to the error that was found, in words."""
    done = subprocess.run([program, "-r"], cwd=program.parent, capture_output=True, text=True, check=False,
                          env=os.environ | {"MODEL_SCENE": scene, "MODEL_TRACE": "1"})
    lines = re.findall(r"^(?:[ABC]: |interrupt: |    (?:[AB] |the kernel)).*$", done.stdout, re.MULTILINE)
    return "\n".join(lines[-last:])


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def report(self, good, name, detail=""):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        for line in detail.splitlines():
            print(f"# {line}", flush=True)


def run_scene(model, tap, scene):
    program = model.link("pan")
    result = explore(program, scene)
    detail = f"model: scene '{scene}': {result}" # tools/test shows lines that begin so
    if result.broken:
        detail += f"\nbroken: {result.broken}. The last steps:\n{steps(program, scene)}"
    elif not result.complete:
        detail += "\n" + result.text[:1000]
    tap.report(result.complete, f"scene '{scene}': every reachable state", detail)


def run_bug(model, tap, bug):
    result = explore(model.link_mutant(bug), bug["scene"])
    tap.report(result.broken == bug["property"], f"{bug['property']} fails when {bug['name']}",
               f"found: {result.broken or 'nothing'}; {result}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/tests/model/run", help="folder for what is built")
    parser.add_argument("--scene", action="append", choices=SCENES, help="explore this scene (scenes.c) and nothing else")
    parser.add_argument("--bugs", nargs="?", const="", metavar="TEXT", help="only the mistakes (whose name has this text)")
    arguments = parser.parse_args()
    bugs = [] if arguments.scene else tomllib.loads((HERE / "bugs.toml").read_text())["bug"]
    chosen = [bug for bug in bugs if (arguments.bugs or "") in bug["name"]]
    scenes = [] if arguments.bugs is not None else arguments.scene or TESTS
    properties = set(re.findall(r"holds\.(\w+)", (HERE / "kernel.pml").read_text()))
    tap = Tap()
    try:
        models = {limit: Model(arguments.build, limit) for limit in sorted(set(SCENES.values()))}
        for scene in scenes:
            run_scene(models[SCENES[scene]], tap, scene)
        for bug in chosen:
            run_bug(models[SCENES[bug["scene"]]], tap, bug)
    except Broken as error:
        tap.report(False, "the model runs", str(error))
    if bugs:
        unseeded = properties - {bug["property"] for bug in bugs}
        tap.report(not unseeded, "every property has a mistake that breaks it", " ".join(sorted(unseeded)))
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
