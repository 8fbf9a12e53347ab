"""How a store in a file is used from an event loop: threads that may block, and writes that are collected."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

log = logging.getLogger("adapter")

P = ParamSpec("P")
T = TypeVar("T")


HURRIED_MS = 100
"""Milliseconds that a call waits for a lock behind one that waited in vain: the lock may stay for hours."""


class Worker:
    """A thread and the connection to a file that only it uses; both begin with the first call.

    A file that was removed meanwhile is made anew, since what is written to a removed one is lost without an error;
    `replaced` is told of it. Of calls that meet a lock the first waits for it in full.
    """

    def __init__(
        self, name: str, path: Path, connect: Callable[[Path], sqlite3.Connection], replaced: Callable[[], None]
    ) -> None:
        self._name = name
        self._path = path
        self._connect = connect
        self._replaced = replaced
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._patience_ms: int | None = None

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function with the connection. Raises `StoreUnusable` and `sqlite3.Error` where there is none."""
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
                connection.execute(f"PRAGMA busy_timeout = {HURRIED_MS}")
            raise
        if self._patience_ms is not None:
            connection.execute(f"PRAGMA busy_timeout = {self._patience_ms}")
            self._patience_ms = None
        return result

    def _open(self) -> sqlite3.Connection:
        """The connection to the file that is there now."""
        if self._connection is not None and identity(self._path) == self._identity:
            return self._connection
        if self._connection is not None:
            self._close()
            self._replaced()
            try:
                create(self._path)
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from error
        self._connection = self._connect(self._path)
        self._identity, self._patience_ms = identity(self._path), None
        return self._connection

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


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path: another one after it was removed and made anew; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Warnings:
    """What went wrong with a file, until it goes right again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._texts: dict[str, str] = {}

    def fail(self, what: str, error: Exception) -> None:
        """The file cannot be `read` or `written`."""
        self._texts[what] = f"{self._path} cannot be {what}: {error}"

    def succeed(self, what: str) -> None:
        """It can again."""
        self._texts.pop(what, None)

    def damaged(self, error: Exception) -> None:
        """An entry cannot be read."""
        self._texts["entry"] = f"{self._path} holds what is no signature: {error}"

    def replaced(self) -> None:
        """The file was removed while it was open. This stays true."""
        text = f"{self._path} was removed while it was in use: what it held is lost, and a new file was begun"
        if self._texts.setdefault("removed", text) is text:
            log.warning("%s", text)

    @property
    def text(self) -> str | None:
        """All of it, if anything."""
        return "; ".join(self._texts.values()) or None
