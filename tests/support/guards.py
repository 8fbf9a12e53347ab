"""The longest that a test waits for what must happen.

Who waits waits for a condition; this only ends a test whose condition never comes true. It must never decide on a busy
machine, so it is far above what any test needs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from unittest import mock

PATIENCE = 900.0
"""Seconds."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


TICK = 0.01
"""Seconds between two looks at the clock below."""


@asynccontextmanager
async def patient_clock() -> AsyncIterator[None]:
    """Let the event loop's clock leave out what time this process was not given.

    Its timers then keep their distance, whatever else runs on the machine: what a client does each half second comes in
    time for a server, in the same loop, that waits for a second.
    """
    loop = asyncio.get_running_loop()
    real, last, left_out = loop.time, loop.time(), 0.0

    def patient() -> float:
        nonlocal last, left_out
        now = real()
        left_out += max(0.0, now - last - 5 * TICK)
        last = now
        return now - left_out

    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK)

    ticking = asyncio.create_task(tick())
    with mock.patch.object(loop, "time", patient):
        try:
            yield
        finally:
            ticking.cancel()


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until a condition holds, without an event loop."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come true in {PATIENCE:.0f} s"
        time.sleep(0.02)
