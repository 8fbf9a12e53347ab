"""Each request has one line in the log and one outcome in the figures, however it ends."""

import time
from types import TracebackType

from adapter.server.http.asgi import ClientGone
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline.service import Service


class recorded:
    """Measure an exchange, and record it at its end. `asks_gemini`: whether its figures are more than a count."""

    __slots__ = ("_asks_gemini", "_exchange", "_service")

    def __init__(self, service: Service, exchange: Exchange, *, asks_gemini: bool = True) -> None:
        self._service = service
        self._exchange = exchange
        self._asks_gemini = asks_gemini

    def __enter__(self) -> None:
        if self._asks_gemini and self._service.metrics is not None:
            self._service.metrics.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        exchange = self._exchange
        exchange.milliseconds = (time.perf_counter() - exchange.begun) * 1000
        if error is not None and isinstance(error, Exception) and not isinstance(error, ClientGone):
            # A bug behind the border for errors: the server writes what it was, and closes the connection.
            exchange.status, exchange.error = exchange.status or 500, exchange.error or "internal_error"
        elif error is not None or not exchange.status:
            # Cancelled: the answer, or its end, reached nobody.
            exchange.status = 499
        self._count()
        self._service.record(exchange)

    def _count(self) -> None:
        metrics, exchange = self._service.metrics, self._exchange
        if metrics is None:
            return
        if self._asks_gemini:
            metrics.end(exchange)
        elif not exchange.quiet:
            metrics.count(exchange)
