"""How much is served at once: so many requests run, some more wait a moment, the rest is sent away at once."""

import asyncio
from collections import deque
from math import ceil
from typing import Self

from adapter.server.http.byte_budget import ByteBudget, Overloaded


class TooOften(Exception):
    """A client asked more often than it may; `wait` seconds from now it may again."""

    def __init__(self, limit: int, wait: float) -> None:
        super().__init__(f"Rate limit reached: {limit} requests are allowed. Try again in {ceil(wait)} s.")
        self.wait = wait


class Held:
    """Bytes that are taken as long as this object lives: whoever uses what it stands for keeps it beside that.

    A history is used by its request, and by a job in the background long after its request.
    """

    def __init__(self, room: ByteBudget) -> None:
        self.size = 0
        self._room = room

    def take(self, size: int) -> None:
        """Take so much more. Raises `Overloaded`."""
        self._room.take(size)
        self.size += size

    def __del__(self) -> None:
        self._room.give(self.size)


class Load:
    """Places for requests that run, and a line for those that wait; the first in it is served first.

    A request has its place inside `with await load.place()`.
    """

    def __init__(self, most: int, queued: int, patience: float) -> None:
        self._free = most
        self._queued = queued
        self._patience = patience
        self._line: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Whether there is a free place, which is then taken."""
        if self._free == 0:
            return False
        self._free -= 1
        return True

    async def place(self) -> Self:
        """Take a place, now or in turn, and give it back behind the `with` that this is for. Raises `Overloaded`."""
        if not self.take():
            await self.wait()
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.give()

    async def wait(self) -> None:
        """Take the next place that is given back. Raises `Overloaded`."""
        if len(self._line) >= self._queued:
            raise Overloaded
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn in self._line:
                self._line.remove(turn)
            else:
                self.give()
            if isinstance(error, TimeoutError):
                raise Overloaded from None
            raise

    def give(self) -> None:
        """Give a place back, to the first in line who still waits."""
        for turn in self._line:
            if not turn.done():
                self._line.remove(turn)
                turn.set_result(None)
                return
        self._free += 1
