"""The phase `collect`: answers become the output file and the error file, in the order of the input.

Both files have names that follow from the batch's. A process that died here begins the phase again, and its files take
the place of the others: there is one output.
"""

import asyncio
import logging
import time
from array import array
from collections.abc import AsyncIterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import msgspec

from adapter.server.batches.asking import request_at
from adapter.server.batches.context import BatchContext, BatchLineRequest, pieces_of
from adapter.server.batches.jobs import NativeJobs
from adapter.server.batches.journal import JobRecord, LinePlace
from adapter.server.batches.row_log import index_done
from adapter.translate import batches
from adapter.translate.batches import RowResult
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.errors import Status
from adapter.wire.openai.batches import BatchError, BatchErrors, BatchOutputLine, BatchUsage

log = logging.getLogger("adapter")

TOGETHER, BYTES_TOGETHER = 4, 256 * 1024
"""Requests whose answers are translated together, so that their signatures are stored together; and their bytes."""

MAX_ROW = 64 * 1024 * 1024
"""Bytes of one line of answers (github.com/vercel/ai, 2026)."""

_ENDS = {
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was answered."),
    "expired": ("batch_expired", "The batch's window passed before this request was answered."),
}


class FinishedLine(NamedTuple):
    """A line of the output or error file. `is_unanswered`: the batch ended before its request was answered."""

    is_good: bool
    line: bytes
    is_unanswered: bool = False


class AnswerCollector:
    """Collects the answers of one batch."""

    def __init__(self, context: BatchContext, jobs: NativeJobs) -> None:
        self._context = context
        self._jobs = jobs
        self._planner = context.planner(is_answered=True)
        # From here on the batch's status no longer changes.
        self._reason_unanswered = _ENDS["cancelled" if context.folder.is_cancelled else "expired"]

    async def run(self) -> None:
        """Write both files, and end the batch."""
        context, batch = self._context, self._context.batch
        batch.status = "finalizing"
        batch.finalizing_at = batch.finalizing_at or int(time.time())
        await context.publish()
        batch.usage, counts = BatchUsage(), batch.request_counts
        counts.completed, counts.failed = 0, context.state.refused
        output = await context.stored.begin_output(batch.id, "output", context.client.id)
        errors = await context.stored.begin_output(batch.id, "errors", context.client.id)
        unanswered = 0
        try:
            async for piece in pieces_of(context.folder.path / "refused.jsonl"):
                await errors.write(piece)
            async for finished in self._native_lines() if context.state.is_native else self._asked_lines():
                await context.pace.pause()
                counts.completed += finished.is_good
                counts.failed += not finished.is_good
                unanswered += finished.is_unanswered
                if finished.is_good:
                    batch.usage = _with_usage(batch.usage, finished.line)
                await (output if finished.is_good else errors).write(finished.line)
            life = context.state.output_life
            if counts.completed:
                batch.output_file_id = await output.keep(f"{batch.id}_output.jsonl", life)
            if counts.failed:
                batch.error_file_id = await errors.keep(f"{batch.id}_error.jsonl", life)
        finally:
            await output.discard()
            await errors.discard()
        self._end(unanswered)
        await context.go_to("over")

    def _end(self, unanswered: int) -> None:
        """Set the last status. A batch whose requests were all answered is complete, though it was to be cancelled."""
        context, batch = self._context, self._context.batch
        jobs = context.state.jobs
        if unanswered:
            status = "cancelled" if context.folder.is_cancelled else "expired"
        elif jobs and not batch.request_counts.completed and all(job.error is not None for job in jobs):
            status = "failed"
            error = next(job.error for job in jobs if job.error is not None)
            batch.errors = BatchErrors(data=[BatchError(code="batch_failed", message=error.message)])
        else:
            status = "completed"
        batch.status = status
        setattr(batch, f"{status}_at", int(time.time()))
        if status != "cancelled":
            batch.cancelling_at = None

    async def _asked_lines(self) -> AsyncIterator[FinishedLine]:
        """Yield a line for each request that was sent singly."""
        folder = self._context.folder.path
        answered = await index_done(folder / "done.jsonl", self._context.pace)
        with (folder / "input.jsonl").open("rb") as source, (folder / "done.jsonl").open("rb") as done:
            for place in self._context.places:
                if (answer := answered.get(place.line)) is None:
                    yield self._unanswered_line(request_at(source, place))
                    continue
                done.seek(answer.offset)
                yield FinishedLine(answer.is_good, done.readline().rpartition(b"\t")[0] + b"\n")

    def _unanswered_line(self, request: BatchLineRequest) -> FinishedLine:
        code, text = self._reason_unanswered
        line = self._context.line_id(request.place.line, request.custom_id)
        return FinishedLine(False, batches.error_line(line, code, text), True)

    async def _native_lines(self) -> AsyncIterator[FinishedLine]:
        """Yield a line for each request that was a row of a job."""
        folder = self._context.folder.path
        answers = [await self._answers_of(job, number) for number, job in enumerate(self._context.state.jobs)]
        try:
            with (folder / "input.jsonl").open("rb") as source:
                held: list[tuple[BatchLineRequest, list[RowResult] | None]] = []
                size = 0
                for place in self._context.places:
                    request = request_at(source, place)
                    rows = answers[place.job].rows(place)
                    held.append((request, rows))
                    size += len(request.body) + sum(len(one.answer) for one in rows or ())
                    if len(held) == TOGETHER or size > BYTES_TOGETHER:
                        for line in await self._finish_all(held):
                            yield line
                        held, size = [], 0
                        await self._context.pace.pause()
                for line in await self._finish_all(held):
                    yield line
        finally:
            for answer in answers:
                answer.close()

    async def _answers_of(self, job: JobRecord, number: int) -> "Answers":
        """Download the answers of a job; return them."""
        if job.output:
            try:
                await self._jobs.download(job, number)
            except UpstreamError as error:
                job.error = Status(code=error.status, message=f"Gemini's answers cannot be loaded: {error}")
                return Answers(None, job)
            answers = Answers(self._context.folder.path / f"answers-{number}.jsonl", job)
            await answers.index(self._context)
            return answers
        return Answers(None, job)

    async def _finish_all(self, held: list[tuple[BatchLineRequest, list[RowResult] | None]]) -> list[FinishedLine]:
        return list(await asyncio.gather(*(self._finish(request, rows) for request, rows in held)))

    async def _finish(self, request: BatchLineRequest, rows: list[RowResult] | None) -> FinishedLine:
        """Return the line of one request. A request one of whose rows failed has failed."""
        if rows is None:
            return self._unanswered_line(request)
        try:
            if (failed := next((row.error for row in rows if row.error is not None), None)) is not None:
                raise UpstreamError(*batches.row_error(failed))
            planned = await self._planner.plan(request.body)
            answer = await planned.finish([row.answer for row in rows], True)
        except Exception as error:  # noqa: BLE001 - it becomes the line, or is raised again
            return FinishedLine(False, self._context.failed_line(request, error))
        line = self._context.line_id(request.place.line, request.custom_id)
        return FinishedLine(True, batches.output_line(line, answer))


def _with_usage(usage: BatchUsage, line: bytes) -> BatchUsage:
    response = msgspec.json.decode(line, type=BatchOutputLine).response
    return usage if response is None else batches.add_usage(usage, bytes(response.body))


class Answers:
    """The answers of one job, found by the numbers of their rows, in whichever order Gemini wrote them."""

    def __init__(self, path: Path | None, job: JobRecord) -> None:
        self._job = job
        self._file: BufferedReader | None = None if path is None else path.open("rb")
        self._offsets = array("q", [-1]) * job.rows

    async def index(self, context: BatchContext) -> None:
        """Find where each answer is; of two to one row the first counts."""
        assert self._file is not None
        offset = 0
        while line := self._file.readline(MAX_ROW):
            number = batches.number_of(line)
            if number is not None and number < len(self._offsets) and self._offsets[number] < 0:
                self._offsets[number] = offset
            offset += len(line)
            await context.pace.pause()

    def rows(self, place: LinePlace) -> list[RowResult] | None:
        """Return the answers to the rows of a request; None where Gemini was stopped before it gave them."""
        results: list[RowResult] = []
        for number in range(place.first, place.first + place.rows):
            offset = self._offsets[number]
            if self._file is None or offset < 0:
                if self._job.error is not None:
                    return [RowResult(b"", self._job.error)]
                if self._job.state == "BATCH_STATE_SUCCEEDED":
                    text = "Gemini gave no answer to this row."
                    return [RowResult(b"", Status(code=13, message=text, status="INTERNAL"))]
                return None
            self._file.seek(offset)
            results.append(batches.read_result(self._file.readline(MAX_ROW)))
        return results

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
