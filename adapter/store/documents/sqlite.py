"""Documents in one SQLite file, shared by all processes of a machine; as durable as `signatures.sqlite`."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from adapter.store.documents import sqlite_file as document_file
from adapter.store.documents.base import Document, DocumentLimits
from adapter.store.documents.sqlite_file import LAYOUT, DocumentRow, Selection
from adapter.store.shared.base import StoreUnusable, scoped_name
from adapter.store.shared.workers import Batches, Warnings, Worker, create_file
from adapter.store.signatures import sqlite_file as file

EVICT_EVERY = 500
"""Documents written between two evictions; there is also one after every fiftieth of `max_bytes`."""


class _Put(NamedTuple):
    """Documents of one `put`. `kept` gets an element once they are written."""

    rows: list[DocumentRow]
    kept: list[bool]


class SqliteDocuments:
    """A document store in a file."""

    def __init__(self, path: Path, limits: DocumentLimits, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._limits = limits
        self._clock = clock
        connect = partial(file.connect, layout=LAYOUT)
        self._warnings = Warnings(path)
        self._writer = Worker("documents-write", path, connect, self._warnings.report_replaced)
        self._reader = Worker("documents-read", path, connect, self._warnings.report_replaced)
        self._batches = Batches(self._commit)
        self._until_eviction = EVICT_EVERY
        self._bytes_until_eviction = limits.max_bytes // 50
        self._bytes = 0
        self._refused = 0
        self._failed = 0

    async def open(self) -> None:
        """Open the file; if it is missing, create it, readable by this user alone. Raises `StoreUnusable`."""
        try:
            await asyncio.to_thread(create_file, self.path)
            await self._writer.run(self._evict)
            await self._reader.run(file.used_bytes)
        except (OSError, sqlite3.Error, StoreUnusable) as error:
            await self.aclose()
            raise StoreUnusable(f"{self.path}: {error}") from error

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """Read documents."""
        names = {scoped_name(key, client): key for key in keys}
        try:
            rows = await self._reader.run(document_file.read, list(names), self._min_written())
        except sqlite3.Error as error:
            self._warnings.fail("read", error)
            return {}
        self._warnings.succeed("read")
        return {names[name]: body for name, body in rows}

    async def put(self, documents: Sequence[Document], client: str, max_age: float | None = None) -> bool:
        """Store documents."""
        if any(len(document.body) > self._limits.max_entry for document in documents):
            self._refused += len(documents)
            return False
        written = self._limits.written_at(self._clock(), max_age)
        rows = [
            DocumentRow(scoped_name(key, client), scoped_name(parent, client) if parent else None, written, body)
            for key, body, parent in documents
        ]
        put = _Put(rows, [])
        await self._batches.add([put])
        return bool(put.kept)

    async def _commit(self, puts: list[_Put]) -> None:
        rows = [row for put in puts for row in put.rows]
        try:
            await self._writer.run(document_file.write, rows)
            for put in puts:
                put.kept.append(True)
            self._warnings.succeed("written")
            await self._writer.run(self._evict if self._is_eviction_due(rows) else self._measure)
        except sqlite3.Error as error:
            self._failed += sum(len(put.rows) for put in puts if not put.kept)
            self._warnings.fail("written", error)

    def _is_eviction_due(self, rows: Sequence[DocumentRow]) -> bool:
        self._until_eviction -= len(rows)
        self._bytes_until_eviction -= sum(len(row.body) for row in rows)
        if self._until_eviction > 0 and self._bytes_until_eviction > 0:
            return False
        self._until_eviction, self._bytes_until_eviction = EVICT_EVERY, self._limits.max_bytes // 50
        return True

    def _evict(self, connection: sqlite3.Connection) -> None:
        document_file.evict(connection, self._min_written(), self._limits.max_count, self._limits.max_bytes)
        self._measure(connection)

    def _measure(self, connection: sqlite3.Connection) -> None:
        self._bytes = file.used_bytes(connection)

    def _min_written(self) -> float:
        return self._clock() - self._limits.max_age

    async def delete(self, key: str, client: str) -> bool:
        """Delete a document and its children."""
        try:
            return await self._writer.run(document_file.delete, [scoped_name(key, client)]) > 0
        except sqlite3.Error as error:
            self._warnings.fail("written", error)
            return False

    async def size(self, keys: Collection[str], client: str) -> int:
        """Return how many bytes `get` would load."""
        names = [scoped_name(key, client) for key in keys]
        try:
            return await self._reader.run(document_file.size, names, self._min_written())
        except sqlite3.Error as error:
            self._warnings.fail("read", error)
            return 0

    async def size_of_children(self, parent: str, client: str) -> int:
        """Return how many bytes the children have."""
        try:
            return await self._reader.run(document_file.size_of_children, scoped_name(parent, client))
        except sqlite3.Error as error:
            self._warnings.fail("read", error)
            return 0

    async def children(
        self,
        parent: str,
        client: str,
        *,
        after: str = "",
        limit: int | None = None,
        newest_first: bool = False,
        max_bytes: int | None = None,
    ) -> list[bytes]:
        """Read a document's children."""
        behind = scoped_name(after, client) if after else None
        selection = Selection(behind, limit, newest_first, max_bytes)
        try:
            return await self._reader.run(
                document_file.children, scoped_name(parent, client), self._min_written(), selection
            )
        except sqlite3.Error as error:
            self._warnings.fail("read", error)
            return []

    async def aclose(self) -> None:
        """Wait for running writes, then close the file."""
        await self._batches.flush()
        await self._reader.aclose()
        await self._writer.aclose()

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz."""
        facts: dict[str, object] = {
            "kind": "sqlite",
            "path": str(self.path),
            "bytes": self._bytes,
            "refused": self._refused,
            "failed": self._failed,
        }
        return {**facts, "warning": text} if (text := self._warnings.text) else facts
