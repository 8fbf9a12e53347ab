"""Each request has one line in the log and one outcome in the figures, however it ends."""

import time
from types import TracebackType

from starlette.types import Message, Scope, Send

from adapter.server.http.asgi import ClientGone
from adapter.server.observe.exchange_log import Exchange
from adapter.server.observe.route_templates import is_quiet, route_of, shown_path
from adapter.server.pipeline.service import Service


class recorded:
    """Measure an exchange, and record it at its end."""

    __slots__ = ("_exchange", "_service")

    def __init__(self, service: Service, exchange: Exchange) -> None:
        self._service = service
        self._exchange = exchange

    def __enter__(self) -> None:
        if self._service.metrics is not None:
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
        if self._service.metrics is not None:
            self._service.metrics.end(exchange)
        self._service.record(exchange)


class Watched:
    """One request to an endpoint that may not record itself: what there is to tell is seen from outside."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._exchange = Exchange(
            id=scope["state"]["request_id"], path="", started_at=time.time(), method=scope["method"], client=None
        )

    async def send(self, message: Message) -> None:
        """See ASGI."""
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
        await self._send(message)

    def end(self, service: Service | None) -> None:
        """Record what did not record itself."""
        scope, exchange = self._scope, self._exchange
        if service is None or "exchange" in scope["state"]:
            return
        exchange.milliseconds = (time.perf_counter() - exchange.begun) * 1000
        exchange.status = exchange.status or 499
        if (route := route_of(scope)) is None:
            exchange.path, exchange.unknown_path = "?", shown_path(scope)
        else:
            exchange.path = route
        exchange.trace_id = scope["state"].get("trace_id", "")
        exchange.quiet = is_quiet(exchange.path)
        if service.metrics is not None and not exchange.quiet:
            service.metrics.count(exchange)
        service.record(exchange)
