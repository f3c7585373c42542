# SPDX-License-Identifier: MIT
"""tools/run: boot Aramid in QEMU, to a shell or for one program."""
import os
import sys
from pathlib import Path

from aramid_tools import build, common, guest, iso, packages, trace_record
from aramid_tools.common import EXIT_SYSTEM, EXIT_TIMEOUT, ToolError, note, say
from aramid_tools.machine import ICOUNT_SLEEP, Machine, qemu_command, verdict
from aramid_tools.view import live

USAGE = "tools/run [options] [-- PROGRAM [ARG…]]"
STATUSES = """\
Without PROGRAM: a shell on your terminal; Ctrl-A x leaves. With PROGRAM: it is the first user program, its output comes
on stdout, your stdin goes to it, and its exit status is the tool's (128+N: killed by signal N; 126, 127: could not be
executed, not found). 124: time-out. 125: the system or the tool failed; stderr then has a line 'aramid: …'."""
RANDOM_SEED = "1"
GREETING = """\
Aramid is starting. Three things to try at its prompt:
  ps                                  every process here is procd's, every file filed's
  echo hello | tr a-z A-Z             a pipe is half a socket, served by sockd
  syslogd -O /tmp/log; logger works; cat /tmp/log      a datagram socket at /dev/log
To leave: type exit, or Ctrl-A x (press Ctrl and A, let go, press x).
"""


def parse(argv):
    parser = guest.Parser(prog="tools/run", usage=USAGE, description="Boot Aramid in QEMU.", epilog=STATUSES)
    guest.add_options(parser)
    parser.add_argument("--measure", action="store_true", default=os.environ.get("ARAMID_MEASURE") == "1",
                        help="the kernel that logs how many instructions interrupts are off (also: ARAMID_MEASURE=1)")
    parser.add_argument("--tty", action="store_true", help="give PROGRAM a terminal, not a pair of pipes")
    parser.add_argument("--gdb", action="store_true", help="wait for gdb on port 1234 before the first instruction")
    parser.add_argument("--trace", metavar="FILE", 
                        help="record everything the system does into FILE (docs/trace-format.md; tools/trace reads it)")
    parser.add_argument("--strace", action="store_true",
                        help="print each Linux call of the program on stderr when it returns, as strace -f does")
    parser.add_argument("--date", type=guest.date, metavar="YYYY-MM-DDTHH:MM:SS",
                        help="what the machine's clock says at boot, UTC and rdrand the same each time (default: now; with --icount such runs repeat exactly)")
    parser.add_argument("--iso", metavar="FILE",
                        help="boot nothing: make FILE, an image for a CD or a USB stick that does the same, by GRUB")
    parser.add_argument("--no-build", action="store_true", help="boot what is in build/")
    parser.add_argument("--build-dir", metavar="DIR", help="the build to use (default: build/)")
    parser.add_argument("--qmp", metavar="SOCKET", help="QEMU's machine protocol on this Unix socket, to inject an NMI for example")
    parser.add_argument("--boot", action="append", default=[], metavar="K=V",
                        help="a word for init's command line (servers/init/command.c): leakcheck=1, capdump=1")
    options, program = guest.split_program(argv)
    arguments = parser.parse_args(options)
    if program == []:
        parser.error("a program is missing after '--'")
    for word in arguments.boot:
        if "=" not in word:
            parser.error(f"--boot {word}: expected KEY=VALUE")
    if arguments.build_dir:
        common.BUILD = Path(arguments.build_dir).resolve()
    if arguments.iso is not None:
        iso.check(arguments, parser)
    for name in ("trace", "strace"):
        if getattr(arguments, name) and arguments.measure:
            parser.error(f"--{name} and --measure: each has a kernel of its own")
        if getattr(arguments, name) and arguments.iso:
            parser.error(f"--{name} and --iso: an image records nothing")
    return parser, arguments, program


def kernel_of(arguments):
    return build.TRACED if arguments.trace or arguments.strace else build.MEASURED if arguments.measure else build.KERNEL


def boot(arguments, text, merged, terminal, log, on_first_byte=None, stdout=1, stdin=0, trace=None):
    """Run one machine to its end; (status, complaint)."""
    with guest.work_directory(arguments.keep) as work:
        bundle, append = guest.write_bundle(work, merged, text)
        kernel = common.BUILD / kernel_of(arguments)
        icount = arguments.icount or (ICOUNT_SLEEP if arguments.measure else False)
        command = qemu_command(kernel, bundle, append, arguments.cpu, arguments.mem, icount, arguments.gdb)
        recorder = None
        if trace:
            strace, last = (live.Strace() if arguments.strace else None), live.PostMortem()
            recorder = trace_record.Recorder(*trace, kernel, icount, work, arguments.mem, [strace] if strace else [], last)
            command += recorder.drain.qemu_options()
        if arguments.date:
            command += ["-rtc", f"base={arguments.date},clock=vm", "-seed", RANDOM_SEED] # and rdrand's numbers
        if arguments.qmp:
            command += ["-qmp", f"unix:{arguments.qmp},server=on,wait=off"]
        if arguments.gdb:
            note(f"the machine waits for gdb before its first instruction. Type, in another terminal: "
                 f"gdb -x {os.path.relpath(common.ROOT / 'tools/gdb/aramid.py')}")
        with guest.raw_terminal(terminal):
            machine = Machine(command, log, terminal, None if arguments.gdb else arguments.timeout, stdin, stdout,
                              on_first_byte=on_first_byte, no_input="input=none" in text.split())
            if recorder:
                recorder.drain.start(log)
            code = machine.run()
        result = verdict(machine, code)
        if recorder:
            if dropped := recorder.finish(result[0]):
                note(f"--trace: {dropped} records were lost; --boot trace=256M gives the ring more room, with more --mem")
            if strace:
                strace.finish()
            last.report_dead()
            if result[0] >= EXIT_TIMEOUT and result[0] not in (126, 127) and not (result[0] > 128 and last.died):
                last.report(result[1])
        return result


def prepare(arguments):
    packages.ensure(not arguments.no_install, packages.ISO if arguments.iso else {})
    if arguments.no_build:
        build.check_built(kernel_of(arguments))
    else:
        build.build_system(kernel_of(arguments))


def main(argv):
    parser, arguments, program = parse(argv)
    variables = guest.environment(parser, arguments.env)
    guest.end_in_order()
    terminal = arguments.tty or program is None
    output = trace_record.open_output(arguments.trace) if arguments.trace else None
    merged_early = [path for path in arguments.rootfs if not os.path.isdir(path)]
    if merged_early: # before a long build
        raise ToolError(f"--rootfs {merged_early[0]}: no such directory")
    prepare(arguments)
    merged = guest.tree(arguments.rootfs)
    if terminal and not arguments.iso and not arguments.env and os.environ.get("TERM"):
        variables = [item for item in variables if not item.startswith("TERM=")] + [f"TERM={os.environ['TERM']}"]
    argv = ["/bin/sh", "-l"] if program is None else [guest.rootfs.find_program(merged, program[0]), *program[1:]]
    if arguments.iso: # at the other end of its serial line may be a person: always a terminal
        if not guest.rootfs.is_program(merged, argv[0]):
            raise ToolError(f"--iso {arguments.iso}: {argv[0]} is no program in the image's tree (see --rootfs)")
        iso.make(arguments, merged, guest.command_text("shell", argv, variables, arguments.boot))
        return 0
    if program is None:
        sys.stderr.write(GREETING)
    words = guest.terminal_words() if terminal else ["input=none"] if guest.input_is_empty() else []
    text = guest.command_text("shell" if terminal else "run", argv, variables, [*words, *arguments.boot])
    raw = terminal and os.isatty(0)
    log = guest.open_log(arguments, raw)
    status, complaint = boot(arguments, text, merged, terminal, log, trace=(output, argv) if output or arguments.strace else None)
    if complaint:
        say(complaint)
    return status
