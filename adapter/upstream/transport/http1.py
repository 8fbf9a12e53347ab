"""An HTTP/1.1 client connection and the answers that arrive on it (RFC 9112, June 2022).

httptools (llhttp, the parser of Node.js) reads the bytes. This file decides when a wait ends, when reading from the
socket pauses, and whether the connection can carry another request.

States of a `Connection`:

    idle      no answer is expected; the pool owns the connection
    waiting   a request was sent, its answer has no head yet
    reading   the head has arrived, the body has not ended
    closed    the socket is closed or being closed; nothing leads out of this state

Transitions, and who causes them (pool: `AsyncioTransport`; loop: the event loop's protocol callbacks; caller: whoever
holds the `IncomingResponse`):

    from               event                                         to        what happens
    idle               pool calls `send_request`                     waiting   the request is written in the next turn
    idle               loop delivers bytes                           closed    they answer no request of ours
    waiting            head with status >= 200                       reading   `IncomingResponse.head` returns
    waiting            head with another status but 101              waiting   an interim answer is skipped
    waiting, reading   timer, malformed bytes, connection lost       closed    the answer fails with `UpstreamError`
    waiting, reading   caller calls `IncomingResponse.aclose`        closed    unread bytes would spoil the next answer
    reading            body ends, keep-alive, nothing is unsent      idle      `release` gives it to the pool
    reading            body ends otherwise                           closed
    any                pool calls `abort`, connection lost           closed    `discard` tells the pool, once

One timer serves a connection's whole life. It is moved only to an earlier time: moving it for each event of a stream
would cost more than reading the event. When it fires too early, it is set again for the time that counts.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping
from itertools import chain
from math import inf
from typing import cast

import httptools

from adapter.upstream.errors import (
    Phase,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from adapter.upstream.transport.base import Body, content_codings, pieces_of
from adapter.wire.gemini.pieces import Piece

MAX_HEAD = 64 * 1024
"""Bytes of an answer's head."""

MAX_UNREAD = 256 * 1024
"""Bytes of a body that may wait unread; beyond it, reading from the socket pauses until the caller has caught up."""

MAX_PIECE = 1024 * 1024
"""Bytes that one read returns of a compressed body: a small body that inflates to gigabytes never fills the memory."""

_NOT_HTTP = "The upstream's answer is not HTTP."
_PACKED = "The upstream's answer is compressed in a way that was not asked for."
_BROKE = "The connection to Gemini broke before it answered."


class IncomingResponse:
    """A response that is still arriving; implements `transport.Response`. Header names are in lower case.

    The connection calls `begin`, `feed`, then `end` or `fail`. The caller awaits `head`, then `read` until `b""`.
    """

    __slots__ = (
        "_between_bytes",
        "_connection",
        "_deadline",
        "_error",
        "_inflater",
        "_pieces",
        "_unread",
        "_waiter",
        "has_head",
        "headers",
        "status",
    )

    def __init__(self, connection: "Connection", deadline: float, between_bytes: float) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.has_head = False
        self._connection: Connection | None = connection
        self._deadline = deadline
        self._between_bytes = between_bytes
        self._pieces: list[bytes] = []
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None
        self._inflater: Inflater | None = None

    async def head(self, seconds: float) -> None:
        """Wait for the head. Raises `UpstreamError`."""
        while not self.has_head:
            if self._error is not None:
                raise self._error
            await self._wait_for_change("first byte", seconds)

    async def read(self) -> bytes:
        """Return the next piece of the body, inflated; `b""` at its end. Raises `UpstreamError`."""
        while True:
            if self._connection is not None and time.monotonic() >= self._deadline:
                # The timer checks the deadline only while the caller waits, a body that never pauses has no waiter.
                timeout = UpstreamTimeout("total")
                self._connection.fail(timeout)
                # At once: much may still be to come out of what has arrived, if it is compressed.
                raise self._error or timeout
            if (self._pieces or self._inflater is not None) and (data := self._take_unread()):
                return data
            if self._error is not None:
                raise self._error
            if self._connection is None:
                return self._inflater.end() if self._inflater else b""
            await self._wait_for_change("between bytes", self._between_bytes)

    async def aclose(self) -> None:
        """Close the connection unless the body was read to its end, which gave it back already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the head of the answer."""
        self.has_head = True
        self.status = status
        self.headers = headers
        if "content-encoding" in headers:
            match content_codings(headers["content-encoding"]):
                case []:
                    pass
                case ["gzip" | "x-gzip" | "deflate" as coding]:
                    self._inflater = Inflater(coding)
                case _:
                    self._error = UpstreamProtocolError(_PACKED)
        self._wake()

    def feed(self, data: bytes) -> bool:
        """Take a piece of the body; False asks the connection to pause reading."""
        self._pieces.append(data)
        self._unread += len(data)
        if self._waiter is not None:
            self._wake()
        return self._unread < MAX_UNREAD

    def end(self) -> None:
        """Mark the body as complete."""
        self._connection = None
        self._wake()

    def fail(self, error: UpstreamError) -> None:
        """End with an error. `read` still returns what arrived before, then raises it."""
        self._connection = None
        self._error = self._error or error
        self._wake()

    def _take_unread(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._unread = 0
        if self._connection is not None and self._connection.paused:
            self._connection.resume()
        return data if self._inflater is None else self._inflater.inflate(data)

    def _wait_for_change(self, phase: Phase, seconds: float) -> "asyncio.Future[None]":
        """Return a future that is done at the next change; it fails after `seconds`."""
        if self._connection is None:
            raise AssertionError("a finished answer does not change any more")
        self._waiter = self._connection.start_wait(phase, seconds, self._deadline)
        return self._waiter

    @property
    def is_waiting(self) -> bool:
        """Return whether the caller waits for a change."""
        return self._waiter is not None and not self._waiter.done()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Inflater:
    """Inflates a compressed body piece by piece, at most `MAX_PIECE` bytes at a time."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        # 15 is zlib's largest window; 16 more asks for gzip's frame (zlib manual, inflateInit2).
        self._decompressor = zlib.decompressobj(15 if coding == "deflate" else 31)
        self._has_output = False

    def inflate(self, data: bytes) -> bytes:
        """Inflate `data` and what an earlier call left over. Raises `UpstreamTruncated` for damaged data."""
        packed = self._decompressor.unconsumed_tail + data
        if not packed:
            return b""
        try:
            inflated = self._decompressor.decompress(packed, MAX_PIECE)
        except zlib.error as error:
            if self._has_output or self._coding != "deflate":
                raise UpstreamTruncated from error
            # Some servers take "deflate" for the bare format, without zlib's frame around it.
            self._decompressor, self._has_output = zlib.decompressobj(-15), True
            return self.inflate(packed)
        self._has_output = True
        return inflated

    def end(self) -> bytes:
        """Check that the compressed body is complete. Raises `UpstreamTruncated`."""
        if self._has_output and not self._decompressor.eof:
            raise UpstreamTruncated
        return b""


class Connection(asyncio.Protocol):
    """One connection; the module's docstring has its states.

    It calls `release` when it can carry another request, and `discard` once when it is closed.
    """

    def __init__(self, release: "Callable[[Connection], None]", discard: "Callable[[Connection], None]") -> None:
        self.idle_since = 0.0
        self.closed = False
        self.paused = False
        self._release = release
        self._discard = discard
        self._loop = loop = asyncio.get_running_loop()
        self._time, self._future = loop.time, loop.create_future
        self._transport: asyncio.Transport | None = None
        self._answer: IncomingResponse | None = None
        self._unsent: tuple[Piece, ...] = ()
        # One parser for all answers of a connection: making a parser costs as much as parsing an answer.
        self._parser = httptools.HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._has_reply_bytes = False
        self._was_used = False
        self._is_reused = False
        self._can_reuse = False
        self._body_ends_with_connection = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._expires_at = 0.0
        self._phase: Phase = "first byte"

    def send_request(
        self, message: bytes, body: Body | None, deadline: float, between_bytes: float
    ) -> IncomingResponse:
        """Send a request (its head and its body) on an idle connection. `between_bytes` is in seconds.

        The bytes are written in the next turn of the event loop, together with those of other connections. A relay or
        emulator on this machine then wakes up once for all of them instead of once for each.
        """
        answer = self._answer = IncomingResponse(self, deadline, between_bytes)
        self._is_reused, self._was_used = self._was_used, True
        self._has_reply_bytes = False
        self._unsent = (message, *pieces_of(body)) if body else (message,)
        self._loop.call_soon(self._send)
        return answer

    def _send(self) -> None:
        if not self.closed:
            cast(asyncio.Transport, self._transport).writelines(self._unsent)
        self._unsent = ()

    def start_wait(self, phase: Phase, seconds: float, deadline: float) -> "asyncio.Future[None]":
        """Return a future for the next change. Without one in `seconds`, or by the deadline, the answer fails."""
        expires_at = self._time() + seconds
        if deadline <= expires_at:
            expires_at, phase = deadline, "total"
        self._expires_at, self._phase = expires_at, phase
        if expires_at < self._timer_at:
            self._set_timer(expires_at)
        return self._future()

    def _set_timer(self, at: float) -> None:
        self._cancel_timer()
        self._timer, self._timer_at = self._loop.call_at(at, self._on_timer), at

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, inf

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._answer is None or not self._answer.is_waiting:
            return
        if self._time() < self._expires_at:
            self._set_timer(self._expires_at)
            return
        self.fail(UpstreamTimeout(self._phase))

    def resume(self) -> None:
        """Read from the socket again, after a pause."""
        if self.paused and self._transport is not None:
            self.paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, also in the middle of an answer."""
        self.closed = True
        self._answer = None
        self._cancel_timer()
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: UpstreamError) -> None:
        """Close, and raise `error` where the answer is awaited."""
        answer, self._answer = self._answer, None
        self.abort()
        if answer is not None:
            answer.fail(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (callback of `asyncio.Protocol`)."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the socket (callback of `asyncio.Protocol`)."""
        if self._answer is None:
            # Bytes on an idle connection belong to no request. Reading them as the next answer would hand one
            # client's answer to another.
            self.abort()
            return
        if self._unsent:
            # An answer before the request was written is meant for somebody else, too.
            self.fail(UpstreamUnavailable(_BROKE, stale=True))
            return
        self._has_reply_bytes = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._reject_malformed()
        else:
            if self._answer is None or not self._answer.has_head:
                self._after_parse(len(data))

    def _after_parse(self, size: int) -> None:
        """Finish a call of the parser that read `size` bytes without a fault.

        The connection goes back to the pool here, not in `on_message_complete`: only now is it certain that no bytes
        follow the answer's end.
        """
        if self._answer is None and not self.closed:
            self.idle_since = self._loop.time()
            self._release(self)
        elif self._answer is not None and not self._answer.has_head:
            self._head_size += size
            if self._head_size > MAX_HEAD:
                self.fail(UpstreamProtocolError(_NOT_HTTP))

    def _reject_malformed(self) -> None:
        """Fail on bytes that are not HTTP."""
        if self._answer is None:
            self.abort()
        elif self._answer.has_head:
            self.fail(UpstreamTruncated())
        elif self._is_reused:
            # Maybe the rest of the answer before, beyond its stated length: this request may be sent again.
            self.fail(UpstreamUnavailable(_BROKE, stale=True))
        else:
            self.fail(UpstreamProtocolError(_NOT_HTTP))

    def connection_lost(self, exc: Exception | None) -> None:
        """End or fail the answer, and tell the pool (callback of `asyncio.Protocol`)."""
        answer, self._answer = self._answer, None
        self.abort()
        self._discard(self)
        if answer is None:
            return
        if not answer.has_head:
            answer.fail(UpstreamUnavailable(_BROKE, stale=self._is_reused and not self._has_reply_bytes))
        elif self._body_ends_with_connection and exc is None:
            answer.end()
        else:
            answer.fail(UpstreamTruncated())

    def on_message_begin(self) -> None:
        """Begin an answer (the `on_*` methods are callbacks of `httptools.HttpResponseParser`)."""
        self._fields.clear()
        self._head_size = 0
        if self._answer is None:
            # A second answer behind the first, in the same bytes: no request of ours asked for it.
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header field. Trailer fields, which follow a chunked body, are ignored."""
        answer = self._answer
        if answer is not None and not answer.has_head:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Take a complete head. An interim one (1xx) is skipped; 101 was never asked for."""
        parser, answer = self._parser, self._answer
        if answer is None:
            return
        headers = _join([(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in self._fields])
        status = parser.get_status_code()
        if status == 101 or _size_of(self._fields) > MAX_HEAD:
            self.fail(UpstreamProtocolError(_NOT_HTTP))
        elif status >= 200:
            self._can_reuse = parser.should_keep_alive()
            # Without either, only the connection's end ends the body (RFC 9112, 6.3).
            self._body_ends_with_connection = "content-length" not in headers and "transfer-encoding" not in headers
            answer.begin(status, headers)

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body, and pause reading if the caller falls behind."""
        answer = self._answer
        if answer is not None and not answer.feed(body) and not self.paused:
            self.paused = True
            cast(asyncio.Transport, self._transport).pause_reading()

    def on_message_complete(self) -> None:
        """End the answer; an interim one has no head yet and is skipped."""
        answer = self._answer
        if answer is None or not answer.has_head:
            return
        self._answer = None
        transport = cast(asyncio.Transport, self._transport)
        # With an early answer a part of the request may be unsent: its rest would be read as the next request.
        if self._can_reuse and not transport.get_write_buffer_size() and not transport.is_closing():
            # Reading may be paused, and the answer to the next request would never arrive.
            self.resume()
        else:
            self.abort()
        answer.end()


def _join(fields: list[tuple[str, str]]) -> dict[str, str]:
    """Return header fields by name; the values of one that is repeated are joined (RFC 9110, 5.3)."""
    headers = dict(fields)
    if len(headers) == len(fields):
        return headers
    headers.clear()
    for name, value in fields:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _size_of(fields: list[tuple[bytes, bytes]]) -> int:
    """Return the bytes of header fields."""
    return sum(map(len, chain.from_iterable(fields)))
