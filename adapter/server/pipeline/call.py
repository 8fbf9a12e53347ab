"""One request that an endpoint answers: who sent it, what it says, and where the answer goes.

An HTTP request is a call, and so is each `response.create` of a websocket.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from adapter.server.http.asgi import until
from adapter.server.http.response_writer import ANSWERED_BY, respond
from adapter.server.limits.access import Client
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.background import Jobs
from adapter.server.pipeline.event_stream import Answer, EventStream, heartbeat_of, relay
from adapter.server.pipeline.service import Prepared, Service, deadline_of
from adapter.server.pipeline.work import Work
from adapter.translate.answer.reply import FAILURES
from adapter.translate.core.errors import AnswerError, Failure
from adapter.translate.core.notes import Rejected
from adapter.upstream.client import Reply
from adapter.wire.base import encode

T = TypeVar("T")

MALFORMED = {reason.lower() for reason in FAILURES}

_NONE: Mapping[str, str] = {}


class Call:
    """A request with its client and its body, what is recorded of it, and the ways to answer it.

    `parameters` are the values of the variables in the path. Where nobody has shown a key yet, there is no `client`;
    an endpoint that takes no body finds `body` empty.
    """

    __slots__ = (
        "_client",
        "_work",
        "body",
        "exchange",
        "jobs",
        "parameters",
        "receive",
        "scope",
        "send_message",
        "service",
    )

    def __init__(
        self,
        service: Service,
        jobs: Jobs,
        exchange: Exchange,
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
        parameters: Mapping[str, str] = _NONE,
        client: Client | None = None,
        body: bytes = b"",
    ) -> None:
        self.service = service
        self.jobs = jobs
        self.exchange = exchange
        self.scope = scope
        self.receive = receive
        self.send_message = send
        self.parameters = parameters
        self._client = client
        self.body = body
        self._work: Work | None = None

    @property
    def client(self) -> Client:
        """Who calls. An open endpoint, which knows nobody, must not ask."""
        assert self._client is not None, "this endpoint asks for no key"
        return self._client

    @client.setter
    def client(self, client: Client) -> None:
        self._client = client

    @property
    def query(self) -> QueryParams:
        """The values in the URL."""
        return QueryParams(self.scope["query_string"])

    @property
    def work(self) -> Work:
        """Where the computing for this request is done, as its body says."""
        if self._work is None:
            self._work = self.service.work(self.body)
        return self._work

    async def read(self, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
        """The body, and its unknown fields. Raises `Malformed`."""
        return await self.service.read(self.body, type_, self.work)

    def accept(self, prepared: Prepared) -> None:
        """Record what goes to Gemini. Raises `StrictLoss`."""
        exchange, settings = self.exchange, self.service.settings
        exchange.model, exchange.notes, exchange.upstream_request = prepared.model, prepared.notes, prepared.body
        strict = notes.strictness(self.scope, settings)
        notes.check(prepared.notes, strict, settings.notes)
        if prepared.detour is not None:
            prepared.detour.strict = strict
            prepared.detour.when_taken(self._record_fallback)

    def _record_fallback(self, taken: Prepared, label: str) -> None:
        """Record that another place answers, and which."""
        exchange = self.exchange
        exchange.model, exchange.notes, exchange.upstream_request = taken.model, taken.notes, taken.body
        self.scope.setdefault("state", {})[ANSWERED_BY] = label

    async def ask(self, prepared: Prepared, read: Callable[[Reply], Awaitable[T]]) -> T:
        """Ask, and once more after a malformed call where the operator wants that; `read` raises `AnswerError`."""
        for last in (not self.service.settings.retry_malformed, True):
            with self.service.drain.limited():
                reply = await self.service.generate(prepared, self.client, deadline_of(self.scope))
            self.exchange.heard(reply.response)
            try:
                return await read(reply)
            except AnswerError as error:
                if last or error.code not in MALFORMED:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def send(self, answer: object, headers: Mapping[str, str] = _NONE, status: int = 200) -> Awaitable[None]:
        """Send a whole answer in JSON; bytes are sent as they are. `headers` may name another type."""
        body = answer if isinstance(answer, bytes) else encode(answer)
        self.exchange.status, self.exchange.answer = status, [body]
        return respond(self.send_message, status, body, headers)

    def send_translated(self, prepared: Prepared, answer: object) -> Awaitable[None]:
        """Send a whole answer, with what became of the request in its headers."""
        return self.send(answer, self.service.headers(prepared, self.exchange.reply_notes))

    async def stream(self, prepared: Prepared, answer: Answer) -> None:
        """Send an answer as it comes."""
        service = self.service
        stream = self.open_stream(prepared)
        events = service.events(prepared, self.client, deadline_of(self.scope))
        with until(stream.keep_alive(heartbeat_of(service.settings, answer.heartbeat))):
            await relay(stream, events, answer, limited=service.drain.limited)
        await stream.end()

    def open_stream(self, prepared: Prepared) -> EventStream:
        """A stream to the client whose events are recorded."""
        service, exchange = self.service, self.exchange
        exchange.status, exchange.answer = 200, []
        tap = service.exchanges.tap(exchange)
        headers = service.headers(prepared)
        if prepared.detour is not None:
            prepared.detour.when_taken(lambda taken, _label: headers.update(service.headers(taken)))
        return EventStream(self.send_message, headers, service.settings, tap)

    def failed(self, error: Exception) -> Failure:
        """OpenAI's error for an exception, recorded."""
        exchange = self.exchange
        if isinstance(error, Rejected):
            exchange.notes = error.notes
        failure = self.service.failed(error, exchange, self._client)
        exchange.status, exchange.answer = failure.status, [encode(failure.body)]
        return failure
