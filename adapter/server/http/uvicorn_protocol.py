"""Our HTTP server: uvicorn's protocol on httptools, with limits and timers of our own.

Phases of a connection (`_phase`; whether an answer is under way is a state of its own, see `_is_answering`):

    nothing   between requests; the idle timer runs once an answer has ended
    head      a head has begun to arrive; the head timer runs
    body      the head is complete, the body is arriving; the rate of its bytes is checked now and then

Transitions, by callbacks of the parser or timers:

    from       event                                               to         what happens
    (new)      `connection_made`                                   nothing    the head timer starts
    nothing    `on_message_begin`                                  head
    head       `on_headers_complete`                               body       uvicorn starts the application
    head       too large, too many fields, not HTTP/1.1            closed     an error answer, if none is under way
    head       `header_timeout` has passed                         closed     408
    head       upgrade to a websocket                              (websocket) uvicorn's websocket protocol takes over
    body       `on_message_complete`                               nothing
    body       fewer than `MIN_BODY_RATE` bytes a second           closed     408, if no answer has begun
    body       the answer is complete, the body is not             body       closed after `LINGER_S` seconds
    nothing    idle for `KEEP_ALIVE_S` seconds                     closed
    any        `shutdown`                                          closed     a new connection gets one answer first

Called by: the event loop (`connection_made`, `data_received`, `connection_lost`), httptools (`on_*`), uvicorn
(`on_response_complete`, `shutdown`) and `while_connected` (`when_gone`).

What this relies on of uvicorn is in `uvicorn_classes`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Any, Literal, NamedTuple, Protocol, cast

import httptools

from adapter.server.http.asgi import ABORT, CONNECTION, fields_of
from adapter.server.http.uvicorn_classes import HttpToolsProtocol
from adapter.settings import Settings
from adapter.translate.core.errors import failure
from adapter.wire.base import encode

KEEP_ALIVE_S = 75
"""Seconds until an idle connection is closed: longer than clients wait (httpx 5, aiohttp 15, nginx 60).

So clients close theirs first. If the server did, it could close a connection over which a request is on its way.
"""

FIRST_REQUEST_TIMEOUT_S = 0.5
"""Seconds in which a new connection may send its first request to a server that shuts down."""


MIN_BODY_RATE = 1_024
"""Bytes a second that a client must send of a body; a slower one gets 408 (slowloris)."""


MAX_UNREAD_BODY = 256 * 1024
"""Bytes of a body that may wait unread; beyond, reading from the socket pauses. Requests of agents are longer than
uvicorn's 64 KB, and each pause costs two system calls and a turn of the loop."""


SMALL_PIECE = 4
"""A piece is small if the unread body before it has more than so many times its bytes. From the first small piece on a
buffer grows, because to join many small ones one by one would copy a body again and again."""


LINGER_S = 1.0
"""Seconds in which a client may read an early answer while it still sends its body."""


class Limits(NamedTuple):
    """Limits of a request: bytes and fields of its head; seconds for the head, seconds between checks of the body."""

    head: int = 32_768
    fields: int = 100
    head_time: float = 10.0
    body_time: float = 30.0


_TOO_LARGE = (431, "The request's headers are too large.", "request_headers_too_large")
_BAD_HANDSHAKE = (400, "A websocket begins with a GET of HTTP/1.1 without a body, and nothing behind it.", None)
_TOO_LATE = (408, "The request did not arrive in time.", "request_timeout")


class _WebsocketProtocol(Protocol):
    """The common attributes of uvicorn's websocket protocols."""

    handshake_complete: bool


class _RequestRefused(Exception):
    """Stops the parser; `_refusal` has the answer."""


class _LingeringTransport:
    """The transport of a connection that closes after its answer, maybe while the client still sends its body.

    Closing a socket with unread bytes resets the connection (TCP RST), and the client may lose the answer. So `close`
    waits until the body was read, or `LINGER_S` seconds.
    """

    def __init__(self, connection: "ServerProtocol") -> None:
        self._connection = connection
        self.write = connection.transport.write
        self.writelines = connection.transport.writelines
        self.is_closing = connection.transport.is_closing

    def close(self) -> None:
        """Close when the request was read (method of `asyncio.Transport`)."""
        self._connection.close_behind_request()


class ServerProtocol(HttpToolsProtocol):
    """One connection of a client; the module's docstring has its phases.

    Beside limits and timers it does two things that uvicorn does not: it reports a disconnect to whoever answers
    (`asgi.ClientConnection`) without a task that waits for it, and during shutdown it answers a connection that was
    accepted a moment ago, whose client would otherwise see an error for no reason.
    """

    is_gone = False
    when_gone: Callable[[], None] | None = None

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._phase: Literal["head", "body", "nothing"] = "nothing"
        self._received_bytes = 0
        self._received_at_last_check = 0
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._upgrade_declined = False
        self._closes_after_request = False
        self._refusal: tuple[int, str, str | None] = (400, "This is not a request of HTTP/1.1 or 1.0.", None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the head timer (callback of `asyncio.Protocol`)."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._limits.head_time, self._on_head_timeout)

    def data_received(self, data: bytes) -> None:
        """Parse bytes; check limits and timers (callback of `asyncio.Protocol`)."""
        self._received_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(*self._refusal)
            return
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        # A head that never ends does not reach `on_headers_complete`, which measures it exactly.
        if self._phase == "head" and self._received_bytes > self._limits.head:
            self._refuse(*_TOO_LARGE)
        elif self._timer is None and self._phase == "body":
            self._received_at_last_check = self._received_bytes
            self._timer = self.loop.call_later(self._limits.body_time, self._check_body_rate)
        # Only between answers: while one is under way, the next head may take its time, since its sender waits for us.
        elif self._timer is None and not self._is_answering():
            self._timer = self.loop.call_later(self._limits.head_time, self._on_head_timeout)

    def _upgrade(self, rest: bytes) -> None:
        """Hand over to the websocket protocol, or parse the head again without its `upgrade` header, and then `rest`.

        Java's HttpClient offers HTTP/2 (`upgrade: h2c`) with its first request. The parser then takes the body for
        bytes of the other protocol, so the head is parsed again without the offer.
        """
        if not self._upgrade_declined:
            if not self._should_upgrade():
                # CONNECT gets an answer like any other method; bytes behind it are ignored.
                return
            if rest:
                # A client must wait for the answer to its handshake before it sends more (RFC 6455, section 4.1).
                self._refuse(*_BAD_HANDSHAKE)
            else:
                self._cancel_timer()
                self._cancel_idle_timer()
                self.handle_websocket_upgrade()
            return
        self._upgrade_declined = False
        first = (self.scope["method"].encode(), self.url, self.parser.get_http_version().encode())
        lines = [b"%s %s HTTP/%s" % first]
        for name, value in self.headers:
            if name == b"connection":
                # `upgrade` would be another offer. Whether the connection is kept must stay as the client said.
                tokens = [token for token in value.split(b",") if token.strip().lower() in (b"close", b"keep-alive")]
                lines.append(b"connection:" + b",".join(tokens))
            elif name not in (b"upgrade", b"http2-settings"):
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn sets its own parser: bytes behind a request with `connection: close` are no error, so it gets its
        # answer.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([*lines, b"", b""]) + rest)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to uvicorn's websocket protocol, and close it if the handshake is never answered."""
        # A copy: uvicorn's dictionary is shared by all connections.
        self.app_state = {**self.app_state, ABORT: self.transport.abort}
        super().handle_websocket_upgrade()
        websocket = cast(_WebsocketProtocol, self.transport.get_protocol())
        # The websocket parser may refuse the handshake, and then sends no answer itself.
        # Only one of uvicorn's websocket protocols (`websockets-sansio`) has the attribute.
        if not getattr(websocket, "handshake_initiated", True):
            self._refuse(*_BAD_HANDSHAKE)
            return

        def close_if_unanswered() -> None:
            if not websocket.handshake_complete:
                self.transport.close()

        self.loop.call_later(self._limits.head_time, close_if_unanswered)

    def _check_handshake(self) -> None:
        """Refuse a websocket handshake with a body, or one that arrives while another request is answered."""
        fields = fields_of(self.scope)  # type: ignore[arg-type]
        has_body = b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0"
        request = (self.parser.get_method(), self.parser.get_http_version())
        if request != (b"GET", "1.1") or has_body or self._is_answering():
            self._refusal = _BAD_HANDSHAKE
            raise _RequestRefused

    def _is_answering(self) -> bool:
        """Return whether a request that was read completely is being answered."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _on_head_timeout(self) -> None:
        self._timer = None
        if self._phase == "head":
            self._refuse(*_TOO_LATE)
        elif not self._is_answering():
            self.transport.close()

    def _check_body_rate(self) -> None:
        """Check a body that is still arriving: close if too few bytes arrived since the last check."""
        self._timer = None
        arrived = self._received_bytes - self._received_at_last_check
        # While reading is paused, the server is the one that is slow.
        if arrived < MIN_BODY_RATE * self._limits.body_time and not self.flow.read_paused:
            self._refuse(*_TOO_LATE)
            return
        self._received_at_last_check = self._received_bytes
        self._timer = self.loop.call_later(self._limits.body_time, self._check_body_rate)

    def _refuse(self, status: int, message: str, code: str | None) -> None:
        """Close, after an error answer. Without one if an answer has begun or is due to an earlier request."""
        self._cancel_timer()
        due = self.cycle is not None and not self.cycle.response_complete
        if not due or (self._phase == "body" and not self.cycle.response_started):
            error = failure(status, message, code, retry=False)
            body = encode(error.body)
            fields = {**error.headers, "content-type": "application/json", "content-length": len(body)}
            lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "connection: close"]
            lines += [f"{name}: {value}" for name, value in fields.items()]
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_message_begin(self) -> None:
        """Begin a request (callback of httptools)."""
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]
        self._phase = "head"
        self._received_bytes = 0

    def on_headers_complete(self) -> None:
        """Check the head, then let uvicorn start the application (callback of httptools)."""
        self._cancel_timer()
        limits, headers = self._limits, self.headers
        if self._size_of_head() > limits.head or len(headers) > limits.fields:
            self._refusal = _TOO_LARGE
            raise _RequestRefused
        fields = fields_of(self.scope)  # type: ignore[arg-type]
        # Several hosts, or none in HTTP/1.1, are a 400 (RFC 9112, 3.2): a proxy in front may have read another one than
        # we do.
        one_host = b"host" in fields and (
            len(fields) == len(headers) or [name for name, _ in headers].count(b"host") == 1
        )
        version = self.parser.get_http_version()
        if version != "1.0" and not (version == "1.1" and one_host):
            self._refusal = (400, "This is not a request of HTTP/1.1 with one Host, or of HTTP/1.0.", None)
            raise _RequestRefused
        if self.parser.should_upgrade():
            method = self.parser.get_method()
            if self._should_upgrade():
                self._check_handshake()
            elif method != b"CONNECT":
                # uvicorn sets it in its `on_headers_complete`, which is left out here; `_upgrade` writes the head again
                # from it.
                self.scope["method"] = method.decode("ascii")
                self._upgrade_declined = True
                return
        self._phase = "body"
        super().on_headers_complete()
        # A websocket has no cycle.
        if self.cycle is not None and not self.cycle.keep_alive:
            self.cycle.transport = cast(asyncio.Transport, _LingeringTransport(self))

    def _size_of_head(self) -> int:
        return len(self.url) + sum(map(len, chain.from_iterable(self.headers)))

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body (callback of httptools). One that comes in a single piece is never copied."""
        cycle = self.cycle
        # As in uvicorn's own method: nobody will read these bytes.
        if (self.parser.should_upgrade() and self._should_upgrade()) or cycle.response_complete:
            return
        unread: bytes | bytearray = cycle.body
        if unread:
            if isinstance(unread, bytes) and len(unread) > SMALL_PIECE * len(body):
                unread = bytearray(unread)
            unread += body
        else:
            unread = body
        # `bytes()` of it, which is what whoever reads it calls, copies a bytearray alone.
        cycle.body = unread  # type: ignore[assignment]
        if len(unread) > MAX_UNREAD_BODY:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End a request (callback of httptools)."""
        # Only the head with the offer has ended; the request itself comes when `_upgrade` parses the head again.
        if self._upgrade_declined:
            return
        self._cancel_timer()
        self._phase = "nothing"
        super().on_message_complete()
        if self._closes_after_request:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Start the next pipelined request, or wait for one (callback of uvicorn's cycle).

        Replaces uvicorn's method, which makes a new idle timer after each request. Ours keeps one timer running and
        checks the time when it fires.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            # uvicorn adds on the left, so this is the oldest.
            self._start_asgi_task(*self.pipeline.pop())
        elif self._phase == "head":
            # The next head began to arrive during the answer, when no timer watched it.
            if self._timer is None:
                self._timer = self.loop.call_later(self._limits.head_time, self._on_head_timeout)
        else:
            self._idle_since = self.loop.time()
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)
        if self._phase == "body":
            self._close_later()

    def _cancel_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _close_if_idle(self) -> None:
        """Close if the connection was idle long enough; else set the timer for when it will have been."""
        self._idle_timer = None
        # The end of that answer sets the timer again.
        if self._phase != "nothing" or self._is_answering():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._close_if_idle)
        else:
            self.transport.close()

    def close_behind_request(self) -> None:
        """Close as soon as the request was read, or after `LINGER_S` seconds."""
        if self._phase != "body" or self.transport.is_closing():
            self.transport.close()
            return
        self._closes_after_request = True
        self.flow.resume_reading()
        self._close_later()

    def _close_later(self) -> None:
        """Close in `LINGER_S` seconds: closing at once could reset the connection before the client read the answer."""
        self._cancel_timer()
        self._timer = self.loop.call_later(LINGER_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the disconnect to whoever answers (callback of `asyncio.Protocol`)."""
        self.is_gone = True
        self._cancel_timer()
        self._cancel_idle_timer()
        when_gone, self.when_gone = self.when_gone, None
        if when_gone is not None:
            when_gone()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close for a shutdown; a connection without a request yet gets a moment (called by uvicorn)."""
        self.loop.call_later(FIRST_REQUEST_TIMEOUT_S if self.cycle is None else 0.0, self._stop)

    def _stop(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()


def build_protocol(settings: Settings) -> type[asyncio.Protocol]:
    """Build the class of connections for a server with these settings."""
    limits = Limits(settings.max_header_bytes, settings.max_headers, settings.header_timeout, settings.body_timeout)
    return cast(type[asyncio.Protocol], partial(ServerProtocol, limits=limits))
