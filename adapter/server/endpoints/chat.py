"""POST /v1/chat/completions."""

import time

from starlette.types import Receive, Scope, Send

from adapter.server import notes
from adapter.server.access import Client
from adapter.server.asgi import ClientGone, read_body, respond, while_connected
from adapter.server.exchanges import Exchange, timed
from adapter.server.service import Prepared, Service, deadline_of
from adapter.server.streaming import EventStream, beside, heartbeat_of, relay
from adapter.translate import chat
from adapter.translate.errors import AnswerError, Failure
from adapter.translate.notes import Note, Rejected
from adapter.translate.reply import FAILURES
from adapter.wire.base import encode
from adapter.wire.openai.chat import ChatCompletion, ChatCompletionChunk, Extra
from adapter.wire.signatures import Issued

MALFORMED = {reason.lower() for reason in FAILURES}


class ChatCompletions:
    """The endpoint, as a bare ASGI application."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        exchange = Exchange(id=scope["state"]["request_id"], path=scope["path"], started_at=time.time(), client=None)
        with timed(exchange):
            await self._answer(scope, receive, send, exchange)
        if exchange.status:
            self.service.record(exchange)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        client: Client | None = None
        try:
            client = self.service.access.client(scope)
            exchange.client = client.id
            exchange.request = await read_body(scope, receive, self.service.settings.max_body)
            async with while_connected(receive):
                await self._serve(scope, send, exchange, client)
        except ClientGone:
            exchange.status = 499
        except Rejected as error:
            exchange.notes = error.notes
            await self._fail(self.service.failure(error, exchange.id, client), send, exchange)
        except Exception as error:  # noqa: BLE001 - the border: everything becomes an OpenAI error, bugs are logged whole
            await self._fail(self.service.failure(error, exchange.id, client), send, exchange)

    async def _serve(self, scope: Scope, send: Send, exchange: Exchange, client: Client) -> None:
        settings = self.service.settings
        request, unknown = self.service.decode(exchange.request)
        exchange.model_asked, exchange.stream = request.model, bool(request.stream)
        prepared = await self.service.prepare(request, unknown, client)
        exchange.model, exchange.notes, exchange.upstream_request = prepared.model, prepared.notes, prepared.body
        notes.check(prepared.notes, notes.is_strict(scope, settings), settings.notes)
        if exchange.stream:
            await self._stream(scope, send, exchange, client, prepared)
        else:
            await self._whole(scope, send, exchange, client, prepared)

    async def _whole(self, scope: Scope, send: Send, exchange: Exchange, client: Client, prepared: Prepared) -> None:
        completion, exchange.reply_notes, issued = await self._completion(scope, client, prepared)
        await self.service.keep(issued, client)
        if notes.wants_all(scope):
            completion.extra_content = _with_ledger(completion.extra_content, exchange)
        body = encode(completion)
        exchange.status, exchange.answer = 200, [body]
        await respond(send, 200, body, self.service.headers(prepared, exchange.reply_notes))

    async def _completion(
        self, scope: Scope, client: Client, prepared: Prepared
    ) -> tuple[ChatCompletion, list[Note], list[Issued]]:
        """Ask, and once more after a malformed call where the operator wants that."""
        for last in (not self.service.settings.retry_malformed, True):
            reply = await self.service.generate(prepared, client, deadline_of(scope))
            try:
                return chat.from_gemini(reply.response, prepared.context, self.service.stamp(prepared), reply.unknown)
            except AnswerError as error:
                if last or error.code not in MALFORMED:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _stream(self, scope: Scope, send: Send, exchange: Exchange, client: Client, prepared: Prepared) -> None:
        service = self.service
        exchange.status, exchange.answer = 200, []
        machine = chat.ChatStream(prepared.context, service.stamp(prepared))
        exchange.reply_notes = machine.notes
        tap = exchange.answer if service.exchanges.enabled else None
        stream = EventStream(send, service.headers(prepared), service.settings, tap)

        async def keep(issued: list[Issued]) -> None:
            await service.keep(issued, client)

        def failure(error: Exception) -> Failure:
            return service.failure(error, exchange.id, client)

        told = machine if not notes.wants_all(scope) else WithLedger(machine, exchange)
        heartbeat = heartbeat_of(service.settings, machine)
        events = service.events(prepared, client, deadline_of(scope))
        async with beside(stream.keep_alive(heartbeat)):
            await relay(stream, events, told, keep, failure)
        await stream.end()

    async def _fail(self, failure: Failure, send: Send, exchange: Exchange) -> None:
        body = encode(failure.body)
        exchange.status, exchange.answer = failure.status, [body]
        await respond(send, failure.status, body, failure.headers)


class WithLedger:
    """The machine, with the whole ledger in its last chunk."""

    def __init__(self, machine: chat.ChatStream, exchange: Exchange) -> None:
        self._machine = machine
        self._exchange = exchange
        self.feed = machine.feed
        self.take_issued = machine.take_issued

    @property
    def finished(self) -> bool:
        """See `ChatStream`."""
        return self._machine.finished

    def close(self) -> list[ChatCompletionChunk]:
        """See `ChatStream`."""
        chunks = self._machine.close()
        chunks[-1].extra_content = _with_ledger(chunks[-1].extra_content, self._exchange)
        return chunks


def _with_ledger(extra: Extra | None, exchange: Exchange) -> Extra:
    ledger = notes.listed([*exchange.notes, *exchange.reply_notes])
    return {**(extra or {}), "adapter": {"notes": ledger}}
