"""Where the computing for a request is done: at once, or in one thread beside the event loop.

Translating a usual request takes less than a millisecond. What a body of megabytes takes would keep all other clients
waiting, so it is done in a thread: the interpreter changes threads every five milliseconds, and no single call in
there is long (`wire.reader`). There is one such thread, so large requests wait for each other and for nothing else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from adapter.wire.reader import is_small

T = TypeVar("T")

LONG = 4 * 1024 * 1024
"""Bytes that take some ten milliseconds, whatever they are."""


LONG_HISTORY = 256 * 1024
"""Bytes of a history from which on it is decoded and translated beside the event loop."""


class Work(Protocol):
    """Does the computing of one request."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function and return what it returns."""
        ...


class AtOnce:
    """See `Work`: in the event loop, which costs nothing."""

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """See `Work`."""
        return function(*arguments)


class Beside:
    """See `Work`: in the thread."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "translate")

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """See `Work`. What nobody waits for any more is not begun; what has begun ends by itself."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def close(self) -> None:
        """End the thread, after what it does now."""
        self._executor.shutdown(cancel_futures=True)


def is_long(body: bytes) -> bool:
    """Whether a body's decoding and translation must not be done in the event loop."""
    return len(body) > LONG or not is_small(body)
