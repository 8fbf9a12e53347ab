"""The phase `ask`, where the upstream has no batches (Vertex AI, relays): request by request, at the operator's rate.

Each answer is written to `done.jsonl` as it comes. A process that goes on reads there what has been answered, and asks
only for the rest: a request is asked for twice only if the process died between its answer and that line.
"""

import asyncio
import logging
import os
import time
from collections.abc import Container
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import NamedTuple

import msgspec

from adapter.server.batches.context import (
    RETRY_FIRST,
    RETRY_LAST,
    TRANSIENT,
    BatchContext,
    BatchLineRequest,
    Pace,
    sync,
)
from adapter.server.batches.journal import LinePlace
from adapter.server.state.not_stored import NotStored
from adapter.translate import batches
from adapter.upstream.client import Caller, Forwarded
from adapter.upstream.errors import UpstreamError, UpstreamProtocolError
from adapter.upstream.model_path import model_path
from adapter.wire.openai.batches import BatchLine

log = logging.getLogger("adapter")

AT_ONCE = 8
"""Requests of one batch that are answered at the same time."""

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

    async def run(self) -> None:
        """Ask for all answers that are not there yet. Raises `OSError`, `NotStored` where they cannot be written."""
        context = self._context
        path = context.folder.path / "done.jsonl"
        counts = context.batch.request_counts
        try:
            with path.open("ab") as done, (context.folder.path / "input.jsonl").open("rb") as source:
                answered = await index_done(path, context.pace)
                counts.completed = sum(one.is_good for one in answered.values())
                counts.failed = context.state.refused + len(answered) - counts.completed
                await self._ask_all(source, done, answered)
                if self._running:
                    await asyncio.wait(self._running)
                await sync(done)
            if self._outage is not None:
                raise self._outage
        finally:
            for task in self._running:
                task.cancel()
        await context.go_to("collect")

    async def _ask_all(self, source: BufferedReader, done: BufferedWriter, answered: Container[int]) -> None:
        context = self._context
        next_at = published_at = time.monotonic()
        for place in context.places:
            if place.line in answered:
                continue
            await self._slots.acquire()
            while (left := next_at - time.monotonic()) > 0 and not context.should_end:
                await context.sleep(left)
            if context.should_end or self._outage is not None:
                self._slots.release()
                return
            next_at = max(next_at, time.monotonic()) + self._interval
            task = asyncio.create_task(self._ask(request_at(source, place), done))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            if time.monotonic() - published_at > PUBLISH_EVERY:
                published_at = time.monotonic()
                await context.publish()

    async def _ask(self, request: BatchLineRequest, done: BufferedWriter) -> None:
        """Ask for one answer, and write it down."""
        counts = self._context.batch.request_counts
        try:
            try:
                line, is_good = await self._answer(request), True
            except Exception as error:  # noqa: BLE001 - it becomes the line, or is raised again
                line, is_good = self._context.failed_line(request, error), False
            done.write(line[:-1] + b"\t%d\n" % request.place.line)
            done.flush()
            counts.completed += is_good
            counts.failed += not is_good
        except (OSError, NotStored) as error:
            # Those that are asked for already still bring their answers; then the phase ends with this error.
            self._outage = error
        finally:
            self._slots.release()

    async def _answer(self, request: BatchLineRequest) -> bytes:
        """Return the line of the output file for a request. It is sent again after errors that pass."""
        pause = RETRY_FIRST
        while True:
            try:
                planned = await self._planner.plan(request.body)
                answers = [await self._call(planned.model, *call, planned.pin) for call in planned.calls]
                body = await planned.finish(answers, False)
                line = self._context.line_id(request.place.line, request.custom_id)
                return batches.output_line(line.row_id, request.custom_id, line.request_id, 200, body)
            except UpstreamError as error:
                if error.status not in TRANSIENT or pause > RETRY_LAST or self._context.should_end:
                    raise
                await self._context.sleep(max(pause, error.retry_after or 0.0))
                pause *= 2

    async def _call(self, model: str, method: str, body: bytes, pin: str) -> bytes:
        """Return Gemini's whole answer to one call. Raises `UpstreamError`."""
        upstream = self._context.service.upstream
        path = f"{model_path(model, upstream.settings.models)}:{method}"
        call = Forwarded(verb="POST", path=path, body=body, method=method, model=model)
        response = await upstream.forward(call, Caller(self._context.client.key, pin))
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await response.read():
                pieces.append(piece)
                size += len(piece)
                if size > upstream.settings.max_answer_bytes:
                    raise UpstreamProtocolError("Gemini's answer is too large.")
        finally:
            await response.aclose()
        return b"".join(pieces)


def request_at(source: BufferedReader, place: LinePlace) -> BatchLineRequest:
    """Read the request at a place of the input, which was read once before."""
    source.seek(place.offset)
    read = msgspec.json.decode(batches.repair_line(source.read(place.size)), type=BatchLine)
    return BatchLineRequest(place, read.custom_id, bytes(read.body))


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
