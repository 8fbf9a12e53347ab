"""How a store in a file is used from an event loop: threads that may block, and writes that are collected."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """A thread and the connection that only it uses; both begin with the first call."""

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self._name = name
        self._connect = connect
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function with the connection. Raises `StoreUnusable` and `sqlite3.Error` where there is none."""
        self._thread = self._thread or ThreadPoolExecutor(1, self._name)
        call = partial(self._call, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _call(self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._connection is None:
            self._connection = self._connect()
        return function(self._connection, *args, **kwargs)

    async def aclose(self) -> None:
        """Close the connection when its last call has ended."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Batches(Generic[T]):
    """Collects what comes while a transaction runs; the next one, a call of `commit`, takes it all."""

    def __init__(self, commit: Callable[[list[T]], Awaitable[None]]) -> None:
        self._commit = commit
        self._pending: list[T] = []
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    def start(self, items: Sequence[T]) -> None:
        """Take these into a transaction for which nobody waits."""
        if items:
            self._pending += items
            self._covering()

    async def add(self, items: Iterable[T]) -> None:
        """Return when the transaction that holds these has ended."""
        self._pending += items
        # A waiter that is cancelled must not take the others' transaction with it.
        await asyncio.shield(self._covering())

    def _covering(self) -> asyncio.Task[None]:
        """The task whose transaction will hold all that is pending now."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        return self._next

    async def _after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        items, self._pending = self._pending, []
        self._running, self._next = self._next, None
        await self._commit(items)

    async def settled(self) -> None:
        """Return when nothing is being written any more."""
        if tasks := [task for task in (self._next, self._running) if task]:
            await asyncio.wait(tasks)


def create(path: Path) -> None:
    """The file and its folder, for this user alone. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
