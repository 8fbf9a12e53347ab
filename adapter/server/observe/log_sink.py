"""Where the log goes. It is never waited for: a pipe that nobody empties, or a full disk, must not stop answers."""

import os
import select
from typing import TextIO

PIECE = 4_096
"""Bytes that a pipe takes whole, or says beforehand that it does not (POSIX: PIPE_BUF; the size of its pages)."""


class Sink:
    """Takes lines; those that the stream does not take at once are lost, and counted in the next line that is not."""

    def __init__(self, stream: TextIO | None) -> None:
        self.lost = 0
        self._descriptor = descriptor_of(stream)
        self._ready: select.poll | None = None
        self._cut = False
        if self._descriptor is not None and hasattr(select, "poll"):
            self._ready = select.poll()
            self._ready.register(self._descriptor, select.POLLOUT)

    def write(self, *lines: str) -> None:
        """Write lines, of which an end may be cut off."""
        text = "\n".join([*lines, ""])
        if self.lost:
            text = f"{self.lost} lines of the log were lost: its end takes no more, or not fast enough\n{text}"
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
        """How many bytes were taken."""
        if self._descriptor is None or (self._ready is not None and not self._ready.poll(0)):
            return 0
        try:
            return os.write(self._descriptor, piece)
        except OSError:
            return 0


def descriptor_of(stream: TextIO | None) -> int | None:
    """The stream's file; a process may have been started without one."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
