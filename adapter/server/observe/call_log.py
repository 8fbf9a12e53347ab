"""Every call to Gemini that an exchange takes, with its attempts and its answer as it came, for the page at /."""

import time
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from adapter.server.observe.exchange_log import Exchange, UpstreamCall
from adapter.upstream.errors import UpstreamError
from adapter.upstream.observer import outcome
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse

CURRENT: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)
"""The exchange that this task serves; tasks that it starts serve it too."""

MAX_CALLS = 64
MAX_EVENTS = 500
"""How many calls of an exchange, and events of a call, are recorded."""


class CallLog:
    """Records the calls of exchanges; see `upstream.observer.Observer`."""

    def start_call(
        self,
        upstream: UpstreamSettings,
        method: str,
        model: str,
        request: GenerateContentRequest | None,  # noqa: ARG002 - see `Observer`
    ) -> "LoggedCall":
        """Begin to record a call."""
        exchange = CURRENT.get()
        begun = time.perf_counter() if exchange is None else exchange.begun
        call = UpstreamCall(upstream.name, model, method, round(time.perf_counter() - begun, 4), [], [])
        if exchange is not None and len(exchange.calls) < MAX_CALLS:
            exchange.calls = [*exchange.calls, call]
        # Of a stream that is not followed, or one that nobody asked for, the events are not kept.
        keeps = exchange is not None and (exchange.tapped or not exchange.stream)
        return LoggedCall(call, begun, keeps_events=keeps)

    def add_open_circuits(self, upstream: str, more: int) -> None:
        """Take no notice of circuits: see `Observer`."""


class LoggedCall:
    """Records one call; see `upstream.observer.CallObserver`."""

    def __init__(self, call: UpstreamCall, begun: float, *, keeps_events: bool) -> None:
        self._call = call
        self._begun = begun
        self._keeps_events = keeps_events

    def on_attempt(self, headers: dict[str, str]) -> None:  # noqa: ARG002 - see `CallObserver`
        """Record that a request is sent."""
        self._call.attempts.append({"after": self._after(), "status": None, "outcome": "running"})

    def on_head(self, status: int) -> None:
        """Record the status of its answer."""
        self._call.attempts[-1]["status"] = status

    def on_error(self, error: UpstreamError) -> None:
        """Record how the attempt ended; an open circuit or a missing key ends one before it is sent."""
        if not self._call.attempts or self._call.attempts[-1]["outcome"] != "running":
            self._call.attempts.append({"after": self._after(), "status": None})
        self._call.attempts[-1] |= {"outcome": outcome(error), "ended_after": self._after()}

    def on_reply(self, response: GenerateContentResponse, payload: bytes) -> None:  # noqa: ARG002 - see `CallObserver`
        """Keep an event as it came."""
        if self._keeps_events and len(self._call.events) < MAX_EVENTS:
            self._call.events.append((self._after(), payload))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._call.attempts and self._call.attempts[-1]["outcome"] == "running":
            # A stream that is closed behind its last event has ended well.
            ended = None if isinstance(error, GeneratorExit) else error
            self._call.attempts[-1] |= {"outcome": outcome(ended), "ended_after": self._after()}

    def _after(self) -> float:
        return round(time.perf_counter() - self._begun, 4)
