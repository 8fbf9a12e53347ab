"""SQLite calls that all stores share: opening a file, transactions, its size. They block: a `Worker` runs them."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from adapter.store.shared.base import StoreUnusable

NAMES_PER_QUERY = 500
"""Names in one query; old builds of SQLite allow 999 variables."""

LOCK_TIMEOUT_S = 3.0
"""Seconds to wait for the write of another process."""


class Layout(NamedTuple):
    """The layout of a file: its version, and the statements that create it."""

    version: int
    statements: tuple[str, ...]


def connect(path: Path, layout: Layout) -> sqlite3.Connection:
    """Connect to an existing file; create its tables, switch to WAL. Raises `StoreUnusable`, `sqlite3.Error`."""
    # With an isolation level the driver would begin transactions of its own, beside those of `transaction`.
    connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    try:
        _prepare(connection, layout)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, layout: Layout) -> None:
    _set_wal_mode(connection)
    # A commit survives the death of the process without an fsync; a power failure may take the last ones.
    connection.execute("PRAGMA synchronous = NORMAL")
    # After a burst of writes the WAL file is cut to 64 MB; SQLite by itself never makes it shorter.
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if _version(connection) == 0:
        with transaction(connection):
            # Another process may have created the tables while this one waited for the lock.
            if _version(connection) == 0:
                for statement in layout.statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {layout.version}")
    if (version := _version(connection)) != layout.version:
        raise StoreUnusable(f"the file has schema version {version}, this program knows {layout.version}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the body of the `with` as one transaction."""
    # Takes the lock at once, and waits for it: one that begins by reading may fail later, without a wait (SQLITE_BUSY).
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _set_wal_mode(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode. SQLite ignores its busy timeout for this, so we retry until `LOCK_TIMEOUT_S`."""
    give_up = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def portions(names: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], str]]:
    """Split names into those of one query each, with the question marks for them."""
    for start in range(0, len(names), NAMES_PER_QUERY):
        some = names[start : start + NAMES_PER_QUERY]
        yield some, ",".join("?" * len(some))


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the file that are in use. Free pages, which the file keeps, are not counted."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
