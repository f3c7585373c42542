# SPDX-License-Identifier: MIT
"""The host's side of the ring (microkernel/trace/ring.h): copies raw records out of the running guest's memory.

QEMU keeps the guest's memory in a file that is mapped here as well. A thread copies what is new to a temporary file, which is
decoded when the run has ended, or hands it on at once.
"""
import mmap
import os
import re
import struct
import tempfile
import threading
from pathlib import Path

from aramid_tools.common import ROOT, ToolError

RECORD = 64
POLL_SECONDS = 0.002
ANNOUNCED = re.compile(rb"kernel: trace: ring at ([0-9a-f]+), (\d+) bytes, header at ([0-9a-f]+)")


def _header_offsets():
    """Where struct trace_ring has its members: eight bytes each, in order."""
    text = (ROOT / "microkernel/trace/ring.h").read_text(encoding="ascii")
    body = re.sub(r"/\*.*?\*/", "", re.search(r"struct trace_ring \{(.*?)\n\};", text, re.DOTALL)[1], flags=re.DOTALL)
    names = re.findall(r"[\w]+(?=[,;])", body)
    return {name: 8 * index for index, name in enumerate(names)}


class Drain:
    """From QEMU's options to the raw records."""

    def __init__(self, work, memory, consumer=None):
        """`consumer` gets the records as they come, in the thread; without, they are in `raw` in the end."""
        self.path, self.memory = Path(work, "memory"), memory
        self.consumer = consumer
        self.raw = tempfile.TemporaryFile() # pylint: disable=consider-using-with
        self.log = None
        self.size = self.records = self.dropped = 0
        self.failure = None
        self._map = self._header = self._ring = None
        self._read = 0 # bytes, of all laps
        self._at = _header_offsets()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def qemu_options(self):
        return ["-object", f"memory-backend-file,id=ram,size={self.memory},mem-path={self.path},share=on",
                "-machine", "memory-backend=ram"]

    def start(self, log):
        self.log = log
        self._thread.start()

    def finish(self):
        """After the machine has ended: what is left, then the counts."""
        self._ended.set()
        self._thread.join()
        if self.failure:
            raise ToolError(f"--trace: {self.failure}")
        if self._map is None:
            raise ToolError("--trace: the kernel never said where its ring is; its log has the reason")
        self.dropped = self._word("dropped")
        self.raw.seek(0)

    # ---- the thread ----

    def _work(self):
        try:
            while not self._ended.wait(POLL_SECONDS):
                self._step()
            self._step()
        except (OSError, ValueError) as error:
            self.failure = f"the records cannot be saved in {tempfile.gettempdir()}: {error}"

    def _step(self):
        if self._map is None and not self._find():
            return
        self._drain()

    def _find(self):
        found = ANNOUNCED.search(bytes(self.log.text))
        if not found:
            return False
        ring, self.size, self._header = int(found[1], 16), int(found[2]), int(found[3], 16)
        with open(self.path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        os.unlink(self.path)
        self._ring = memoryview(self._map)[ring:ring + self.size]
        return True

    def _word(self, name):
        return struct.unpack_from("<Q", self._map, self._header + self._at[name])[0]

    def _drain(self):
        base, following = self._word("base"), self._word("next")
        done = self._read % self.size
        left = (following - base - done) % self.size
        new = []
        while left:
            done = self._read % self.size
            length = min(left, self.size - done)
            new.append(bytes(self._ring[done:done + length]))
            self._read += length
            left -= length
        struct.pack_into("<Q", self._map, self._header + self._at["tail"], self._read)
        for piece in new:
            (self.consumer or self.raw.write)(piece)
        self.records = self._read // RECORD
