"""POST /v1/responses."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import msgspec

from adapter.server.http.asgi import ClientGone, until
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.event_stream import EventStream
from adapter.server.pipeline.responding import Memory, Recipient, ResponseEventWriter, Turn, turn_of, whole
from adapter.server.pipeline.service import patience_of, read_long_items
from adapter.server.prefixes.reading import ItemsRead, read_items, read_items_without_tools, remember_tools
from adapter.translate.prefix import LEAST, ItemText
from adapter.upstream.client import Reply
from adapter.wire.json_counts import values_at_most
from adapter.wire.openai.responses_answer import Response
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.sse import COMMENT


async def create_response(call: Call) -> None:
    """Answer items, whole, as a stream, or in the background."""
    exchange = call.exchange
    request, unknown, text = await read_request(call, ResponsesRequest)
    exchange.model_asked, exchange.stream = request.model, bool(request.stream)
    service = call.service
    memory = Memory(service.state, service.unstored if request.background else None)
    turn = await turn_of(service, request, unknown, call.client, work=call.work, memory=memory, text=text)
    exchange.history_bytes, exchange.client_path = turn.past.held.size, turn.client_path
    call.accept(turn.plans)
    if request.background:
        await _start_background(call, turn)
    elif exchange.stream:
        writer = ResponseEventWriter(call.service, turn, Recipient(call.fields, exchange))
        async with (
            call.event_stream(turn.plans, writer) as client,
            call.open(turn.plans, patience_of(call.fields)) as answer,
        ):
            await client.pass_on(answer)
    else:
        await call.send_translated(turn.plans, await call.ask(turn.plans, partial(_response, call, turn)))


R = TypeVar("R", bound=ResponsesRequest)


async def read_request(call: Call, type_: type[R]) -> tuple[R, Mapping[str, msgspec.Raw], ItemText | None]:
    """Return a request, its unknown fields, and the text of its items, if these may be remembered.

    What is remembered of its tools and its first items is not read again. Raises `Malformed`.
    """
    service, client, body = call.service, call.client.id, call.body
    if len(body) < LEAST:
        return *await call.read(type_), None
    tools, memory, limits = service.known_tools, service.prefixes, service.limits
    items_read = await read_items_without_tools(tools, memory, client, body, type_, limits, service.work)
    if items_read is None:
        items_read = await read_items(memory, client, body, type_, limits, service.work)
        if items_read is None:
            values = values_at_most(body)
            work = service.work(body, values)
            items_read = ItemsRead(*await work.run(read_long_items, body, type_, limits, values), work)
        await remember_tools(tools, client, body, items_read.request, items_read.work)
    request, text, call.work = items_read
    return request, text.unknown, text if text.start else None


async def _start_background(call: Call, turn: Turn) -> None:
    """Let it run; a stream that the client leaves can be taken up again."""
    exchange = call.exchange
    exchange.background = True
    queued = await call.jobs.start(turn, ResponseEventWriter(call.service, turn, Recipient(call.fields, exchange)))
    if exchange.stream:
        stream = call.open_stream(turn.plans)
        await follow(call, call.jobs.follow(queued.id, call.client.id, 0), stream)
    else:
        await call.send_translated(turn.plans, queued)


async def _response(call: Call, turn: Turn, reply: Reply) -> Response:
    """Translate a whole answer, and store the response. Raises `AnswerError`."""
    response = await whole(call.service, turn, reply, call.exchange)
    if notes.wants_all(call.fields):
        response.extra_content = notes.with_ledger(response.extra_content, call.exchange.ledger)
    return response


async def follow(call: Call, batches: AsyncGenerator[list[bytes]], stream: EventStream) -> None:
    """Send what a background response tells, as it comes; the response goes on when the client is gone.

    A client whose key was taken back meanwhile gets no further event. Raises `ClientGone` then.
    """
    service = call.service
    with until(stream.keep_alive(lambda: COMMENT)):
        async with aclosing(batches):
            async for frames in batches:
                if not service.access.admits(call.scope):
                    raise ClientGone
                for frame in frames:
                    await stream.write(frame, more=True)
                await stream.write()
    await stream.end()
