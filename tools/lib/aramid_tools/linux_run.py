# SPDX-License-Identifier: MIT
"""tools/lib/linux-run: tools/run's contract on Debian's Linux kernel."""
import os
import sys

from aramid_tools import guest, linux, packages
from aramid_tools.common import say
from aramid_tools.machine import DEFAULT_CPU, Machine, qemu_command, verdict

USAGE = "tools/lib/linux-run [options] -- PROGRAM [ARG…]"


# QEMU 7.2's TCG now and then loses the flags of a cmpxchg16b that an interrupt follows, and Linux, which uses it in its
# allocator, then dies of a double fault. Without the feature bit Linux takes another way.
LINUX_CPU = DEFAULT_CPU + ",-cx16"


def boot(arguments, merged, mode, argv, variables, log, on_first_byte=None, stdout=1, stdin=0):
    """Run one machine to its end; (status, complaint)."""
    with guest.work_directory(arguments.keep) as work:
        archive = linux.write_initramfs(work, merged, mode, argv, variables)
        command = qemu_command(linux.kernel(), archive, " ".join([linux.COMMAND_LINE, *arguments.append]), arguments.cpu,
                               arguments.mem, arguments.icount)
        with guest.raw_terminal(mode == "tty"):
            machine = Machine(command, log, mode == "tty", arguments.timeout, stdin, stdout, dump_on_timeout=False,
                              on_first_byte=on_first_byte)
            code = machine.run()
        return verdict(machine, code)


def main(argv):
    parser = guest.Parser(prog="tools/lib/linux-run", usage=USAGE, description="Run a program on Debian's Linux kernel.")
    guest.add_options(parser, LINUX_CPU)
    parser.add_argument("--tty", action="store_true", help="give PROGRAM a terminal, not a pair of pipes")
    parser.add_argument("--append", action="append", default=[], metavar="WORDS", help="more for the kernel's command line")
    parser.add_argument("--version", action="store_true", help="print the kernel's version")
    options, program = guest.split_program(argv)
    arguments = parser.parse_args(options)
    packages.ensure(not arguments.no_install)
    if arguments.version:
        print(linux.kernel_version(linux.kernel()))
        return 0
    if not program:
        parser.error("a program is missing: " + USAGE)
    variables = guest.environment(parser, arguments.env)
    guest.end_in_order()
    merged = guest.tree(arguments.rootfs)
    program[0] = guest.rootfs.find_program(merged, program[0])
    log = guest.open_log(arguments, arguments.tty and os.isatty(0))
    status, complaint = boot(arguments, merged, "tty" if arguments.tty else "run", program, variables, log)
    if complaint:
        say(complaint)
    return status
