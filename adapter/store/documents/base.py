"""The interface of document stores (stored responses and conversations, as bytes under a key), and one in memory.

A document may have a parent. It lives as long as its parent and is deleted with it. Writing a child makes the parent
young again, so that a conversation in use does not lose its beginning.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from adapter.store.shared.base import scoped_name


class Document(NamedTuple):
    """One document; `parent` is the key of its parent, if it has one."""

    key: str
    body: bytes
    parent: str = ""


class Changed(Exception):
    """A document is no longer what was read, so nothing was stored: read again."""


Expected = Mapping[str, bytes | None]
"""The bodies of documents as they were read, by key; None for a document that was missing."""

NOTHING_EXPECTED: Expected = {}


class DocumentLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits: age in seconds and number of documents without a parent, bytes in all, bytes of one document.

    `memory_bytes` limits a store in memory.
    """

    max_age: float = 30 * 24 * 3600.0
    max_count: int = 100_000
    max_bytes: int = 2 * 1024 * 1024 * 1024
    max_entry: int = 32 * 1024 * 1024
    memory_bytes: int = 256 * 1024 * 1024

    def written_at(self, now: float, max_age: float | None) -> float:
        """Return the time to store with a document, in Unix seconds: earlier than now for one with a shorter life."""
        return now if max_age is None else now - max(0.0, self.max_age - max_age)

    def allow(self, documents: Sequence[Document]) -> bool:
        """Return whether none of the documents is too large."""
        return all(len(document.body) <= self.max_entry for document in documents)


class Selection(NamedTuple):
    """The children to read, in the order in which they were written (or the newest first), after the key `after`.

    At most `limit` children, and about `max_bytes`, but at least one.
    """

    after: str = ""
    limit: int | None = None
    newest_first: bool = False
    max_bytes: int | None = None

    def pick(self, names: Sequence[bytes], client: str) -> Sequence[bytes]:
        """Return the selected ones of the names of all children, without regard to bytes."""
        ordered = names[::-1] if self.newest_first else names
        if self.after:
            after = scoped_name(self.after, client)
            ordered = ordered[ordered.index(after) + 1 :] if after in ordered else ()
        return ordered[: self.limit]


ALL = Selection()


class Readable(Protocol):
    """Reads documents by client and key. A client never sees those of another one."""

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """Read documents. A store that cannot be read returns nothing, and `describe` has a warning."""
        ...

    async def size(self, keys: Collection[str], client: str) -> int:
        """Return how many bytes `get` would load."""
        ...

    async def children(self, parent: str, client: str, selection: Selection = ALL) -> list[bytes]:
        """Read the bodies of a document's children."""
        ...

    async def size_of_children(self, parent: str, client: str) -> int:
        """Return how many bytes `children` would load without limits."""
        ...


class DocumentStore(Readable, Protocol):
    """Stores documents by client and key."""

    async def open(self) -> None:
        """Open the store, in the event loop that will use it. Raises `StoreUnusable`."""
        ...

    async def put(
        self,
        documents: Sequence[Document],
        client: str,
        max_age: float | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> bool:
        """Store documents, replacing those with the same keys. A child is stored only if its parent exists.

        `max_age`: a shorter life than usual, in seconds. Returns True when they are as durable as the store promises;
        False if they could not be written or one was too large, and then none is stored.

        `expected` is what was read of some documents: the look at them and the writing are one step for all writers,
        in whichever process. Raises `Changed` where one of them is another one now.
        """
        ...

    async def delete(self, key: str, client: str) -> bool:
        """Delete a document and its children; False if there was none."""
        ...

    async def aclose(self) -> None:
        """Finish writing, then close."""
        ...

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz: `kind`, `bytes`, `refused` (too large), maybe `warning`.

        A file adds `path` and `failed`, the number of documents that could not be written.
        """
        ...


class Root(NamedTuple):
    """A document without a parent, its children in order, and when either was last written (Unix seconds)."""

    body: bytes
    written: float
    children: dict[bytes, bytes]


class MemoryDocuments:
    """A document store in memory. Nothing survives the process."""

    def __init__(
        self, limits: DocumentLimits, *, warning: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._limits = limits
        self._warning = warning
        self._clock = clock
        self._roots: OrderedDict[bytes, Root] = OrderedDict()
        self._parents: dict[bytes, bytes] = {}
        self._brief: set[bytes] = set()
        self._bytes = 0
        self._refused = 0

    async def open(self) -> None:
        """Do nothing: memory is ready."""

    @property
    def bytes_held(self) -> int:
        """Return the bytes of all documents."""
        return self._bytes

    def clear(self) -> None:
        """Remove all documents."""
        self._roots.clear()
        self._parents.clear()
        self._bytes = 0

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """Read documents from memory."""
        self._evict()
        bodies = {key: self._body(scoped_name(key, client)) for key in keys}
        return {key: body for key, body in bodies.items() if body is not None}

    def _body(self, name: bytes) -> bytes | None:
        parent = self._parents.get(name)
        if parent is not None:
            return self._roots[parent].children[name]
        root = self._roots.get(name)
        return root.body if root else None

    async def put(
        self,
        documents: Sequence[Document],
        client: str,
        max_age: float | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> bool:
        """Store documents in memory."""
        if not self._limits.allow(documents):
            self._refused += len(documents)
            return False
        self._evict()
        if any(self._body(scoped_name(key, client)) != body for key, body in expected.items()):
            raise Changed
        written = self._limits.written_at(self._clock(), max_age)
        for key, body, parent in documents:
            root = scoped_name(parent or key, client)
            if parent:
                self._put_child(scoped_name(key, client), body, root, written)
            else:
                self._put_root(root, body, written)
            (self._brief.discard if max_age is None else self._brief.add)(root)
        self._evict()
        return True

    def _put_root(self, name: bytes, body: bytes, now: float) -> None:
        old = self._roots.pop(name, None)
        self._roots[name] = Root(body, now, old.children if old else {})
        self._bytes += len(body) - (len(old.body) if old else 0)

    def _put_child(self, name: bytes, body: bytes, parent: bytes, now: float) -> None:
        root = self._roots.pop(parent, None)
        if root is None:
            return
        self._bytes += len(body) - len(root.children.get(name, b""))
        root.children[name] = body
        self._parents[name] = parent
        self._roots[parent] = root._replace(written=now)

    def _evict(self) -> None:
        """Remove documents that are too old, then the oldest ones until the limits hold."""
        limits, before = self._limits, self._clock() - self._limits.max_age
        for name in [name for name in self._brief if name not in self._roots or self._roots[name].written <= before]:
            self._brief.discard(name)
            if name in self._roots:
                self._remove(name)
        size = min(limits.max_bytes, limits.memory_bytes)
        while self._roots:
            name, oldest = next(iter(self._roots.items()))
            if oldest.written > before and len(self._roots) <= limits.max_count and self._bytes <= size:
                break
            self._remove(name)

    def _remove(self, name: bytes) -> None:
        root = self._roots.pop(name)
        self._bytes -= len(root.body) + sum(map(len, root.children.values()))
        for child in root.children:
            del self._parents[child]

    async def delete(self, key: str, client: str) -> bool:
        """Delete a document and its children."""
        self._evict()
        name = scoped_name(key, client)
        if (parent := self._parents.pop(name, None)) is not None:
            self._bytes -= len(self._roots[parent].children.pop(name))
            return True
        if name not in self._roots:
            return False
        self._remove(name)
        return True

    async def size(self, keys: Collection[str], client: str) -> int:
        """Return how many bytes `get` would load."""
        return sum(map(len, (await self.get(keys, client)).values()))

    async def size_of_children(self, parent: str, client: str) -> int:
        """Return how many bytes the children have."""
        return sum(map(len, await self.children(parent, client)))

    async def children(self, parent: str, client: str, selection: Selection = ALL) -> list[bytes]:
        """Read a document's children."""
        self._evict()
        root = self._roots.get(scoped_name(parent, client))
        if root is None:
            return []
        names = selection.pick(list(root.children), client)
        return limit_bytes((root.children[name] for name in names), selection.max_bytes)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz. `entries` counts documents without a parent."""
        facts: dict[str, object] = {
            "kind": "memory",
            "entries": len(self._roots),
            "bytes": self._bytes,
            "refused": self._refused,
        }
        return {**facts, "warning": self._warning} if self._warning else facts


class Layered:
    """Reads from two stores as one: first from the one, then from the other."""

    def __init__(self, first: DocumentStore, second: DocumentStore) -> None:
        self._first = first
        self._second = second

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """Read documents from either store."""
        bodies = await self._first.get(keys, client)
        missing = [key for key in keys if key not in bodies]
        return {**bodies, **(await self._second.get(missing, client))} if missing else bodies

    async def size(self, keys: Collection[str], client: str) -> int:
        """Return how many bytes `get` would load."""
        bodies = await self._first.get(keys, client)
        missing = [key for key in keys if key not in bodies]
        return sum(map(len, bodies.values())) + await self._second.size(missing, client)

    async def children(self, parent: str, client: str, selection: Selection = ALL) -> list[bytes]:
        """Read children from the second store, where all of them are."""
        return await self._second.children(parent, client, selection)

    async def size_of_children(self, parent: str, client: str) -> int:
        """Return how many bytes the children have."""
        return await self._second.size_of_children(parent, client)


def limit_bytes(bodies: Iterable[bytes], max_bytes: int | None) -> list[bytes]:
    """Return as many of the first bodies as have `max_bytes` together, but at least one."""
    first: list[bytes] = []
    size = 0
    for body in bodies:
        size += len(body)
        if first and max_bytes is not None and size > max_bytes:
            break
        first.append(body)
    return first
