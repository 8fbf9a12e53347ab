"""Signatures in memory: the cache of all stores, and the store that loses everything with the process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from adapter.store.shared.base import Records, StoreLimits, combine, scoped_names
from adapter.wire.base import encode
from adapter.wire.signatures import Issued, Signature


class Entry(NamedTuple):
    """A signature, the size of its JSON in bytes, and the Unix time of its writing."""

    signature: Signature
    size: int
    written: float


class Cache:
    """Least-recently-used cache with limits of age (seconds), number and bytes."""

    def __init__(self, max_entries: int, max_bytes: int, max_age: float, clock: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._clock = clock
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: bytes) -> Signature | None:
        """Return a signature, unless it is too old."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.written + self._max_age <= self._clock():
            self._remove(name)
            return None
        self._entries.move_to_end(name)
        return entry.signature

    def get_many(self, names: Iterable[bytes]) -> list[Signature | None]:
        """Return what `get` returns for each of many names: a long history needs hundreds."""
        entries, oldest = self._entries, self._clock() - self._max_age
        find, touch = entries.get, entries.move_to_end
        records: list[Signature | None] = []
        for name in names:
            entry = find(name)
            if entry is None:
                records.append(None)
            elif entry.written <= oldest:
                records.append(self.get(name))
            else:
                touch(name)
                records.append(entry.signature)
        return records

    def get_times(self, names: Mapping[bytes, str]) -> dict[str, float]:
        """Return when entries were written (Unix seconds), by the keys of their names."""
        return {key: self._entries[name].written for name, key in names.items() if name in self._entries}

    def put(self, name: bytes, entry: Entry) -> None:
        """Store an entry; the least recently used ones make room for it."""
        self._remove(name)
        self._entries[name] = entry
        self.size += entry.size
        while len(self._entries) > self._max_entries or self.size > self._max_bytes:
            self._remove(next(iter(self._entries)))

    def least_used(self, count: int) -> dict[bytes, Entry]:
        """Return the `count` least recently used entries."""
        return dict(islice(self._entries.items(), count))

    def remove(self, names: Iterable[bytes]) -> None:
        """Remove entries."""
        for name in list(names):
            self._remove(name)

    def _remove(self, name: bytes) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.size -= entry.size


class MemoryStore:
    """A signature store in memory. Nothing survives the process."""

    def __init__(
        self, limits: StoreLimits, *, warning: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        size = min(limits.max_bytes, limits.memory_bytes)
        self._cache = Cache(limits.max_entries, size, limits.max_age, clock)
        self._max_entry = limits.max_entry
        self._warning = warning
        self._clock = clock
        self._refused = 0

    async def open(self) -> None:
        """Do nothing: memory is ready."""

    async def get(self, keys: Collection[str], client: str) -> Records:
        """Read records from memory."""
        known = zip(keys, self._cache.get_many(scoped_names(keys, client)), strict=True)
        return Records({key: signature for key, signature in known if signature is not None})

    async def get_by_words(self, keys: Collection[str], client: str) -> Records:
        """Read records from memory: no other process can write there."""
        return await self.get(keys, client)

    async def get_times(self, keys: Collection[str], client: str) -> dict[str, float]:
        """Return when records were written, as far as the cache has them after a read."""
        await self.get(keys, client)
        return self._cache.get_times(dict(zip(scoped_names(keys, client), keys, strict=True)))

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """Store records in memory."""
        now = self._clock()
        names = scoped_names([one.key for one in issued], client)
        for name, (_key, record, by_words) in zip(names, issued, strict=True):
            signature = combine(self._cache.get(name), record) if by_words else record
            size = len(encode(signature))
            if size > self._max_entry:
                self._refused += 1
            else:
                self._cache.put(name, Entry(signature, size, now))

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz."""
        facts: dict[str, object] = {"kind": "memory", "entries": len(self._cache), "bytes": self._cache.size}
        facts["refused"] = self._refused
        return {**facts, "warning": self._warning} if self._warning else facts
