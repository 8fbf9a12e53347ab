"""Signatures in memory: lost with the process, never shared between processes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from adapter.store.shared.base import Records, StoreLimits, all_scoped, combined, scoped
from adapter.wire.base import encode
from adapter.wire.signatures import Issued, Signature


class Entry(NamedTuple):
    """A signature, the size of its JSON in bytes, and the Unix time of its writing."""

    signature: Signature
    size: int
    written: float


class Cache:
    """The entries used last, within limits of age, count and bytes."""

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
        """The signature, unless it is too old."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.written + self._max_age <= self._clock():
            self._remove(name)
            return None
        self._entries.move_to_end(name)
        return entry.signature

    def put(self, name: bytes, entry: Entry) -> None:
        """Keep an entry, and let go of those unused for longest where there are too many."""
        self._remove(name)
        self._entries[name] = entry
        self.size += entry.size
        while len(self._entries) > self._max_entries or self.size > self._max_bytes:
            self._remove(next(iter(self._entries)))

    def oldest(self, count: int) -> dict[bytes, Entry]:
        """So many of the entries unused for longest."""
        return dict(islice(self._entries.items(), count))

    def forget(self, names: Iterable[bytes]) -> None:
        """Let go of these."""
        for name in list(names):
            self._remove(name)

    def _remove(self, name: bytes) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.size -= entry.size


class MemoryStore:
    """See `base.SignatureStore`. Promises to survive nothing."""

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
        """See `SignatureStore`."""

    async def get(self, keys: Collection[str], client: str) -> Records:
        """Read what is in memory."""
        named = zip(keys, all_scoped(keys, client), strict=True)
        return Records({key: signature for key, name in named if (signature := self._cache.get(name)) is not None})

    async def get_by_words(self, keys: Collection[str], client: str) -> Records:
        """Read what is in memory."""
        return await self.get(keys, client)

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """See `SignatureStore`."""
        now = self._clock()
        for key, given, by_words in issued:
            name = scoped(key, client)
            signature = combined(self._cache.get(name), given) if by_words else given
            size = len(encode(signature))
            if size > self._max_entry:
                self._refused += 1
            else:
                self._cache.put(name, Entry(signature, size, now))

    async def aclose(self) -> None:
        """See `SignatureStore`."""

    def describe(self) -> dict[str, object]:
        """See `SignatureStore`."""
        facts: dict[str, object] = {"kind": "memory", "entries": len(self._cache), "bytes": self._cache.size}
        facts["refused"] = self._refused
        return {**facts, "warning": self._warning} if self._warning else facts
