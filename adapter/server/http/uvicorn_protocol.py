"""What the HTTP server (uvicorn) does differently here."""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Literal, NamedTuple, Protocol, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapter.server.http.asgi import ABORT, CONNECTION, fields_of
from adapter.settings import Settings
from adapter.translate.core.errors import failure
from adapter.wire.base import encode

KEEP_ALIVE = 75
"""Seconds for which a connection that idles is kept: longer than clients keep theirs (httpx 5, aiohttp 15, nginx 60).

So it is they who close it. Closed here, it could be closed over a request that is on its way.
"""

FIRST_REQUEST = 0.5
"""Seconds in which a connection that was just accepted may send its first request to a server that is stopping."""


SLOWEST = 1_024
"""Bytes in a second below which a client that sends a body is not waited for."""


LINGER = 1.0
"""Seconds in which a client may read an answer that came before it had sent its body, and go on sending."""


class Limits(NamedTuple):
    """What a client may take to send a request: bytes and fields of its head, and seconds."""

    head: int = 32_768
    fields: int = 100
    head_time: float = 10.0
    body_time: float = 30.0


_TOO_LARGE = (431, "The request's headers are too large.", "request_headers_too_large")
_NO_HANDSHAKE = (400, "A websocket begins with a GET of HTTP/1.1 without a body, and nothing behind it.", None)
_TOO_LATE = (408, "The request did not arrive in time.", "request_timeout")


class _Websocket(Protocol):
    """What uvicorn's protocols of websockets tell of themselves."""

    handshake_complete: bool


class _Refused(Exception):
    """Stops the parser; `refusal` holds why."""


class _Unhurried:
    """A connection whose client wants it closed behind the answer, maybe while it still sends its request.

    A connection that is closed over unread bytes is reset, and who still sends may never read the answer.
    """

    def __init__(self, connection: "PatientProtocol") -> None:
        self._connection = connection
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing

    def close(self) -> None:
        """See `asyncio.Transport`."""
        self._connection.close_behind_request()


class PatientProtocol(HttpToolsProtocol):
    """A connection that a stopping server accepted a moment ago is answered once.

    uvicorn closes it at once where its request has not been read yet: that client would see an error for no reason.
    It also tells whoever answers when the client is gone (`asgi.Connection`), without a task that waits for it.
    """

    gone = False
    when_gone: Callable[[], None] | None = None

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._reading: Literal["head", "body", "nothing"] = "nothing"
        self._piece = 0
        self._received = 0
        self._looked_at = 0
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._declined = False
        self._ending = False
        self._refusal: tuple[int, str, str | None] = (400, "This is not a request of HTTP/1.1 or 1.0.", None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `HttpToolsProtocol`."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._limits.head_time, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        """See `HttpToolsProtocol`."""
        self._piece = len(data)
        self._received += self._piece
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(*self._refusal)
            return
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        if self._reading == "head" and self._received > self._limits.head:
            self._refuse(*_TOO_LARGE)
        elif self._timer is None and self._reading == "body":
            self._looked_at = self._received
            self._timer = self.loop.call_later(self._limits.body_time, self._body_is_late)
        elif self._timer is None and not self._answering():
            self._timer = self.loop.call_later(self._limits.head_time, self._head_is_late)

    def _upgrade(self, rest: bytes) -> None:
        """Speak another protocol from here on, or read the head again without its offer to do so, and then the rest.

        Java's HttpClient offers HTTP/2 with its first request, and the parser takes the body after it for that.
        """
        if not self._declined:
            if not self._should_upgrade():
                # CONNECT has an answer as any other method; what comes behind it is for nobody.
                return
            if rest:
                # A client waits for the answer to its handshake (RFC 6455, section 4.1).
                self._refuse(*_NO_HANDSHAKE)
            else:
                self._no_timer()
                self._no_idle_timer()
                self.handle_websocket_upgrade()
            return
        self._declined = False
        first = (self.scope["method"].encode(), self.url, self.parser.get_http_version().encode())
        lines = [b"%s %s HTTP/%s" % first]
        for name, value in self.headers:
            if name == b"connection":
                kept = [token for token in value.split(b",") if token.strip().lower() in (b"close", b"keep-alive")]
                lines.append(b"connection:" + b",".join(kept))
            elif name not in (b"upgrade", b"http2-settings"):
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([*lines, b"", b""]) + rest)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, for good once its handshake is answered: without an answer it would be held."""
        self.app_state = {**self.app_state, ABORT: self.transport.abort}
        super().handle_websocket_upgrade()
        websocket = cast(_Websocket, self.transport.get_protocol())
        # Its own parser knows more errors than ours, and says nothing of them.
        if not getattr(websocket, "handshake_initiated", True):
            self._refuse(*_NO_HANDSHAKE)
            return

        def close_if_unanswered() -> None:
            if not websocket.handshake_complete:
                self.transport.close()

        self.loop.call_later(self._limits.head_time, close_if_unanswered)

    def _check_handshake(self) -> None:
        """Refuse a websocket that announces a body, or comes while another request is answered."""
        fields = fields_of(self.scope)  # type: ignore[arg-type]
        has_body = b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0"
        request = (self.parser.get_method(), self.parser.get_http_version())
        if request != (b"GET", "1.1") or has_body or self._answering():
            self._refusal = _NO_HANDSHAKE
            raise _Refused

    def _answering(self) -> bool:
        """Whether a request that was read whole is being answered."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _head_is_late(self) -> None:
        self._timer = None
        if self._reading == "head":
            self._refuse(*_TOO_LATE)
        elif not self._answering():
            self.transport.close()

    def _body_is_late(self) -> None:
        """Look at a body that is still coming, now and then: whether enough of it has come since."""
        self._timer = None
        come = self._received - self._looked_at
        if come < SLOWEST * self._limits.body_time and not self.flow.read_paused:
            self._refuse(*_TOO_LATE)
            return
        self._looked_at = self._received
        self._timer = self.loop.call_later(self._limits.body_time, self._body_is_late)

    def _refuse(self, status: int, message: str, code: str | None) -> None:
        """Close, after an answer where none has begun, and none is due to a request before this one."""
        self._no_timer()
        due = self.cycle is not None and not self.cycle.response_complete
        if not due or (self._reading == "body" and not self.cycle.response_started):
            made = failure(status, message, code, retry=False)
            body = encode(made.body)
            fields = {**made.headers, "content-type": "application/json", "content-length": len(body)}
            lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "connection: close"]
            lines += [f"{name}: {value}" for name, value in fields.items()]
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol`."""
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]
        self._reading = "head"
        self._received = 0

    def on_headers_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        self._no_timer()
        limits, headers = self._limits, self.headers
        # The piece may hold more than this head.
        large = self._received > limits.head or self._piece > limits.head
        if (large and self._size_of_head() > limits.head) or len(headers) > limits.fields:
            self._refusal = _TOO_LARGE
            raise _Refused
        fields = fields_of(self.scope)  # type: ignore[arg-type]
        one_host = b"host" in fields and (
            len(fields) == len(headers) or [name for name, _ in headers].count(b"host") == 1
        )
        version = self.parser.get_http_version()
        if version != "1.0" and not (version == "1.1" and one_host):
            self._refusal = (400, "This is not a request of HTTP/1.1 with one Host, or of HTTP/1.0.", None)
            raise _Refused
        if self.parser.should_upgrade():
            method = self.parser.get_method()
            if self._should_upgrade():
                self._check_handshake()
            elif method != b"CONNECT":
                self.scope["method"] = method.decode("ascii")
                self._declined = True
                return
        self._reading = "body"
        super().on_headers_complete()
        # There is none for a websocket.
        if self.cycle is not None and not self.cycle.keep_alive:
            self.cycle.transport = cast(asyncio.Transport, _Unhurried(self))

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_message_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        if self._declined:
            return
        self._no_timer()
        self._reading = "nothing"
        super().on_message_complete()
        if self._ending:
            self.transport.close()

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol`, whose timer for an idle connection is made anew for each request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._reading == "head":
            # It began to come while the answer was not there yet, when nothing watched it.
            if self._timer is None:
                self._timer = self.loop.call_later(self._limits.head_time, self._head_is_late)
        else:
            self._idle_since = self.loop.time()
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_whether_idle)
        if self._reading == "body":
            self._linger()

    def _no_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _look_whether_idle(self) -> None:
        """Close a connection over which nothing was asked for a while, or look again when that may be so."""
        self._idle_timer = None
        if self._reading != "nothing" or self._answering():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._look_whether_idle)
        else:
            self.transport.close()

    def close_behind_request(self) -> None:
        """Close as soon as the request was read, or would take too long."""
        if self._reading != "body" or self.transport.is_closing():
            self.transport.close()
            return
        self._ending = True
        self.flow.resume_reading()
        self._linger()

    def _linger(self) -> None:
        """Closed at once, the client might lose the answer over what it still sends."""
        self._no_timer()
        self._timer = self.loop.call_later(LINGER, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `HttpToolsProtocol`."""
        self.gone = True
        self._no_timer()
        self._no_idle_timer()
        when_gone, self.when_gone = self.when_gone, None
        if when_gone is not None:
            when_gone()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """See `HttpToolsProtocol`."""
        self.loop.call_later(FIRST_REQUEST if self.cycle is None else 0.0, self._stop)

    def _stop(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()


def protocol(settings: Settings) -> type[asyncio.Protocol]:
    """What makes the connections of a server with these settings."""
    limits = Limits(settings.max_header_bytes, settings.max_headers, settings.header_timeout, settings.body_timeout)
    return cast(type[asyncio.Protocol], partial(PatientProtocol, limits=limits))
