"""One SQLite file of a store: its threads for reading and writing, and its errors."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from adapter.store.shared.base import StoreUnusable
from adapter.store.shared.sqlite_calls import Layout, connect, used_bytes
from adapter.store.shared.workers import Worker, create_file

log = logging.getLogger("adapter")

P = ParamSpec("P")
T = TypeVar("T")


class SqliteFile:
    """A SQLite file, with one thread that reads and one that writes. The stores count in `refused` and `failed`.

    A call that fails returns None, and `describe` has a warning until the next such call succeeds: a store that cannot
    be reached must not fail the requests that would use it.
    """

    def __init__(self, name: str, path: Path, layout: Layout) -> None:
        self.path = path
        self.refused = 0
        self.failed = 0
        self.warnings = Warnings(path)
        open_file = partial(connect, layout=layout)
        self._writer = Worker(f"{name}-write", path, open_file, self.warnings.report_replaced)
        self._reader = Worker(f"{name}-read", path, open_file, self.warnings.report_replaced)

    async def open(self, prepare: Callable[[sqlite3.Connection], T]) -> T:
        """Open the file, and call `prepare` in the writing thread. Raises `StoreUnusable`.

        If the file is missing, it is created, readable by this user alone.
        """
        try:
            await asyncio.to_thread(create_file, self.path)
            result = await self._writer.run(prepare)
            # A file that cannot be read must be known at the start, not at the first request.
            await self._reader.run(used_bytes)
        except (OSError, sqlite3.Error, StoreUnusable) as error:
            await self.aclose()
            raise StoreUnusable(f"{self.path}: {error}") from error
        return result

    async def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Call a function in the reading thread; None if the file cannot be read."""
        return await self._run(self._reader, "read", function, *args, **kwargs)

    async def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Call a function in the writing thread; None if the file cannot be written."""
        return await self._run(self._writer, "written", function, *args, **kwargs)

    async def _run(
        self,
        worker: Worker,
        what: str,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        try:
            result = await worker.run(function, *args, **kwargs)
        except sqlite3.Error as error:
            self.warnings.fail(what, error)
            return None
        self.warnings.succeed(what)
        return result

    async def aclose(self) -> None:
        """Close the file after the calls that run."""
        await self._reader.aclose()
        await self._writer.aclose()

    def describe(self, **counts: int) -> dict[str, object]:
        """Return facts for /healthz: `kind`, `path`, the store's own counts, `refused`, `failed`, maybe `warning`."""
        facts: dict[str, object] = {
            "kind": "sqlite",
            "path": str(self.path),
            **counts,
            "refused": self.refused,
            "failed": self.failed,
        }
        return {**facts, "warning": text} if (text := self.warnings.text) else facts


class Warnings:
    """Warnings about a file, for `describe`; most vanish with the next success."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._texts: dict[str, str] = {}

    def fail(self, what: str, error: Exception) -> None:
        """Report that the file cannot be "read" or "written"."""
        self._texts[what] = f"{self._path} cannot be {what}: {error}"

    def succeed(self, what: str) -> None:
        """Withdraw that report."""
        self._texts.pop(what, None)

    def report_damaged(self, error: Exception) -> None:
        """Report an entry that cannot be decoded."""
        self._texts["entry"] = f"{self._path} has an entry that is not a signature: {error}"

    def report_replaced(self) -> None:
        """Report that the file was removed while it was open. This warning stays."""
        text = f"{self._path} was removed while it was in use: its contents are lost, a new file was created"
        if self._texts.setdefault("removed", text) is text:
            log.warning("%s", text)

    @property
    def text(self) -> str | None:
        """Return all warnings as one text; None if there are none."""
        return "; ".join(self._texts.values()) or None
