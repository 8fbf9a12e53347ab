"""A cache whose size is counted in bytes, since clients choose the length of its keys."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_END = 64
"""Bytes at each end of a JSON text that are hashed."""


class JsonKey:
    """The JSON of a field as a key of a cache.

    Only its ends are hashed, because all of it is compared anyway. Repeated tools are the same object, if their bytes
    were compared when the request was read.
    """

    __slots__ = ("_hash", "_raw", "size_bytes")

    def __init__(self, raw: msgspec.Raw) -> None:
        text = memoryview(raw)
        self._raw = raw
        self.size_bytes = len(text)
        self._hash = hash((self.size_bytes, bytes(text[:_END]), bytes(text[-_END:])))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonKey) and (self._raw is other._raw or self._raw == other._raw)

    def detach(self) -> msgspec.Raw:
        """Copy the JSON out of its body, for this key too, and return it: a slice would keep the body in memory."""
        self._raw = self._raw.copy()
        return self._raw


class ByteCache(Generic[K, V]):
    """Least-recently-used cache of values by key, of at most `max_bytes` together and `max_entry` bytes each.

    Requests are translated in two threads, hence the lock.
    """

    def __init__(self, max_bytes: int, max_entry: int) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._max_entry = max_entry
        self._entries: OrderedDict[K, tuple[int, V]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K, size_bytes: int, make: Callable[[], V]) -> V:
        """Return the value of a key; `make` makes a missing one, and its errors are not remembered."""
        if size_bytes > self._max_entry:
            return make()
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                return entry[1]
        value = make()
        with self._lock:
            self._keep(key, size_bytes, value)
        return value

    def _keep(self, key: K, size_bytes: int, value: V) -> None:
        before = self._entries.pop(key, None)
        self.size_bytes += size_bytes - (before[0] if before else 0)
        self._entries[key] = (size_bytes, value)
        while self.size_bytes > self._max_bytes:
            self.size_bytes -= self._entries.popitem(last=False)[1][0]

    def __len__(self) -> int:
        return len(self._entries)
