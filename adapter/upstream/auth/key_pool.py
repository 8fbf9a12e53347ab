"""With whose key a call goes out.

Google AI Studio wants an API key in `x-goog-api-key` and refuses one in `Authorization` on its native endpoints
(ai.google.dev/gemini-api/docs, 2026); relays want a bearer token. Never both, and never the key in a URL.
"""

import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, Protocol

from adapter.upstream.auth.vertex import VertexAuth
from adapter.upstream.errors import (
    KeysAtRest,
    MissingKey,
    UpstreamError,
    exhausted_for_the_day,
    names_a_quota,
    reason,
)
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.errors import is_balance

log = logging.getLogger("adapter")

Scheme = Literal["api-key", "bearer"]

COOL = 30.0
MAX_COOL = 600.0
"""Seconds that a key rests after a 429 that names no delay: twice as long each time that follows, up to the second."""

DENIED = 300.0
"""Seconds that a key rests for a model that it may not use; its project's rights and billing can be put right."""

LOOK_AGAIN = 60.0
"""Seconds after which one call tries a resting key where no other is left: limits are raised, and quotas refilled."""

EARLY = 0.01
"""Seconds before its end at which a rest counts as over: timers ring some milliseconds early (uvloop)."""

MAX_RESTS = 10_000

_USELESS = {"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED", "CONSUMER_SUSPENDED", "CONSUMER_INVALID"}
"""ErrorInfo reasons of a key that will not work again (googleapis, google/api/error_reason.proto)."""

_PROJECTS_FAULT = re.compile(r"location is not supported|billing", re.IGNORECASE)
"""What a FAILED_PRECONDITION of the key's project says; others are about the request (a file that is not ready)."""

_REQUESTS_FAULT = re.compile(r"CachedContent not found|permission to access the File", re.IGNORECASE)
"""What a 403 says that is about a thing that the request names."""

_DAY = 86_400.0

_RESET = 8 * 3_600.0
"""Daily quotas are refilled at midnight in California (ai.google.dev, rate limits): 08:00 UTC, 07:00 in summer."""


class Caller(NamedTuple):
    """Who asks: the key that the client itself sent."""

    key: str | None = None

    def __repr__(self) -> str:
        """Without the key."""
        return "Caller(key=None)" if self.key is None else "Caller(key=...)"


class Auth(Protocol):
    """Where the headers of a call come from, and what its end teaches about them."""

    async def headers(self, caller: Caller, model: str, /) -> Mapping[str, str]:
        """The headers that name the key. Raises `MissingKey`, `KeysAtRest`, `NoToken`."""
        ...

    def learn(self, headers: Mapping[str, str], model: str, error: UpstreamError, /) -> bool:
        """Whether another key may do better at once, now that this one met an error."""
        ...

    def worked(self, headers: Mapping[str, str], model: str, /) -> None:
        """A call with these headers was answered."""
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

    def worked(self, _headers: Mapping[str, str], _model: str) -> None:
        """See `Auth`."""


class _Rest(NamedTuple):
    """A key's rest: until when, how long it was made, why, and when one call may try the key all the same."""

    until: float
    length: float
    kind: Literal["told", "guess", "refused"]
    error: UpstreamError
    again: float


class _Key:
    """One key, and its rests by model; `""` is all models."""

    __slots__ = ("headers", "number", "rests")

    def __init__(self, number: int, headers: dict[str, str]) -> None:
        self.number = number
        self.headers = headers
        self.rests: dict[str, _Rest] = {}

    def rest(self, model: str, now: float) -> _Rest | None:
        """The longest rest that this key has now for a model."""
        least = now + EARLY
        found = [rest for name in ("", model) if (rest := self.rests.get(name)) is not None and rest.until > least]
        return max(found, key=lambda rest: rest.until, default=None)


class KeyPool:
    """Our own keys in turn. A key rests for one model after a 429, and for all models when it is of no use any more.

    Where no key is left and Gemini told each to wait, by a time or a quota that it named, nothing is asked, save one
    call for each key and minute. Where a rest is only a guess, or all keys are refused, the one that is ready first is
    asked: the last word is Gemini's.
    """

    def __init__(
        self, scheme: Scheme, keys: Iterable[str], clock: Callable[[], float], wall: Callable[[], float] = time.time
    ) -> None:
        self._scheme = scheme
        self._clock = clock
        self._wall = wall
        self.replace(keys)

    def replace(self, keys: Iterable[str]) -> None:
        """Take these keys from now on; what was learned is forgotten, and calls under way end with the old ones."""
        made = [_header(self._scheme, key.strip()) for key in keys] or [{}]
        self._keys = [_Key(number, headers) for number, headers in enumerate(made, 1)]
        self._turn = 0
        self._rests = 0
        self._tried: set[tuple[int, str]] = set()

    async def headers(self, _caller: Caller, model: str) -> Mapping[str, str]:
        """See `Auth`."""
        if not self._rests and len(self._keys) == 1:
            return self._keys[0].headers
        chosen = self._chosen(model, self._clock())
        self._turn = chosen.number % len(self._keys)
        return chosen.headers

    def _chosen(self, model: str, now: float) -> _Key:
        """The key whose turn it is. Raises `KeysAtRest`."""
        resting: list[tuple[_Rest, _Key]] = []
        for key in (*self._keys[self._turn :], *self._keys[: self._turn]):
            rest = key.rest(model, now)
            if rest is None:
                return key
            resting.append((rest, key))
        left = [one for one in resting if one[0].kind != "refused"] or resting
        asked = [one for one in left if one[0].kind != "told"]
        if asked:
            return min(asked, key=_ready_at)[1]
        for rest, key in left:
            if rest.again <= now:
                key.rests[model] = rest._replace(again=now + LOOK_AGAIN)
                self._tried.add((key.number, model))
                return key
        soonest = min(left, key=_ready_at)[0]
        raise KeysAtRest(soonest.error, soonest.until - now)

    def learn(self, headers: Mapping[str, str], model: str, error: UpstreamError) -> bool:
        """See `Auth`. `headers` is the very mapping that `headers` gave."""
        now = self._clock()
        key = next((one for one in self._keys if one.headers is headers), None)
        if key is None:
            return _is_useless(error)
        if _is_useless(error):
            if "" not in key.rests:
                log.warning("key %d of %d for the upstream is refused for good", key.number, len(self._keys))
            self._keep(key, "", _Rest(math.inf, math.inf, "refused", error, math.inf), now)
        elif is_balance(error.error):
            # Money that ran out is told to the client at once: the other keys are not asked for this request.
            self._keep(key, "", _Rest(now + DENIED, DENIED, "refused", error, math.inf), now)
            return False
        elif (rest := self._rest(key.rests.get(model), error, now)) is not None:
            self._keep(key, model, rest, now)
        else:
            return False
        return any(one.rest(model, now) is None for one in self._keys)

    def worked(self, headers: Mapping[str, str], model: str) -> None:
        """See `Auth`. A key that answers before its time rests no longer."""
        for key in self._keys if self._tried else ():
            if key.headers is headers and (key.number, model) in self._tried:
                self._tried.discard((key.number, model))
                self._rests -= key.rests.pop(model, None) is not None

    def _rest(self, last: _Rest | None, error: UpstreamError, now: float) -> _Rest | None:
        """The rest for one model that an error calls for; None if the key is not to blame. `last` is the one before."""
        again = now + LOOK_AGAIN
        if error.status != 429:
            return _Rest(now + DENIED, DENIED, "refused", error, math.inf) if _is_denied(error) else None
        if exhausted_for_the_day(error.error):
            length = _DAY - (self._wall() - _RESET) % _DAY
        elif error.retry_after:
            length = error.retry_after
        elif last is not None and last.until > now:
            # Calls that were under way together say the same thing.
            return last
        else:
            follows = last is not None and now - last.until <= last.length
            length = min(MAX_COOL, 2 * last.length) if last is not None and follows else COOL
        told = error.retry_after or names_a_quota(error.error)
        return _Rest(now + length, length, "told" if told else "guess", error, again)

    def _keep(self, key: _Key, model: str, rest: _Rest, now: float) -> None:
        if self._rests >= MAX_RESTS:
            self._forget(now)
        self._rests += model not in key.rests
        self._tried.discard((key.number, model))
        key.rests[model] = rest

    def _forget(self, now: float) -> None:
        """Drop what has passed; all of it if nothing has, since a wrong first try costs little."""
        for key in self._keys:
            key.rests = {model: rest for model, rest in key.rests.items() if rest.until > now}
        if sum(len(key.rests) for key in self._keys) >= MAX_RESTS:
            for key in self._keys:
                key.rests.clear()
        self._rests = sum(len(key.rests) for key in self._keys)


def _ready_at(one: tuple[_Rest, _Key]) -> float:
    return one[0].until


def _is_useless(error: UpstreamError) -> bool:
    """Whether a key will not work again."""
    return reason(error.error) in _USELESS or "reported as leaked" in (error.error.message or "")


def _is_denied(error: UpstreamError) -> bool:
    """Whether a key may not do what was asked, for a reason that lies with its project."""
    message = error.error.message or ""
    if error.error.status == "FAILED_PRECONDITION":
        return _PROJECTS_FAULT.search(message) is not None
    return error.status in (401, 403) and not _REQUESTS_FAULT.search(message)


def auth(settings: UpstreamSettings, clock: Callable[[], float]) -> Auth:
    """The way of `settings.auth`. `clock` counts seconds."""
    if settings.auth == "caller":
        return CallersKey(settings.caller_scheme)
    if settings.auth == "vertex":
        return VertexAuth(clock)
    return KeyPool(settings.auth, settings.keys, clock)
