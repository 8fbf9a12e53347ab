"""The state that the phases of one batch share: its journal, its client, the pace of its work, and its error lines."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import NamedTuple, TypeVar

from adapter.server.batches.journal import BatchFolder, LinePlace, LinePlaces
from adapter.server.batches.rows import RowPlanner
from adapter.server.batches.stored_batches import StoredBatches
from adapter.server.limits.access import Client
from adapter.server.pipeline.service import Service
from adapter.server.state.not_stored import NotStored
from adapter.store.files.directory import PIECE
from adapter.store.files.disk import run_to_end
from adapter.translate import batches
from adapter.translate.batches import LineId
from adapter.translate.core.errors import Failure
from adapter.upstream.errors import UpstreamError
from adapter.wire.base import encode
from adapter.wire.openai.batches import Batch, BatchError, BatchErrors

T = TypeVar("T")

log = logging.getLogger("adapter")

SLICE = 0.002
"""Seconds of work before the loop gets a pause as long."""

RETRY_FIRST, RETRY_LAST = 2.0, 120.0
"""Seconds before a retry: the first wait, and the longest; waits double."""

STORE_PAUSE = 60.0
"""Seconds before another attempt after the disk or the store refused a write."""

LOOK_EVERY = 1.0
"""Seconds between two checks whether a client has cancelled the batch at another process."""

TRANSIENT = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses of temporary errors: the same request may succeed later."""


class Pace:
    """Gives the loop back after each slice of work, for as long as has been worked.

    Translating and collecting may take minutes for 50,000 requests; answers to others are hardly later by it. What
    counts is the work of this thread, not the time in which a disk was waited for.
    """

    def __init__(self) -> None:
        self._begun = time.thread_time()

    async def pause(self) -> None:
        """Pause, if a slice has been worked."""
        worked = time.thread_time() - self._begun
        if worked >= SLICE:
            await asyncio.sleep(worked)
            self._begun = time.thread_time()


class BatchLineRequest(NamedTuple):
    """A request of a batch: where it stands, its id and its body."""

    place: LinePlace
    custom_id: str
    body: bytes


class BatchContext:
    """One batch whose folder's lock is held. `wake` is set when a client cancels it at this process.

    `turns` bounds how many batches of the process are translated at the same time.
    """

    def __init__(
        self, service: Service, stored: StoredBatches, folder: BatchFolder, client: Client, turns: asyncio.Semaphore
    ) -> None:
        self.turns = turns
        self.service = service
        self.stored = stored
        self.folder = folder
        self.client = client
        self.state = folder.load()
        self.places = LinePlaces(folder.path / "lines")
        self.pace = Pace()
        self.wake = asyncio.Event()

    @property
    def batch(self) -> Batch:
        """Return the batch as clients see it."""
        return self.state.batch

    @property
    def is_expired(self) -> bool:
        """Return whether the completion window is over."""
        return time.time() > (self.batch.expires_at or 0)

    @property
    def should_end(self) -> bool:
        """Return whether the batch is cancelled or expired: running work ends, and no new work begins."""
        return self.is_expired or self.folder.is_cancelled

    async def save(self) -> None:
        """Write the journal as it is now."""
        await run_to_end(self.folder.save, encode(self.state))

    async def go_to(self, phase: str) -> None:
        """Begin the next phase."""
        self.state.phase = phase
        await self.save()

    async def publish(self) -> None:
        """Store the batch for its clients to read. If that fails, the next change stores this one, too."""
        await self.stored.put(self.batch, self.client.id)

    async def fail(self, code: str, message: str) -> None:
        """End the batch as failed: none of its requests can run."""
        batch = self.batch
        batch.errors = BatchErrors(data=[BatchError(code=code, message=message)])
        batch.status, batch.failed_at = "failed", int(time.time())
        await self.go_to("over")

    def planner(self, *, is_answered: bool = False) -> RowPlanner:
        """Return the planner of its requests. `is_answered`: their answers have come already."""
        return RowPlanner(self.service, self.batch.endpoint, self.client, is_answered=is_answered)

    def line_id(self, number: int, custom_id: str | None) -> LineId:
        """Return the ids of an output line. They follow from the batch's id, so a line written again is the same."""
        suffix = f"{self.batch.id.removeprefix('batch_')}{number:06x}"
        return LineId(f"batch_req_{suffix}", custom_id, f"req_{suffix}", number)

    def failed_line(self, request: BatchLineRequest, error: Exception) -> bytes:
        """Return the line of the error file for a request: the error that it would have got by itself.

        A bug is one request's as well, and logged: it must not stop the others. What the disk or the store cannot do
        now is no request's fault: it is raised again, and the phase begins again later.
        """
        if isinstance(error, OSError) or (isinstance(error, NotStored) and error.status == 503):
            raise error
        failure = self._failure(error)
        details = failure.body.error
        line = self.line_id(request.place.line, request.custom_id)
        return batches.error_line(
            line, details.code or details.type, details.message, failure.status, encode(failure.body)
        )

    def _failure(self, error: Exception) -> Failure:
        return self.service.failures.build(error, self.batch.id, self.client)

    async def retry(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Run `attempt`, and again after temporary errors, until the batch should end. Raises `UpstreamError`."""
        pause = RETRY_FIRST
        while True:
            try:
                await attempt()
                return
            except UpstreamError as error:
                if error.status not in TRANSIENT or self.should_end:
                    raise
                log.info("%s: next attempt in %.0f s: %s", self.batch.id, pause, error)
                await self.sleep(max(pause, error.retry_after or 0.0))
                pause = min(2 * pause, RETRY_LAST)

    async def retry_until_stored(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `attempt`; if the disk is full or the store fails, run it again later."""
        while True:
            try:
                return await attempt()
            except (NotStored, OSError) as error:
                if isinstance(error, NotStored) and error.status != 503:
                    raise
                log.warning("%s waits: %s", self.batch.id, error)
                await self.sleep(STORE_PAUSE)

    async def sleep(self, seconds: float) -> None:
        """Sleep for some seconds, less if the batch is cancelled (at any process) or expires meanwhile."""
        ended_before = self.should_end
        self.wake.clear()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.wake.is_set() and self.should_end == ended_before:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_EVERY)):
                    await self.wake.wait()


def open_for_writing(path: Path) -> BufferedWriter:
    """Open a new file, readable by this user alone, that is written in large pieces."""
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    return BufferedWriter(FileIO(descriptor, "wb"), PIECE // 4)


async def sync(file: BufferedWriter) -> None:
    """Wait until everything written is on the disk."""
    file.flush()
    await run_to_end(os.fsync, file.fileno())


async def pieces_of(path: Path) -> AsyncIterator[bytes]:
    """Read a file piece by piece. Raises `FileNotFoundError`."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
