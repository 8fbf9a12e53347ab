"""Observer interface: metrics, traces and the call log learn of each call to an upstream through it.

`Upstream` calls `Observer.start_call` once for each call, then the methods of the `CallObserver` in this order:

    on_attempt, on_head, on_error    once for each attempt; an attempt without an answer has no `on_head`
    on_reply                         once for a whole answer, or for each event of a stream
"""

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

from adapter.upstream.errors import UpstreamError
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse


class CallObserver(Protocol):
    """Observes one call, for as long as its `with` block runs."""

    def on_attempt(self, headers: dict[str, str]) -> None:
        """Handle the start of an attempt; headers that are added to `headers` are sent with it."""
        ...

    def on_head(self, status: int) -> None:
        """Handle the head of an answer; `status` is its HTTP status."""
        ...

    def on_error(self, error: UpstreamError) -> None:
        """Handle a failed attempt (or a call that failed before one); another may follow."""
        ...

    def on_reply(self, response: GenerateContentResponse, payload: bytes) -> None:
        """Handle a whole answer or an event; `payload` is its JSON as received."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Observer(Protocol):
    """Observes all calls."""

    def start_call(
        self, upstream: UpstreamSettings, verb: str, method: str, model: str, request: GenerateContentRequest | None
    ) -> CallObserver:
        """Begin to observe a call. `verb` is HTTP's method, `method` Gemini's name for it; `model` may be empty.

        On Gemini's own paths clients may send any method.
        """
        ...

    def add_open_circuits(self, upstream: str, more: int) -> None:
        """Change the number of open circuits of an upstream by `more`, which may be negative."""
        ...


class ObserverGroup:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def start_call(
        self, upstream: UpstreamSettings, verb: str, method: str, model: str, request: GenerateContentRequest | None
    ) -> CallObserver:
        """Begin to observe a call with each observer."""
        return _CallObserverGroup(
            [observer.start_call(upstream, verb, method, model, request) for observer in self._observers]
        )

    def add_open_circuits(self, upstream: str, more: int) -> None:
        """Pass the change on to each observer."""
        for one in self._observers:
            one.add_open_circuits(upstream, more)


class _CallObserverGroup:
    """One call that several observers observe."""

    def __init__(self, observed: Sequence[CallObserver]) -> None:
        self._observed = observed
        # Exits in reverse order, and all of them, even if one raises.
        self._stack = ExitStack()

    def on_attempt(self, headers: dict[str, str]) -> None:
        for one in self._observed:
            one.on_attempt(headers)

    def on_head(self, status: int) -> None:
        for one in self._observed:
            one.on_head(status)

    def on_error(self, error: UpstreamError) -> None:
        for one in self._observed:
            one.on_error(error)

    def on_reply(self, response: GenerateContentResponse, payload: bytes) -> None:
        for one in self._observed:
            one.on_reply(response, payload)

    def __enter__(self) -> Self:
        for one in self._observed:
            self._stack.enter_context(one)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def combine_observers(observers: Sequence[Observer]) -> Observer | None:
    """Combine observers into one; None for none, so that calls without observers cost nothing."""
    return ObserverGroup(observers) if len(observers) > 1 else next(iter(observers), None)


def outcome(error: BaseException | None) -> str:
    """Name how a call or an attempt ended: `ok`, `cancelled`, an HTTP status, or a code of `upstream.errors`."""
    if error is None:
        return "ok"
    return error.code or str(error.status) if isinstance(error, UpstreamError) else "cancelled"
