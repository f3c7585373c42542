# SPDX-License-Identifier: MIT
"""What the numbers in a record mean: read from the files that the system itself is made of, so there is no second table."""
import errno
import importlib.util
import re
import tomllib
from functools import cache

from aramid_tools.common import ROOT


def _source(path):
    return re.sub(r"/\*.*?\*/", " ", (ROOT / path).read_text(encoding="utf-8"), flags=re.DOTALL)


def enum(path, name):
    """{member: value} of a C enum."""
    body = re.search(rf"enum {name} \{{(.*?)\}}", _source(path), re.DOTALL)[1]
    values, value = {}, -1
    for member in filter(None, (part.strip() for part in body.split(","))):
        key, equals, text = member.partition("=")
        value = int(text, 0) if equals else value + 1
        values[key.strip()] = value
    return values


def _names(path, name, prefix):
    return {value: key.removeprefix(prefix) for key, value in enum(path, name).items()}


def _module(path):
    spec = importlib.util.spec_from_file_location(path.rsplit("/", 1)[-1].removesuffix(".py"), ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


POINTERS = {"pointer", "path", "in", "out", "address", "fds"}
ABI = "microkernel/include/aramid/abi.h"


class Tables:
    """All names, by number."""

    def __init__(self):
        self.records = enum("microkernel/trace/records.h", "trace_type")
        self.caps = enum("microkernel/trace/records.h", "trace_cap")
        self.more_states = _names("microkernel/trace/records.h", "trace_state", "TRACE_")
        self.syscalls = _names(ABI, "ar_syscall", "AR_SYS_")
        self.trace_call = enum(ABI, "ar_syscall")["AR_SYS_TRACE"]
        self.types = {value: name.lower() for value, name in _names(ABI, "ar_type", "AR_").items()}
        self.states = _names(ABI, "ar_thread_state", "AR_THREAD_")
        self.errors = _names("microkernel/include/aramid/errors.h", "ar_error", "AR_ERR_") | {0: "OK"}
        self.said = _names("microkernel/include/aramid/trace.h", "ar_trace", "AR_TRACE_")
        self.sockets = _names("microkernel/include/aramid/trace.h", "ar_trace_socket", "AR_TRACE_SOCKET_")
        self.objects = _names("microkernel/include/aramid/trace.h", "ar_trace_object", "AR_TRACE_")
        self.status = {0: "OK"} | {int(value): name for name, value in
                                   re.findall(r"\bX\((\w+), (\d+)\)", _source("libipc/include/ipc/status.h"))}
        self.issuers = {value: name.lower() for value, name in
                        _names("libipc/include/ipc/message.h", "ipc_issuer", "ISSUER_").items()}
        self.linux = {int(number): name for number, name in
                      re.findall(r"\b(?:CALL|NONE|QUIET)\((\d+), (\w+)\)", _source("libposix/linux_table.c"))}
        self.linux_kinds = tomllib.loads((ROOT / "libposix/linux_calls.toml").read_text(encoding="utf-8"))["calls"]
        self.pointers = {name: {place for place, kind in enumerate(kinds) if kind.partition(":")[0] in POINTERS}
                         for name, kinds in self.linux_kinds.items()}
        self.exceptions = re.findall(r'"([^"]*)"', re.search(
            r"exception_names\[32\] = \{(.*?)\}", _source("microkernel/arch/x86_64/interrupts.c"), re.DOTALL)[1])
        self.messages = self._messages()
        self.tail_word = int(re.search(r"define IPC_TAIL_WORD (\d+)", _source("libipc/include/ipc/message.h"))[1])
        self.invocations = self._invocations()
        self.errno = errno.errorcode # this machine's are Linux's too

    @staticmethod
    def _messages():
        """label -> as ipcgen.message_table has it."""
        ipcgen, found = _module("libipc/generator/ipcgen.py"), {}
        for path in sorted((ROOT / "libipc/protocols").glob("*.toml")):
            found |= ipcgen.message_table(ipcgen.load(path))
        return found

    @staticmethod
    def _invocations():
        """label -> (name, [(name of a word, what it is)])."""
        api = _module("microkernel/api/apigen.py").load(ROOT / "microkernel/api/invocations.toml")
        return {invocation["number"]: (invocation["name"].removeprefix("AR_"),
                                       [(word["name"], word["kind"]) for word in invocation.get("words", [])])
                for invocation in api["invocation"]}


@cache
def tables():
    return Tables()
