#!/usr/bin/env python3
# Each kernel of bugs.toml, and how many steps it takes to find what is wrong with it. SPDX-License-Identifier: MIT
#
#   bugs.py [--steps N] [--seed N] [--keep] [NAME...]
#
# The portable kernel is compiled once; then one file is compiled again with the mistake in it. The steps are those of
# `drive` from the seed on. A kernel of the past must also be found by crashes/NAME. Exit status 1: one was not found.
import argparse, pathlib, re, subprocess, sys, tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KERNEL = ROOT / 'microkernel'
WORK = ROOT / 'build/fuzz/bugs'
FLAGS = ['-std=gnu17', '-g', '-O1', '-fno-strict-aliasing', '-Dsched_yield=kernel_sched_yield', f'-I{KERNEL}',
         f'-I{KERNEL}/include', f'-I{KERNEL}/trace/off', f'-I{ROOT}/tests/unit', f'-I{HERE}', f'-I{WORK}']
SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']


def compile_file(source, flags, into=None):
    target = WORK / (into or str(source.relative_to(ROOT)).replace('/', '_') + '.o')
    subprocess.run(['cc', *FLAGS, *flags, '-c', source, '-o', target], check=True)
    return target


def compile_all():
    """Object files by the file's name in microkernel/, and those that are no part of the kernel."""
    (WORK / 'object').mkdir(parents=True, exist_ok=True)
    for kind, made in ('table', 'decode_table.c'), ('acts', 'acts.h'):
        subprocess.run([sys.executable, KERNEL / 'api/apigen.py', kind, KERNEL / 'api/invocations.toml',
                        WORK / 'object' / made], check=True)
    listed = re.search(r'kernel_portable = files\((.*?)\)', (KERNEL / 'meson.build').read_text(), re.S)[1]
    names = re.findall(r"'([^']+)'", listed) + ['ipc/fastpath.c']
    kernel = {name: compile_file(KERNEL / name, SANITIZE) for name in names}
    rest = [compile_file(WORK / 'object/decode_table.c', SANITIZE)]
    for name in ('tests/unit/kernel_host.c', 'tests/unit/kernel_host_pages.c', 'tests/fuzz/world.c', 'tests/fuzz/steps.c',
                 'tests/fuzz/victims.c', 'tests/fuzz/fuzz_input.c', 'tests/fuzz/drive.c'):
        rest.append(compile_file(ROOT / name, SANITIZE))
    for path in sorted((ROOT / 'tests/unit').glob('kernel_check*.c')):
        rest.append(compile_file(path, []))
    return kernel, rest


def link(name, objects):
    program = WORK / f'drive-{name}'
    subprocess.run(['cc', *SANITIZE, *objects, '-o', program], check=True)
    return program


def break_kernel(bug):
    """The file with the mistake, as an object file."""
    text = (KERNEL / bug['file']).read_text()
    source = WORK / 'source' / bug['name'] / pathlib.Path(bug['file']).name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text.replace(bug['old'], bug['new']))
    return compile_file(source, SANITIZE, bug['name'] + '.o')


def run(program, arguments):
    """(steps until something was found or None, what)"""
    try:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=100,
                              env={'ASAN_OPTIONS': 'detect_leaks=0', 'UBSAN_OPTIONS': 'abort_on_error=1'}, errors='replace')
    except subprocess.TimeoutExpired:
        return None, 'hangs'
    if done.returncode == 0:
        return None, 'not found'
    steps = re.search(r'^step (\d+) of', done.stderr, re.M)
    what = re.search(r'invariant broken: .*?(?= \(at)|a victim was harmed: .*|AddressSanitizer: [-\w]+|runtime error: .*'
                     r'|the processor halts.*|revoking every.*|the keeper cannot.*|kernel_stop: .*', done.stderr)
    return int(steps[1]) if steps else 0, what[0] if what else f'exit status {done.returncode}'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--steps', type=int, default=3000000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--keep', action='store_true', help='keep each program, as build/fuzz/bugs/drive-NAME')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    bugs = tomllib.loads((HERE / 'bugs.toml').read_text())['bug']
    unknown = set(options.names) - {bug['name'] for bug in bugs}
    if unknown:
        sys.exit('bugs.py: no such bug: ' + ' '.join(sorted(unknown)))
    for bug in bugs:
        found = (KERNEL / bug['file']).read_text().count(bug['old'])
        if found != 1:
            sys.exit(f"bugs.py: {bug['name']}: `old` is {found} times in {bug['file']}, not once: follow the kernel")
    kernel, rest = compile_all()
    steps, what = run(link('right', [*kernel.values(), *rest]), ['--steps', 100000, '--seed', options.seed])
    if steps is not None:
        sys.exit(f'bugs.py: the kernel without any of these mistakes: {what}')
    missed = 0
    print('| bug | class | steps to find | by |\n|---|---|---|---|')
    for bug in bugs:
        if options.names and bug['name'] not in options.names:
            continue
        objects = dict(kernel)
        objects[bug['file']] = break_kernel(bug)
        program = link(bug['name'], [*objects.values(), *rest])
        steps, what = run(program, ['--steps', options.steps, '--seed', options.seed])
        crash = HERE / 'crashes' / bug['name']
        if 'past' in bug and crash.exists() and run(program, [crash])[0] is None:
            steps, what = None, f'crashes/{bug["name"]} does not find it'
        missed += steps is None
        print(f"| {bug['name']} | {bug['class']} | {steps if steps is not None else '-'} | {what} |", flush=True)
        if not options.keep:
            program.unlink()
    print(f'\n{missed} not found' if missed else '\nall found')
    return missed > 0


sys.exit(main())
