"""The phases `submit` and `wait`: rows are uploaded to Gemini, jobs are begun for them, and waited for.

What is begun is written into the journal before Gemini is asked for it. A process that finds it there asks first
whether it has been done: a file by the name that was chosen for it, a job by its display name. So nothing is begun
twice.

| the process died                             | what the next one does                                |
|----------------------------------------------|-------------------------------------------------------|
| before or amid the upload                    | it asks for the file; it is not there: uploads it     |
| after the upload, before that was noted      | it asks for the file; it is there                     |
| after `is_intended` was noted                | it looks for the job among all; only if there is none |
|                                              | it begins one                                         |
| after the job's name was noted               | it asks how the job is                                |
"""

import asyncio
import hashlib
import logging
import time

from adapter.server.batches.context import TRANSIENT, BatchContext, open_for_writing, sync
from adapter.server.batches.journal import JobRecord
from adapter.server.batches.translating import rows_path
from adapter.store.files.directory import read_at
from adapter.translate import batches
from adapter.upstream.batch_jobs import BatchJobs
from adapter.upstream.client import Caller
from adapter.upstream.errors import UpstreamError
from adapter.upstream.uploads import FileUploads
from adapter.wire.gemini.errors import Status

log = logging.getLogger("adapter")

FIRST_POLL, LAST_POLL = 1.0, 30.0
"""Seconds between two looks at jobs: the first wait, and the longest; waits double."""


class NativeJobs:
    """The jobs of one batch at Gemini."""

    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._folder = context.folder.path
        self._jobs = BatchJobs(context.service.upstream)
        self._uploads = FileUploads(context.service.upstream)

    async def submit(self) -> None:
        """Begin all jobs. One that Gemini refuses fails with all of its rows; the others go on."""
        context = self._context
        for number, job in enumerate(context.state.jobs):
            if job.job or job.error is not None or (context.should_end and not job.is_intended):
                continue

            async def begin(job: JobRecord = job, number: int = number) -> None:
                await self._begin(job, number)

            try:
                await context.retry(begin)
            except UpstreamError as error:
                # A call that the batch's end cut short is not Gemini's refusal.
                if not (context.should_end and error.status in TRANSIENT):
                    job.error = _as_status(error)
                log.warning("%s: job %d did not start: %s", context.batch.id, number, error)
            await context.save()
        await context.go_to("wait")

    async def _begin(self, job: JobRecord, number: int) -> None:
        """Begin a job, by the table above. Raises `UpstreamError`."""
        context = self._context
        name = f"{context.batch.id}-{number}"
        if not job.file_name:
            digest = hashlib.blake2b(f"{context.client.id} {name}".encode(), digest_size=16).hexdigest()
            job.file_name, job.pin = f"files/{digest}", job.needed_pin or self._choose_key()
            await context.save()
        if not job.is_uploaded:
            await self._upload(job, number)
            job.is_uploaded = True
            await context.save()
        begun = await self._jobs.find(name, self._caller(job)) if job.is_intended else None
        if begun is None:
            job.is_intended = True
            await context.save()
            begun = await self._jobs.create(job.model, job.method, name, job.file_name, self._caller(job))
        job.job = begun.name
        await context.save()
        rows_path(self._folder, number).unlink(missing_ok=True)

    def _choose_key(self) -> str:
        return self._context.service.upstream.choose_key(self._context.client.id)

    async def _upload(self, job: JobRecord, number: int) -> None:
        path = rows_path(self._folder, number)

        async def read(offset: int, size: int) -> bytes:
            return await asyncio.to_thread(read_at, path, offset, size)

        size = path.stat().st_size
        await self._uploads.upload(job.file_name, "application/jsonl", size, read, self._caller(job))

    def _caller(self, job: JobRecord) -> Caller:
        return Caller(self._context.client.key, job.pin)

    async def wait(self) -> None:
        """Wait until all jobs have ended; cancel them if the client asks for it, or the window has passed."""
        context = self._context
        begun = [job for job in context.state.jobs if job.job]
        pause, is_cancelled = FIRST_POLL, False
        while True:
            if context.should_end and not is_cancelled:
                context.batch.cancelling_at = int(time.time()) if context.folder.is_cancelled else None
                is_cancelled = all([await self._cancel(job) for job in begun])
            for job in begun:
                await self._look_at(job)
            await context.save()
            if all(batches.is_over(job.state) for job in begun):
                break
            await context.publish()
            await context.sleep(pause)
            pause = min(2 * pause, LAST_POLL)
        await context.go_to("collect")

    async def _cancel(self, job: JobRecord) -> bool:
        """Cancel a job; return False if another attempt is needed."""
        if batches.is_over(job.state):
            return True
        try:
            await self._jobs.cancel(job.job, self._caller(job))
        except UpstreamError as error:
            log.warning("%s: cannot cancel %s: %s", self._context.batch.id, job.job, error)
            return False
        return True

    async def _look_at(self, job: JobRecord) -> None:
        """Read the state of a job."""
        if batches.is_over(job.state):
            return
        try:
            operation = await self._jobs.get(job.job, self._caller(job))
        except UpstreamError as error:
            # Nobody will answer its rows: it was deleted at Gemini, or its key is taken no more as the window ends.
            is_over = self._context.is_expired and error.status not in TRANSIENT
            if error.status in (403, 404) or is_over:
                job.state, job.error = "BATCH_STATE_FAILED", _as_status(error)
            return
        metadata = operation.metadata
        if metadata is not None:
            job.state = metadata.state or job.state
            job.output = (metadata.output.responses_file if metadata.output else None) or job.output
        job.error = operation.error or job.error

    async def download(self, job: JobRecord, number: int) -> None:
        """Write the answers of a job to the disk. Raises `UpstreamError`."""

        async def attempt() -> None:
            with open_for_writing(self._folder / f"answers-{number}.jsonl") as file:
                async for piece in self._jobs.download(job.output, self._caller(job)):
                    file.write(piece)
                    await self._context.pace.pause()
                await sync(file)

        await self._context.retry(attempt)

    async def forget(self) -> None:
        """Delete the files of rows at Gemini, which would stay for two days."""
        for job in self._context.state.jobs:
            if job.is_uploaded:
                try:
                    await self._uploads.delete(job.file_name, self._caller(job))
                except UpstreamError as error:
                    log.info("%s: cannot delete %s: %s", self._context.batch.id, job.file_name, error)


def _as_status(error: UpstreamError) -> Status:
    """Return an error as the journal stores it; an error of this side has only a text."""
    details = error.error
    return Status(code=error.status, message=details.message or str(error), status=details.status)
