"""SQLite calls for signatures. They block, so they run in a `Worker` thread."""

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
    """The layout of a file: its version, and the statements that create it."""

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

_NAMES_PER_QUERY = 500
"""Names in one query; old builds of SQLite allow 999 variables."""

LOCK_TIMEOUT_S = 3.0
"""Seconds to wait for the write of another process."""


class SignatureRow(NamedTuple):
    """One entry of the file: `written` is Unix seconds, `body` the signature's JSON.

    `by_words`: the name is a prefix digest, so another answer may have the same one and makes the entry ambiguous.
    """

    name: bytes
    written: float
    body: bytes
    by_words: bool = False


def connect(path: Path, layout: Layout = SIGNATURES) -> sqlite3.Connection:
    """Connect to an existing file; create its tables, switch to WAL. Raises `StoreUnusable`, `sqlite3.Error`."""
    connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
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


def read(connection: sqlite3.Connection, names: Sequence[bytes], since: float) -> list[SignatureRow]:
    """Read the entries of names that were written after `since` (Unix seconds)."""
    rows: list[SignatureRow] = []
    for start in range(0, len(names), _NAMES_PER_QUERY):
        some = names[start : start + _NAMES_PER_QUERY]
        marks = ",".join("?" * len(some))
        query = f"SELECT name, written, body FROM signatures WHERE name IN ({marks}) AND written > ?"
        rows += [SignatureRow(*one) for one in connection.execute(query, (*some, since))]
    return rows


def write(connection: sqlite3.Connection, rows: Iterable[SignatureRow]) -> None:
    """Write all rows in one transaction. Raises `sqlite3.Error`."""
    with transaction(connection):
        for row in rows:
            if row.by_words:
                given = {"name": row.name, "written": row.written, "body": row.body, "ambiguous": AMBIGUOUS_BODY}
                connection.execute(_WRITE_BY_WORDS, given)
            else:
                connection.execute(_WRITE, row[:3])


AMBIGUOUS_BODY = encode(AMBIGUOUS)

_WRITE = "INSERT OR REPLACE INTO signatures (name, written, body) VALUES (?, ?, ?)"

_WRITE_BY_WORDS = """
INSERT OR REPLACE INTO signatures (name, written, body)
SELECT :name, :written,
    CASE WHEN EXISTS (SELECT 1 FROM signatures WHERE name = :name AND body <> :body) THEN :ambiguous ELSE :body END
"""
"""One statement, so that of two processes that write at the same time the second sees the first. Its values have names,
since Python 3.12.1 warns where numbered ones (`?1`) come as a sequence.
"""


def evict(connection: sqlite3.Connection, before: float, max_bytes: int) -> None:
    """Delete entries from before a Unix time, then the oldest fiftieths until at most `max_bytes` are used.

    Ids grow with each write, so the oldest entries are found without an index on `written`.
    """
    while _delete_oldest(connection, "AND written <= ?", before):
        pass
    while used_bytes(connection) > max_bytes and _delete_oldest(connection, ""):
        pass


def _delete_oldest(connection: sqlite3.Connection, condition: str, *values: float) -> int:
    """Delete entries of the oldest fiftieth of all ids (at least one) that meet a condition; return their number."""
    cursor = connection.execute(
        "DELETE FROM signatures WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 50 FROM signatures) " + condition,
        values,
    )
    return cursor.rowcount


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the file that are in use. Free pages, which the file keeps, are not counted."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
