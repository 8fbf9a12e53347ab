"""SQLite files in an event loop: worker threads that may block, and batches of writes.

States of `Batches`, which runs at most one transaction and has at most one waiting:

    idle                   nothing is pending
    running                a transaction is being written
    running and waiting    new items have come; they will be the next transaction, all together
    late                   nothing runs; items of `add_late` wait for others, or for their time

`add`, `flush` and the time of late items lead to the next transaction; its end leads to the state before.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

log = logging.getLogger("adapter")

P = ParamSpec("P")
T = TypeVar("T")

LATE_S = 0.05
"""Seconds for which items may wait that nobody waits for: so many small transactions become one."""

MAX_LATE = 500
"""Items that may wait so."""

SHORT_LOCK_WAIT_MS = 100
"""Milliseconds that calls wait for a lock after one waited in vain: a backup may hold the lock for hours."""


class Worker:
    """A thread with a connection of its own to a SQLite file. Both are created by the first call.

    If the file was removed meanwhile, it is created anew, and `replaced` is called: writes to a removed file would be
    lost without an error. Of several calls that meet a lock only the first waits for the full time.
    """

    def __init__(
        self, name: str, path: Path, connect: Callable[[Path], sqlite3.Connection], replaced: Callable[[], None]
    ) -> None:
        self._name = name
        self._path = path
        self._connect = connect
        self._on_replaced = replaced
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._patience_ms: int | None = None

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function with the connection, in the thread. Raises `StoreUnusable`, `sqlite3.Error`."""
        self._thread = self._thread or ThreadPoolExecutor(1, self._name)
        call = partial(self._call, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _call(self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        connection = self._open()
        try:
            result = function(connection, *args, **kwargs)
        except sqlite3.OperationalError as error:
            if "locked" in str(error) and self._patience_ms is None:
                self._patience_ms = int(connection.execute("PRAGMA busy_timeout").fetchone()[0])
                connection.execute(f"PRAGMA busy_timeout = {SHORT_LOCK_WAIT_MS}")
            raise
        if self._patience_ms is not None:
            connection.execute(f"PRAGMA busy_timeout = {self._patience_ms}")
            self._patience_ms = None
        return result

    def _open(self) -> sqlite3.Connection:
        """Return the connection to the file that is at the path now."""
        if self._connection is not None and file_identity(self._path) == self._identity:
            return self._connection
        if self._connection is not None:
            self._close()
            self._on_replaced()
            try:
                create_file(self._path)
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from error
        self._connection = self._connect(self._path)
        self._identity, self._patience_ms = file_identity(self._path), None
        return self._connection

    async def aclose(self) -> None:
        """Close the connection after its last call."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Batches(Generic[T]):
    """Collects items while a transaction runs; the next call of `commit` gets them all."""

    def __init__(self, commit: Callable[[list[T]], Awaitable[None]]) -> None:
        self._commit = commit
        self._pending: list[T] = []
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add_late(self, item: T) -> None:
        """Add an item for the next transaction, which begins within `LATE_S`."""
        self._pending.append(item)
        if len(self._pending) >= MAX_LATE:
            self._next_transaction()
        elif self._next is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATE_S, self._next_transaction)

    async def add(self, items: Iterable[T]) -> None:
        """Add items and wait until their transaction has ended."""
        self._pending += items
        # Shielded: a caller that is cancelled must not cancel the transaction of others.
        await asyncio.shield(self._next_transaction())

    def _next_transaction(self) -> asyncio.Task[None]:
        """Return the task whose transaction will contain all pending items."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next is None:
            self._next = asyncio.create_task(self._commit_after(self._running))
        return self._next

    async def _commit_after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        # Only now: what has come during the wait belongs to this transaction, and what comes from now on to the next.
        items, self._pending = self._pending, []
        self._running, self._next = self._next, None
        await self._commit(items)

    async def flush(self) -> None:
        """Write what is pending, and wait until nothing is being written."""
        if self._pending:
            self._next_transaction()
        if tasks := [task for task in (self._next, self._running) if task]:
            await asyncio.wait(tasks)


def create_file(path: Path) -> None:
    """Create a file and its folder, readable by this user alone. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    # It may have been there before, made by hand or with another mode.
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, which change if it is removed and created anew; None if missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
