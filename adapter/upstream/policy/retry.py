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
from typing import NamedTuple, TypeVar

from adapter.upstream.errors import (
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    is_exhausted,
)
from adapter.upstream.settings import UpstreamSettings

T = TypeVar("T")

FIRST_WAIT = 0.5
MAX_WAIT = 8.0
"""Seconds. If Gemini asks for more, the client gets the error with Retry-After instead of a connection that hangs."""

MARGIN = 5.0
"""Seconds that must be left before the deadline: an attempt without time to be answered only costs money."""

MAX_KEYS = 3
"""How many keys one call may try."""

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
    """Runs attempts. All calls to one upstream share it, so that retries cannot double the load of a failing one."""

    def __init__(self, settings: UpstreamSettings, world: World = WORLD) -> None:
        self._retries = settings.retries
        self._statuses = _REFUSED_FOR_A_WHILE | (_INTERNAL if settings.retry_server_errors else frozenset())
        self._world = world
        self._running = 0
        self._retrying = 0

    async def run(self, attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Return the result of the first attempt that succeeds. `deadline` is a time of the world's clock.

        Raises the last attempt's `UpstreamError`.
        """
        self._running += 1
        tries: _Tries | None = None
        try:
            while True:
                try:
                    return await attempt()
                except UpstreamError as error:
                    tries = tries or _Tries()
                    pause = self._next_pause(error, tries, deadline)
                    if pause is None:
                        raise
                if pause:
                    await self._world.sleep(pause)
        finally:
            self._running -= 1
            if tries is not None:
                self._retrying -= tries.counted

    def _next_pause(self, error: UpstreamError, tries: "_Tries", deadline: float) -> float | None:
        """Return the seconds to wait before the next attempt; None for no further one."""
        if error.try_another_key and tries.keys < MAX_KEYS:
            pause = 0.0
            tries.keys += 1
        elif tries.retries < self._retries and (wait := self._backoff(error, tries.retries)) is not None:
            pause = wait
            tries.retries += 1
        else:
            return None
        if self._world.clock() + pause > deadline - MARGIN or not self._is_within_budget(tries):
            return None
        return pause

    def _is_within_budget(self, tries: "_Tries") -> bool:
        """Whether this call may retry: at most a fifth of the running calls may, and three always."""
        if not tries.counted:
            if self._retrying >= max(3, self._running // 5):
                return False
            tries.counted = True
            self._retrying += 1
        return True

    def _backoff(self, error: UpstreamError, retries: int) -> float | None:
        """Return the seconds until this error may be over; None if it will not be, or not soon."""
        match error:
            case UpstreamUnavailable():
                return 0.0 if error.again else None
            case UpstreamTimeout():
                return 0.0 if error.phase == "connect" else None
        if error.code or error.status not in self._statuses or is_exhausted(error.error):
            return None
        stated = error.retry_after or 0.0
        # Full jitter, so that calls that failed together do not come back together.
        backoff = min(MAX_WAIT, FIRST_WAIT * 2**retries) * self._world.random()
        return max(stated, backoff) if stated <= MAX_WAIT else None


class _Tries:
    """The retries of one call so far."""

    def __init__(self) -> None:
        self.retries = 0
        self.keys = 1
        self.counted = False
