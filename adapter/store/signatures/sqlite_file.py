"""The SQLite file: plain blocking calls, each made in a thread that may block."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from adapter.store.shared.base import StoreUnusable
from adapter.wire.base import encode
from adapter.wire.signatures import AMBIGUOUS

SCHEMA_VERSION = 1


class Layout(NamedTuple):
    """What a file holds: its version, and the statements that make it."""

    version: int
    statements: tuple[str, ...]


SIGNATURES = Layout(
    SCHEMA_VERSION,
    (
        """
        CREATE TABLE IF NOT EXISTS signatures (
            id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, written REAL NOT NULL, body BLOB NOT NULL
        )
        """,
    ),
)

_AT_ONCE = 500
"""Names in one query; SQLite takes 999 variables in its oldest builds."""

BUSY = 3.0
"""Seconds to wait for another process's write."""


class Row(NamedTuple):
    """One entry of the file: `written` is a Unix time, `body` the signature's JSON.

    `by_words`: another answer may have the same name, and makes the entry ambiguous.
    """

    name: bytes
    written: float
    body: bytes
    by_words: bool = False


def connect(path: Path, layout: Layout = SIGNATURES) -> sqlite3.Connection:
    """A connection to a file that exists, in WAL mode and with its tables. Raises `StoreUnusable`, `sqlite3.Error`."""
    connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    try:
        _settle(connection, layout)
    except BaseException:
        connection.close()
        raise
    return connection


def _settle(connection: sqlite3.Connection, layout: Layout) -> None:
    _into_wal(connection)
    # Survives the death of the process; the last commits may be lost with the machine's power.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if _version(connection) == 0:
        with transaction(connection):
            # Another process may have made the tables while this one waited.
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
    """The body of the `with` as one transaction: all of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _into_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait when two connections change the journal mode at once: it fails, and is asked again."""
    give_up = time.monotonic() + BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def read(connection: sqlite3.Connection, names: Sequence[bytes], since: float) -> list[Row]:
    """The entries of these names that were written after `since`."""
    rows: list[Row] = []
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        query = f"SELECT name, written, body FROM signatures WHERE name IN ({marks}) AND written > ?"
        rows += [Row(*one) for one in connection.execute(query, (*some, since))]
    return rows


def write(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """All of them, or none with the `sqlite3.Error` that says why."""
    with transaction(connection):
        for row in rows:
            if row.by_words:
                connection.execute(_WRITE_BY_WORDS, (*row[:3], AMBIGUOUS_BODY))
            else:
                connection.execute(_WRITE, row[:3])


AMBIGUOUS_BODY = encode(AMBIGUOUS)

_WRITE = "INSERT OR REPLACE INTO signatures (name, written, body) VALUES (?, ?, ?)"

_WRITE_BY_WORDS = """
INSERT OR REPLACE INTO signatures (name, written, body)
SELECT ?1, ?2, CASE WHEN EXISTS (SELECT 1 FROM signatures WHERE name = ?1 AND body <> ?3) THEN ?4 ELSE ?3 END
"""
"""One statement, so that of two processes that write at once the second sees the first."""


def evict(connection: sqlite3.Connection, before: float, max_bytes: int) -> None:
    """Delete what was written before a Unix time, and the oldest fiftieths until the rest takes at most `max_bytes`.

    Ids grow with each writing, so the oldest are found without another index.
    """
    while _delete_oldest(connection, "AND written <= ?", before):
        pass
    while used(connection) > max_bytes and _delete_oldest(connection, ""):
        pass


def _delete_oldest(connection: sqlite3.Connection, condition: str, *values: float) -> int:
    """Delete those of the oldest fiftieth of all ids (at least one) that meet a condition; how many there were."""
    cursor = connection.execute(
        "DELETE FROM signatures WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 50 FROM signatures) " + condition,
        values,
    )
    return cursor.rowcount


def used(connection: sqlite3.Connection) -> int:
    """The bytes that the entries take in the file, with their index; its free pages are not counted."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
