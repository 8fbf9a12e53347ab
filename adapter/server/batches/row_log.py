"""Logs of requests that are sent one by one; they tell a process that takes over a batch what was sent.

`asked` has the number of a line before its request goes out, and the number with a minus where the process ended in an
orderly way and took the request back. `done.jsonl` has the answer.

| `asked`     | `done.jsonl` | the process that goes on                                                      |
|-------------|--------------|-------------------------------------------------------------------------------|
| no          | no           | asks                                                                          |
| any         | yes          | has the answer                                                                |
| once        | no           | asks again: the process died before the answer was written. It may be billed  |
|             |              | twice, and the line says so (`attempts`)                                      |
| twice       | no           | does not ask: the line is the error `interrupted`. The request may be what    |
|             |              | kills the process, or the machine dies too often to go on paying              |
"""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from adapter.server.batches.context import Pace
from adapter.store.files.disk import run_to_end, write_all

MAX_ATTEMPTS = 2
"""The most attempts of a request whose answer was not written down."""


class LineLog:
    """A file to which lines are appended, each whole or not at all. It survives the process, not the power."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def append(self, line: bytes) -> None:
        """Append a line. Raises `OSError`; the file is then as it was."""
        size = os.fstat(self._descriptor).st_size
        try:
            write_all(self._descriptor, line)
        except OSError:
            os.truncate(self._descriptor, size)
            raise

    async def sync(self) -> None:
        """Wait until all lines are on the disk."""
        await run_to_end(os.fsync, self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_attempts(path: Path) -> Counter[int]:
    """Return how often each line's request has gone out. The end of a line that was not written to its end is cut."""
    attempts = Counter[int]()
    body = path.read_bytes()
    whole = body[: body.rfind(b"\n") + 1]
    for number in map(int, whole.split()):
        attempts[abs(number)] += 1 if number > 0 else -1
    os.truncate(path, len(whole))
    return attempts


class AnsweredLine(NamedTuple):
    """An answer in `done.jsonl`: its offset, and whether it goes to the output file or to that of errors."""

    offset: int
    is_good: bool


async def index_done(path: Path, pace: Pace) -> dict[int, AnsweredLine]:
    """Find the answers by the numbers of their lines. One that was not written to its end is cut off."""
    answered, offset = dict[int, AnsweredLine](), 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            body, _, number = line.rpartition(b"\t")
            answered.setdefault(int(number), AnsweredLine(offset, body.endswith(b'"error":null}')))
            offset += len(line)
            await pace.pause()
    os.truncate(path, offset)
    return answered
