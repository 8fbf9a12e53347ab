"""The SQLite file of documents: plain blocking calls, each made in a thread that may block."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapter.store.documents.base import first_bytes
from adapter.store.signatures.sqlite_file import Layout, transaction, used

LAYOUT = Layout(
    1,
    (
        """
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, parent BLOB, written REAL NOT NULL, body BLOB NOT NULL
        )
        """,
        "CREATE INDEX documents_of_parent ON documents (parent, id) WHERE parent IS NOT NULL",
        "CREATE INDEX documents_by_age ON documents (written) WHERE parent IS NULL",
    ),
)

_AT_ONCE = 500
"""Names in one query; SQLite takes 999 variables in its oldest builds."""


class Row(NamedTuple):
    """One document: hashed names, the Unix time of its writing, its bytes."""

    name: bytes
    parent: bytes | None
    written: float
    body: bytes


def read(connection: sqlite3.Connection, names: Sequence[bytes], since: float) -> list[tuple[bytes, bytes]]:
    """Name and body of those documents that were written after `since`; a child is as old as its parent."""
    rows: list[tuple[bytes, bytes]] = []
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        rows += connection.execute(
            "SELECT one.name, one.body FROM documents AS one LEFT JOIN documents AS above ON above.name = one.parent "
            f"WHERE one.name IN ({marks}) AND coalesce(above.written, one.written) > ?",
            (*some, since),
        )
    return rows


def write(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """All of them, or none with the `sqlite3.Error` that says why. A child without its parent is left out."""
    with transaction(connection):
        for row in rows:
            if row.parent is None:
                _write_root(connection, row)
            else:
                _write_child(connection, row)


def _write_root(connection: sqlite3.Connection, row: Row) -> None:
    connection.execute(
        "INSERT INTO documents (name, written, body) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET written = excluded.written, body = excluded.body",
        (row.name, row.written, row.body),
    )


def _write_child(connection: sqlite3.Connection, row: Row) -> None:
    above = connection.execute(
        "UPDATE documents SET written = ? WHERE name = ? AND parent IS NULL", (row.written, row.parent)
    )
    if above.rowcount:
        connection.execute(
            "INSERT INTO documents (name, parent, written, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET written = excluded.written, body = excluded.body",
            row,
        )


def delete(connection: sqlite3.Connection, names: Sequence[bytes]) -> int:
    """Delete documents with all that belongs to them; how many of `names` there were."""
    with transaction(connection):
        one_each = [(name,) for name in names]
        connection.executemany("DELETE FROM documents WHERE parent = ?", one_each)
        return connection.executemany("DELETE FROM documents WHERE name = ?", one_each).rowcount


def size(connection: sqlite3.Connection, names: Sequence[bytes], since: float) -> int:
    """How many bytes `read` would return; SQLite tells a body's length without reading it."""
    total = 0
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        query = connection.execute(
            "SELECT coalesce(sum(length(one.body)), 0) FROM documents AS one "
            "LEFT JOIN documents AS above ON above.name = one.parent "
            f"WHERE one.name IN ({marks}) AND coalesce(above.written, one.written) > ?",
            (*some, since),
        )
        total += int(query.fetchone()[0])
    return total


def size_of_children(connection: sqlite3.Connection, parent: bytes) -> int:
    """How many bytes the children of a document have."""
    query = "SELECT coalesce(sum(length(body)), 0) FROM documents WHERE parent = ?"
    return int(connection.execute(query, (parent,)).fetchone()[0])


class Selection(NamedTuple):
    """Which of a document's children: behind the one of a name, so many, in which order, and so many bytes."""

    after: bytes | None
    limit: int | None
    newest_first: bool
    max_bytes: int | None


def children(connection: sqlite3.Connection, parent: bytes, since: float, selection: Selection) -> list[bytes]:
    """The bodies of a document's children, unless it is too old itself."""
    after, limit, newest, max_bytes = selection
    order, sign = ("DESC", "<") if newest else ("ASC", ">")
    behind = f"AND id {sign} (SELECT id FROM documents WHERE name = ? AND parent = ?)" if after else ""
    rows = connection.execute(
        "SELECT body FROM documents WHERE parent = ? "
        f"AND EXISTS (SELECT 1 FROM documents WHERE name = ? AND written > ?) {behind} ORDER BY id {order} LIMIT ?",
        (parent, parent, since, *((after, parent) if after else ()), -1 if limit is None else limit),
    )
    return first_bytes((body for (body,) in rows), max_bytes)


def evict(connection: sqlite3.Connection, before: float, max_count: int, max_bytes: int) -> None:
    """Delete what was written before a Unix time, then the oldest until number and bytes are within their bounds."""
    while _delete_oldest(connection, "AND written <= ?", (before,), _AT_ONCE):
        pass
    while (excess := _count(connection) - max_count) > 0:
        _delete_oldest(connection, "", (), min(excess, _AT_ONCE))
    while used(connection) > max_bytes and _delete_oldest(connection, "", (), max(1, _count(connection) // 50)):
        pass


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM documents WHERE parent IS NULL").fetchone()[0])


def _delete_oldest(connection: sqlite3.Connection, condition: str, values: tuple[float, ...], most: int) -> int:
    """Delete so many of the oldest documents that meet a condition, each with its children."""
    names = connection.execute(
        f"SELECT name FROM documents WHERE parent IS NULL {condition} ORDER BY written LIMIT ?", (*values, most)
    ).fetchall()
    return delete(connection, [name for (name,) in names]) if names else 0
