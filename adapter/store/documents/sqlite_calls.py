"""SQLite calls for documents. They block, so they run in a `Worker` thread."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from adapter.store.documents.base import Selection, limit_bytes
from adapter.store.shared.sqlite_calls import NAMES_PER_QUERY, Layout, portions, transaction, used_bytes

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


class DocumentRow(NamedTuple):
    """One document: hashed names of itself and its parent, when it was written (Unix seconds), its bytes."""

    name: bytes
    parent: bytes | None
    written: float
    body: bytes


def read(connection: sqlite3.Connection, names: Sequence[bytes], since: float) -> list[tuple[bytes, bytes]]:
    """Read name and body of documents written after `since` (Unix seconds). A child is as old as its parent."""
    rows: list[tuple[bytes, bytes]] = []
    for some, marks in portions(names):
        rows += connection.execute(
            "SELECT one.name, one.body FROM documents AS one LEFT JOIN documents AS above ON above.name = one.parent "
            f"WHERE one.name IN ({marks}) AND coalesce(above.written, one.written) > ?",
            (*some, since),
        )
    return rows


class RowsPut(NamedTuple):
    """The rows of one put, and what was read of some documents, by name; None: it was not there."""

    rows: list[DocumentRow]
    expected: dict[bytes, bytes | None]


def write(connection: sqlite3.Connection, puts: Sequence[RowsPut], since: float) -> list[bool]:
    """Write all puts in one transaction; return for each whether what was expected was there, else it is left out.

    A child without its parent is left out, too.
    """
    with transaction(connection):
        return [_write_put(connection, put, since) for put in puts]


def _write_put(connection: sqlite3.Connection, put: RowsPut, since: float) -> bool:
    if put.expected:
        current = dict(read(connection, list(put.expected), since))
        if any(current.get(name) != body for name, body in put.expected.items()):
            return False
    for row in put.rows:
        if row.parent is None:
            _write_root(connection, row)
        else:
            _write_child(connection, row)
    return True


def _write_root(connection: sqlite3.Connection, row: DocumentRow) -> None:
    connection.execute(
        "INSERT INTO documents (name, written, body) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET written = excluded.written, body = excluded.body",
        (row.name, row.written, row.body),
    )


def _write_child(connection: sqlite3.Connection, row: DocumentRow) -> None:
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
    """Delete documents and their children; return how many of `names` existed."""
    with transaction(connection):
        one_each = [(name,) for name in names]
        connection.executemany("DELETE FROM documents WHERE parent = ?", one_each)
        return connection.executemany("DELETE FROM documents WHERE name = ?", one_each).rowcount


def size(connection: sqlite3.Connection, names: Sequence[bytes], since: float) -> int:
    """Return how many bytes `read` would load. SQLite knows a body's length without reading it."""
    total = 0
    for some, marks in portions(names):
        query = connection.execute(
            "SELECT coalesce(sum(length(one.body)), 0) FROM documents AS one "
            "LEFT JOIN documents AS above ON above.name = one.parent "
            f"WHERE one.name IN ({marks}) AND coalesce(above.written, one.written) > ?",
            (*some, since),
        )
        total += int(query.fetchone()[0])
    return total


def size_of_children(connection: sqlite3.Connection, parent: bytes) -> int:
    """Return how many bytes the children of a document have."""
    query = "SELECT coalesce(sum(length(body)), 0) FROM documents WHERE parent = ?"
    return int(connection.execute(query, (parent,)).fetchone()[0])


def children(
    connection: sqlite3.Connection, parent: bytes, since: float, after: bytes | None, selection: Selection
) -> list[bytes]:
    """Read the bodies of a document's children, unless it is too old itself.

    `after` is the name under which the store has the key `selection.after`.
    """
    _after, limit, newest, max_bytes = selection
    order, sign = ("DESC", "<") if newest else ("ASC", ">")
    behind = f"AND id {sign} (SELECT id FROM documents WHERE name = ? AND parent = ?)" if after else ""
    rows = connection.execute(
        "SELECT body FROM documents WHERE parent = ? "
        f"AND EXISTS (SELECT 1 FROM documents WHERE name = ? AND written > ?) {behind} ORDER BY id {order} LIMIT ?",
        (parent, parent, since, *((after, parent) if after else ()), -1 if limit is None else limit),
    )
    return limit_bytes((body for (body,) in rows), max_bytes)


def evict(connection: sqlite3.Connection, before: float, max_count: int, max_bytes: int) -> None:
    """Delete documents from before a Unix time, then the oldest until number and bytes are within their limits."""
    while _delete_oldest(connection, "AND written <= ?", (before,), NAMES_PER_QUERY):
        pass
    while (excess := _count(connection) - max_count) > 0:
        _delete_oldest(connection, "", (), min(excess, NAMES_PER_QUERY))
    while used_bytes(connection) > max_bytes and _delete_oldest(connection, "", (), max(1, _count(connection) // 50)):
        pass


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM documents WHERE parent IS NULL").fetchone()[0])


def _delete_oldest(connection: sqlite3.Connection, condition: str, values: tuple[float, ...], most: int) -> int:
    """Delete at most `most` of the oldest documents that meet a condition, each with its children."""
    names = connection.execute(
        f"SELECT name FROM documents WHERE parent IS NULL {condition} ORDER BY written LIMIT ?", (*values, most)
    ).fetchall()
    return delete(connection, [name for (name,) in names]) if names else 0
