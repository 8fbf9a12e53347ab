"""Makes sure that each request has one line in the log and one outcome in the metrics, however it ends."""

import time
from types import TracebackType
from typing import Any

import msgspec

from adapter.server.http.asgi import ClientGone
from adapter.server.observe.call_log import CURRENT
from adapter.server.observe.exchange_log import Exchange, ExchangeLog
from adapter.server.observe.request_log import RequestLog


class Recorder:
    """The places where requests are recorded: exchange log, request log, and metrics if they are on."""

    def __init__(self, exchanges: ExchangeLog, lines: RequestLog | None, metrics: Any) -> None:
        self.exchanges = exchanges
        self.metrics = metrics
        self.lines = lines


class ExchangeScope(msgspec.Struct, gc=False):
    """A context manager around a request: measures it, and records it at its end.

    `asks_gemini`: the request is for Gemini, so it has metrics of its time and tokens, too.
    """

    recorder: Recorder
    exchange: Exchange
    asks_gemini: bool = True

    def __enter__(self) -> None:
        if self.recorder.exchanges.enabled:
            CURRENT.set(self.exchange)
        if self.asks_gemini and self.recorder.metrics is not None:
            self.recorder.metrics.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        exchange, recorder = self.exchange, self.recorder
        if recorder.exchanges.enabled:
            CURRENT.set(None)
        exchange.milliseconds = (time.perf_counter() - exchange.begun) * 1000
        if error is not None and isinstance(error, Exception) and not isinstance(error, ClientGone):
            # A bug, since all other errors have become answers by now. uvicorn logs it and closes the connection.
            exchange.status, exchange.error = exchange.status or 500, exchange.error or "internal_error"
        elif error is not None or not exchange.status:
            # Cancelled: the client got no answer, or not all of it. 499 is nginx's status for that.
            exchange.status = 499
        if recorder.metrics is not None:
            self._count(recorder.metrics)
        recorder.exchanges.add(exchange)
        if recorder.lines is not None:
            recorder.lines.write(exchange)

    def _count(self, metrics: Any) -> None:
        exchange = self.exchange
        if self.asks_gemini:
            metrics.end(exchange)
        elif not exchange.quiet:
            metrics.count_request(exchange)
