"""The beginnings of histories that one process remembers, by client.

They are found by comparing bytes. A history that goes on takes the place of its own beginning. Which ones are kept is
decided by their bytes: where there are too many, the client that has the most loses what it has not used for longest,
so that no client can push out the others'. None is used for long after the last turn, and none on what the store said
long ago: the store's own records live much longer than that.
"""

import time
from collections.abc import Callable
from typing import Protocol

from adapter.translate.prefix import Prefix
from adapter.wire.beginnings import begins_with

MAX_IDLE = 600.0
"""Seconds after its last use for which a beginning is remembered."""

SWEEP_EVERY = 60.0
"""Seconds after which what is too old makes room, whether or not it is asked for."""

MAX_COUNT = 512
"""Beginnings of one client: each is compared with each of its long requests."""

MAX_AGE = 3_600.0
"""Seconds after the store was asked for it: what the store has learned or forgotten since counts then."""


class PrefixFigures(Protocol):
    """Counts searches and bytes of the memory, for `/metrics`."""

    def count_prefix(self, *, is_hit: bool) -> None:
        """Count a search."""
        ...

    def set_prefix_bytes(self, size_bytes: int) -> None:
        """Tell how large the memory is."""
        ...


class _Entry:
    """A beginning, and when it was used last."""

    __slots__ = ("prefix", "used")

    def __init__(self, prefix: Prefix, used: float) -> None:
        self.prefix = prefix
        self.used = used

    def is_old(self, now: float) -> bool:
        return now - self.used > MAX_IDLE or now - self.prefix.since > MAX_AGE


class PrefixMemory:
    """Remembers beginnings: `max_bytes` of all together, and a quarter of that of one at most."""

    def __init__(
        self, max_bytes: int, figures: PrefixFigures | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size_bytes = 0
        self.clock = clock
        self._max_bytes = max_bytes
        self._figures = figures
        self._clients: dict[str, list[_Entry]] = {}
        self._sizes: dict[str, int] = {}
        self._swept = clock()

    @property
    def is_on(self) -> bool:
        """Return whether anything is remembered."""
        return self._max_bytes > 0

    def find(self, client: str, body: bytes, start: int, field: str) -> Prefix | None:
        """Return the longest beginning of a field's list, whose items stand at this place in a client's body."""
        now = self.clock()
        entries = [one for one in self._clients.get(client, ()) if one.prefix.field == field]
        fitting = [one for one in entries if not one.is_old(now) and begins_with(body, start, one.prefix.beginning)]
        found = max(fitting, key=_length, default=None)
        if self._figures is not None:
            self._figures.count_prefix(is_hit=found is not None)
        if found is None:
            return None
        found.used = now
        return found.prefix

    def put(self, client: str, prefix: Prefix, before: Prefix | None = None) -> None:
        """Remember a beginning in the place of the one `before`, with which it was read."""
        now, text, field = self.clock(), prefix.beginning.text, prefix.field
        if now - self._swept > SWEEP_EVERY:
            self._swept = now
            for one in list(self._clients):
                self._drop(one, lambda entry: entry.is_old(now))
        self._drop(
            client,
            lambda one: one.prefix is before or (one.prefix.beginning.text == text and one.prefix.field == field),
        )
        if prefix.size_bytes <= self._max_bytes // 4:
            self._clients.setdefault(client, []).append(_Entry(prefix, now))
            self._add(client, prefix.size_bytes)
        if len(self._clients.get(client, ())) > MAX_COUNT:
            self._drop_idle(client)
        while self.size_bytes > self._max_bytes:
            self._drop_idle(max(self._sizes, key=self._sizes.__getitem__))
        if self._figures is not None:
            self._figures.set_prefix_bytes(self.size_bytes)

    def _drop_idle(self, client: str) -> None:
        """Drop what a client has not used for longest."""
        idle = min(self._clients[client], key=_last_use)
        self._drop(client, lambda entry: entry is idle)

    def _drop(self, client: str, is_unwanted: Callable[[_Entry], bool]) -> None:
        entries = self._clients.get(client, [])
        kept = [one for one in entries if not is_unwanted(one)]
        if len(kept) == len(entries):
            return
        self._add(client, sum([one.prefix.size_bytes for one in kept]) - self._sizes[client])
        self._clients[client] = kept
        if not kept:
            del self._clients[client], self._sizes[client]

    def _add(self, client: str, size_bytes: int) -> None:
        self._sizes[client] = self._sizes.get(client, 0) + size_bytes
        self.size_bytes += size_bytes


def _length(entry: _Entry) -> int:
    return len(entry.prefix.beginning.text)


def _last_use(entry: _Entry) -> float:
    return entry.used
