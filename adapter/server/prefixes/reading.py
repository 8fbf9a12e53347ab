"""Reads a chat request with the help of what is remembered of its client's tools and histories."""

from collections.abc import Callable

from adapter.server.limits.work import Work
from adapter.server.prefixes.known_tools import KnownTools
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.translate.prefix import FIELD, LEAST, Reading, read_short, read_with, view_reading, with_prefix
from adapter.translate.signatures.history import Carried
from adapter.wire.beginnings import start_of_list
from adapter.wire.json_counts import values_at_most
from adapter.wire.known_value import cut_out, put_back, value_in
from adapter.wire.limits import Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest

TOOLS = "tools"

FEW = 8
"""Messages below which a request is not written as JSON to be looked for: to translate it costs no more."""


async def read_rest(
    memory: PrefixMemory, client: str, body: bytes, limits: Limits, work_for: Callable[..., Work]
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


async def read_without_tools(
    tools: KnownTools,
    memory: PrefixMemory,
    client: str,
    body: bytes,
    limits: Limits,
    work_for: Callable[..., Work],
) -> tuple[Reading, Work] | None:
    """Return a body whose tools are known, and where the work for it is done; None where it must be read as a whole."""
    found = tools.find(client, body)
    short = None if found is None else cut_out(body, *found, limits)
    if found is None or short is None:
        return None
    read = await read_rest(memory, client, short, limits, work_for) if len(short) >= LEAST else None
    if read is None:
        values = values_at_most(short)
        work = work_for(short, values)
        reading = await work.run(read_short, short, limits, values)
    else:
        reading, work = read
    if reading is None or not put_back(reading.request, reading.unknown, TOOLS, found[1]):
        return None
    return reading._replace(has_tools=False), work


async def remember_tools(tools: KnownTools, client: str, body: bytes, reading: Reading, work: Work) -> None:
    """Remember the tools of a body that was read as a whole."""
    if tools.takes(reading.request.tools):
        value = await work.run(value_in, body, TOOLS, reading.request.tools)
        if value is not None:
            tools.put(client, value)
            reading.request.tools = value.raw


async def read_view(
    memory: PrefixMemory, client: str, request: ChatCompletionRequest, carried: Carried, work: Work
) -> Reading | None:
    """Return how a chat request is read that was made of another one, by what is remembered; None: it is short."""
    if not memory.is_on or len(request.messages) < FEW:
        return None
    reading = await work.run(view_reading, request, carried)
    prefix = memory.find(client, reading.body, 0) if len(reading.body) >= LEAST else None
    return reading if prefix is None else await work.run(with_prefix, reading, prefix)
