# SPDX-License-Identifier: MIT
"""tools/run --trace FILE and --strace: from the run to the file and to the terminal."""
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
    """One run's trace: to `output`, an open file, and event by event to each of `live` while the program runs. `post_mortem` gets
    every event too, when there is no hurry."""

    def __init__(self, output, program, kernel, icount, work, memory, live=(), post_mortem=None):
        self.output, self.kernel, self.icount, self.program = output, os.path.basename(kernel), bool(icount), program
        self.live = live
        self.decoder = Decoder(self._event)
        self.decoder.begun = self._head
        self.sinks = [*live, *([post_mortem] if post_mortem else [])]
        self.drain = Drain(work, memory, self.decoder.feed if live else None)

    def finish(self, status):
        """The machine has ended: what is not decoded yet, and the end of FILE. How many records were lost."""
        self.drain.finish()
        try:
            self.decoder.run(self.drain.raw)
            if self.output:
                self._write({"e": "end", "t": self.decoder.time, "events": self.decoder.events, "records": self.drain.records,
                             "dropped": self.drain.dropped, "exit": status})
                self.output.close()
        except OSError as error:
            raise ToolError(f"--trace {self.output.name}: cannot be written: {error.strerror}") from error
        return self.drain.dropped

    def _head(self):
        if self.output:
            self._write({"aramid-trace": VERSION, "clock": "instructions" if self.icount else "tsc",
                         "ticks_per_us": self.decoder.ticks_per_us, "kernel": self.kernel, "ring": self.drain.size,
                         "program": self.program})

    def _event(self, event):
        if self.output:
            self._write(event)
        for sink in self.sinks:
            sink(event)

    def _write(self, line):
        self.output.write(json.dumps(line, separators=(", ", ": ")) + "\n")
