# SPDX-License-Identifier: MIT
"""tools/run --trace FILE: from the run to the file."""
import json
import os

from aramid_tools.common import ToolError
from aramid_tools.trace_decode import Decoder
from aramid_tools.trace_ring import Drain

VERSION = 1


def open_output(path):
    """FILE, before anything is built or booted."""
    try:
        return open(path, "w", encoding="utf-8")
    except OSError as error:
        raise ToolError(f"--trace {path}: cannot be written: {error.strerror}") from error


class Recorder:
    """One run's trace."""

    def __init__(self, output, program, kernel, icount, work, memory):
        self.output, self.kernel, self.icount, self.program = output, os.path.basename(kernel), bool(icount), program
        self.drain = Drain(work, memory)

    def finish(self, status):
        """The machine has ended: decode, and write FILE. How many records were lost."""
        self.drain.finish()
        try:
            with self.output:
                decoder = Decoder(self._write)
                decoder.begun = lambda: self._write(json.dumps(self._head(decoder)))
                decoder.run(self.drain.raw)
                self._write(json.dumps({"e": "end", "t": decoder.time, "events": decoder.events, "records": self.drain.records,
                                        "dropped": self.drain.dropped, "exit": status}))
        except OSError as error:
            raise ToolError(f"--trace {self.output.name}: cannot be written: {error.strerror}") from error
        return self.drain.dropped

    def _head(self, decoder):
        return {"aramid-trace": VERSION, "clock": "instructions" if self.icount else "tsc", "ticks_per_us": decoder.ticks_per_us,
                "kernel": self.kernel, "ring": self.drain.size, "program": self.program}

    def _write(self, line):
        self.output.write(line + "\n")
