"""Measures how long the event loop is kept from its next turn."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST = 0.25
"""Seconds of CPU between two turns."""

HEADERS = [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")]


async def longest_stretch(asked: Awaitable[T], clock: Callable[[], float]) -> tuple[T, float]:
    """The answer, and the longest time by `clock` for which nobody else had a turn.

    `time.process_time` counts what other threads do, too: a call in a thread that holds the interpreter.
    """
    longest, done = 0.0, False

    async def tick() -> None:
        nonlocal longest
        while not done:
            begun = clock()
            await asyncio.sleep(0.001)
            longest = max(longest, clock() - begun)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    answer = await asked
    done = True
    await ticking
    return answer, longest
