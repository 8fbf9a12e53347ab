"""What endpoints share that make calls of one model: its name, the ledger, calls side by side."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.model_lists import path_of_model
from adapter.settings import find_served_model
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Note, Rejected
from adapter.upstream.client import Caller, Forwarded
from adapter.upstream.errors import UpstreamError

A = TypeVar("A")
T = TypeVar("T")

AT_ONCE = 4
"""Calls for one request that run at the same time."""


def find_model(call: Call, name: str, endpoint: str) -> ServedModel:
    """The model that a name stands for at an endpoint; it is recorded. Raises `ModelDenied`, `Rejected`."""
    call.exchange.model_asked = name
    call.client.check(name)
    served = find_served_model(name, call.service.catalogue, endpoint)
    path_of_model(served.model, call.service.upstream.settings.models)
    call.exchange.model = served.model
    return served


def accept(call: Call, found: list[Note], body: msgspec.Struct | Sequence[msgspec.Struct] | None = None) -> None:
    """Record the ledger of a request, and what goes to Gemini. Raises `StrictLoss`."""
    call.exchange.notes = found
    if body is not None:
        call.exchange.upstream_request = body
    notes.check(found, notes.strictness(call.scope, call.service.losses), call.service.losses.notes)


def headers_for(call: Call) -> dict[str, str]:
    """What the head of an answer tells of its translation."""
    return notes.headers(call.exchange.model, call.exchange.notes, call.exchange.reply_notes)


async def ask(call: Call, forwarded: Forwarded, type_: type[T]) -> T:
    """The whole answer to one call. Raises `UpstreamError`."""
    with call.service.shutdown.limit():
        return await call.service.upstream.ask(forwarded, type_, Caller(call.client.key), call.deadline)


async def ask_all(call: Call, ask_one: Callable[[A], Coroutine[Any, Any, T]], inputs: Sequence[A]) -> list[T]:
    """What calls give for all inputs, in their order; the first failure ends the others, and nothing is asked twice."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(one: A) -> T:
        async with turns:
            return await ask_one(one)

    with call.service.shutdown.limit():
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(in_turn(one)) for one in inputs]
        except* (UpstreamError, AnswerError, Rejected) as failures:
            raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
