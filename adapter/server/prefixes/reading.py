"""Reads requests faster if this process remembers their tools or the beginning of their history.

Each `read_...` returns None if nothing remembered fits; the caller then reads the whole body.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from adapter.server.limits.work import Work
from adapter.server.prefixes.known_tools import KnownTools
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.translate.prefix import (
    FIELD,
    ITEMS,
    LEAST,
    ItemText,
    Prefix,
    Reading,
    read_short,
    read_whole,
    read_whole_items,
    read_with,
)
from adapter.wire import beginnings
from adapter.wire.beginnings import PartialRead, start_of_list
from adapter.wire.json_counts import values_at_most
from adapter.wire.known_value import KnownValue, cut_out, put_back, value_in
from adapter.wire.limits import Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest

TOOLS = "tools"

R = TypeVar("R", bound=ResponsesRequest)


class _Found(NamedTuple):
    """A known beginning of a list, its offset in the body, and where the new rest is read (inline or in a thread)."""

    start: int
    prefix: Prefix
    work: Work


def _find(memory: PrefixMemory, client: str, body: bytes, field: str, work_for: Callable[..., Work]) -> _Found | None:
    start = start_of_list(body, field) if memory.is_on and len(body) >= LEAST else 0
    prefix = memory.find(client, body, start, field) if start else None
    if prefix is None:
        return None
    return _Found(start, prefix, work_for(body[start + len(prefix.beginning.text) :]))


async def read_rest(
    memory: PrefixMemory, client: str, body: bytes, limits: Limits, work_for: Callable[..., Work]
) -> tuple[Reading, Work] | None:
    """Read only the new messages of a chat request; return it and where its further work runs.

    None if no beginning is known: it must be read as a whole.
    """
    hit = _find(memory, client, body, FIELD, work_for)
    if hit is None:
        return None
    reading = await hit.work.run(read_with, body, hit.start, hit.prefix, limits)
    return None if reading is None else (reading, hit.work)


class _Short(NamedTuple):
    """A body from which known tools were cut out, the tools, and the limits for the rest."""

    body: bytes
    tools: KnownValue
    limits: Limits


def _without_tools(tools: KnownTools, client: str, body: bytes, limits: Limits) -> _Short | None:
    found = tools.find(client, body)
    left = None if found is None else cut_out(body, *found, limits)
    return None if found is None or left is None else _Short(left[0], found[1], left[1])


async def read_without_tools(
    tools: KnownTools,
    memory: PrefixMemory,
    client: str,
    body: bytes,
    limits: Limits,
    work_for: Callable[..., Work],
) -> tuple[Reading, Work] | None:
    """Read a chat request without its tools, which are known; return it and where its further work runs.

    None if they are not known: it must be read as a whole.
    """
    short = _without_tools(tools, client, body, limits)
    if short is None:
        return None
    result = await read_rest(memory, client, short.body, short.limits, work_for)
    if result is None:
        values = values_at_most(short.body)
        work = work_for(short.body, values)
        whole = await work.run(read_short, read_whole, short.body, short.limits, values)
        result = None if whole is None else (whole, work)
    if result is None:
        return None
    reading, work = result
    if not put_back(reading.request, reading.unknown, TOOLS, short.tools):
        return None
    return reading._replace(has_tools=False), work


async def remember_tools(
    tools: KnownTools, client: str, body: bytes, request: ChatCompletionRequest | ResponsesRequest, work: Work
) -> None:
    """Remember the tools of a body that was read as a whole, and let the request share the remembered bytes."""
    if tools.takes(request.tools):
        value = await work.run(value_in, body, TOOLS, request.tools)
        if value is not None:
            tools.put(client, value)
            request.tools = value.raw


class ItemsRead(NamedTuple, Generic[R]):
    """A Responses request, the text of its items, and where its further work runs."""

    request: R
    text: ItemText
    work: Work


async def read_items(
    memory: PrefixMemory, client: str, body: bytes, type_: type[R], limits: Limits, work_for: Callable[..., Work]
) -> ItemsRead[R] | None:
    """Read only the new items of a Responses request; None if no beginning is known: it must be read as a whole."""
    hit = _find(memory, client, body, ITEMS, work_for)
    if hit is None:
        return None
    start, prefix, work = hit
    rest: PartialRead[R] | None = await work.run(
        beginnings.read_rest, body, start, prefix.beginning, type_, ITEMS, limits
    )
    if rest is None:
        return None
    return ItemsRead(rest.request, ItemText(body, start, prefix, rest.pieces, unknown=rest.unknown), work)


async def read_items_without_tools(
    tools: KnownTools,
    memory: PrefixMemory,
    client: str,
    body: bytes,
    type_: type[R],
    limits: Limits,
    work_for: Callable[..., Work],
) -> ItemsRead[R] | None:
    """Read a Responses request without its tools, which are known; None if it must be read as a whole."""
    short = _without_tools(tools, client, body, limits)
    if short is None:
        return None
    items_read = await read_items(memory, client, short.body, type_, short.limits, work_for)
    if items_read is None:
        values = values_at_most(short.body)
        work = work_for(short.body, values)
        whole = await work.run(read_short, read_whole_items, short.body, type_, short.limits, values)
        items_read = None if whole is None else ItemsRead(whole[0], whole[1], work)
    if items_read is None or not put_back(items_read.request, items_read.text.unknown, TOOLS, short.tools):
        return None
    return items_read._replace(text=items_read.text._replace(has_tools=False))
