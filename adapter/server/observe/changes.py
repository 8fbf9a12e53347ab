"""What changed in the list of exchanges, for one open page: server-sent events, each with all that came since.

An event's id is `EPOCH-NUMBER`. The number is that of the newest change that it tells; a connection that begins with
it, by `Last-Event-ID`, is told of later ones alone. Another process has another epoch, and tells everything.
"""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapter.server.observe.exchange_log import Exchange, Exchanges
from adapter.wire.base import encode

EPOCH = secrets.token_hex(4)

PAUSE = 0.25
"""Seconds in which changes are collected."""

LOOK = 1.0
ALIVE = 15.0
"""Seconds after which running requests are looked at again, and after which a quiet connection says that it lives."""


class Changes:
    """The changes of one client's exchanges; `last` is the id of the event that its page had last."""

    def __init__(self, exchanges: Exchanges, client: str, last: str = "") -> None:
        self._exchanges = exchanges
        self._client = client
        epoch, _, number = last.partition("-")
        self._number = int(number) if epoch == EPOCH and number.isdecimal() and len(number) < 19 else 0
        self._is_first = True
        self._shown: dict[int, tuple[object, ...]] = {}
        self._signal = asyncio.Event()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Be told of changes."""
        self._exchanges.changed.add(self._signal)
        try:
            yield
        finally:
            self._exchanges.changed.discard(self._signal)

    async def wait(self) -> None:
        """Wait until there may be something to tell."""
        seconds = LOOK if self._exchanges.running(self._client) else ALIVE
        try:
            await asyncio.wait_for(self._signal.wait(), seconds)
        except TimeoutError:
            return
        await asyncio.sleep(PAUSE)
        self._signal.clear()

    def frame(self) -> bytes | None:
        """An event with what changed; None if nothing did."""
        running = self._exchanges.running(self._client)
        ended = self._exchanges.newest_first(self._client)
        rows = [one for one in running if self._moved(one)] + [one for one in ended if one.number > self._number]
        self._shown = {one.number: _state(one) for one in running}
        if not rows and not self._is_first:
            return None
        is_whole = self._is_first and not self._number
        self._is_first = False
        self._number = max([self._number, *(one.number for one in rows)])
        told: dict[str, Any] = {
            "now": time.time(),
            "reset": is_whole,
            "rows": [one.row() for one in rows],
            "kept": [one.key for one in (*running, *ended)],
        }
        return b"id: %b-%d\nevent: changes\ndata: %b\n\n" % (EPOCH.encode(), self._number, encode(told))

    def _moved(self, exchange: Exchange) -> bool:
        return self._shown.get(exchange.number) != _state(exchange)


def _state(exchange: Exchange) -> tuple[object, ...]:
    """What a running request's row is made of."""
    return exchange.model_asked, exchange.model, exchange.status, exchange.first_event_after, len(exchange.answer)
