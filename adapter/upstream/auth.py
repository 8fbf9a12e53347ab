"""With whose key a call goes out.

Google AI Studio wants an API key in `x-goog-api-key` and refuses one in `Authorization` on its native endpoints
(ai.google.dev/gemini-api/docs, 2026); relays want a bearer token. Never both, and never the key in a URL.
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from adapter.upstream.errors import MissingKey, UpstreamError, exhausted_for_the_day, reason
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.vertex import VertexAuth

log = logging.getLogger("adapter")

Scheme = Literal["api-key", "bearer"]

COOL = 30.0
"""Seconds that a key rests after a 429 that names no delay."""

COOL_FOR_THE_DAY = 3_600.0
"""Seconds that a key rests when its daily quota is used up; the time of the reset is not told."""

DENIED = 300.0
"""Seconds that a key rests for a model that it may not use; its project's rights and billing can be put right."""

MAX_RESTS = 10_000

_USELESS = {"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED", "CONSUMER_SUSPENDED", "CONSUMER_INVALID"}
"""ErrorInfo reasons of a key that will not work again (googleapis, google/api/error_reason.proto)."""


class Caller(NamedTuple):
    """Who asks: the key that the client itself sent."""

    key: str | None = None

    def __repr__(self) -> str:
        """Without the key."""
        return "Caller(key=None)" if self.key is None else "Caller(key=...)"


class Auth(Protocol):
    """Where the headers of a call come from, and what an error teaches about them."""

    async def headers(self, caller: Caller, model: str, /) -> Mapping[str, str]:
        """The headers that name the key. Raises `MissingKey`."""
        ...

    def learn(self, headers: Mapping[str, str], model: str, error: UpstreamError, /) -> bool:
        """Whether another key may do better at once, now that this one met an error."""
        ...


def _header(scheme: Scheme, key: str) -> dict[str, str]:
    return {"x-goog-api-key": key} if scheme == "api-key" else {"authorization": f"Bearer {key}"}


class CallersKey:
    """Each caller's own key, passed on."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme

    async def headers(self, caller: Caller, _model: str) -> Mapping[str, str]:
        """See `Auth`."""
        key = caller.key
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise MissingKey
        return _header(self._scheme, key)

    def learn(self, _headers: Mapping[str, str], _model: str, _error: UpstreamError) -> bool:
        """See `Auth`."""
        return False


class KeyPool:
    """Our own keys in turn. A key rests for one model after a 429, and for all models when it is refused.

    Resting only decides who is asked first: with all keys at rest the one that is ready soonest is asked, for the last
    word is Gemini's.
    """

    def __init__(self, scheme: Scheme, keys: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._headers = [_header(scheme, key.strip()) for key in keys] or [{}]
        self._clock = clock
        self._turn = 0
        self._rests: dict[tuple[int, str], float] = {}

    async def headers(self, _caller: Caller, model: str) -> Mapping[str, str]:
        """See `Auth`."""
        count = len(self._headers)
        if count == 1:
            return self._headers[0]
        now = self._clock()
        turns = [(self._turn + i) % count for i in range(count)]
        chosen = min(turns, key=lambda index: max(self._ready_at(index, model), now))
        self._turn = (chosen + 1) % count
        return self._headers[chosen]

    def learn(self, headers: Mapping[str, str], model: str, error: UpstreamError) -> bool:
        """See `Auth`. `headers` is the very mapping that `headers` gave."""
        rest = _rest(error)
        if rest is None or len(self._headers) == 1:
            return False
        now = self._clock()
        index = next(i for i, own in enumerate(self._headers) if own is headers)
        if rest == math.inf and self._ready_at(index, "") != math.inf:
            known = reason(error.error) or ""
            why = known if known in _USELESS else "reported as leaked"
            log.warning("upstream key %d of %d is refused for good (%s)", index + 1, len(self._headers), why)
        if len(self._rests) >= MAX_RESTS:
            self._forget(now)
        self._rests[index, "" if rest == math.inf else model] = now + rest
        return any(self._ready_at(i, model) <= now for i in range(len(self._headers)))

    def _forget(self, now: float) -> None:
        """Drop what has passed; all of it if nothing has, since a wrong first try costs little."""
        self._rests = {key: until for key, until in self._rests.items() if until > now}
        if len(self._rests) >= MAX_RESTS:
            self._rests.clear()

    def _ready_at(self, index: int, model: str) -> float:
        return max(self._rests.get((index, ""), 0.0), self._rests.get((index, model), 0.0))


def _rest(error: UpstreamError) -> float | None:
    """For how many seconds a key is of no use after this error; None if the key is not to blame."""
    if error.status == 429:
        return COOL_FOR_THE_DAY if exhausted_for_the_day(error.error) else error.retry_after or COOL
    if reason(error.error) in _USELESS or "reported as leaked" in (error.error.message or ""):
        return math.inf
    if error.status in (401, 403) or error.error.status == "FAILED_PRECONDITION":
        return DENIED
    return None


def auth(settings: UpstreamSettings, clock: Callable[[], float]) -> Auth:
    """The way of `settings.auth`. `clock` counts seconds."""
    if settings.auth == "caller":
        return CallersKey(settings.caller_scheme)
    if settings.auth == "vertex":
        return VertexAuth(clock)
    return KeyPool(settings.auth, settings.keys, clock)
