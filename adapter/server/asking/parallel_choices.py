"""Parallel calls for several choices, if the model gives only one candidate for each call."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from adapter.translate.answer.parallel_choices import ChoiceMerger
from adapter.upstream.client import Reply, ReplyStream

_Item = tuple[int, Reply | Exception | None]

Open = Callable[[], Awaitable[ReplyStream]]
"""Opens one of the calls."""


class MergedStreams:
    """The events of all calls in the order of arrival; the candidate index of each is the number of its call."""

    def __init__(self, calls: Sequence[Open]) -> None:
        self._events = _merge(calls)
        self._first: Reply | None = None

    async def start(self) -> None:
        """Wait for the first event of any call. Raises `UpstreamError`; then all calls are closed."""
        self._first = await anext(self._events, None)

    async def next(self) -> Reply | None:
        """Return the next event of any call; None at the end. Raises `UpstreamError`."""
        reply, self._first = self._first, None
        return reply if reply is not None else await anext(self._events, None)

    async def aclose(self) -> None:
        """Close all calls."""
        await self._events.aclose()


async def _merge(calls: Sequence[Open]) -> AsyncGenerator[Reply]:
    merger = ChoiceMerger(len(calls))
    # Bounded: while the client reads slowly, the calls stop reading from Gemini.
    queue: asyncio.Queue[_Item] = asyncio.Queue(maxsize=len(calls))
    tasks = [asyncio.create_task(_pump(call, open_, queue)) for call, open_ in enumerate(calls)]
    try:
        running = len(tasks)
        while running:
            call, item = await queue.get()
            if item is None:
                running -= 1
                merger.end(call)
            elif isinstance(item, Exception):
                raise item
            else:
                response, unknown = merger.renumber(call, item.response, item.unknown)
                yield Reply(response, unknown, is_continued=item.is_continued)
    finally:
        for task in tasks:
            task.cancel()
        # Their connections are closed before the next place is asked, or the request ends.
        await asyncio.wait(tasks)


async def _pump(call: int, open_: Open, queue: asyncio.Queue[_Item]) -> None:
    end: Exception | None = None
    try:
        events = await open_()
        try:
            while (reply := await events.next()) is not None:
                await queue.put((call, reply))
        finally:
            await events.aclose()
    except Exception as error:  # noqa: BLE001 - the reader of the queue raises it
        end = error
    await queue.put((call, end))


def join_replies(replies: Sequence[Reply]) -> Reply:
    """Join the answers of all calls into one with several candidates."""
    responses, unknown = [reply.response for reply in replies], [reply.unknown for reply in replies]
    whole = ChoiceMerger(len(replies)).join(responses, unknown)
    fields = {path: value for names in whole.unknown for path, value in names.items()}
    return Reply(whole, fields, is_continued=any(reply.is_continued for reply in replies))
