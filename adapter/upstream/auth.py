"""Who calls: the operator's keys in turn, or the key that the client sent. Never in a URL, never in an error."""

import time
from collections.abc import Callable
from typing import NamedTuple

from adapter.upstream.errors import UpstreamError
from adapter.upstream.settings import UpstreamSettings

FIRST_COOLDOWN = 30.0
LONGEST_COOLDOWN = 600.0


class Caller(NamedTuple):
    """Who sent the request: the key in its `Authorization` header, if any."""

    key: str | None = None


class _Key:
    """One of the operator's keys, and how it fares."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.ready_at = 0.0
        self.cooldown = FIRST_COOLDOWN
        self.refused = False


class Auth:
    """Chooses the key of each call, and learns from the errors of calls."""

    def __init__(self, settings: UpstreamSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._keys = [_Key(value) for value in settings.keys]
        self._next = 0
        self._clock = clock

    def pick(self, caller: Caller) -> str | None:
        """The next key that is not cooling down; the one that is ready first where all are."""
        if self._settings.auth == "caller":
            return caller.key
        usable = [key for key in self._keys if not key.refused] or self._keys
        if not usable:
            return None
        now = self._clock()
        order = usable[self._next % len(usable) :] + usable[: self._next % len(usable)]
        self._next += 1
        return min(order, key=lambda key: max(key.ready_at, now)).value

    def headers(self, key: str | None) -> dict[str, str]:
        """The header that carries a key: Google's own, or a bearer token, never both."""
        if not key:
            return {}
        scheme = self._settings.caller_scheme if self._settings.auth == "caller" else self._settings.auth
        return {"authorization": f"Bearer {key}"} if scheme == "bearer" else {"x-goog-api-key": key}

    def has_other(self, used: str | None) -> bool:
        """Whether another key can be tried at once."""
        now = self._clock()
        return any(key.value != used and not key.refused and key.ready_at <= now for key in self._keys)

    def learn(self, used: str | None, error: UpstreamError, wait: float | None) -> None:
        """Let a key cool down after a 429, and set it aside when it is not valid."""
        key = next((key for key in self._keys if key.value == used), None)
        if key is None:
            return
        if is_bad_key(error):
            key.refused = True
        elif error.status == 429:
            key.ready_at = self._clock() + (wait if wait is not None else key.cooldown)
            key.cooldown = min(key.cooldown * 2, LONGEST_COOLDOWN)

    def succeeded(self, used: str | None) -> None:
        """A key works: its next cool-down is short again."""
        for key in self._keys:
            if key.value == used:
                key.cooldown = FIRST_COOLDOWN


def is_bad_key(error: UpstreamError) -> bool:
    """Whether Gemini refused the key itself (HTTP 400 with the reason API_KEY_INVALID, or 401)."""
    reasons = [detail.reason for detail in error.error.details or ()]
    return error.status == 401 or "API_KEY_INVALID" in reasons
