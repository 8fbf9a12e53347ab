"""Reads a chat request with the help of its client's remembered histories."""

from collections.abc import Callable

from adapter.server.limits.work import Work
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.translate.prefix import FIELD, LEAST, Reading, read_with, view_reading, with_prefix
from adapter.translate.signatures.history import Carried
from adapter.wire.beginnings import start_of_list
from adapter.wire.limits import Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest

FEW = 8
"""Messages below which a request is not written as JSON to be looked for: to translate it costs no more."""


async def read_rest(
    memory: PrefixMemory, client: str, body: bytes, limits: Limits, work_for: Callable[[bytes], Work]
) -> tuple[Reading, Work] | None:
    """Return what is new in a body, and where the work for it is done; None where the body must be read as a whole."""
    if not memory.is_on:
        return None
    start = start_of_list(body, FIELD)
    prefix = memory.find(client, body, start) if start else None
    if prefix is None:
        return None
    # Where the work is done depends on what is new alone.
    work = work_for(body[start + len(prefix.beginning.text) :])
    reading = await work.run(read_with, body, start, prefix, limits)
    return None if reading is None else (reading, work)


async def read_view(
    memory: PrefixMemory, client: str, request: ChatCompletionRequest, carried: Carried, work: Work
) -> Reading | None:
    """Return how a chat request is read that was made of another one, by what is remembered; None: it is short."""
    if not memory.is_on or len(request.messages) < FEW:
        return None
    reading = await work.run(view_reading, request, carried)
    prefix = memory.find(client, reading.body, 0) if len(reading.body) >= LEAST else None
    return reading if prefix is None else await work.run(with_prefix, reading, prefix)
