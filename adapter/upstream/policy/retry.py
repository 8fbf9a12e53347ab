"""Retries.

A generation has no side effect, but it costs money. So a call is sent again only if Gemini surely did not run it:

    retried                                              not retried
    no connection, a connect timeout                     any other timeout of ours, 504
    409, 429, 503 (Gemini refused for a while)           every other status
    500, with the setting `retry_server_errors`          500 otherwise
    an error of one key, if another key is ready         anything after the first event of a stream
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from adapter.upstream.errors import (
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    is_exhausted,
)
from adapter.upstream.settings import UpstreamSettings

FIRST_WAIT = 0.5
"""Seconds that a first retry waits at most; the bound doubles with each further one, up to `MAX_WAIT`."""

MAX_WAIT = 8.0
"""The longest wait in seconds. If Gemini asks for more, the client gets the error with Retry-After instead of a
connection that hangs."""

MARGIN = 5.0
"""Seconds that must be left before the deadline: an attempt without time to be answered only costs money."""

MAX_KEYS = 3
"""The most keys that one call may try."""

_REFUSED_FOR_A_WHILE = frozenset({409, 429, 503})
_INTERNAL = frozenset({500})


class World(NamedTuple):
    """Clock (seconds, only forward), sleep (seconds) and random number in [0, 1); tests replace them."""

    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


WORLD = World(time.monotonic, asyncio.sleep, random.random)
"""`time.monotonic` is the event loop's clock. Asking the loop for it would cost a system call (Python 3.11)."""


class Retry:
    """Allows attempts. All calls to one upstream share it, so that retries cannot double the load of a failing one.

    `running` are the calls under way, which whoever makes them counts; `retrying` are those that were sent again.
    """

    def __init__(self, settings: UpstreamSettings, world: World = WORLD) -> None:
        self.retries = settings.retries
        self.statuses = _REFUSED_FOR_A_WHILE | (_INTERNAL if settings.retry_server_errors else frozenset())
        self.world = world
        self.running = 0
        self.retrying = 0


class Attempts(msgspec.Struct, gc=False):
    """The attempts of one call. `deadline` is a time of the world's clock.

    `is_counted`: whether the call is among the policy's `retrying`; whoever made the attempts subtracts it at the end.

    Use:

    attempts = Attempts(retry, deadline)
    retry.running += 1
    try:
        while True:
            try:
                return await attempt()
            except UpstreamError as error:
                pause = attempts.next_pause(error)     seconds; None: `raise`
            await attempts.sleep(pause)
    finally:
        retry.running -= 1
        retry.retrying -= attempts.is_counted
    """

    _policy: Retry
    _deadline: float
    _retries: int = 0
    _keys: int = 1
    is_counted: bool = False

    def next_pause(self, error: UpstreamError) -> float | None:
        """Return the seconds to wait before the next attempt; None for no further one."""
        if error.try_another_key and self._keys < MAX_KEYS:
            pause = 0.0
            self._keys += 1
        elif self._retries < self._policy.retries and (wait := self._backoff(error)) is not None:
            pause = wait
            self._retries += 1
        else:
            return None
        if self._policy.world.clock() + pause > self._deadline - MARGIN or not self._is_within_budget():
            return None
        return pause

    async def sleep(self, pause: float) -> None:
        """Wait for the next attempt."""
        if pause:
            await self._policy.world.sleep(pause)

    def _is_within_budget(self) -> bool:
        """Return whether this call may retry: at most a fifth of the running calls may, and three always."""
        if not self.is_counted:
            if self._policy.retrying >= max(3, self._policy.running // 5):
                return False
            self.is_counted = True
            self._policy.retrying += 1
        return True

    def _backoff(self, error: UpstreamError) -> float | None:
        """Return the seconds until this error may be over; None if it will not be, or not soon."""
        match error:
            case UpstreamUnavailable():
                return 0.0 if error.again else None
            case UpstreamTimeout():
                return 0.0 if error.phase == "connect" else None
        if error.code or error.status not in self._policy.statuses or is_exhausted(error.error):
            return None
        stated = error.retry_after or 0.0
        # Full jitter, so that calls that failed together do not come back together.
        backoff = min(MAX_WAIT, FIRST_WAIT * 2**self._retries) * self._policy.world.random()
        return max(stated, backoff) if stated <= MAX_WAIT else None
