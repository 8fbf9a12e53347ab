"""Change feed of the exchange log, for one open page: server-sent events, each with all rows that changed.

The id of an event is `EPOCH-NUMBER`, where NUMBER is that of its newest change. A browser that reconnects sends it as
`Last-Event-ID` and gets only later changes. Another process has another epoch, and then everything is sent.
"""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapter.server.observe.exchange_log import Exchange, ExchangeLog
from adapter.wire.base import encode

EPOCH = secrets.token_hex(4)

PAUSE = 0.25
"""Seconds in which changes are collected into one event: a busy server would redraw the page for each."""

LOOK_EVERY_S = 1.0
ALIVE_EVERY_S = 15.0
"""Seconds between looks at running requests, and between heartbeats of a quiet connection."""


class Changes:
    """The changes of one client's exchanges. `last` is the id of the last event that the page received."""

    def __init__(self, exchanges: ExchangeLog, client: str, last: str = "") -> None:
        self._exchanges = exchanges
        self._client = client
        epoch, _, number = last.partition("-")
        # The id comes from a client, and `int` raises an error for more than 4,300 digits.
        self._number = int(number) if epoch == EPOCH and number.isdecimal() and len(number) < 19 else 0
        self._is_first = True
        self._shown: dict[int, tuple[object, ...]] = {}
        self._signal = asyncio.Event()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Subscribe to changes for as long as the `with` block runs."""
        self._exchanges.changed.add(self._signal)
        try:
            yield
        finally:
            self._exchanges.changed.discard(self._signal)

    async def wait(self) -> None:
        """Wait until something may have changed."""
        seconds = LOOK_EVERY_S if self._exchanges.running(self._client) else ALIVE_EVERY_S
        try:
            await asyncio.wait_for(self._signal.wait(), seconds)
        except TimeoutError:
            return
        await asyncio.sleep(PAUSE)
        self._signal.clear()

    def frame(self) -> bytes | None:
        """Return an event with all changes since the last one; None if nothing changed."""
        running = self._exchanges.running(self._client)
        ended = self._exchanges.newest_first(self._client)
        rows = [one for one in running if self._has_changed(one)] + [one for one in ended if one.number > self._number]
        self._shown = {one.number: _state(one) for one in running}
        if not rows and not self._is_first:
            return None
        is_whole = self._is_first and not self._number
        self._is_first = False
        self._number = max([self._number, *(row.number for row in rows)])
        message: dict[str, Any] = {
            "now": time.time(),
            "reset": is_whole,
            "rows": [row.row() for row in rows],
            "kept": [one.key for one in (*running, *ended)],
        }
        return b"id: %b-%d\nevent: changes\ndata: %b\n\n" % (EPOCH.encode(), self._number, encode(message))

    def _has_changed(self, exchange: Exchange) -> bool:
        return self._shown.get(exchange.number) != _state(exchange)


def _state(exchange: Exchange) -> tuple[object, ...]:
    """Return what the row of a running request shows, to compare it with what was sent."""
    return exchange.model_asked, exchange.model, exchange.status, exchange.last_event_after, len(exchange.answer)
