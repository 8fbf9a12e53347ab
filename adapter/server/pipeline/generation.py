"""What the endpoints share that ask Gemini for an answer: access, the body, the border for errors, and the record."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from adapter.server.http.asgi import ClientGone, read_body, until, while_connected
from adapter.server.http.response_writer import ANSWERED_BY, respond
from adapter.server.limits.access import Client
from adapter.server.observe.exchange_log import Exchange
from adapter.server.observe.recording import recorded
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.event_stream import Answer, EventStream, heartbeat_of, relay
from adapter.server.pipeline.service import Prepared, Service, deadline_of
from adapter.translate.answer.reply import FAILURES
from adapter.translate.core.errors import AnswerError, Failure
from adapter.translate.core.notes import Rejected
from adapter.upstream.client import Reply
from adapter.wire.base import encode
from adapter.wire.openai.chat_answer import Extra

T = TypeVar("T")

MALFORMED = {reason.lower() for reason in FAILURES}


class Incoming(msgspec.Struct, frozen=True):
    """One request, its body read: where its answer goes, what is recorded of it, and who sent it."""

    scope: Scope
    send: Send
    exchange: Exchange
    client: Client


class Generation:
    """Such an endpoint, as a bare ASGI application; `serve` is its own."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        state = scope["state"]
        exchange = state["exchange"] = Exchange(
            id=state["request_id"],
            path=scope["path"],
            started_at=time.time(),
            client=None,
            trace_id=state.get("trace_id", ""),
        )
        with recorded(self.service, exchange):
            await self._answer(scope, receive, send, exchange)

    async def serve(self, incoming: Incoming) -> None:
        """Answer; every exception becomes an OpenAI error."""
        raise NotImplementedError

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        client: Client | None = None
        try:
            client = self.service.access.client(scope)
            exchange.client = client.id
            exchange.request = await read_body(scope, receive, self.service.settings.max_body, self.service.room)
            try:
                with while_connected(scope, receive), await self.service.load.place():
                    await self.serve(Incoming(scope, send, exchange, client))
            finally:
                self.service.room.give(len(exchange.request))
        except ClientGone:
            exchange.status = 499
        except Exception as error:  # noqa: BLE001 - the border: everything becomes an OpenAI error, bugs are logged whole
            failure = self.failed(error, exchange, client)
            await respond(send, failure.status, encode(failure.body), failure.headers)

    def failed(self, error: Exception, exchange: Exchange, client: Client | None) -> Failure:
        """OpenAI's error for an exception, recorded."""
        if isinstance(error, Rejected):
            exchange.notes = error.notes
        failure = self.service.failed(error, exchange, client)
        exchange.status, exchange.answer = failure.status, [encode(failure.body)]
        return failure

    def accept(self, scope: Scope, exchange: Exchange, prepared: Prepared) -> None:
        """Record what goes to Gemini. Raises `StrictLoss`."""
        settings = self.service.settings
        exchange.model, exchange.notes, exchange.upstream_request = prepared.model, prepared.notes, prepared.body
        strict = notes.strictness(scope, settings)
        notes.check(prepared.notes, strict, settings.notes)
        if prepared.detour is not None:
            prepared.detour.strict = strict
            prepared.detour.when_taken(partial(_elsewhere, scope, exchange))

    async def ask(self, incoming: Incoming, prepared: Prepared, read: Callable[[Reply], Awaitable[T]]) -> T:
        """Ask, and once more after a malformed call where the operator wants that; `read` raises `AnswerError`."""
        for last in (not self.service.settings.retry_malformed, True):
            with self.service.drain.limited():
                reply = await self.service.generate(prepared, incoming.client, deadline_of(incoming.scope))
            incoming.exchange.heard(reply.response)
            try:
                return await read(reply)
            except AnswerError as error:
                if last or error.code not in MALFORMED:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def send(self, incoming: Incoming, prepared: Prepared, body: bytes) -> Awaitable[None]:
        """Send a whole answer."""
        exchange = incoming.exchange
        exchange.status, exchange.answer = 200, [body]
        return respond(incoming.send, 200, body, self.service.headers(prepared, exchange.reply_notes))

    async def stream(self, incoming: Incoming, prepared: Prepared, answer: Answer) -> None:
        """Send an answer as it comes."""
        service = self.service
        stream = self.open_stream(incoming, prepared)
        events = service.events(prepared, incoming.client, deadline_of(incoming.scope))
        with until(stream.keep_alive(heartbeat_of(service.settings, answer.heartbeat))):
            await relay(stream, events, answer, limited=service.drain.limited)
        await stream.end()

    def open_stream(self, incoming: Incoming, prepared: Prepared) -> EventStream:
        """A stream to the client whose events are recorded."""
        service, exchange = self.service, incoming.exchange
        exchange.status, exchange.answer = 200, []
        tap = service.exchanges.tap(exchange)
        headers = service.headers(prepared)
        if prepared.detour is not None:
            prepared.detour.when_taken(lambda taken, _label: headers.update(service.headers(taken)))
        return EventStream(incoming.send, headers, service.settings, tap)


def _elsewhere(scope: Scope, exchange: Exchange, taken: Prepared, label: str) -> None:
    """Record that a request went elsewhere, and where."""
    exchange.model, exchange.notes, exchange.upstream_request = taken.model, taken.notes, taken.body
    scope.setdefault("state", {})[ANSWERED_BY] = label


def with_ledger(extra: Extra | None, exchange: Exchange) -> Extra:
    """What an answer says beside OpenAI's fields, with the whole ledger of both ways."""
    ledger = notes.listed([*exchange.notes, *exchange.reply_notes])
    return {**(extra or {}), "adapter": {"notes": ledger}}
