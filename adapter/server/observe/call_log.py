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
        method: str,
        model: str,
        request: GenerateContentRequest | None,  # noqa: ARG002 - the interface has it
    ) -> "LoggedCall":
        """Begin to record a call."""
        exchange, now = CURRENT.get(), time.perf_counter()
        if exchange is None:
            return LoggedCall(UpstreamCall(upstream.name, model, method, 0.0, [], []), now, keeps_events=False)
        call = UpstreamCall(upstream.name, model, method, now - exchange.begun, [], [])
        if len(exchange.calls) < MAX_CALLS:
            exchange.calls = [*exchange.calls, call]
        # Events are kept only where the page can show them: a whole answer, or a stream that is tapped.
        return LoggedCall(call, exchange.begun, keeps_events=exchange.tapped or not exchange.stream)

    def add_open_circuits(self, upstream: str, more: int) -> None:
        """Do nothing: the page shows no circuits."""


class LoggedCall:
    """Records one call; implements `upstream.observer.CallObserver`."""

    def __init__(self, call: UpstreamCall, begun: float, *, keeps_events: bool) -> None:
        self._call = call
        self._begun = begun
        self._keeps_events = keeps_events

    def on_attempt(self, headers: dict[str, str]) -> None:  # noqa: ARG002 - the interface has it
        """Record the start of an attempt."""
        self._call.attempts.append(Attempt(time.perf_counter() - self._begun))

    def on_head(self, status: int) -> None:
        """Record the HTTP status of the answer."""
        self._call.attempts[-1].status = status

    def on_error(self, error: UpstreamError) -> None:
        """Record how the attempt ended. An open circuit or a missing key ends one before it has started."""
        now = time.perf_counter() - self._begun
        if not self._call.attempts or self._call.attempts[-1].ended_after is not None:
            self._call.attempts.append(Attempt(now))
        attempt = self._call.attempts[-1]
        attempt.outcome, attempt.ended_after = outcome(error), now

    def on_reply(self, response: GenerateContentResponse, payload: bytes) -> None:  # noqa: ARG002 - the interface has it
        """Keep the JSON of an event."""
        if self._keeps_events and len(self._call.events) < MAX_EVENTS:
            self._call.events.append((time.perf_counter() - self._begun, payload))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        attempts = self._call.attempts
        if attempts and attempts[-1].ended_after is None:
            attempts[-1].outcome = outcome(error)
            attempts[-1].ended_after = time.perf_counter() - self._begun
