"""What every store of documents promises: stored responses and conversations, as bytes under a key.

A document may belong to another, its parent: it lives as long as that one and goes with it. Writing a child makes its
parent young again, so a conversation that is used does not lose its beginning.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from adapter.store.shared.base import scoped


class DocumentLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept: documents without a parent for so many seconds and in such a number, bytes in all and in one.

    `memory_bytes` bounds what a store in memory holds.
    """

    max_age: float = 30 * 24 * 3600.0
    max_count: int = 100_000
    max_bytes: int = 2 * 1024 * 1024 * 1024
    max_entry: int = 32 * 1024 * 1024
    memory_bytes: int = 256 * 1024 * 1024

    def dated(self, now: float, max_age: float | None) -> float:
        """The Unix time under which a document is kept: earlier than now for one that is forgotten earlier."""
        return now if max_age is None else now - max(0.0, self.max_age - max_age)


class Document(NamedTuple):
    """One entry; `parent` is the key of the document that it belongs to, if any."""

    key: str
    body: bytes
    parent: str = ""


class Readable(Protocol):
    """Documents by client and key, to be read. A client never sees another's."""

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """What there is of `keys`. A store that cannot be read warns of it, and has nothing."""
        ...

    async def size(self, keys: Collection[str], client: str) -> int:
        """How many bytes `get` would load."""
        ...

    async def children(
        self,
        parent: str,
        client: str,
        *,
        after: str = "",
        limit: int | None = None,
        newest_first: bool = False,
        max_bytes: int | None = None,
    ) -> list[bytes]:
        """The bodies of a document's children in the order of their writing, from behind the one with key `after`.

        Of more than `max_bytes` only the first ones, but at least one.
        """
        ...

    async def size_of_children(self, parent: str, client: str) -> int:
        """How many bytes `children` would load."""
        ...


class DocumentStore(Readable, Protocol):
    """Documents by client and key, to be kept."""

    async def open(self) -> None:
        """Make ready, inside the event loop that will use it. Raises `StoreUnusable`."""
        ...

    async def put(self, documents: Sequence[Document], client: str, max_age: float | None = None) -> bool:
        """Keep these, in place of older ones of the same keys; a child only if its parent is there.

        `max_age`: seconds from now after which they are forgotten, if earlier than all others. Returns when they will
        survive what the store promises to survive. False where they could not be written, or
        one was too large: then none is kept.
        """
        ...

    async def delete(self, key: str, client: str) -> bool:
        """Delete a document with all that belongs to it; whether there was one."""
        ...

    async def aclose(self) -> None:
        """Finish writing and let go of everything."""
        ...

    def describe(self) -> dict[str, object]:
        """For /healthz: `kind`, `bytes`, `refused` (how many were too large), `warning` if any.

        A file adds its `path`, and `failed`: how many documents could not be written to it.
        """
        ...


class Root(NamedTuple):
    """A document without a parent, its children in order, and the Unix time of the last writing."""

    body: bytes
    written: float
    children: dict[bytes, bytes]


class MemoryDocuments:
    """See `DocumentStore`. Promises to survive nothing."""

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
        """See `DocumentStore`."""

    @property
    def bytes_held(self) -> int:
        """How many bytes all documents have."""
        return self._bytes

    def clear(self) -> None:
        """Let go of everything."""
        self._roots.clear()
        self._parents.clear()
        self._bytes = 0

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """See `DocumentStore`."""
        self._evict()
        found = {key: self._body(scoped(key, client)) for key in keys}
        return {key: body for key, body in found.items() if body is not None}

    def _body(self, name: bytes) -> bytes | None:
        parent = self._parents.get(name)
        if parent is not None:
            return self._roots[parent].children[name]
        root = self._roots.get(name)
        return root.body if root else None

    async def put(self, documents: Sequence[Document], client: str, max_age: float | None = None) -> bool:
        """See `DocumentStore`."""
        if any(len(document.body) > self._limits.max_entry for document in documents):
            self._refused += len(documents)
            return False
        written = self._limits.dated(self._clock(), max_age)
        for key, body, parent in documents:
            root = scoped(parent or key, client)
            if parent:
                self._put_child(scoped(key, client), body, root, written)
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
        """Let go of what is too old, and of the oldest where there is too much."""
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
        """See `DocumentStore`."""
        self._evict()
        name = scoped(key, client)
        if (parent := self._parents.pop(name, None)) is not None:
            self._bytes -= len(self._roots[parent].children.pop(name))
            return True
        if name not in self._roots:
            return False
        self._remove(name)
        return True

    async def size(self, keys: Collection[str], client: str) -> int:
        """See `DocumentStore`."""
        return sum(map(len, (await self.get(keys, client)).values()))

    async def size_of_children(self, parent: str, client: str) -> int:
        """See `DocumentStore`."""
        return sum(map(len, await self.children(parent, client)))

    async def children(
        self,
        parent: str,
        client: str,
        *,
        after: str = "",
        limit: int | None = None,
        newest_first: bool = False,
        max_bytes: int | None = None,
    ) -> list[bytes]:
        """See `DocumentStore`."""
        self._evict()
        root = self._roots.get(scoped(parent, client))
        if root is None:
            return []
        names = list(reversed(root.children)) if newest_first else list(root.children)
        if after:
            name = scoped(after, client)
            names = names[names.index(name) + 1 :] if name in root.children else []
        return first_bytes((root.children[name] for name in names[:limit]), max_bytes)

    async def aclose(self) -> None:
        """See `DocumentStore`."""

    def describe(self) -> dict[str, object]:
        """See `DocumentStore`. `entries` counts documents without a parent."""
        facts: dict[str, object] = {
            "kind": "memory",
            "entries": len(self._roots),
            "bytes": self._bytes,
            "refused": self._refused,
        }
        return {**facts, "warning": self._warning} if self._warning else facts


class Layered:
    """Two stores, to be read as one: what the first does not have, the second may."""

    def __init__(self, first: DocumentStore, second: DocumentStore) -> None:
        self._first = first
        self._second = second

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """See `DocumentStore`."""
        found = await self._first.get(keys, client)
        missing = [key for key in keys if key not in found]
        return {**found, **(await self._second.get(missing, client))} if missing else found

    async def size(self, keys: Collection[str], client: str) -> int:
        """See `DocumentStore`."""
        found = await self._first.get(keys, client)
        missing = [key for key in keys if key not in found]
        return sum(map(len, found.values())) + await self._second.size(missing, client)

    async def children(
        self,
        parent: str,
        client: str,
        *,
        after: str = "",
        limit: int | None = None,
        newest_first: bool = False,
        max_bytes: int | None = None,
    ) -> list[bytes]:
        """See `DocumentStore`; children are those of the second."""
        return await self._second.children(
            parent, client, after=after, limit=limit, newest_first=newest_first, max_bytes=max_bytes
        )

    async def size_of_children(self, parent: str, client: str) -> int:
        """See `DocumentStore`."""
        return await self._second.size_of_children(parent, client)


def first_bytes(bodies: Iterable[bytes], max_bytes: int | None) -> list[bytes]:
    """The first of some bodies that have so many bytes together, but at least one."""
    found: list[bytes] = []
    size = 0
    for body in bodies:
        size += len(body)
        if found and max_bytes is not None and size > max_bytes:
            break
        found.append(body)
    return found
