"""Signatures in memory: for one process, and until it ends."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from adapter.store.base import Bounds, scoped
from adapter.wire.base import encode
from adapter.wire.signatures import Issued, Signature


class _Entry(NamedTuple):
    signature: Signature
    size: int
    expires_at: float


class MemoryStore:
    """The least recently used entries go first; see `base.SignatureStore`."""

    def __init__(
        self, bounds: Bounds | None = None, warning: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bounds = bounds or Bounds(total=128 * 1024 * 1024)
        self._warning = warning
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0
        self._too_large = 0

    async def open(self) -> None:
        """Nothing to open."""

    async def get(self, keys: Collection[str], client: str) -> dict[str, Signature]:
        """See `base.SignatureStore`."""
        found = ((key, self.look(scoped(key, client))) for key in keys)
        return {key: signature for key, signature in found if signature is not None}

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """See `base.SignatureStore`."""
        for key, signature in issued:
            self.keep(scoped(key, client), signature, len(encode(signature)))

    def look(self, key: bytes) -> Signature | None:
        """An entry by its key at rest."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.signature

    def keep(self, key: bytes, signature: Signature, size: int) -> bool:
        """Keep an entry under its key at rest; False for one that is too large."""
        if size > self._bounds.entry:
            self._too_large += 1
            return False
        self._drop(key)
        self._entries[key] = _Entry(signature, size, self._clock() + self._bounds.age)
        self._bytes += size
        while self._bytes > self._bounds.total:
            self._drop(next(iter(self._entries)))
        return True

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        self._bytes -= entry.size if entry else 0

    def describe(self) -> dict[str, object]:
        """See `base.SignatureStore`."""
        facts = {"kind": "memory", "entries": len(self._entries), "bytes": self._bytes, "too_large": self._too_large}
        return {**facts, "warning": self._warning} if self._warning else facts

    async def aclose(self) -> None:
        """Nothing to close."""
