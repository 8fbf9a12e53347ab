"""What the endpoints for images and sounds share: calls that carry files, answers that are streams of events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from adapter.server.http.asgi import ClientGone
from adapter.server.media.form import insert_uploads
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.event_stream import EventStream
from adapter.server.pipeline.model_names import path_of_model
from adapter.settings import find_served_model
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Media
from adapter.translate.core.notes import Note
from adapter.upstream.client import Caller, Forwarded
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse, UsageMetadata
from adapter.wire.sse import COMMENT, DONE, event

T = TypeVar("T")

AT_ONCE = 4
"""Calls for one request that run at the same time."""

_COUNTS = ("prompt_token_count", "candidates_token_count", "thoughts_token_count", "total_token_count")


def find_model(call: Call, name: str, endpoint: str) -> ServedModel:
    """The model that a name stands for at an endpoint; it is recorded. Raises `ModelDenied`, `Rejected`."""
    call.exchange.model_asked = name
    call.client.check(name)
    served = find_served_model(name, call.service.catalogue, endpoint)
    path_of_model(served.model, call.service.upstream.settings.models)
    call.exchange.model = served.model
    return served


def files_of(call: Call) -> dict[str, Media]:
    """The files of a form by their names, without their data."""
    return {} if call.form is None else call.form.media()


def accept(call: Call, found: list[Note], body: msgspec.Struct | Sequence[msgspec.Struct]) -> None:
    """Record what goes to Gemini. Raises `StrictLoss`."""
    call.exchange.notes, call.exchange.upstream_request = found, body
    notes.check(found, notes.strictness(call.scope, call.service.losses), call.service.losses.notes)


def headers_for(call: Call) -> dict[str, str]:
    """What the head of an answer tells of its translation."""
    return notes.headers(call.exchange.model, call.exchange.notes, call.exchange.reply_notes)


def build(call: Call, model: str, body: GenerateContentRequest) -> Forwarded:
    """A call of generateContent, with the data of the form's files."""
    built = call.service.upstream.build_call(model, "generateContent", body)
    if call.form is None:
        return built
    return msgspec.structs.replace(built, body=None, pieces=insert_uploads(built.body or b"", call.form.uploads))


async def ask(call: Call, model: str, bodies: Sequence[GenerateContentRequest]) -> list[GenerateContentResponse]:
    """The answers to all bodies, in their order; the first failure ends the others. Raises `UpstreamError`."""
    upstream, caller, deadline = call.service.upstream, Caller(call.client.key), call.deadline
    built = {id(body): build(call, model, body) for body in bodies}
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask_one(body: GenerateContentRequest) -> GenerateContentResponse:
        async with turns:
            return await upstream.ask(built[id(body)], GenerateContentResponse, caller, deadline)

    with call.service.shutdown.limit():
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask_one(body)) for body in bodies]
        except* UpstreamError as failures:
            raise failures.exceptions[0] from None
    answers = [task.result() for task in tasks]
    call.exchange.usage = total_usage(answers)
    return answers


def total_usage(answers: Sequence[GenerateContentResponse]) -> UsageMetadata | None:
    """The tokens of several answers together; None where none of them tells any."""
    told = [answer.usage_metadata for answer in answers if answer.usage_metadata is not None]
    if not told:
        return None
    total = UsageMetadata()
    for name in _COUNTS:
        setattr(total, name, sum(getattr(one, name) or 0 for one in told))
    return total


@asynccontextmanager
async def event_stream(call: Call) -> AsyncIterator[EventStream]:
    """Run a body that writes events; commit timer and heartbeats run meanwhile, and [DONE] ends it.

    An error is raised before the first byte; after it the client is told in the stream.
    """
    exchange, service = call.exchange, call.service
    exchange.status, exchange.answer, exchange.stream = 200, [], True
    stream = EventStream(call.send_message, service.streams, service.recorder.exchanges.tap(exchange))
    stream.headers = headers_for(call)
    with call.keep_alive(stream, lambda: COMMENT):
        try:
            with service.shutdown.limit():
                yield stream
            await stream.write(DONE)
        except ClientGone:
            raise
        except Exception as error:
            if not stream.begun:
                raise
            await stream.write(event(service.failures.record(error, exchange, call.client).body))
    await stream.end()


async def send_events(call: Call, stream: EventStream, events: Sequence[msgspec.Struct]) -> None:
    """Write events, in the head of the first what became of the request."""
    stream.headers = headers_for(call)
    for one in events:
        await stream.write(event(one))
