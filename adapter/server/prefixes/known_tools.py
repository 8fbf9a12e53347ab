"""The tools that clients have declared, in memory, so that equal ones are read once.

They are found by comparing bytes. For each client the last lists of tools are remembered. If all lists together take
too much memory, the client that was idle for longest loses its lists.
"""

from collections import OrderedDict
from typing import Protocol

import msgspec

from adapter.wire.known_value import KnownValue, place_of

MAX_COUNT = 8
"""Lists of tools of one client."""

LEAST, MOST = 4 * 1024, 512 * 1024
"""The size of remembered tools in bytes. Smaller ones are cheap to read; larger ones would displace others."""


class KnownToolsFigures(Protocol):
    """Counts searches, for `/metrics`."""

    def count_known_tools(self, *, is_hit: bool) -> None:
        """Count a search."""
        ...


class KnownTools:
    """Remembers the tools of clients, `max_bytes` of all together."""

    def __init__(self, max_bytes: int, figures: KnownToolsFigures | None = None) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._figures = figures
        # The client that was idle for longest comes first, and in its list what it used last.
        self._clients: OrderedDict[str, list[KnownValue]] = OrderedDict()

    def find(self, client: str, body: bytes) -> tuple[int, KnownValue] | None:
        """Return the tools that stand in a client's body, and where."""
        lists = self._clients.get(client, [])
        found = next(((at, one) for one in lists if (at := place_of(body, one))), None)
        if self._figures is not None:
            self._figures.count_known_tools(is_hit=found is not None)
        if found is not None:
            self._clients.move_to_end(client)
            if found[1] is not lists[0]:
                lists.remove(found[1])
                lists.insert(0, found[1])
        return found

    def takes(self, tools: msgspec.Raw) -> bool:
        """Return whether tools are of a size that is remembered."""
        return LEAST <= len(memoryview(tools)) <= min(MOST, self._max_bytes)

    def put(self, client: str, value: KnownValue) -> None:
        """Remember the tools of a client."""
        lists = self._clients.setdefault(client, [])
        self._clients.move_to_end(client)
        if value not in lists:
            lists.insert(0, value)
            self.size_bytes += len(value.text)
        if len(lists) > MAX_COUNT:
            self.size_bytes -= len(lists.pop().text)
        while self.size_bytes > self._max_bytes:
            self.size_bytes -= sum([len(one.text) for one in self._clients.popitem(last=False)[1]])
