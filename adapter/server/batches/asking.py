"""The phase `ask` of batches at upstreams without batches (Vertex AI, relays): single calls, at the operator's rate.

A line is written to a log before each request is sent, and its answer after it (`row_log.py`). A process that takes
over reads there which requests were answered, and sends only the others.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from io import BufferedReader

import msgspec

from adapter.server.batches.context import (
    RETRY_FIRST,
    RETRY_LAST,
    TRANSIENT,
    BatchContext,
    BatchLineRequest,
)
from adapter.server.batches.journal import LinePlace
from adapter.server.batches.row_log import MAX_ATTEMPTS, LineLog, index_done, read_attempts
from adapter.server.state.not_stored import NotStored
from adapter.translate import batches
from adapter.upstream.client import Caller, Forwarded
from adapter.upstream.errors import UpstreamError
from adapter.upstream.model_path import model_path
from adapter.upstream.transport.base import join_pieces
from adapter.wire.openai.batches import BatchLine

log = logging.getLogger("adapter")

AT_ONCE = 8
"""The number of requests of one batch that are answered at the same time."""

PUBLISH_EVERY = 5.0
"""Seconds between two updates of the counts that clients see."""


class RequestSender:
    """Sends the requests of one batch, each by itself."""

    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._planner = context.planner()
        self._interval = 60.0 / context.service.file_settings.batch_rate
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self._outage: OSError | NotStored | None = None
        self._attempts = Counter[int]()

    async def run(self) -> None:
        """Send all requests without an answer. Raises `OSError`, `NotStored` if an answer cannot be written."""
        folder = self._context.folder.path
        with (
            closing(LineLog(folder / "asked")) as attempts,
            closing(LineLog(folder / "done.jsonl")) as answers,
            (folder / "input.jsonl").open("rb") as source,
        ):
            try:
                await self._ask_all(source, attempts, answers)
                if self._running:
                    await asyncio.wait(self._running)
                await answers.sync()
            finally:
                running = list(self._running)
                for task in running:
                    task.cancel()
                # Each cancelled request notes in the log that it was taken back: so wait while the log is still open.
                await asyncio.gather(*running, return_exceptions=True)
        if self._outage is not None:
            raise self._outage
        await self._context.go_to("collect")

    async def _ask_all(self, source: BufferedReader, attempts: LineLog, answers: LineLog) -> None:
        context, counts = self._context, self._context.batch.request_counts
        answered = await index_done(context.folder.path / "done.jsonl", context.pace)
        self._attempts = read_attempts(context.folder.path / "asked")
        counts.completed = sum(one.is_good for one in answered.values())
        counts.failed = context.state.refused + len(answered) - counts.completed
        next_at = published_at = time.monotonic()
        for place in context.places:
            if place.line in answered:
                continue
            await self._slots.acquire()
            while (left := next_at - time.monotonic()) > 0 and not context.should_end:
                await context.sleep(left)
            if context.service.shutdown.has_begun:
                # The next process asks for the rest. Running requests may go on until this process ends.
                await asyncio.Event().wait()
            if context.should_end or self._outage is not None:
                self._slots.release()
                return
            next_at = max(next_at, time.monotonic()) + self._interval
            task = asyncio.create_task(self._ask(request_at(source, place), attempts, answers))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            if time.monotonic() - published_at > PUBLISH_EVERY:
                published_at = time.monotonic()
                await context.publish()

    async def _ask(self, request: BatchLineRequest, attempts: LineLog, answers: LineLog) -> None:
        """Send one request, and write its answer to the log."""
        counts, number = self._context.batch.request_counts, request.place.line
        has_asked = False

        def begin() -> None:
            nonlocal has_asked
            if not has_asked:
                attempts.append(b"%d\n" % number)
                has_asked = True

        try:
            try:
                if self._attempts[number] < MAX_ATTEMPTS:
                    line, is_good = await self._answer(request, begin), True
                else:
                    line, is_good = self._interrupted_line(request), False
            except Exception as error:  # noqa: BLE001 - it becomes the line, or is raised again
                line, is_good = self._context.failed_line(request, error), False
            # A paid answer must not be lost because a disk is full for a while.
            await self._context.retry_until_stored(partial(_append, answers, line[:-1] + b"\t%d\n" % number))
            counts.completed += is_good
            counts.failed += not is_good
        except (OSError, NotStored) as error:
            # Running requests still get their answers; then the phase ends with this error.
            self._outage = error
        except asyncio.CancelledError:
            if has_asked:
                attempts.append(b"-%d\n" % number)
            raise
        finally:
            self._slots.release()

    async def _answer(self, request: BatchLineRequest, begin: Callable[[], None]) -> bytes:
        """Return the line of the output file for a request. It is sent again after errors that pass.

        `begin` is called before it is sent. Raises what its endpoint raises; `OSError`, `NotStored` before it is sent.
        """
        attempts, pause = self._attempts[request.place.line] + 1, RETRY_FIRST
        if attempts > 1:
            log.warning("batch %s: line %d is sent again", self._context.batch.id, request.place.line)
        while True:
            try:
                planned = await self._planner.plan(request.body)
                begin()
                answers = [await self._call(planned.model, *call, planned.pin) for call in planned.calls]
                answer = await self._context.retry_until_stored(partial(planned.finish, answers, False))
                line = self._context.line_id(request.place.line, request.custom_id)
                return batches.output_line(line, answer, attempts)
            except UpstreamError as error:
                if error.status not in TRANSIENT or pause > RETRY_LAST or self._context.should_end:
                    raise
                await self._context.sleep(max(pause, error.retry_after or 0.0))
                pause *= 2

    def _interrupted_line(self, request: BatchLineRequest) -> bytes:
        """Return the error line of a request during all of whose attempts the process died."""
        line = self._context.line_id(request.place.line, request.custom_id)
        text = f"The server stopped {MAX_ATTEMPTS} times while this request was answered. It may have been billed."
        return batches.error_line(line, "interrupted", text)

    async def _call(self, model: str, method: str, body: bytes, pin: str) -> bytes:
        """Return Gemini's whole answer to one call. Raises `UpstreamError`."""
        upstream = self._context.service.upstream
        path = f"{model_path(model, upstream.settings.models)}:{method}"
        call = Forwarded(verb="POST", path=path, body=body, method=method, model=model)
        response = await upstream.forward(call, Caller(self._context.client.key, pin))
        try:
            return await join_pieces(response.read, upstream.settings.max_answer_bytes)
        finally:
            await response.aclose()


async def _append(log_: LineLog, line: bytes) -> None:
    log_.append(line)


def request_at(source: BufferedReader, place: LinePlace) -> BatchLineRequest:
    """Read the request at a place of the input, which was read once before."""
    source.seek(place.offset)
    read = msgspec.json.decode(batches.repair_line(source.read(place.size)), type=BatchLine)
    return BatchLineRequest(place, read.custom_id, bytes(read.body))
