"""One request that an endpoint answers: who sent it, what it says, and where the answer goes.

An HTTP request is a call, and so is each `response.create` of a websocket.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from adapter.server.http.asgi import until
from adapter.server.http.response_writer import respond
from adapter.server.limits.access import Client
from adapter.server.limits.work import Work
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.background import Jobs
from adapter.server.pipeline.event_stream import Answer, EventStream, Writer, heartbeat_of, relay
from adapter.server.pipeline.fallback import Plans
from adapter.server.pipeline.service import Service, deadline_of
from adapter.translate.answer.reply import FAILURES
from adapter.translate.core.errors import AnswerError, Failure
from adapter.translate.core.notes import Rejected
from adapter.translate.plan import Plan
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

    def accept(self, plans: Plans) -> None:
        """Record what goes to Gemini. Raises `StrictLoss`."""
        settings = self.service.settings
        self.record(plans.plan)
        plans.check(notes.strictness(self.scope, settings), settings.notes)

    def record(self, plan: Plan) -> None:
        """Record the plan by which the request is answered."""
        exchange = self.exchange
        exchange.model, exchange.notes, exchange.upstream_request = plan.model, plan.notes, plan.body
        exchange.plan = plan

    async def ask(self, plans: Plans, read: Callable[[Reply], Awaitable[T]]) -> T:
        """Ask, and once more after a malformed call where the operator wants that; `read` raises `AnswerError`.

        By then `plans.plan` is the plan that was answered.
        """
        for last in (not self.service.settings.retry_malformed, True):
            with self.service.shutdown.limit():
                reply = await self.service.ask(plans, self.client, deadline_of(self.scope))
            if plans.is_fallback:
                self.record(plans.plan)
            self.exchange.record_reply(reply.response)
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

    async def send_stored(self, body: bytes) -> None:
        """Send what is stored; until it is sent, it counts among the bodies that are held. Raises `Overloaded`."""
        budget = self.service.body_budget
        budget.reserve(len(body))
        try:
            await self.send(body)
        finally:
            budget.release(len(body))

    def send_translated(self, plans: Plans, answer: object) -> Awaitable[None]:
        """Send a whole answer, with what became of the request in its headers."""
        return self.send(answer, self.service.headers(plans, self.exchange.reply_notes))

    async def stream(self, plans: Plans, writer: Writer) -> None:
        """Send an answer as it comes."""
        service = self.service
        stream = self.open_stream(plans)
        with until(stream.keep_alive(heartbeat_of(service.settings, writer.heartbeat))):
            await relay(stream, self.open(plans, stream), writer, limited=service.shutdown.limit)
        await stream.end()

    @asynccontextmanager
    async def open(self, plans: Plans, stream: EventStream | None = None) -> AsyncIterator[Answer]:
        """The answer event by event, recorded. The head of `stream`, if it has not gone out, tells of its plan."""
        deadline = None if stream is None else deadline_of(self.scope)
        async with self.service.open(plans, self.client, deadline) as answer:
            if plans.is_fallback:
                self.record(answer.plan)
            if stream is not None and not plans.is_certain:
                stream.headers = self.service.headers(plans)
            yield answer

    def open_stream(self, plans: Plans) -> EventStream:
        """A stream to the client whose events are recorded; its head tells of the plan where that is known already."""
        self.exchange.status, self.exchange.answer = 200, []
        stream = EventStream(
            self.send_message, self.service.settings, self.service.recorder.exchanges.tap(self.exchange)
        )
        if plans.is_certain:
            stream.headers = self.service.headers(plans)
        return stream

    def failed(self, error: Exception) -> Failure:
        """OpenAI's error for an exception, recorded."""
        exchange = self.exchange
        if isinstance(error, Rejected):
            exchange.notes = error.notes
        failure = self.service.failed(error, exchange, self._client)
        exchange.status, exchange.answer = failure.status, [encode(failure.body)]
        return failure
