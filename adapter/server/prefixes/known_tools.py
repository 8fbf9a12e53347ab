"""Remembers the lists of tools that clients declare, so that an equal list is decoded only once.

Lists are compared by their bytes. Each client has its last `MAX_COUNT` lists remembered. If all lists together take
too much memory, the client that was idle for longest loses all of its lists.
"""

from collections import OrderedDict
from typing import Protocol

import msgspec

from adapter.wire.known_value import KnownValue, place_of

MAX_COUNT = 8
"""Lists of tools that are remembered for one client."""

LEAST, MOST = 4 * 1024, 512 * 1024
"""Sizes in bytes of lists that are remembered. Smaller ones are cheap to decode; larger ones would displace others."""


class KnownToolsFigures(Protocol):
    """Counts searches, for `/metrics`."""

    def count_known_tools(self, *, is_hit: bool) -> None:
        """Count a search."""
        ...


class KnownTools:
    """Remembers the tools of clients, at most `max_bytes` for all clients together."""

    def __init__(self, max_bytes: int, figures: KnownToolsFigures | None = None) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._figures = figures
        # Clients: the one that was idle for longest is first. Lists of a client: the one it used last is first.
        self._clients: OrderedDict[str, list[KnownValue]] = OrderedDict()

    def find(self, client: str, body: bytes) -> tuple[int, KnownValue] | None:
        """Return the offset of known tools in a client's body, and the tools; None if there are none."""
        lists = self._clients.get(client, [])
        hit = next(((at, one) for one in lists if (at := place_of(body, one))), None)
        if self._figures is not None:
            self._figures.count_known_tools(is_hit=hit is not None)
        if hit is not None:
            self._clients.move_to_end(client)
            if hit[1] is not lists[0]:
                lists.remove(hit[1])
                lists.insert(0, hit[1])
        return hit

    def takes(self, tools: msgspec.Raw) -> bool:
        """Return whether a list of tools has a size that is remembered."""
        return LEAST <= len(memoryview(tools)) <= min(MOST, self._max_bytes)

    def put(self, client: str, value: KnownValue) -> None:
        """Remember a client's list of tools as the one it used last."""
        lists = self._clients.setdefault(client, [])
        self._clients.move_to_end(client)
        # A known list may have been read again, where it stood too far from the ends of the body to be found.
        if value not in lists:
            lists.insert(0, value)
            self.size_bytes += len(value.text)
        if len(lists) > MAX_COUNT:
            self.size_bytes -= len(lists.pop().text)
        while self.size_bytes > self._max_bytes:
            self.size_bytes -= sum([len(one.text) for one in self._clients.popitem(last=False)[1]])
