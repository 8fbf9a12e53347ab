"""Call log: each call to Gemini that a request makes, with its attempts and raw answers, for the page at /."""

import time
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from adapter.server.observe.exchange_log import Attempt, Exchange, UpstreamCall
from adapter.upstream.errors import UpstreamError
from adapter.upstream.observer import outcome
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse

CURRENT: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)
"""The exchange that the current task serves. Tasks that it starts inherit it."""

MAX_CALLS = 64
MAX_EVENTS = 500
"""The most calls of an exchange, and the most events of a call, that are recorded."""


class CallLog:
    """Records the calls of exchanges; implements `upstream.observer.Observer`."""

    def start_call(
        self,
        upstream: UpstreamSettings,
        verb: str,  # noqa: ARG002 - the interface has it
        method: str,
        model: str,
        request: GenerateContentRequest | None,  # noqa: ARG002
    ) -> "LoggedCall":
        """Begin to record a call."""
        exchange = CURRENT.get()
        # Events are kept only where the page can show them: a whole answer, or a stream that is tapped.
        keeps_events = exchange is not None and (exchange.tapped or not exchange.stream)
        call = LoggedCall(upstream.name, model, method, time.perf_counter(), keeps_events=keeps_events)
        if exchange is not None and len(exchange.calls) < MAX_CALLS:
            exchange.calls.append(call)
        return call

    def add_open_circuits(self, upstream: str, more: int) -> None:
        """Do nothing: the page shows no circuits."""


class LoggedCall(UpstreamCall, kw_only=True):
    """A call as the page gets it, which records itself; implements `upstream.observer.CallObserver`."""

    keeps_events: bool

    def on_attempt(self, headers: dict[str, str]) -> None:  # noqa: ARG002 - the interface has it
        """Record the start of an attempt."""
        self.attempts.append(Attempt(time.perf_counter()))

    def on_head(self, status: int) -> None:
        """Record the HTTP status of the answer."""
        self.attempts[-1].status = status

    def on_error(self, error: UpstreamError) -> None:
        """Record how the attempt ended. An open circuit or a missing key ends one before it has started."""
        now = time.perf_counter()
        if not self.attempts or self.attempts[-1].ended is not None:
            self.attempts.append(Attempt(now))
        attempt = self.attempts[-1]
        attempt.outcome, attempt.ended = outcome(error), now

    def on_reply(self, response: GenerateContentResponse, payload: bytes) -> None:  # noqa: ARG002 - the interface has it
        """Keep the JSON of an event."""
        if self.keeps_events and len(self.events) < MAX_EVENTS:
            self.events.append((time.perf_counter(), payload))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        attempts = self.attempts
        if attempts and attempts[-1].ended is None:
            attempts[-1].outcome = "ok" if error is None else outcome(error)
            attempts[-1].ended = time.perf_counter()
