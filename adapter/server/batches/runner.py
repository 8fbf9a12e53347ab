"""Runs one batch through the phases of its journal (`journal.py`), from whichever it has reached."""

from collections.abc import Awaitable, Callable

from adapter.server.batches.asking import RequestSender
from adapter.server.batches.collecting import AnswerCollector
from adapter.server.batches.context import BatchContext
from adapter.server.batches.jobs import NativeJobs
from adapter.server.batches.translating import LineTranslator
from adapter.server.state.not_stored import NotStored
from adapter.store.files.disk import run_to_end


class BatchRunner:
    """Runs one batch, whose folder's lock is held."""

    def __init__(self, context: BatchContext) -> None:
        self._context = context
        self._jobs = NativeJobs(context)
        self._phases: dict[str, Callable[[], Awaitable[None]]] = {
            "translate": lambda: LineTranslator(context).run(),
            "submit": self._jobs.submit,
            "wait": self._jobs.wait,
            "ask": lambda: RequestSender(context).run(),
            "collect": lambda: AnswerCollector(context, self._jobs).run(),
        }

    async def run(self) -> None:
        """Run the batch to its end, from where it is."""
        context = self._context
        if context.state.phase not in ("translate", "over"):
            context.places.load()
        while context.state.phase != "over":
            await context.retry_until_stored(self._phases[context.state.phase])
        await context.retry_until_stored(self._publish_end)
        await self._jobs.forget()
        await run_to_end(context.folder.remove)

    async def _publish_end(self) -> None:
        """Store the batch as it ended; the journal is needed until that is done. Raises `NotStored`."""
        if not await self._context.stored.put(self._context.batch, self._context.client.id):
            raise NotStored("The store cannot keep this.", status=503)
