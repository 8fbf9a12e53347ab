"""How much is served at once: so many requests run, some more wait a moment, the rest is sent away at once.

Bodies are bounded by their size as well, since they are read before a request has its place.
"""

import asyncio
from collections import deque
from math import ceil
from types import TracebackType
from typing import Self


class Overloaded(Exception):
    """As many requests run and wait as may."""


class TooOften(Exception):
    """A client asked more often than it may; `wait` seconds from now it may again."""

    def __init__(self, limit: int, wait: float) -> None:
        super().__init__(f"Rate limit reached: {limit} requests are allowed. Try again in {ceil(wait)} s.")
        self.wait = wait


class Load:
    """Places for requests that run, and a line for those that wait; the first in it is served first."""

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


class Room:
    """Bytes of bodies that may be held at once; one body alone is always let in."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def hold(self) -> "Held":
        """Count one request's body for as long as the body of the `with` runs."""
        return Held(self)

    def fits(self, size: int) -> bool:
        """Whether so many bytes more may be held."""
        return not self.held or self.held + size <= self._most


class Held:
    """What one request holds."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def expect(self, size: int) -> None:
        """Say how large the body will be. Raises `Overloaded`."""
        if not self._room.fits(size):
            raise Overloaded

    def add(self, size: int) -> None:
        """Hold a piece. Raises `Overloaded`."""
        if self._room.held != self._size and not self._room.fits(size):
            raise Overloaded
        self._size += size
        self._room.held += size

    def give(self) -> None:
        """Hold nothing any more."""
        self._room.held -= self._size
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give()
