"""One request that an endpoint answers: its client, its body, and its response writer.

An HTTP request is a call, and so is each `response.create` of a websocket.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from adapter.server.http.asgi import fields_of, until
from adapter.server.http.response_writer import UPSTREAM_HEADER, respond
from adapter.server.limits.access import Client
from adapter.server.limits.work import Work
from adapter.server.media.form import Form
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.background import Jobs
from adapter.server.pipeline.event_stream import (
    Answer,
    EventStream,
    FrameSink,
    Relay,
    Writer,
    relaying,
)
from adapter.server.pipeline.fallback import Plans
from adapter.server.pipeline.service import Service, decoded_form, patience_of
from adapter.translate.answer.continuation import needs_continuation
from adapter.translate.answer.reply import FAILURES
from adapter.translate.core.errors import AnswerError, Failure
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.plan import Plan
from adapter.upstream.client import Reply
from adapter.upstream.errors import UpstreamError
from adapter.wire.base import encode

T = TypeVar("T")

MALFORMED = {reason.lower() for reason in FAILURES}

_NONE: Mapping[str, str] = {}


class Call:
    """A request with its client, its body and its record, and the methods that answer it.

    `fields` are the header fields by name, `parameters` the values of the variables in the path. Before authentication
    there is no `client`: to read it is an `AttributeError`. `body` is empty for an endpoint without a body. For a
    `form`, `body` is the JSON of its fields. `work` is where the body is read and translated; whoever reads the body
    chooses that.
    """

    __slots__ = (
        "body",
        "client",
        "exchange",
        "fields",
        "form",
        "jobs",
        "parameters",
        "receive",
        "scope",
        "send_message",
        "service",
        "work",
    )

    def __init__(  # noqa: PLR0913 - all that it works with
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
        self.fields = fields_of(scope)
        self.receive = receive
        self.send_message = send
        self.parameters = parameters
        if client is not None:
            self.client = client
        self.body = body
        self.form: Form | None = None
        self.work: Work = service.inline_work

    @property
    def query(self) -> QueryParams:
        """The values in the URL."""
        return QueryParams(self.scope["query_string"])

    async def read(self, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
        """Read the body, and its unknown fields; in a form, numbers may be texts. Raises `Malformed`."""
        self.work = self.service.work(self.body)
        if self.form is not None:
            return decoded_form(self.body, type_)
        return await self.service.read(self.body, type_, self.work)

    def accept(self, plans: Plans) -> None:
        """Record the plan, and check the losses against the strictness. Raises `StrictLoss`."""
        losses = self.service.losses
        self.record(plans.plan)
        plans.check(notes.strictness(self.fields, losses), losses.notes)

    def record(self, plan: Plan) -> None:
        """Record the plan that answers the request."""
        exchange = self.exchange
        exchange.model, exchange.notes, exchange.upstream_request = plan.model, plan.notes, plan.body
        exchange.plan = plan

    async def ask(self, plans: Plans, read: Callable[[Reply], Awaitable[T]]) -> T:
        """Ask for a whole answer, by the first plan that gets one; return what `read` makes of it.

        Asked once more where `read` raises `AnswerError` for a malformed call and the operator wants that. Afterwards
        `plans.plan` is the plan that was answered.
        """
        answering, may_repeat = self.service.answering, self.service.answering.retry_malformed
        until = answering.time_limit(patience_of(self.fields))
        while True:
            plan, asking = plans.plan, answering.by(plans, self.client, until)
            try:
                with self.service.shutdown.limit():
                    reply = await (asking.generate(plan, plan.body) if plan.calls == 1 else asking.choices(plan))
                    if plan.calls == 1 and needs_continuation(reply.response):
                        reply = await asking.continue_whole(plan, reply)
            except UpstreamError as error:
                await plans.after(error, until)
                continue
            if plans.is_fallback:
                self.record(plan)
            # What an attempt before this one used was billed as well: an answer without counts must not hide it.
            self.exchange.usage = reply.response.usage_metadata or self.exchange.usage
            try:
                return await read(reply)
            except AnswerError as error:
                if not may_repeat or error.code not in MALFORMED:
                    raise
            # Another answer, so it has the time of one; all calls for one answer share theirs.
            may_repeat, until = False, answering.time_limit(patience_of(self.fields))

    def send(self, answer: object, headers: Mapping[str, str] = _NONE, status: int = 200) -> Awaitable[None]:
        """Send a whole answer in JSON; bytes are sent as they are. `headers` may name another type."""
        body = answer if isinstance(answer, bytes) else encode(answer)
        self.exchange.status, self.exchange.answer = status, [body]
        return respond(self.send_message, status, body, headers)

    async def send_stored(self, body: bytes) -> None:
        """Send a stored object; until it is sent, its bytes count against the byte budget. Raises `Overloaded`."""
        budget = self.service.body_budget
        budget.reserve(len(body))
        try:
            await self.send(body)
        finally:
            budget.release(len(body))

    def send_translated(self, plans: Plans, answer: object) -> Awaitable[None]:
        """Send a whole answer, with the ledger in its headers."""
        return self.send(answer, headers_of(plans, self.exchange.reply_notes))

    def open(self, plans: Plans, patience: float | None = None) -> AbstractAsyncContextManager[Answer]:
        """Open the answer event by event; leaving closes it. Raises `UpstreamError`.

        `patience`: so many seconds the client waits, if it says so.
        """
        return self.service.answering.open(plans, self.client, patience)

    @asynccontextmanager
    async def event_stream(self, plans: Plans, writer: Writer) -> AsyncIterator[Relay]:
        """Run a body that opens the answer and passes it on; commit timer and heartbeats run meanwhile."""
        stream = self.open_stream(plans)
        with until(stream.keep_alive(writer.heartbeat)):
            async with self.relaying(plans, writer, stream, stream) as relay:
                yield relay
        await stream.end()

    def relaying(
        self, plans: Plans, writer: Writer, sink: FrameSink, head: EventStream | None = None
    ) -> AbstractAsyncContextManager[Relay]:
        """Run a body that passes an answer on to a sink. The head of `head`, if still to go out, tells of its plan."""

        def record(answer: Answer) -> None:
            if plans.is_fallback:
                self.record(answer.plan)
            if head is not None and not plans.is_certain:
                head.headers = headers_of(plans)

        return relaying(Relay(sink, writer, record), self.service.shutdown.limit)

    def open_stream(self, plans: Plans) -> EventStream:
        """Open a stream to the client that records its events; its headers tell of the plan, if that is known."""
        self.exchange.status, self.exchange.answer = 200, []
        stream = EventStream(
            self.send_message, self.service.streams, self.service.recorder.exchanges.tap(self.exchange)
        )
        if plans.is_certain:
            stream.headers = headers_of(plans)
        return stream

    def record_failure(self, error: Exception) -> Failure:
        """Return OpenAI's error for an exception, and record it."""
        exchange = self.exchange
        if isinstance(error, Rejected):
            exchange.notes = error.notes
        failure = self.service.failures.record(error, exchange, getattr(self, "client", None))
        exchange.status, exchange.answer = failure.status, [encode(failure.body)]
        return failure


def headers_of(plans: Plans, reply_notes: Sequence[Note] = ()) -> dict[str, str]:
    """Return the headers that describe the translation of the answer."""
    plan = plans.plan
    headers = notes.headers(plan.model, plan.notes, reply_notes)
    return {**headers, UPSTREAM_HEADER: plans.place.label} if plans.is_fallback else headers
