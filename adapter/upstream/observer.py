"""Who is told of the calls to an upstream: figures and traces. Nobody, where neither is switched on."""

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

from adapter.upstream.errors import UpstreamError
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse


class Observed(Protocol):
    """One call, told as it goes; it lasts as long as the `with` that it is used in."""

    def attempt(self, headers: dict[str, str]) -> None:
        """A request is sent; `headers` go with it, and may be added to."""
        ...

    def answered(self, status: int) -> None:
        """The head of its answer came."""
        ...

    def failed(self, error: UpstreamError) -> None:
        """The attempt ended with an error, if one was made; another may follow."""
        ...

    def heard(self, response: GenerateContentResponse, payload: bytes) -> None:
        """The answer came, or an event of it; `payload` is its JSON as it came."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Observer(Protocol):
    """Who observes all calls."""

    def call(
        self, upstream: UpstreamSettings, method: str, model: str, request: GenerateContentRequest | None
    ) -> Observed:
        """A call begins. `method` is Gemini's name for it; there may be no model."""
        ...

    def circuits(self, upstream: str, more: int) -> None:
        """So many more circuits of an upstream are open; fewer, if negative."""
        ...


class Several:
    """Some observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def call(
        self, upstream: UpstreamSettings, method: str, model: str, request: GenerateContentRequest | None
    ) -> Observed:
        """See `Observer`."""
        return _Several([one.call(upstream, method, model, request) for one in self._observers])

    def circuits(self, upstream: str, more: int) -> None:
        """See `Observer`."""
        for one in self._observers:
            one.circuits(upstream, more)


class _Several:
    """One call, observed by some; see `Observed`."""

    def __init__(self, observed: Sequence[Observed]) -> None:
        self._observed = observed
        self._stack = ExitStack()

    def attempt(self, headers: dict[str, str]) -> None:
        for one in self._observed:
            one.attempt(headers)

    def answered(self, status: int) -> None:
        for one in self._observed:
            one.answered(status)

    def failed(self, error: UpstreamError) -> None:
        for one in self._observed:
            one.failed(error)

    def heard(self, response: GenerateContentResponse, payload: bytes) -> None:
        for one in self._observed:
            one.heard(response, payload)

    def __enter__(self) -> Self:
        for one in self._observed:
            self._stack.enter_context(one)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def together(observers: Sequence[Observer]) -> Observer | None:
    """Some observers as one; None for none."""
    return Several(observers) if len(observers) > 1 else next(iter(observers), None)


def outcome(error: BaseException | None) -> str:
    """How a call or an attempt ended, in a word: `ok`, an HTTP status or a code of `upstream.errors`, `cancelled`."""
    if error is None:
        return "ok"
    return error.code or str(error.status) if isinstance(error, UpstreamError) else "cancelled"
