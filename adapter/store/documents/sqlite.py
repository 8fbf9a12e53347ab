"""Documents in one SQLite file, shared by all processes of a machine; as durable as `signatures.sqlite`."""

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from adapter.store.documents import sqlite_calls
from adapter.store.documents.base import ALL, NOTHING_EXPECTED, Changed, Document, DocumentLimits, Expected, Selection
from adapter.store.documents.sqlite_calls import LAYOUT, DocumentRow, RowsPut
from adapter.store.shared.base import scoped_name, scoped_names
from adapter.store.shared.sqlite_calls import used_bytes
from adapter.store.shared.sqlite_file import SqliteFile
from adapter.store.shared.workers import Batches

EVICT_EVERY = 500
"""Documents written between two evictions; there is also one after every fiftieth of `max_bytes`."""


class _Put(NamedTuple):
    """One `put`. `outcome` gets an element once its transaction has ended: whether what was expected was there."""

    rows: RowsPut
    outcome: list[bool]


class SqliteDocuments:
    """A document store in a file."""

    def __init__(self, path: Path, limits: DocumentLimits, *, clock: Callable[[], float] = time.time) -> None:
        self._file = SqliteFile("documents", path, LAYOUT)
        self._limits = limits
        self._clock = clock
        self._batches = Batches(self._commit)
        self._until_eviction = EVICT_EVERY
        self._bytes_until_eviction = limits.max_bytes // 50
        self._bytes = 0

    async def open(self) -> None:
        """Open the file; if it is missing, create it, readable by this user alone. Raises `StoreUnusable`."""
        await self._file.open(self._evict)

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """Read documents."""
        names = {scoped_name(key, client): key for key in keys}
        rows = await self._file.read(sqlite_calls.read, list(names), self._min_written())
        return {names[name]: body for name, body in rows or ()}

    async def put(
        self,
        documents: Sequence[Document],
        client: str,
        max_age: float | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> bool:
        """Store documents."""
        if not self._limits.allow(documents):
            self._file.refused += len(documents)
            return False
        written = self._limits.written_at(self._clock(), max_age)
        keys = dict.fromkeys([key for document in documents for key in (document.key, document.parent) if key])
        keys |= dict.fromkeys(expected)
        names = dict(zip(keys, scoped_names(keys, client), strict=True))
        rows = [DocumentRow(names[key], names.get(parent), written, body) for key, body, parent in documents]
        put = _Put(RowsPut(rows, {names[key]: body for key, body in expected.items()}), [])
        await self._batches.add([put])
        if put.outcome == [False]:
            raise Changed
        return bool(put.outcome)

    async def _commit(self, puts: list[_Put]) -> None:
        rows = [row for put in puts for row in put.rows.rows]
        outcomes = await self._file.write(self._write, [put.rows for put in puts])
        if outcomes is None:
            self._file.failed += len(rows)
            return
        for put, is_written in zip(puts, outcomes, strict=True):
            put.outcome.append(is_written)
        if self._is_eviction_due(rows):
            await self._file.write(self._evict)

    def _write(self, connection: sqlite3.Connection, puts: Sequence[RowsPut]) -> list[bool]:
        outcomes = sqlite_calls.write(connection, puts, self._min_written())
        self._measure(connection)
        return outcomes

    def _is_eviction_due(self, rows: Sequence[DocumentRow]) -> bool:
        self._until_eviction -= len(rows)
        self._bytes_until_eviction -= sum(len(row.body) for row in rows)
        if self._until_eviction > 0 and self._bytes_until_eviction > 0:
            return False
        self._until_eviction, self._bytes_until_eviction = EVICT_EVERY, self._limits.max_bytes // 50
        return True

    def _evict(self, connection: sqlite3.Connection) -> None:
        sqlite_calls.evict(connection, self._min_written(), self._limits.max_count, self._limits.max_bytes)
        self._measure(connection)

    def _measure(self, connection: sqlite3.Connection) -> None:
        self._bytes = used_bytes(connection)

    def _min_written(self) -> float:
        return self._clock() - self._limits.max_age

    async def delete(self, key: str, client: str) -> bool:
        """Delete a document and its children."""
        return bool(await self._file.write(sqlite_calls.delete, [scoped_name(key, client)]))

    async def size(self, keys: Collection[str], client: str) -> int:
        """Return how many bytes `get` would load."""
        names = [scoped_name(key, client) for key in keys]
        return await self._file.read(sqlite_calls.size, names, self._min_written()) or 0

    async def size_of_children(self, parent: str, client: str) -> int:
        """Return how many bytes the children have."""
        return await self._file.read(sqlite_calls.size_of_children, scoped_name(parent, client)) or 0

    async def children(self, parent: str, client: str, selection: Selection = ALL) -> list[bytes]:
        """Read a document's children."""
        after = scoped_name(selection.after, client) if selection.after else None
        name = scoped_name(parent, client)
        return await self._file.read(sqlite_calls.children, name, self._min_written(), after, selection) or []

    async def aclose(self) -> None:
        """Wait for running writes, then close the file."""
        await self._batches.flush()
        await self._file.aclose()

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz."""
        return self._file.describe(bytes=self._bytes)
