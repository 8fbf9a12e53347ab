"""Parallel calls for models that give one candidate at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from adapter.translate.answer.parallel_choices import Fanout
from adapter.upstream.client import Reply

_Item = tuple[int, Reply | Exception | None]


async def merge_events(streams: Sequence[AsyncGenerator[Reply]]) -> AsyncGenerator[Reply]:
    """Yield the events of all calls as they come, each with its own candidate index. Closing it closes them all."""
    fanout = Fanout(len(streams))
    queue: asyncio.Queue[_Item] = asyncio.Queue(maxsize=len(streams))
    tasks = [asyncio.create_task(_pump(call, events, queue)) for call, events in enumerate(streams)]
    try:
        running = len(tasks)
        while running:
            call, item = await queue.get()
            if item is None:
                running -= 1
                fanout.end(call)
            elif isinstance(item, Exception):
                raise item
            else:
                response, unknown = fanout.renumber(call, item.response, item.unknown)
                yield Reply(response, unknown, continued=item.continued)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _pump(call: int, events: AsyncGenerator[Reply], queue: asyncio.Queue[_Item]) -> None:
    end: Exception | None = None
    try:
        async with aclosing(events):
            async for reply in events:
                await queue.put((call, reply))
    except Exception as error:  # noqa: BLE001 - the reader of the queue raises it
        end = error
    await queue.put((call, end))


def join_replies(replies: Sequence[Reply]) -> Reply:
    """Return the whole answers of all calls as one."""
    responses, unknown = [reply.response for reply in replies], [reply.unknown for reply in replies]
    whole = Fanout(len(replies)).join(responses, unknown)
    fields = {path: value for names in whole.unknown for path, value in names.items()}
    return Reply(whole, fields, continued=any(reply.continued for reply in replies))
