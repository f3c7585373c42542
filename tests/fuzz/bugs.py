#!/usr/bin/env python3
# Each mistake of a target's bugs.toml, and how many steps it takes to find it. SPDX-License-Identifier: MIT
#
#   bugs.py [--target kernel|sockd] [--steps N] [--seed N] [--keep] [NAME...]
#
# The target is compiled once; then one file is compiled again with the mistake in it, or all of
# them when it is a header. The steps are those of
# `drive` from the seed on. A mistake of the past must also be found by crashes/NAME. Exit status 1: one was not found.
import argparse, pathlib, re, shutil, subprocess, sys, tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / 'build/fuzz/bugs'
SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']
FLAGS = ['-std=gnu17', '-g', '-O1', f'-I{ROOT}/microkernel/include', f'-I{ROOT}/tests/fuzz', f'-I{WORK}']


def listed(name, build_file):
    """The files of a list in a meson.build, as paths from the root."""
    text = (ROOT / build_file).read_text()
    names = re.findall(r"'([^']+)'", re.search(rf'^{name} = files\((.*?)\)', text, re.S | re.M)[1])
    return [str(pathlib.Path(build_file).parent / file) for file in names]


class Kernel:
    folder = HERE
    source = ROOT / 'microkernel' # what `file` in bugs.toml is relative to
    flags = ['-fno-strict-aliasing', '-Dsched_yield=kernel_sched_yield', f'-I{ROOT}/microkernel', f'-I{ROOT}/microkernel/trace/off',
             f'-I{ROOT}/tests/unit']
    plain = [str(path.relative_to(ROOT)) for path in sorted((ROOT / 'tests/unit').glob('kernel_check*.c'))]
    world = ['tests/unit/kernel_host.c', 'tests/unit/kernel_host_pages.c', 'tests/fuzz/world.c', 'tests/fuzz/steps.c',
             'tests/fuzz/victims.c']

    def files():
        return listed('kernel_portable', 'microkernel/meson.build') + ['microkernel/ipc/fastpath.c']

    def generate():
        api = ROOT / 'microkernel/api'
        (WORK / 'object').mkdir(parents=True, exist_ok=True)
        for kind, made in ('table', 'decode_table.c'), ('acts', 'acts.h'):
            subprocess.run([sys.executable, api / 'apigen.py', kind, api / 'invocations.toml', WORK / 'object' / made],
                           check=True)
        return [WORK / 'object/decode_table.c']


class Sockd:
    folder = HERE / 'sockd'
    source = ROOT
    flags = [f'-I{ROOT}/libipc/include', f'-I{ROOT}/libipc/host/stub', f'-I{ROOT}/libipc/kernel/include', f'-I{ROOT}/libipc/external',
             f'-I{ROOT}/libipc/server', f'-I{ROOT}/libposix/include', f'-I{ROOT}/servers/sockd', f'-I{HERE}/sockd']
    plain = [str(path.relative_to(ROOT)) for path in sorted(folder.glob('check*.c'))]
    world = ['libipc/host/memory.c'] + [str(path.relative_to(ROOT)) for path in sorted(folder.glob('[!c]*.c'))]

    def files():
        return listed('sockd_core_sources', 'servers/sockd/meson.build') + ['libipc/server/session.c']

    def generate():
        (WORK / 'proto').mkdir(parents=True, exist_ok=True)
        for toml in sorted((ROOT / 'libipc/protocols').glob('*.toml')):
            for kind, made in ('header', f'{toml.stem}.h'), ('server', f'{toml.stem}_server.c'):
                subprocess.run([sys.executable, ROOT / 'libipc/generator/ipcgen.py', kind, toml, WORK / 'proto' / made],
                               check=True)
        return [WORK / f'proto/{name}_server.c' for name in ('sock', 'io', 'session')]


TARGETS = {'kernel': Kernel, 'sockd': Sockd}


def compile_file(source, flags, into=None):
    object_file = WORK / (into or str(source.relative_to(ROOT)).replace('/', '_') + '.o')
    subprocess.run(['cc', *FLAGS, *flags, '-c', source, '-o', object_file], check=True)
    return object_file


def compile_all(target):
    """Object files by the name that bugs.toml gives a file, and those that are never broken."""
    made = target.generate()
    broken = {str((ROOT / name).relative_to(target.source)): compile_file(ROOT / name, SANITIZE + target.flags)
              for name in target.files()}
    rest = [compile_file(path, SANITIZE + target.flags) for path in made]
    for name in [*target.world, 'tests/fuzz/fuzz_input.c', 'tests/fuzz/drive.c']:
        rest.append(compile_file(ROOT / name, SANITIZE + target.flags))
    return broken, rest + [compile_file(ROOT / name, target.flags) for name in target.plain]


def link(name, objects):
    program = WORK / f'drive-{name}'
    subprocess.run(['cc', *SANITIZE, *objects, '-o', program], check=True)
    return program


def break_header(target, bug):
    """Every file of the target, with the mistake in a header that they include, as object files by name."""
    folder = WORK / 'source' / bug['name']
    header = folder / bug['file']
    shutil.copytree((target.source / bug['file']).parent, header.parent, dirs_exist_ok=True)
    header.write_text((target.source / bug['file']).read_text().replace(bug['old'], bug['new']))
    flags = SANITIZE + [f'-I{folder}', f'-I{header.parent}'] + target.flags
    objects = {}
    for name in target.files():
        relative = (ROOT / name).relative_to(target.source)
        beside = folder / relative # a file finds headers beside it first
        source = beside if relative.parent == pathlib.Path(bug['file']).parent else ROOT / name
        objects[str(relative)] = compile_file(source, flags, f"{bug['name']}-{name.replace('/', '_')}.o")
    return objects


def break_target(target, bug):
    """The file with the mistake, as an object file."""
    text = (target.source / bug['file']).read_text()
    source = WORK / 'source' / bug['name'] / pathlib.Path(bug['file']).name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text.replace(bug['old'], bug['new']))
    beside = (target.source / bug['file']).parent # its own headers
    return compile_file(source, SANITIZE + target.flags + ['-iquote', str(beside)], bug['name'] + '.o')


def run(program, arguments):
    """(steps until something was found or None, what)"""
    try:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=600,
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
    parser.add_argument('--target', choices=TARGETS, default='kernel')
    parser.add_argument('--keep', action='store_true', help='keep each program, as build/fuzz/bugs/drive-NAME')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    target = TARGETS[options.target]
    bugs = tomllib.loads((target.folder / 'bugs.toml').read_text())['bug']
    unknown = set(options.names) - {bug['name'] for bug in bugs}
    if unknown:
        sys.exit('bugs.py: no such bug: ' + ' '.join(sorted(unknown)))
    for bug in bugs:
        found = (target.source / bug['file']).read_text().count(bug['old'])
        if found != 1:
            sys.exit(f"bugs.py: {bug['name']}: `old` is {found} times in {bug['file']}, not once: follow the source")
    whole, rest = compile_all(target)
    steps, what = run(link('right', [*whole.values(), *rest]), ['--steps', 100000, '--seed', options.seed])
    if steps is not None:
        sys.exit(f'bugs.py: the target without any of these mistakes: {what}')
    missed = 0
    print('| bug | class | steps to find | by |\n|---|---|---|---|')
    for bug in bugs:
        if options.names and bug['name'] not in options.names:
            continue
        objects = dict(whole)
        if bug['file'].endswith('.h'):
            objects.update(break_header(target, bug))
        else:
            objects[bug['file']] = break_target(target, bug)
        program = link(bug['name'], [*objects.values(), *rest])
        steps, what = run(program, ['--steps', options.steps, '--seed', options.seed])
        crash = target.folder / 'crashes' / bug['name']
        if 'past' in bug and crash.exists():
            at, by = run(program, [crash])
            if at is None:
                steps, what = None, f'crashes/{bug["name"]} does not find it'
            elif steps is None:
                steps, what = 'file', by
        missed += steps is None
        print(f"| {bug['name']} | {bug['class']} | {steps if steps is not None else '-'} | {what} |", flush=True)
        if not options.keep:
            program.unlink()
    print(f'\n{missed} not found' if missed else '\nall found')
    return missed > 0


sys.exit(main())
