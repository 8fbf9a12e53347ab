"""Admission control: a limited number of requests run, some more wait for a moment, all others get an error at once.

States of a request:

    waiting    in the queue, at most `patience` seconds
    running    it has a slot
    refused    `Overloaded` was raised; the client gets 429 or 503 with a time to wait

Transitions: `Admission.acquire()` leads to running if a slot is free, else to waiting, or to refused if the queue is
full. `release()` hands the slot to the first in the queue. A request that is cancelled in the moment in which it is
handed a slot must release it, or the slot would be lost for ever.
"""

import asyncio
from collections import deque
from math import ceil

from adapter.server.http.byte_budget import ByteBudget, Overloaded


class RateLimitExceeded(Exception):
    """A client is above its rate limit; it may ask again in `wait` seconds."""

    def __init__(self, limit: int, wait: float) -> None:
        super().__init__(f"Rate limit reached: {limit} requests are allowed. Try again in {ceil(wait)} s.")
        self.wait = wait


class HeldBytes:
    """Bytes of a `ByteBudget` that are reserved for as long as this object lives.

    A history is used by its request, and by a background job long after the request: no `with` block spans both. So
    whoever uses the history keeps this object beside it, and the last reference that goes releases the bytes.
    """

    def __init__(self, budget: ByteBudget) -> None:
        self.size = 0
        self._budget = budget

    def reserve(self, size: int) -> None:
        """Reserve `size` more bytes. Raises `Overloaded`."""
        self._budget.reserve(size)
        self.size += size

    def __del__(self) -> None:
        self._budget.release(self.size)


class Admission:
    """Slots for running requests, and a queue for waiting ones: first in, first out.

    A request runs between `acquire` and `release`. `most` is the number of slots, `queued` the length of the queue,
    `patience` the longest wait in seconds.
    """

    def __init__(self, most: int, queued: int, patience: float) -> None:
        self._free = most
        self._max_queued = queued
        self._patience = patience
        self._queue: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Take a slot, at once or after a wait; whoever takes one must release it. Raises `Overloaded`."""
        if self._free:
            self._free -= 1
        else:
            await self._wait_for_slot()

    async def _wait_for_slot(self) -> None:
        """Wait for the next slot that is released. Raises `Overloaded`."""
        if len(self._queue) >= self._max_queued:
            raise Overloaded
        waiter = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        try:
            async with asyncio.timeout(self._patience):
                await waiter
        except BaseException as error:
            if waiter in self._queue:
                self._queue.remove(waiter)
            else:
                # The slot was handed over in the very moment of the cancellation.
                self.release()
            if isinstance(error, TimeoutError):
                raise Overloaded from None
            raise

    def release(self) -> None:
        """Hand the slot to the first request in the queue that still waits, or make it free."""
        for waiter in self._queue:
            if not waiter.done():
                self._queue.remove(waiter)
                waiter.set_result(None)
                return
        self._free += 1
