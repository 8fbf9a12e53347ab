"""The batches that run in this process, and abandoned ones that it continues.

A batch is run by whichever process gets the lock of its folder. Each process looks for folders without a runner when it
starts and then once in a while: so a batch goes on when its process has died, here or at another replica that sees the
same directory.
"""

import asyncio
import logging
import secrets
import time

from adapter.server.batches.context import BatchContext
from adapter.server.batches.journal import BatchFolder, BatchFolders, BatchState
from adapter.server.batches.runner import BatchRunner
from adapter.server.batches.stored_batches import StoredBatches
from adapter.server.limits.access import Client
from adapter.server.pipeline.service import Service
from adapter.server.state.not_stored import NotStored
from adapter.store import UNREADABLE
from adapter.store.files.disk import run_to_end
from adapter.translate.batches import WINDOW, NewBatch
from adapter.wire.openai.batches import Batch, BatchError, BatchErrors, BatchRequest

log = logging.getLogger("adapter")

LOOK_EVERY = 30.0
"""Seconds between two looks for batches that nobody runs."""

TRANSLATED_AT_ONCE = 4
"""Batches of a process that are translated at the same time: each holds some ten megabytes meanwhile; others wait."""

LOOKS = 2
"""The number of looks after which a batch that nobody runs is logged."""

OVER = ("failed", "completed", "expired", "cancelled")


LOST_AFTER = 600.0
"""Seconds after which a batch without a folder counts as lost: the folder is made after the record, and disks lag."""


class RunningBatches:
    """Begins, finds, cancels and recovers batches."""

    def __init__(self, service: Service) -> None:
        self.stored = StoredBatches(service.files)
        self._service = service
        self._running: dict[tuple[str, str], tuple[asyncio.Task[None], BatchContext]] = {}
        self._waiting: dict[str, int] = {}
        self._turns = asyncio.Semaphore(TRANSLATED_AT_ONCE)
        self._looking = asyncio.create_task(self._look_for_batches())

    async def create(self, request: BatchRequest, new: NewBatch, client: Client) -> Batch:
        """Begin a batch. When this returns, it is on the disk and will run. Raises `NotStored`."""
        files = self._service.files
        source = await files.file(request.input_file_id, client.id, "input_file_id")
        if source.file.purpose != "batch":
            text = f"The file's purpose is {source.file.purpose}; the input of a batch has the purpose batch."
            raise NotStored(text, status=400, param="input_file_id", code="invalid_file_purpose")
        now = int(time.time())
        batch = Batch(
            id=f"batch_{secrets.token_hex(16)}",
            endpoint=request.endpoint,
            input_file_id=request.input_file_id,
            completion_window=request.completion_window,
            created_at=now,
            expires_at=now + WINDOW,
            metadata=new.metadata,
        )
        is_native = self._service.options.platform == "studio"
        state = BatchState(batch=batch, output_life=new.output_life, is_native=is_native)
        folder = self._folders.of(batch.id, client.id)
        if not await self.stored.put(batch, client.id):
            raise NotStored("The store cannot keep this.", status=503, code="not_stored")
        try:
            await asyncio.to_thread(folder.create, state, files.directory.path(source.file.id, client.id))
        except OSError as error:
            text = f"The batch cannot be written: {error.strerror}."
            raise NotStored(text, status=503, code="not_stored") from error
        self._start(folder, client)
        return batch

    @property
    def _folders(self) -> BatchFolders:
        return BatchFolders(self._service.files.directory.root)

    async def get(self, batch_id: str, client: Client) -> Batch:
        """Return a batch as it is now. Raises `NotStored`."""
        batch = await self.stored.batch(batch_id, client.id)
        if batch.status in OVER:
            return batch
        folder = self._folders.of(batch_id, client.id)
        if (batch_id, client.id) not in self._running and not self._start(folder, client):
            # Where clients bring their own keys, nobody else can go on with it.
            batch = await self._unless_lost(batch, folder, client)
        if folder.is_cancelled:
            batch.status, batch.cancelling_at = "cancelling", batch.cancelling_at or int(time.time())
        return batch

    async def _unless_lost(self, batch: Batch, folder: BatchFolder, client: Client) -> Batch:
        """Return a batch that another process runs, or has just ended; as failed if its folder is gone."""
        if folder.exists or time.time() < batch.created_at + LOST_AFTER:
            return batch
        batch = await self.stored.batch(batch.id, client.id)
        if batch.status not in OVER:
            text = "The files that this batch needs are no longer in this server's directory."
            batch.status, batch.errors = "failed", BatchErrors(data=[BatchError(code="batch_lost", message=text)])
            batch.failed_at = int(time.time())
        return batch

    async def cancel(self, batch_id: str, client: Client) -> Batch:
        """Cancel a batch, whichever process runs it. Raises `NotStored`."""
        batch = await self.stored.batch(batch_id, client.id)
        if batch.status in OVER:
            if batch.status == "cancelled":
                return batch
            text = f"Cannot cancel a batch with status '{batch.status}'."
            raise NotStored(text, status=409, code="invalid_batch_state")
        # Only who runs it changes what is stored of it: so a batch that ends at this moment stays as it ended.
        await asyncio.to_thread(self._folders.of(batch_id, client.id).cancel)
        if (running := self._running.get((batch_id, client.id))) is not None:
            running[1].wake.set()
        return await self.get(batch_id, client)

    def _start(self, folder: BatchFolder, client: Client) -> bool:
        """Run a batch here, if no other process runs it."""
        key = (folder.batch_id, client.id)
        if key in self._running or not folder.acquire():
            return False
        try:
            context = BatchContext(self._service, self.stored, folder, client, self._turns)
        except (OSError, *UNREADABLE) as error:
            log.error("cannot run %s: its journal is unreadable: %s", folder.path, error)
            folder.release()
            return False
        task = asyncio.create_task(self._run(context))
        self._running[key] = (task, context)
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return True

    async def _run(self, context: BatchContext) -> None:
        try:
            await BatchRunner(context).run()
        except Exception:
            # The folder stays: whoever looks for batches next tries again.
            log.exception("batch %s failed by a bug in the adapter: please report this traceback", context.batch.id)
        finally:
            context.folder.release()

    async def _look_for_batches(self) -> None:
        while True:
            try:
                await self._recover()
            except (OSError, NotStored) as error:
                log.warning("cannot look for batches: %s", error)
            await asyncio.sleep(LOOK_EVERY)

    async def _recover(self) -> None:
        """Continue abandoned batches whose clients are still known."""
        for folder in await asyncio.to_thread(self._folders.all):
            client = self._service.access.find_by_id(folder.client)
            if client is None:
                await self._leave(folder)
            elif self._start(folder, client):
                log.info("%s goes on", folder.batch_id)

    async def _leave(self, folder: BatchFolder) -> None:
        """Log once why a batch is not continued here; remove it if no client has asked for it in a long time."""
        if await asyncio.to_thread(folder.is_older_than, WINDOW + self._service.files.max_life):
            # A process that stops meanwhile must not leave half of the folder.
            await run_to_end(folder.remove)
            log.warning("%s was removed: no client has asked for it with its key", folder.batch_id)
            return
        if not folder.acquire():
            self._waiting.pop(folder.batch_id, None)
            return
        folder.release()
        looks = self._waiting[folder.batch_id] = self._waiting.get(folder.batch_id, 0) + 1
        # At the first look its process may be about to begin it.
        if looks == LOOKS:
            log.warning(
                "%s waits: its client's key is unknown. It continues when the client asks for it with that key",
                folder.batch_id,
            )

    async def aclose(self) -> None:
        """Stop; the next process continues what runs."""
        tasks = [self._looking, *(task for task, _ in self._running.values())]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
