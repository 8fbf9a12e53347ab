"""What the endpoints for images and sounds share: calls that carry files, answers that are streams of events."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec

from adapter.server.endpoints import model_calls
from adapter.server.http.asgi import ClientGone
from adapter.server.media.form import insert_uploads
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.event_stream import EventStream
from adapter.translate.answer.parallel_choices import total
from adapter.translate.core.context import Media
from adapter.translate.native.pass_through import names_of
from adapter.translate.request.content_parts import FILE_ID, is_remote
from adapter.upstream.client import Forwarded
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse
from adapter.wire.sse import COMMENT, DONE, event


async def files_of(call: Call, named: Iterable[str]) -> dict[str, Media]:
    """The files of a form by their names, without their data, and of the named ones those that are stored or fetched.

    Raises `Rejected`, `NotStored`, `FetchError`, `UpstreamError`.
    """
    names = list(dict.fromkeys(named))
    files = {} if call.form is None else call.form.media()
    files |= await call.service.planner.fetch(filter(is_remote, names))
    if ids := [one for one in names if one.startswith(FILE_ID)]:
        files |= await call.service.gemini_files.media(ids, call.client)
    return files


def build(call: Call, body: GenerateContentRequest) -> Forwarded:
    """Make a call of generateContent, with the data of the form's files."""
    built = call.service.upstream.build_call(call.exchange.model, "generateContent", body)
    if call.form is None:
        return built
    return msgspec.structs.replace(built, body=None, pieces=insert_uploads(built.body or b"", call.form.uploads))


async def ask(call: Call, body: GenerateContentRequest, count: int = 1) -> list[GenerateContentResponse]:
    """Ask one thing several times and return the answers; the first failure ends the other calls.

    Raises `NotStored`, `UpstreamError`.
    """
    pin = await model_calls.find_pin(call, names_of(body))
    built = build(call, body)

    async def ask_once(_number: int) -> GenerateContentResponse:
        return await model_calls.ask(call, built, GenerateContentResponse, pin)

    answers = await model_calls.ask_all(call, ask_once, range(count))
    call.exchange.usage = total([answer.usage_metadata for answer in answers])
    return answers


@asynccontextmanager
async def event_stream(call: Call) -> AsyncIterator[EventStream]:
    """Run a body that writes events; commit timer and heartbeats run meanwhile, and [DONE] ends it.

    An error is raised before the first byte; after it the client is told in the stream.
    """
    exchange, service = call.exchange, call.service
    exchange.status, exchange.answer, exchange.stream = 200, [], True
    stream = EventStream(call.send_message, service.streams, service.recorder.exchanges.tap(exchange))
    stream.headers = model_calls.headers_for(call)
    with call.keep_alive(stream, lambda: COMMENT):
        try:
            with service.shutdown.limit():
                yield stream
            await stream.write(DONE)
        except ClientGone:
            raise
        except Exception as error:
            if not stream.has_begun:
                raise
            await stream.write(event(service.failures.record(error, exchange, call.client).body))
    await stream.end()


async def send_events(call: Call, stream: EventStream, events: Sequence[msgspec.Struct]) -> None:
    """Write events, in the head of the first what became of the request."""
    stream.headers = model_calls.headers_for(call)
    for one in events:
        await stream.write(event(one))
