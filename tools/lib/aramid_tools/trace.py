# SPDX-License-Identifier: MIT
"""tools/trace: read what tools/run --trace recorded."""
import argparse
import os
import sys

from aramid_tools.common import EXIT_USAGE, ToolError, say
from aramid_tools.view import calls as calls_module
from aramid_tools.view import chrome, cost, filters, handles, mermaid, pcap, printing, waits
from aramid_tools.view.reader import Trace

USAGE = "tools/trace FILE [filters] [one way to look at it]"
EPILOG = """\
Without a way to look at it: every Linux call as strace prints it, below it the messages that it caused, to the right what each cost
in ticks (instructions when recorded with --icount): in the program's own libposix (client), the kernel, each server.
docs/trace-format.md says what a trace has, docs/tracing.md how to use it."""


FILTERS = ("process", "server", "call", "socket", "capability")


def parse(argv):
    parser = argparse.ArgumentParser(prog="tools/trace", usage=USAGE, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", help="written by tools/run --trace FILE")
    only = parser.add_argument_group("filters: only the calls that …")
    only.add_argument("--process", metavar="PID|NAME", help="this process made")
    only.add_argument("--server", metavar="NAME", help="went to this server")
    only.add_argument("--call", metavar="NAME[,NAME…]", help="have this name")
    only.add_argument("--socket", metavar="INO|ADDRESS", help="concern this socket")
    only.add_argument("--capability", metavar="OBJECT", help="use or hand over a capability to this object (gate#12)")
    parser.add_argument("--verbose", "-v", action="store_true", help="also the kernel calls that a step made")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--cost", action="store_true", help="sum the calls: a table")
    ways.add_argument("--flame", metavar="FILE.svg", help="the same as a flame graph")
    ways.add_argument("--waits", action="store_true", help="who waited on whom, and for how long")
    ways.add_argument("--follow-fd", metavar="PID:FD", help="where a descriptor came from and where it went")
    ways.add_argument("--caps", metavar="PID|SERVER[@TICK]", help="what a process could reach (at the end, or then), and how it got it")
    ways.add_argument("--chrome", metavar="FILE.json", help="for Perfetto and chrome://tracing")
    ways.add_argument("--pcap", metavar="FILE.pcapng", help="each socket as a stream, for Wireshark")
    ways.add_argument("--mermaid", action="store_true", help="a sequence diagram")
    return parser.parse_args(argv)


def write(path, lines):
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
    except OSError as error:
        raise ToolError(f"{path}: cannot be written: {error.strerror}") from error


def show(arguments, trace):
    if (arguments.follow_fd or arguments.caps or arguments.pcap) and (given := [name for name in FILTERS if getattr(arguments, name)]):
        raise ToolError(f"--{given[0]}: filters choose calls, and --follow-fd, --caps and --pcap do not go by calls", EXIT_USAGE)
    if arguments.follow_fd or arguments.caps:
        lines = handles.follow(trace, arguments.follow_fd) if arguments.follow_fd else handles.reachable(trace, arguments.caps)
        print("\n".join(lines))
        return
    if arguments.pcap:
        pcap.write(trace, arguments.pcap)
        return
    state = calls_module.read(trace)
    calls = filters.apply(state, arguments)
    if arguments.flame:
        write(arguments.flame, cost.svg(calls, " ".join(trace.head.get("program") or ["a shell"])))
    elif arguments.chrome:
        write(arguments.chrome, chrome.lines(calls, state, trace.head))
    else:
        lines = (cost.table(calls) if arguments.cost else waits.lines(calls) if arguments.waits else
                 mermaid.lines(calls) if arguments.mermaid else printing.lines(calls, arguments.verbose))
        for line in lines:
            print(line)


def main(argv):
    arguments = parse(argv)
    trace = Trace(arguments.file)
    try:
        show(arguments, trace)
        sys.stdout.flush()
    except BrokenPipeError: # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ToolError:
        if trace.damage: # what was asked for may be behind it
            say(trace.damage)
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        trace.damage = f"{arguments.file}: damaged at line {trace.number} or before: its events do not fit together ({error!r})"
    if trace.lost:
        say(f"{arguments.file}: {trace.lost} records were lost while recording; names and states after that may be wrong")
    if trace.damage:
        say(trace.damage)
        return EXIT_USAGE
    return 0
