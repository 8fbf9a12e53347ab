"""The phase `translate`: lines of the input become rows, in a file for each job.

A line that is no request, or that is refused, goes to `refused.jsonl` with its number, and the batch goes on.
"""

import hashlib
import time
from collections.abc import AsyncIterator
from io import BufferedReader, BufferedWriter
from pathlib import Path

from adapter.server.batches.context import BatchContext, BatchLineRequest, open_for_writing, sync
from adapter.server.batches.journal import JobRecord, LinePlace, LinePlaces
from adapter.server.batches.rows import PlannedRow
from adapter.store.files.disk import run_to_end
from adapter.translate import batches
from adapter.translate.batches import BadLine
from adapter.translate.core.notes import Rejected

MAX_JOBS = 50
"""The most jobs of one batch: one for each model, and for each key that its requests need."""


class LineTranslator:
    """Translates one batch."""

    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._folder = context.folder.path
        self._writers: list[BufferedWriter] = []
        self._is_native = context.state.is_native
        self._planner = context.planner()

    async def run(self) -> None:
        """Translate all lines, from the first, whatever an earlier process has done."""
        async with self._context.turns:
            await self._translate()

    async def _translate(self) -> None:
        context, state = self._context, self._context.state
        context.places = LinePlaces(self._folder / "lines")
        state.jobs, state.refused = [], 0
        if (self._folder / "input.jsonl").stat().st_size > batches.MAX_BYTES:
            await context.fail("file_too_large", f"The input has more than {batches.MAX_BYTES} bytes.")
            return
        try:
            with open_for_writing(self._folder / "refused.jsonl") as refused:
                async for request in self._requests(refused):
                    await self._write_rows(request, refused)
                    if len(context.places) + state.refused > batches.MAX_LINES:
                        await context.fail("too_many_requests", f"A batch has at most {batches.MAX_LINES} requests.")
                        return
                await sync(refused)
            for writer in self._writers:
                await sync(writer)
        finally:
            for writer in self._writers:
                writer.close()
        await self._end()
        await context.publish()

    async def _end(self) -> None:
        context, state, batch = self._context, self._context.state, self._context.batch
        total = len(context.places) + state.refused
        if not total:
            await context.fail("empty_file", "The input has no requests.")
            return
        await run_to_end(context.places.save)
        batch.request_counts.total = total
        batch.status, batch.in_progress_at = "in_progress", int(time.time())
        models = {job.model for job in state.jobs}
        batch.model = models.pop() if len(models) == 1 else None
        await context.go_to("submit" if self._is_native else "ask")

    async def _requests(self, refused: BufferedWriter) -> AsyncIterator[BatchLineRequest]:
        """Yield the requests of the input; blank lines are skipped."""
        longest, seen = self._context.service.file_settings.max_body, set[bytes]()
        with (self._folder / "input.jsonl").open("rb") as file:
            number, offset = 0, 0
            while line := file.readline(longest + 1):
                number += 1
                start, offset = offset, offset + len(line)
                await self._context.pace.pause()
                if len(line) > longest:
                    offset += _skip_line(file, line)
                    self._refuse(refused, number, BadLine("request_too_large", f"A line has at most {longest} bytes."))
                elif line.strip():
                    try:
                        yield self._read(line, LinePlace(start, len(line), number, 0, 0, 0), seen)
                    except BadLine as error:
                        self._refuse(refused, number, error)

    def _read(self, line: bytes, place: LinePlace, seen: set[bytes]) -> BatchLineRequest:
        """Read a line. Raises `BadLine`."""
        read = batches.read_line(line, self._context.batch.endpoint)
        digest = hashlib.blake2b(read.custom_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if digest in seen:
            raise BadLine("duplicate_custom_id", "An earlier line has this custom_id.", read.custom_id)
        seen.add(digest)
        return BatchLineRequest(place, read.custom_id, bytes(read.body))

    def _refuse(self, refused: BufferedWriter, number: int, error: BadLine) -> None:
        self._context.state.refused += 1
        line = self._context.line_id(number, error.custom_id)
        refused.write(batches.error_line(line, error.code, str(error)))

    async def _write_rows(self, request: BatchLineRequest, refused: BufferedWriter) -> None:
        """Write a request's rows to the file of its job; where it is refused, its line of the error file."""
        context = self._context
        if not self._is_native:
            context.places.append(request.place)
            return
        try:
            planned = await self._planner.plan(request.body)
            number = self._job_for(planned)
        except Exception as error:  # noqa: BLE001 - it becomes the line, or is raised again
            refused.write(context.failed_line(request, error))
            context.state.refused += 1
            return
        job = context.state.jobs[number]
        place = request.place._replace(job=number, first=job.rows, rows=len(planned.rows))
        for row in planned.rows:
            self._writers[number].write(batches.native_row(job.rows, row))
            job.rows += 1
        context.places.append(place)

    def _job_for(self, planned: PlannedRow) -> int:
        """Return the number of the job for a model and a key. Raises `Rejected` for more jobs than there may be."""
        jobs = self._context.state.jobs
        for number, job in enumerate(jobs):
            if (job.model, job.needed_pin, job.method) == (planned.model, planned.pin, planned.job_method):
                return number
        if len(jobs) == MAX_JOBS:
            raise Rejected("model", "limit-exceeded", f"a batch is for at most {MAX_JOBS} models")
        jobs.append(JobRecord(model=planned.model, method=planned.job_method, needed_pin=planned.pin))
        self._writers.append(open_for_writing(rows_path(self._folder, len(jobs) - 1)))
        return len(jobs) - 1


def rows_path(folder: Path, number: int) -> Path:
    """Return the path of the rows of a job."""
    return folder / f"rows-{number}.jsonl"


def _skip_line(file: BufferedReader, begun: bytes) -> int:
    """Skip the rest of a line; return how many bytes it had."""
    skipped, piece = 0, begun
    while piece and not piece.endswith(b"\n"):
        piece = file.readline(1024 * 1024)
        skipped += len(piece)
    return skipped
