"""The longest that a test waits for what must happen.

Who waits waits for a condition; this only ends a test whose condition never comes true. It must never decide on a busy
machine, so it is far above what any test needs.
"""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 900.0
"""Seconds."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until a condition holds, without an event loop."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true in {PATIENCE:.0f} s"
        time.sleep(0.02)
