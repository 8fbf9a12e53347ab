"""When a call is sent again.

A generation has no effect beside its cost, so what may have begun is not begun twice: only what never reached Gemini,
what it refused for a while (409, 429, 503), and on request its internal errors (500). Never after the first byte of an
answer was passed on, never after a time limit of ours, never 504.
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
    used_up,
)
from adapter.upstream.settings import UpstreamSettings

T = TypeVar("T")

FIRST_WAIT = 0.5
MAX_WAIT = 8.0
"""Seconds. Who is told to wait longer is told so, with Retry-After, and does not hold the connection open."""

MARGIN = 5.0
"""Seconds that must be left before the deadline for another try."""

MAX_KEYS = 3
"""How many keys one call may try."""

_REFUSED_FOR_A_WHILE = frozenset({409, 429, 503})
_INTERNAL = frozenset({500})


class World(NamedTuple):
    """What retrying needs of the world: seconds that pass, seconds to sleep, a number in [0, 1)."""

    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


WORLD = World(time.monotonic, asyncio.sleep, random.random)
"""The event loop's clock is this one; to ask the loop for it is a call of the system (Python 3.11)."""


class Retry:
    """Runs attempts; shared by all calls to one upstream, so that a storm of errors is not doubled."""

    def __init__(self, settings: UpstreamSettings, world: World = WORLD) -> None:
        self._retries = settings.retries
        self._statuses = _REFUSED_FOR_A_WHILE | (_INTERNAL if settings.retry_server_errors else frozenset())
        self._world = world
        self._running = 0
        self._retrying = 0

    async def run(self, attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
        """The result of the first attempt that gives one. `deadline` is a time of the world's clock.

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
                    pause = self._pause(error, tries, deadline)
                    if pause is None:
                        raise
                if pause:
                    await self._world.sleep(pause)
        finally:
            self._running -= 1
            if tries is not None:
                self._retrying -= tries.counted

    def _pause(self, error: UpstreamError, tries: "_Tries", deadline: float) -> float | None:
        """Seconds to wait before the next try; None if there is none."""
        if error.elsewhere and tries.keys < MAX_KEYS:
            pause = 0.0
            tries.keys += 1
        elif tries.retries < self._retries and (wait := self._wait(error, tries.retries)) is not None:
            pause = wait
            tries.retries += 1
        else:
            return None
        if self._world.clock() + pause > deadline - MARGIN or not self._within_budget(tries):
            return None
        return pause

    def _within_budget(self, tries: "_Tries") -> bool:
        """At most a fifth of the running calls may be in their second try; three always may."""
        if not tries.counted:
            if self._retrying >= max(3, self._running // 5):
                return False
            tries.counted = True
            self._retrying += 1
        return True

    def _wait(self, error: UpstreamError, retries: int) -> float | None:
        """Seconds before this error may have passed; None if it will not pass, or not soon."""
        match error:
            case UpstreamUnavailable():
                return 0.0 if error.again else None
            case UpstreamTimeout():
                return 0.0 if error.phase == "connect" else None
        if error.code or error.status not in self._statuses or used_up(error.error):
            return None
        told = error.retry_after or 0.0
        backoff = min(MAX_WAIT, FIRST_WAIT * 2**retries) * self._world.random()
        return max(told, backoff) if told <= MAX_WAIT else None


class _Tries:
    """What one call has tried."""

    def __init__(self) -> None:
        self.retries = 0
        self.keys = 1
        self.counted = False
