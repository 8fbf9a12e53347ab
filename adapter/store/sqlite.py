"""Signatures in an SQLite file: shared by workers, kept over restarts and `kill -9`.

WAL with `synchronous=NORMAL`: a commit survives the process at once, a power loss only after the next checkpoint
(sqlite.org/pragma.html). One thread writes, batching what has queued up into one commit; another reads. A cache in
memory answers for what this process has written or read before; entries never change, so it cannot be stale.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from adapter.store.base import Bounds, scoped
from adapter.store.memory import MemoryStore
from adapter.wire.base import decoder, encode
from adapter.wire.signatures import Issued, Signature

CACHE = Bounds(age=24 * 3600, total=64 * 1024 * 1024)
VERSION = 1
SWEEP_EVERY = 1_000
"""Writes between two looks at the bounds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS signatures (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, written_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS signatures_by_age ON signatures (written_at);
"""

_Row = tuple[bytes, bytes, float]


class _Batch(NamedTuple):
    """Rows to write, and whom to tell when they are written."""

    rows: list[_Row]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[sqlite3.Error | None]"


class SqliteStore:
    """See `base.SignatureStore`. Raises `OSError` or `sqlite3.Error` from `open` where the file cannot be used."""

    def __init__(self, path: Path, bounds: Bounds | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._cache = MemoryStore(CACHE)
        self._queue: SimpleQueue[_Batch | None] = SimpleQueue()
        self._too_large = 0
        self._failure: sqlite3.Error | None = None
        self._reader: sqlite3.Connection | None = None
        self._reads: ThreadPoolExecutor | None = None
        self._writer: Thread | None = None

    async def open(self) -> None:
        """Create the file, readable by its owner alone, and start the threads."""
        loop = asyncio.get_running_loop()
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="signatures-read")
        self._reader = await loop.run_in_executor(self._reads, self._connect)
        connection = await loop.run_in_executor(self._reads, self._connect)
        self._writer = Thread(target=self._write_batches, args=(connection,), name="signatures-write", daemon=True)
        self._writer.start()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, timeout=10, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            connection.close()
            raise sqlite3.DatabaseError(f"{self._path} has version {version}, not {VERSION}")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version={VERSION}")
        return connection

    async def get(self, keys: Collection[str], client: str) -> dict[str, Signature]:
        """See `base.SignatureStore`."""
        at_rest = {scoped(key, client): key for key in keys}
        cached = ((key, self._cache.look(rest)) for rest, key in at_rest.items())
        found = {key: signature for key, signature in cached if signature is not None}
        missing = [rest for rest, key in at_rest.items() if key not in found]
        if missing:
            loop = asyncio.get_running_loop()
            for rest, value in await loop.run_in_executor(self._reads, self._select, missing):
                read: Signature = decoder(Signature).decode(value)
                self._cache.keep(rest, read, len(value))
                found[at_rest[rest]] = read
        return found

    def _select(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        assert self._reader is not None, "the store is not open"
        oldest = self._clock() - self._bounds.age
        rows: list[tuple[bytes, bytes]] = []
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, value FROM signatures WHERE key IN ({marks}) AND written_at > ?"
            rows += self._reader.execute(query, [*some, oldest]).fetchall()
        return rows

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """See `base.SignatureStore`: returns when the entries are committed.

        A file that refuses them (a full disk) costs their safety, not the answer: they are in the cache, and
        `describe` warns.
        """
        rows = [(scoped(key, client), encode(signature), self._clock()) for key, signature in issued]
        fitting = [row for row in rows if len(row[1]) <= self._bounds.entry]
        self._too_large += len(rows) - len(fitting)
        if not fitting:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[sqlite3.Error | None] = loop.create_future()
        self._queue.put(_Batch(fitting, loop, done))
        self._failure = await done
        for (rest, value, _), (_, signature) in zip(rows, issued, strict=True):
            self._cache.keep(rest, signature, len(value))

    def _write_batches(self, connection: sqlite3.Connection) -> None:
        """The writer thread: everything that has queued up goes into one transaction."""
        written = SWEEP_EVERY
        closing = False
        while not closing:
            batches = [self._queue.get()]
            while not self._queue.empty():
                batches.append(self._queue.get())
            closing = None in batches
            waiting = [batch for batch in batches if batch is not None]
            rows = [row for batch in waiting for row in batch.rows]
            failure = _write(connection, rows)
            for batch in waiting:
                batch.loop.call_soon_threadsafe(_tell, batch.done, failure)
            written += len(rows)
            if written >= SWEEP_EVERY:
                written = 0
                self._sweep(connection)
        connection.close()

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Drop what is too old, and the oldest entries while there is too much."""
        connection.execute("DELETE FROM signatures WHERE written_at <= ?", (self._clock() - self._bounds.age,))
        total = connection.execute("SELECT coalesce(sum(length(value)), 0) FROM signatures").fetchone()[0]
        while total > self._bounds.total:
            oldest = "SELECT key FROM signatures ORDER BY written_at LIMIT 1000"
            sizes = f"SELECT sum(length(value)) FROM signatures WHERE key IN ({oldest})"
            total -= connection.execute(sizes).fetchone()[0]
            connection.execute(f"DELETE FROM signatures WHERE key IN ({oldest})")

    def describe(self) -> dict[str, object]:
        """See `base.SignatureStore`."""
        facts: dict[str, object] = {"kind": "sqlite", "path": str(self._path), "too_large": self._too_large}
        return {**facts, "warning": f"the last write failed: {self._failure}"} if self._failure else facts

    async def aclose(self) -> None:
        """Write what is queued, and close the file."""
        loop = asyncio.get_running_loop()
        if self._writer is not None:
            self._queue.put(None)
            await loop.run_in_executor(None, self._writer.join)
            self._writer = None
        if self._reads is not None and self._reader is not None:
            await loop.run_in_executor(self._reads, self._reader.close)
        if self._reads is not None:
            self._reads.shutdown()
            self._reads = None


def _write(connection: sqlite3.Connection, rows: list[_Row]) -> sqlite3.Error | None:
    """One transaction; the error, if it failed, for those who wait."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR REPLACE INTO signatures VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return error
    return None


def _tell(done: "asyncio.Future[sqlite3.Error | None]", failure: sqlite3.Error | None) -> None:
    if not done.done():
        done.set_result(failure)
