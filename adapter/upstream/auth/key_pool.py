"""Chooses the API key of a call: the client's own, or the next of a pool of ours.

Google AI Studio wants an API key in `x-goog-api-key` and refuses one in `Authorization` on its native endpoints
(ai.google.dev/gemini-api/docs, 2026); relays want a bearer token. A call never carries both, and a key never stands in
a URL, which logs and proxies keep.

States of one key for one model in a `KeyPool` (a refused key has its state for all models):

    ready     it may be used
    stated    cooling down; Gemini said for how long, or which quota is used up
    guess     cooling down after a 429 that says neither: 30 s, then twice as long each time, at most 600 s
    refused   invalid (for ever), denied to this project or out of money (300 s)

Transitions, all made by `KeyPool.on_error` and `on_success`, which `Upstream` calls after each attempt:

    from            event                                            to
    ready           429 with a delay or a quota's name               stated, until then or until midnight
    ready           429 without                                      guess
    ready           401, 403, FAILED_PRECONDITION of the project     refused, 300 s
    ready           API_KEY_INVALID and its like                     refused, for ever and for all models
    stated          its time has passed, or a probe was answered     ready
    guess, refused  its time has passed                              ready

`KeyPool.headers` chooses: a ready key in turn; else the guessed cool-down that ends first, since a guess may be wrong;
else, if Gemini stated all of them, one probe for each key and minute, and `KeysCoolingDown` for everybody else.
"""

import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Literal, NamedTuple, Protocol

import msgspec

from adapter.upstream.auth.vertex import VertexAuth
from adapter.upstream.errors import (
    KeysCoolingDown,
    MissingKey,
    UpstreamError,
    error_reason,
    has_quota_violation,
)
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.errors import is_balance, is_daily_quota_exhausted, is_projects_fault

log = logging.getLogger("adapter")

Scheme = Literal["api-key", "bearer"]

FIRST_COOL_DOWN_S = 30.0
MAX_COOL_DOWN_S = 600.0
"""Seconds of the first and of the longest cool-down after a 429 that names no delay; each one doubles the last."""

DENIED_COOL_DOWN_S = 300.0
"""Seconds without a key for a model that it may not use. It ends: rights and billing can be fixed."""

PROBE_INTERVAL_S = 60.0
"""Seconds between probes of a key that is cooling down, if no other is ready: limits are raised, quotas refilled."""

TIMER_SLACK_S = 0.01
"""Seconds before its end at which a cool-down counts as over: timers fire some milliseconds early (uvloop)."""

MAX_COOL_DOWNS = 10_000
"""Cool-downs in one pool. Clients choose the names of models, so their number must have a limit."""

_INVALID_KEY_REASONS = {
    "API_KEY_INVALID",
    "API_KEY_SERVICE_BLOCKED",
    "SERVICE_DISABLED",
    "CONSUMER_SUSPENDED",
    "CONSUMER_INVALID",
}
"""ErrorInfo reasons of a key that will never work again (googleapis, google/api/error_reason.proto)."""

_REQUEST_FAULT = re.compile(r"CachedContent not found|permission to access the File", re.IGNORECASE)
"""Messages of a 403 about something that the request names: another key would not help."""

_DAY_S = 86_400.0

_QUOTA_RESET_UTC_S = 8 * 3_600.0
"""Daily quotas reset at midnight in California (ai.google.dev/gemini-api/docs/rate-limits, 2026): 08:00 UTC.

In summer that is 07:00 UTC. An hour too long costs one probe a minute; a time zone database would be a dependency.
"""


class Caller(msgspec.Struct, frozen=True, gc=False):
    """The client of a call, as an upstream needs to know it: the API key that the client sent.

    `pin` names the key of our pool that a call needs, since what it asks for was made with that key (`KeyPool.choose`).
    """

    key: str | None = None
    pin: str = ""

    def __repr__(self) -> str:
        """Return the class name; a key never gets into a log."""
        return "Caller(key=None)" if self.key is None else "Caller(key=...)"


class Auth(Protocol):
    """Supplies the headers that authenticate a call, and learns from how the call ends."""

    async def headers(self, caller: Caller, model: str, /) -> Mapping[str, str]:
        """Return the headers for one attempt. Raises `MissingKey`, `KeysCoolingDown`, `NoToken`."""
        ...

    def on_error(self, headers: Mapping[str, str], model: str, error: UpstreamError, /) -> bool:
        """Learn from a failed attempt; True if another attempt at once may get another key or token."""
        ...


def _header(scheme: Scheme, key: str) -> dict[str, str]:
    return {"x-goog-api-key": key} if scheme == "api-key" else {"authorization": f"Bearer {key}"}


class CallerKeyAuth:
    """Passes on the key that each client sent."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme

    async def headers(self, caller: Caller, _model: str) -> Mapping[str, str]:
        """Return the client's key as a header. Raises `MissingKey` if it cannot be one."""
        key = caller.key
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise MissingKey
        return _header(self._scheme, key)

    def on_error(self, _headers: Mapping[str, str], _model: str, _error: UpstreamError) -> bool:
        """Return False: a client has only the one key."""
        return False


class _CoolDown(NamedTuple):
    """One cool-down: its end, its length in seconds, its kind (see the module), its cause, and when a probe is due.

    Times are those of the pool's clock.
    """

    until: float
    length: float
    kind: Literal["stated", "guess", "refused"]
    error: UpstreamError
    probe_at: float


class _Key:
    """One key and its cool-downs by model. The model `""` stands for all models."""

    __slots__ = ("cool_downs", "headers", "number", "pin")

    def __init__(self, number: int, headers: dict[str, str]) -> None:
        self.number = number
        self.headers = headers
        self.pin = sha256("".join(headers.values()).encode()).hexdigest()[:16]
        self.cool_downs: dict[str, _CoolDown] = {}

    def cool_down(self, model: str, now: float) -> _CoolDown | None:
        """Return the cool-down that ends last of those that hold for a model now."""
        least = now + TIMER_SLACK_S
        active = [one for name in ("", model) if (one := self.cool_downs.get(name)) is not None and one.until > least]
        return max(active, key=lambda one: one.until, default=None)


class KeyPool:
    """Uses our own keys in turn, except those that are cooling down; the module's docstring has the states.

    `has_several`: there is more than one key; `probed`: keys, by number, and models whose probes are under way. `clock`
    counts seconds and only goes forward; `wall` is the time of day, for quotas that reset at midnight.
    """

    def __init__(
        self, scheme: Scheme, keys: Iterable[str], clock: Callable[[], float], wall: Callable[[], float] = time.time
    ) -> None:
        self._scheme = scheme
        self._clock = clock
        self._wall = wall
        self.replace(keys)

    def replace(self, keys: Iterable[str]) -> None:
        """Use these keys from now on, without any cool-down. Running calls end with the old ones."""
        made = [_header(self._scheme, key.strip()) for key in keys] or [{}]
        self._keys = [_Key(number, headers) for number, headers in enumerate(made, 1)]
        self.has_several = len(made) > 1
        self._turn = 0
        self._cool_down_count = 0
        self.probed: set[tuple[int, str]] = set()

    def has(self, pin: str) -> bool:
        """Return whether a key of this name is in the pool."""
        return any(key.pin == pin for key in self._keys)

    def choose(self, owner: str) -> str:
        """Return the name of a key for calls that must all have the same one. Raises `KeysCoolingDown`.

        An owner gets the same key again and again while that is ready: two files of two keys cannot stand in one
        request, since each key sees its own alone. Owners are spread over the keys.
        """
        now = self._clock()
        ready = [key for key in self._keys if key.cool_down("", now) is None]
        if not ready:
            return self._choose("", now).pin
        return max(ready, key=lambda key: sha256(f"{key.pin}{owner}".encode()).digest()).pin

    @property
    def pins(self) -> list[str]:
        """The names of the keys, except invalid ones."""
        return [key.pin for key in self._keys if (found := key.cool_downs.get("")) is None or found.until < math.inf]

    async def headers(self, caller: Caller, model: str) -> Mapping[str, str]:
        """Return the header with the key that the caller needs, or else whose turn it is. Raises `KeysCoolingDown`."""
        # Fast path: with one key and no cool-down there is nothing to choose.
        if not self._cool_down_count and len(self._keys) == 1:
            return self._keys[0].headers
        if caller.pin:
            # A key that was taken away meanwhile cannot be had: another one answers that it knows no such name.
            for key in self._keys:
                if key.pin == caller.pin:
                    return key.headers
        chosen = self._choose(model, self._clock())
        self._turn = chosen.number % len(self._keys)
        return chosen.headers

    def _choose(self, model: str, now: float) -> _Key:
        """Choose a key. Raises `KeysCoolingDown` if Gemini told all of them to wait and no probe is due."""
        cooling_down: list[tuple[_CoolDown, _Key]] = []
        for key in (*self._keys[self._turn :], *self._keys[: self._turn]):
            cool_down = key.cool_down(model, now)
            if cool_down is None:
                return key
            cooling_down.append((cool_down, key))
        # A refused key must not hide that the others only have to wait.
        left = [one for one in cooling_down if one[0].kind != "refused"] or cooling_down
        guessed = [one for one in left if one[0].kind != "stated"]
        if guessed:
            return min(guessed, key=_end_of)[1]
        for cool_down, key in left:
            if cool_down.probe_at <= now:
                # This call is the probe; the next one is due a minute later.
                key.cool_downs[model] = cool_down._replace(probe_at=now + PROBE_INTERVAL_S)
                self.probed.add((key.number, model))
                return key
        first = min(left, key=_end_of)[0]
        raise KeysCoolingDown(first.error, first.until - now)

    def on_error(self, headers: Mapping[str, str], model: str, error: UpstreamError) -> bool:
        """Start the cool-down that an error calls for; True if another key is ready.

        `headers` must be the very mapping that `headers()` returned: it identifies the key.
        """
        now = self._clock()
        key = next((one for one in self._keys if one.headers is headers), None)
        if key is None:
            # The keys were replaced meanwhile. If the old one was invalid, a new one is worth a try.
            return _is_invalid_key(error)
        if _is_invalid_key(error):
            if "" not in key.cool_downs:
                log.warning("API key %d of %d is invalid and no longer used: replace it", key.number, len(self._keys))
            self._start_cool_down(key, "", _CoolDown(math.inf, math.inf, "refused", error, math.inf), now)
        elif is_balance(error.error):
            # An empty account is reported to this client at once. Trying all other keys would spend their rate limits
            # on a request that needs an operator.
            self._start_cool_down(key, "", _denied_cool_down(error, now), now)
            return False
        elif (cool_down := self._cool_down_after(key.cool_downs.get(model), error, now)) is not None:
            self._start_cool_down(key, model, cool_down, now)
        else:
            return False
        return any(one.cool_down(model, now) is None for one in self._keys)

    def on_success(self, headers: Mapping[str, str], model: str) -> None:
        """End a cool-down whose probe was answered.

        Other successes prove nothing: those calls may have started before the cool-down.
        """
        for key in self._keys:
            if key.headers is headers and (key.number, model) in self.probed:
                self.probed.discard((key.number, model))
                self._cool_down_count -= key.cool_downs.pop(model, None) is not None

    def _cool_down_after(self, last: _CoolDown | None, error: UpstreamError, now: float) -> _CoolDown | None:
        """Return the cool-down for one model that an error calls for; None if the key is not to blame.

        `last` is the key's cool-down before this one, which decides whether a guess is doubled.
        """
        probe_at = now + PROBE_INTERVAL_S
        if error.status != 429:
            return _denied_cool_down(error, now) if _is_denied(error) else None
        if is_daily_quota_exhausted(error.error):
            length = _DAY_S - (self._wall() - _QUOTA_RESET_UTC_S) % _DAY_S
        elif error.retry_after:
            length = error.retry_after
        elif last is not None and last.until > now:
            # Calls that ran at the same time report the same limit: doubling for each would be wrong.
            return last
        else:
            follows = last is not None and now - last.until <= last.length
            length = min(MAX_COOL_DOWN_S, 2 * last.length) if last is not None and follows else FIRST_COOL_DOWN_S
        stated = error.retry_after or has_quota_violation(error.error)
        return _CoolDown(now + length, length, "stated" if stated else "guess", error, probe_at)

    def _start_cool_down(self, key: _Key, model: str, cool_down: _CoolDown, now: float) -> None:
        if self._cool_down_count >= MAX_COOL_DOWNS:
            self._drop_expired(now)
        self._cool_down_count += model not in key.cool_downs
        self.probed.discard((key.number, model))
        key.cool_downs[model] = cool_down

    def _drop_expired(self, now: float) -> None:
        """Drop cool-downs that have ended; all of them if none has, since one needless attempt costs little."""
        for key in self._keys:
            key.cool_downs = {model: cool_down for model, cool_down in key.cool_downs.items() if cool_down.until > now}
        if sum(len(key.cool_downs) for key in self._keys) >= MAX_COOL_DOWNS:
            for key in self._keys:
                key.cool_downs.clear()
        self._cool_down_count = sum(len(key.cool_downs) for key in self._keys)


def _denied_cool_down(error: UpstreamError, now: float) -> _CoolDown:
    return _CoolDown(now + DENIED_COOL_DOWN_S, DENIED_COOL_DOWN_S, "refused", error, math.inf)


def _end_of(one: tuple[_CoolDown, _Key]) -> float:
    return one[0].until


def _is_invalid_key(error: UpstreamError) -> bool:
    """Return whether the key itself is invalid, for all models and for ever."""
    return error_reason(error.error) in _INVALID_KEY_REASONS or "reported as leaked" in (error.error.message or "")


def _is_denied(error: UpstreamError) -> bool:
    """Return whether the key's project may not use the model, as opposed to something that the request names."""
    if error.error.status == "FAILED_PRECONDITION":
        return is_projects_fault(error.error)
    return error.status in (401, 403) and not _REQUEST_FAULT.search(error.error.message or "")


def build_auth(settings: UpstreamSettings, clock: Callable[[], float]) -> Auth:
    """Build what `settings.auth` asks for. `clock` counts seconds."""
    if settings.auth == "caller":
        return CallerKeyAuth(settings.caller_scheme)
    if settings.auth == "vertex":
        return VertexAuth(clock)
    return KeyPool(settings.auth, settings.keys, clock)
