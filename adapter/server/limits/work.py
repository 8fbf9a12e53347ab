"""The executors of decoding and translation: the event loop, or one worker thread.

A usual request takes less than a millisecond. A body of megabytes would block all other clients, so it goes to the
thread: the interpreter switches threads every five milliseconds, and no single call there is long (`wire.reader`).
There is only one such thread, so large requests wait for each other, and nobody else waits for them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from adapter.wire.reader import FEW, is_small

T = TypeVar("T")

LONG = 4 * 1024 * 1024
"""Size in bytes from which even simple JSON takes some ten milliseconds."""


LONG_HISTORY = 256 * 1024
"""Size in bytes from which a stored history is decoded and translated in the thread."""


class Work(Protocol):
    """Runs the computations of one request."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function and return what it returns."""
        ...


class InlineWork:
    """Runs computations in the event loop, without any overhead."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call the function at once."""
        return function(*arguments)


class ThreadWork:
    """Runs computations in the worker thread."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "translate")

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call the function in the thread. Cancelling drops a call that has not begun; a running one ends."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def close(self) -> None:
        """End the thread after its current call."""
        self._executor.shutdown(cancel_futures=True)


def is_long(body: bytes, values: int | None = None) -> bool:
    """Return whether a body is too large, or has too many values, for the event loop."""
    return len(body) > LONG or not (is_small(body) if values is None else values <= FEW)
