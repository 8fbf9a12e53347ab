"""Signatures in one SQLite file, shared by all processes of a machine.

A `put` returns when its transaction is committed, in WAL mode with `synchronous = NORMAL`. So it survives `kill -9` and
a crash of the program, but maybe not a power failure. Each process has one thread that writes and one that reads, so
the event loop never waits for the disk.

Only answers without any signature are written up to `LATE_S` seconds later. All that they tell is that another answer
of the same words is ambiguous; for so long other processes do not know it, and a crash loses it. This process looks at
what it has not written yet before it reads, and writes it when it closes.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from adapter.store.shared.base import UNREADABLE, Records, StoreLimits, scoped_names
from adapter.store.shared.sqlite_calls import used_bytes
from adapter.store.shared.sqlite_file import SqliteFile
from adapter.store.shared.workers import Batches
from adapter.store.signatures import sqlite_calls
from adapter.store.signatures.memory import Cache, Entry
from adapter.store.signatures.sqlite_calls import LAYOUT, SignatureRow
from adapter.wire.base import decode, encode
from adapter.wire.signatures import NOTHING, Issued, Signature

EVICT_EVERY = 500
"""Entries written between two checks of age and size."""


class SqliteStore:
    """A signature store in a file, with a cache in memory in front of it."""

    def __init__(self, path: Path, limits: StoreLimits, *, clock: Callable[[], float] = time.time) -> None:
        self._file = SqliteFile("signatures", path, LAYOUT)
        self._limits = limits
        self._clock = clock
        self._cache = Cache(limits.max_entries, limits.memory_bytes, limits.max_age, clock)
        self._batches = Batches(self._commit)
        self._late: dict[bytes, SignatureRow] = {}
        self._until_eviction = EVICT_EVERY
        self._bytes = 0

    async def open(self) -> None:
        """Open the file; if it is missing, create it, readable by this user alone. Raises `StoreUnusable`."""
        before = self._min_written()
        self._bytes = await self._file.open(lambda connection: _write(connection, [], before, self._limits.max_bytes))

    async def get_by_words(self, keys: Collection[str], client: str) -> Records:
        """Read records from the file alone: another process may have made one ambiguous."""
        missing = dict(zip(scoped_names(keys, client), keys, strict=True))
        if not self._late.keys().isdisjoint(missing):
            await self._batches.flush()
        return await self._add_from_file(Records(), missing, cached=False)

    async def get(self, keys: Collection[str], client: str) -> Records:
        """Read records from the cache, the missing ones from the file."""
        records = Records()
        missing: dict[bytes, str] = {}
        names = scoped_names(keys, client)
        for key, name, signature in zip(keys, names, self._cache.get_many(names), strict=True):
            if signature is None:
                missing[name] = key
            else:
                records[key] = signature
        return await self._add_from_file(records, missing, cached=True) if missing else records

    async def _add_from_file(self, records: Records, missing: dict[bytes, str], *, cached: bool) -> Records:
        """Add the records that the file has. If it cannot be read, `records.is_complete` becomes False."""
        rows = await self._file.read(sqlite_calls.read, list(missing), self._min_written())
        records.is_complete = rows is not None
        for row in rows or ():
            try:
                signature, _unknown = decode(row.body, Signature)
            except UNREADABLE as error:
                # A damaged entry counts as missing; the next answer under its name overwrites it.
                self._file.warnings.report_damaged(error)
                continue
            if cached:
                self._cache.put(row.name, Entry(signature, len(row.body), row.written))
            records[missing[row.name]] = signature
        return records

    async def get_times(self, keys: Collection[str], client: str) -> dict[str, float]:
        """Return when records were written, as far as the cache has them after a read."""
        await self.get(keys, client)
        return self._cache.get_times(dict(zip(scoped_names(keys, client), keys, strict=True)))

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """Store records. Those that cannot be written stay in the cache."""
        now = self._clock()
        rows: list[SignatureRow] = []
        # They may wait: a transaction of their own would be half of a small chat's cost.
        can_wait = True
        names = scoped_names([one.key for one in issued], client)
        for name, (_key, signature, by_words) in zip(names, issued, strict=True):
            body = encode(signature)
            if len(body) > self._limits.max_entry:
                self._file.refused += 1
                continue
            if not by_words:
                self._cache.put(name, Entry(signature, len(body), now))
            rows.append(SignatureRow(name, now, body, by_words))
            can_wait = can_wait and by_words and signature == NOTHING
        if can_wait:
            for row in rows:
                # One that waits under the same name says the same.
                if row.name not in self._late:
                    self._late[row.name] = row
                    self._batches.add_late(row)
        else:
            await self._batches.add(rows)

    async def _commit(self, rows: list[SignatureRow]) -> None:
        used = await self._file.write(_write, rows, self._eviction_limit(len(rows)), self._limits.max_bytes)
        if used is None:
            self._file.failed += len(rows)
        else:
            self._bytes = used
        for row in rows:
            # One that has come since under the same name still waits.
            if self._late.get(row.name) is row:
                del self._late[row.name]

    def _eviction_limit(self, written: int) -> float | None:
        """Return the time before which entries are too old, or None if no check is due."""
        self._until_eviction -= written
        if self._until_eviction > 0:
            return None
        self._until_eviction = EVICT_EVERY
        return self._min_written()

    def _min_written(self) -> float:
        return self._clock() - self._limits.max_age

    async def aclose(self) -> None:
        """Wait for running writes, then close the file."""
        await self._batches.flush()
        await self._file.aclose()

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz. `entries` are those in memory; `bytes` is the file's used size."""
        return self._file.describe(entries=len(self._cache), bytes=self._bytes)


def _write(connection: sqlite3.Connection, rows: list[SignatureRow], evict_before: float | None, max_bytes: int) -> int:
    """Write rows, evict if a time is given, and return the bytes in use."""
    if rows:
        sqlite_calls.write(connection, rows)
    if evict_before is not None:
        sqlite_calls.evict(connection, evict_before, max_bytes)
    return used_bytes(connection)
