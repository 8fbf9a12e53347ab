"""Each request has one line in the log and one outcome in the figures, however it ends."""

import time
from types import TracebackType
from typing import Any

from adapter.server.http.asgi import ClientGone
from adapter.server.observe.call_log import CURRENT
from adapter.server.observe.exchange_log import Exchange, Exchanges
from adapter.server.observe.request_log import Lines


class Recorder:
    """Where requests are recorded: the page's log, the lines of the log, and the figures, where there are any."""

    def __init__(self, exchanges: Exchanges, lines: Lines | None, metrics: Any) -> None:
        self.exchanges = exchanges
        self.metrics = metrics
        self._lines = lines

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange for the page at /, and write its line."""
        self.exchanges.add(exchange)
        if self._lines is not None:
            self._lines.write(exchange)


class recorded:
    """Measure an exchange, and record it at its end. `asks_gemini`: whether its figures are more than a count."""

    __slots__ = ("_asks_gemini", "_exchange", "_recorder")

    def __init__(self, recorder: Recorder, exchange: Exchange, *, asks_gemini: bool = True) -> None:
        self._recorder = recorder
        self._exchange = exchange
        self._asks_gemini = asks_gemini

    def __enter__(self) -> None:
        if self._recorder.exchanges.enabled:
            CURRENT.set(self._exchange)
        if self._asks_gemini and self._recorder.metrics is not None:
            self._recorder.metrics.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        exchange = self._exchange
        if self._recorder.exchanges.enabled:
            CURRENT.set(None)
        exchange.milliseconds = (time.perf_counter() - exchange.begun) * 1000
        if error is not None and isinstance(error, Exception) and not isinstance(error, ClientGone):
            # A bug behind the border for errors: the server writes what it was, and closes the connection.
            exchange.status, exchange.error = exchange.status or 500, exchange.error or "internal_error"
        elif error is not None or not exchange.status:
            # Cancelled: the answer, or its end, reached nobody.
            exchange.status = 499
        self._count()
        self._recorder.record(exchange)

    def _count(self) -> None:
        metrics, exchange = self._recorder.metrics, self._exchange
        if metrics is None:
            return
        if self._asks_gemini:
            metrics.end(exchange)
        elif not exchange.quiet:
            metrics.count(exchange)
