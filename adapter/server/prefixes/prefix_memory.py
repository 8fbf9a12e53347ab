"""Remembers the beginnings of clients' histories, in the memory of one process.

Beginnings are compared by their bytes. When a history has grown, its longer beginning replaces the shorter one.

A beginning is dropped

- after `MAX_IDLE` seconds without use;
- `MAX_AGE` seconds after the store was asked for its answers, whose records may have changed since;
- when all together are too large: the client with the most bytes loses the one it has not used for longest. So no
  client can displace the beginnings of others.
"""

import time
from collections.abc import Callable
from typing import Protocol

from adapter.translate.prefix import Prefix
from adapter.wire.beginnings import begins_with

MAX_IDLE = 600.0
"""Seconds after its last use until a beginning is dropped."""

SWEEP_EVERY = 60.0
"""Seconds between two removals of all beginnings that are too old."""

MAX_COUNT = 512
"""Beginnings of one client. Each of its long requests is compared with all of them, so many would be slow."""

MAX_AGE = 3_600.0
"""Seconds after which the store is asked again: its records may have come or gone."""


class PrefixFigures(Protocol):
    """Counts searches and bytes of the memory, for `/metrics`."""

    def count_prefix(self, *, is_hit: bool) -> None:
        """Count a search."""
        ...

    def set_prefix_bytes(self, size_bytes: int) -> None:
        """Set the size of all remembered beginnings."""
        ...


class _Entry:
    """A beginning, and the time of its last use, in seconds of the memory's clock."""

    __slots__ = ("prefix", "used")

    def __init__(self, prefix: Prefix, used: float) -> None:
        self.prefix = prefix
        self.used = used

    def is_old(self, now: float) -> bool:
        return now - self.used > MAX_IDLE or now - self.prefix.since > MAX_AGE


class PrefixMemory:
    """Remembers beginnings: at most `max_bytes` in total, and none that is larger than a quarter of that."""

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
        """Return the longest known beginning of a body's list `field`, whose items start at offset `start`."""
        now = self.clock()
        entries = [one for one in self._clients.get(client, ()) if one.prefix.field == field]
        fitting = [one for one in entries if not one.is_old(now) and begins_with(body, start, one.prefix.beginning)]
        longest = max(fitting, key=_length, default=None)
        if self._figures is not None:
            self._figures.count_prefix(is_hit=longest is not None)
        if longest is None:
            return None
        longest.used = now
        return longest.prefix

    def put(self, client: str, prefix: Prefix, before: Prefix | None = None) -> None:
        """Remember a beginning. It replaces `before`, the shorter beginning that helped to read it."""
        now, text, field = self.clock(), prefix.beginning.text, prefix.field
        if now - self._swept > SWEEP_EVERY:
            self._swept = now
            for remembered_client in list(self._clients):
                self._drop(remembered_client, lambda entry: entry.is_old(now))
        self._drop(
            client,
            # An equal one, too: two requests that ran at the same time have both read it as new.
            lambda one: one.prefix is before or (one.prefix.beginning.text == text and one.prefix.field == field),
        )
        # One history alone must not push out nearly all others.
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
        """Drop the beginning that a client has not used for longest."""
        idle = min(self._clients[client], key=_last_use)
        self._drop(client, lambda entry: entry is idle)

    def _drop(self, client: str, is_unwanted: Callable[[_Entry], bool]) -> None:
        entries = self._clients.get(client, [])
        remaining = [one for one in entries if not is_unwanted(one)]
        if len(remaining) == len(entries):
            return
        self._add(client, sum([one.prefix.size_bytes for one in remaining]) - self._sizes[client])
        self._clients[client] = remaining
        if not remaining:
            del self._clients[client], self._sizes[client]

    def _add(self, client: str, size_bytes: int) -> None:
        self._sizes[client] = self._sizes.get(client, 0) + size_bytes
        self.size_bytes += size_bytes


def _length(entry: _Entry) -> int:
    return len(entry.prefix.beginning.text)


def _last_use(entry: _Entry) -> float:
    return entry.used
