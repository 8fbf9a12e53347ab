"""Log sink: writes lines to standard error without ever waiting.

A pipe that nobody reads, or a full disk, must not stop the server. So lines that cannot be written at once are dropped
and counted, and the next line that gets through tells how many were lost.
"""

import os
import select
from typing import TextIO

PIECE = 4_096
"""Bytes that a pipe takes without blocking once `poll` says that it is ready (POSIX PIPE_BUF, 4096 on Linux)."""


class LogSink:
    """Writes lines to a stream, or drops and counts them."""

    def __init__(self, stream: TextIO | None) -> None:
        self.lost = 0
        self._descriptor = file_descriptor(stream)
        self._ready: select.poll | None = None
        self._cut = False
        # Windows has no `poll`: there a write may wait.
        if self._descriptor is not None and hasattr(select, "poll"):
            self._ready = select.poll()
            self._ready.register(self._descriptor, select.POLLOUT)

    def write(self, *lines: str) -> None:
        """Write lines. If the stream takes only a part of them, the rest is dropped."""
        text = "\n".join([*lines, ""])
        if self.lost:
            text = f"{self.lost} lines of the log were lost: the log's reader is full or too slow\n{text}"
        # Ends the line of which only a part was written.
        if self._cut:
            text = f"\n{text}"
        data = text.encode(errors="replace")
        taken = 0
        while taken < len(data) and (size := self._take(data[taken : taken + PIECE])):
            taken += size
        if taken == len(data):
            self.lost, self._cut = 0, False
        else:
            self.lost += len(lines)
            self._cut = self._cut or taken > 0

    def _take(self, piece: bytes) -> int:
        """Write as much of `piece` as fits at once; return the number of bytes."""
        if self._descriptor is None or (self._ready is not None and not self._ready.poll(0)):
            return 0
        try:
            return os.write(self._descriptor, piece)
        except OSError:
            # The reader has gone, or the disk is full: the lines count as lost.
            return 0


def file_descriptor(stream: TextIO | None) -> int | None:
    """Return the file descriptor of a stream; None if it has none (a process may be started without stderr)."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
