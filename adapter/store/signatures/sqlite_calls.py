"""SQLite calls for signatures. They block, so they run in a `Worker` thread."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapter.store.shared.sqlite_calls import Layout, portions, transaction, used_bytes
from adapter.wire.base import encode
from adapter.wire.signatures import AMBIGUOUS

LAYOUT = Layout(
    1,
    (
        """
        CREATE TABLE IF NOT EXISTS signatures (
            id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, written REAL NOT NULL, body BLOB NOT NULL
        )
        """,
    ),
)


class SignatureRow(NamedTuple):
    """One entry of the file: `written` is Unix seconds, `body` the signature's JSON.

    `by_words`: the name is a prefix digest, so another answer may have the same one and makes the entry ambiguous.
    """

    name: bytes
    written: float
    body: bytes
    by_words: bool = False


def read(connection: sqlite3.Connection, names: Sequence[bytes], since: float) -> list[SignatureRow]:
    """Read the entries of names that were written after `since` (Unix seconds)."""
    rows: list[SignatureRow] = []
    for some, marks in portions(names):
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
