"""Shared by endpoints that call one model: its name, the ledger, parallel calls."""

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from adapter.server.asking.parallel import gather
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.model_lists import path_of_model
from adapter.server.pipeline.service import deadline_of
from adapter.settings import find_served_model
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.notes import Note
from adapter.translate.native.pass_through import names_of_uris
from adapter.upstream.answers import read_message
from adapter.upstream.client import Caller, Forwarded

A = TypeVar("A")
T = TypeVar("T")

# Inside a JSON text a quotation mark is escaped, so that no text of the client's looks like such a member.
_URI = re.compile(rb'"(?:fileUri|uri)":"([^"]*)"')

AT_ONCE = 4
"""Calls for one request that run at the same time."""


def find_model(call: Call, name: str, endpoint: str) -> ServedModel:
    """Return the model that a name stands for at an endpoint, and record it. Raises `ModelDenied`, `Rejected`."""
    call.exchange.model_asked = name
    call.client.check(name)
    served = find_served_model(name, call.service.catalogue, endpoint)
    path_of_model(served.model, call.service.upstream.settings.models)
    call.exchange.model = served.model
    return served


def accept(call: Call, ledger: list[Note], body: msgspec.Struct | Sequence[msgspec.Struct] | None = None) -> None:
    """Record the ledger of a request, and what goes to Gemini. Raises `StrictLoss`."""
    call.exchange.notes = ledger
    if body is not None:
        call.exchange.upstream_request = body
    notes.check(ledger, notes.strictness(call.fields, call.service.losses), call.service.losses.notes)


def headers_for(call: Call) -> dict[str, str]:
    """Return the header fields that tell of the translation."""
    return notes.headers(call.exchange.model, call.exchange.notes, call.exchange.reply_notes)


async def find_pin(call: Call, names: Collection[str]) -> str:
    """Return our key that made the things at Gemini that a request names (files/...), if any.

    Raises `NotStored` for what another client has made.
    """
    if not names:
        return ""
    return await call.service.owners.find_pin(names, call.client.id, strictly=call.service.access.is_shared)


async def ask(call: Call, forwarded: Forwarded, type_: type[T], pin: str = "") -> T:
    """Return the whole answer to one call; `pin` names the key of ours to use, if the caller knows it.

    Raises `UpstreamError`, and `NotStored` where the call names what another client has made.
    """
    return await ask_and_read(call, forwarded, lambda answer: read_message(answer, type_)[0], pin)


async def ask_and_read(call: Call, forwarded: Forwarded, read: Callable[[bytes], T], pin: str = "") -> T:
    """Ask as `ask` does; return what `read` makes of the bytes of the whole answer."""
    if not pin and forwarded.body is not None:
        pin = await find_pin(call, names_of_uris(uri.decode() for uri in _URI.findall(forwarded.body)))
    with call.service.shutdown.limit():
        until = deadline_of(call.fields)
        return await call.service.upstream.ask_and_read(forwarded, read, Caller(call.client.key, pin), until)


async def ask_all(call: Call, ask_one: Callable[[A], Coroutine[Any, Any, T]], inputs: Sequence[A]) -> list[T]:
    """Ask for all inputs; return the answers in order. The first failure ends the others; nothing is asked twice."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(one: A) -> T:
        async with turns:
            return await ask_one(one)

    with call.service.shutdown.limit():
        return await gather(map(in_turn, inputs))
