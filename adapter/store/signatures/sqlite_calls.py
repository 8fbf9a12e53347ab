"""SQLite calls for signatures. They block, so they run in a `Worker` thread."""

import sqlite3
from collections.abc import Sequence

import msgspec

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


class SignatureRow(msgspec.Struct, frozen=True, gc=False):
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


def write(connection: sqlite3.Connection, rows: Sequence[SignatureRow]) -> None:
    """Write all rows in one transaction. Raises `sqlite3.Error`.

    Names of the two kinds are never equal, so those of one kind may be written before those of the other.
    """
    with transaction(connection):
        for statement, by_words in ((_WRITE, False), (_WRITE_BY_WORDS, True)):
            some = [(row.name, row.written, row.body) for row in rows if row.by_words is by_words]
            connection.executemany(statement, some)


AMBIGUOUS_BODY = encode(AMBIGUOUS)

_WRITE = "INSERT OR REPLACE INTO signatures (name, written, body) VALUES (?, ?, ?)"

_WRITE_BY_WORDS = f"""
INSERT INTO signatures (name, written, body) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET id = (SELECT max(id) + 1 FROM signatures), written = excluded.written,
    body = CASE WHEN body <> excluded.body THEN x'{AMBIGUOUS_BODY.hex()}' ELSE excluded.body END
"""
"""One statement, so that of two processes that write at the same time the second sees the first.

An entry that was there gets the highest id, as a new one does: `evict` relies on it.
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
