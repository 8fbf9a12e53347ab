"""HTTP/1.1 as a client speaks it: one connection, and the answers that come over it (RFC 9112).

httptools (llhttp, Node's parser) reads the bytes. What is here is when a wait ends, when reading pauses, and whether
the connection can carry another call.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping
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
from adapter.upstream.transport.base import codings

MAX_HEAD = 64 * 1024
"""Bytes of an answer's head."""

MAX_UNREAD = 256 * 1024
"""Bytes of a body that wait to be read before no more are taken from the socket."""

MAX_PIECE = 1024 * 1024
"""Bytes that one read gives of a compressed body."""

_NOT_HTTP = "The upstream's answer is not HTTP."
_PACKED = "The upstream's answer is compressed in a way that was not asked for."
_BROKE = "The connection to Gemini broke before it answered."


class Answer:
    """An answer on its way; see `transport.Response`. Names of headers are in lower case."""

    __slots__ = (
        "_between_bytes",
        "_connection",
        "_deadline",
        "_error",
        "_packed",
        "_pieces",
        "_unread",
        "_waiter",
        "begun",
        "headers",
        "status",
    )

    def __init__(self, connection: "Connection", deadline: float, between_bytes: float) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.begun = False
        self._connection: Connection | None = connection
        self._deadline = deadline
        self._between_bytes = between_bytes
        self._pieces: list[bytes] = []
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None
        self._packed: Inflater | None = None

    async def head(self, seconds: float) -> None:
        """Wait for the head. Raises `UpstreamError`."""
        while not self.begun:
            if self._error is not None:
                raise self._error
            await self._woken("first byte", seconds)

    async def read(self) -> bytes:
        """See `transport.Response`."""
        while True:
            if self._connection is not None and time.monotonic() >= self._deadline:
                # A body that never pauses leaves nothing to wait for, where the timer would look at the deadline.
                self._connection.fail(UpstreamTimeout("total"))
                self._pieces.clear()
            if (self._pieces or self._packed is not None) and (data := self._take()):
                return data
            if self._error is not None:
                raise self._error
            if self._connection is None:
                return self._packed.end() if self._packed else b""
            await self._woken("between bytes", self._between_bytes)

    async def aclose(self) -> None:
        """See `transport.Response`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head has come."""
        self.begun = True
        self.status = status
        self.headers = headers
        match codings(headers.get("content-encoding", "")):
            case []:
                pass
            case ["gzip" | "x-gzip" | "deflate" as coding]:
                self._packed = Inflater(coding)
            case _:
                self._error = UpstreamProtocolError(_PACKED)
        self._wake()

    def feed(self, data: bytes) -> bool:
        """Take a piece of the body; whether there is room for more."""
        self._pieces.append(data)
        self._unread += len(data)
        if self._waiter is not None:
            self._wake()
        return self._unread < MAX_UNREAD

    def end(self) -> None:
        """The body is whole."""
        self._connection = None
        self._wake()

    def fail(self, error: UpstreamError) -> None:
        """Nothing more will come. What came before is read first."""
        self._connection = None
        self._error = self._error or error
        self._wake()

    def _take(self) -> bytes:
        pieces = self._pieces
        data = pieces.pop() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        if self._connection is not None and self._connection.paused:
            self._connection.resume()
        return data if self._packed is None else self._packed.open(data)

    def _woken(self, phase: Phase, seconds: float) -> "asyncio.Future[None]":
        """What is done when something changes."""
        if self._connection is None:
            raise AssertionError("nothing will change any more")
        self._waiter = self._connection.wait(phase, seconds, self._deadline)
        return self._waiter

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for it."""
        return self._waiter is not None and not self._waiter.done()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Inflater:
    """Opens a compressed body piece by piece, never more than `MAX_PIECE` bytes at once."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._packer = zlib.decompressobj(15 if coding == "deflate" else 31)
        self._begun = False

    def open(self, data: bytes) -> bytes:
        """What these bytes and those left over from before hold. Raises `UpstreamTruncated`."""
        packed = self._packer.unconsumed_tail + data
        if not packed:
            return b""
        try:
            opened = self._packer.decompress(packed, MAX_PIECE)
        except zlib.error as error:
            if self._begun or self._coding != "deflate":
                raise UpstreamTruncated from error
            # Some servers take "deflate" for the bare format, without zlib's frame around it.
            self._packer, self._begun = zlib.decompressobj(-15), True
            return self.open(packed)
        self._begun = True
        return opened

    def end(self) -> bytes:
        """Check that nothing is missing. Raises `UpstreamTruncated`."""
        if self._begun and not self._packer.eof:
            raise UpstreamTruncated
        return b""


class Connection(asyncio.Protocol):
    """One connection. `idle` is called when it can carry another call, `lost` when it is closed."""

    def __init__(self, idle: "Callable[[Connection], None]", lost: "Callable[[Connection], None]") -> None:
        self.idle_since = 0.0
        self.closed = False
        self.paused = False
        self._idle = idle
        self._lost = lost
        self._loop = loop = asyncio.get_running_loop()
        self._time, self._future = loop.time, loop.create_future
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._unsent: tuple[bytes, ...] = ()
        # It goes on from one answer to the next: to make one costs as much as to read an answer.
        self._parser = httptools.HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._received = False
        self._used = False
        self._reused = False
        self._reusable = False
        self._until_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = inf
        self._expires_at = 0.0
        self._phase: Phase = "first byte"

    def call(self, message: bytes, body: bytes | None, deadline: float, between_bytes: float) -> Answer:
        """Send a request. The connection must be idle.

        It leaves in the next turn of the event loop, in a row with those of other connections: who answers on this
        machine is then woken once, not for each.
        """
        answer = self._answer = Answer(self, deadline, between_bytes)
        self._reused, self._used = self._used, True
        self._received = False
        self._unsent = (message, body) if body else (message,)
        self._loop.call_soon(self._send)
        return answer

    def _send(self) -> None:
        if not self.closed:
            cast(asyncio.Transport, self._transport).writelines(self._unsent)
        self._unsent = ()

    def wait(self, phase: Phase, seconds: float, deadline: float) -> "asyncio.Future[None]":
        """What to wait for; the answer fails if that is not done by then. The timer is moved only to come sooner."""
        expires_at = self._time() + seconds
        if deadline <= expires_at:
            expires_at, phase = deadline, "total"
        self._expires_at, self._phase = expires_at, phase
        if expires_at < self._rings_at:
            self._ring(expires_at)
        return self._future()

    def _ring(self, at: float) -> None:
        self._no_timer()
        self._timer, self._rings_at = self._loop.call_at(at, self._expire), at

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_at = None, inf

    def _expire(self) -> None:
        self._timer, self._rings_at = None, inf
        if self._answer is None or not self._answer.waiting:
            return
        if self._time() < self._expires_at:
            self._ring(self._expires_at)
            return
        self.fail(UpstreamTimeout(self._phase))

    def resume(self) -> None:
        """Take bytes from the socket again."""
        if self.paused and self._transport is not None:
            self.paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self.closed = True
        self._answer = None
        self._no_timer()
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: UpstreamError) -> None:
        """Close, and let what waits for the answer see why."""
        answer, self._answer = self._answer, None
        self.abort()
        if answer is not None:
            answer.fail(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`. What comes when nothing was asked is nobody's answer."""
        if self._answer is None:
            self.abort()
            return
        if self._unsent:
            self.fail(UpstreamUnavailable(_BROKE, stale=True))
            return
        self._received = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._not_http()
        else:
            if self._answer is None or not self._answer.begun:
                self._parsed(len(data))

    def _parsed(self, size: int) -> None:
        """So many bytes were read without fault; only now is it known that nothing followed an answer's end."""
        if self._answer is None and not self.closed:
            self.idle_since = self._loop.time()
            self._idle(self)
        elif self._answer is not None and not self._answer.begun:
            self._head_size += size
            if self._head_size > MAX_HEAD:
                self.fail(UpstreamProtocolError(_NOT_HTTP))

    def _not_http(self) -> None:
        """A wrong head on a kept connection is what the answer before left there, beyond its length."""
        if self._answer is None:
            self.abort()
        elif self._answer.begun:
            self.fail(UpstreamTruncated())
        elif self._reused:
            self.fail(UpstreamUnavailable(_BROKE, stale=True))
        else:
            self.fail(UpstreamProtocolError(_NOT_HTTP))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        answer, self._answer = self._answer, None
        self.abort()
        self._lost(self)
        if answer is None:
            return
        if not answer.begun:
            answer.fail(UpstreamUnavailable(_BROKE, stale=self._reused and not self._received))
        elif self._until_closed and exc is None:
            answer.end()
        else:
            answer.fail(UpstreamTruncated())

    def on_message_begin(self) -> None:
        """See `httptools.HttpResponseParser`, as for those below. A second answer was not asked for."""
        self._fields.clear()
        self._head_size = 0
        if self._answer is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of what follows a body in chunks."""
        answer = self._answer
        if answer is not None and not answer.begun:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head, maybe of an interim answer."""
        parser, answer = self._parser, self._answer
        if answer is None:
            return
        headers: dict[str, str] = {}
        size = 0
        for name, value in self._fields:
            size += len(name) + len(value)
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        status = parser.get_status_code()
        if status == 101 or size > MAX_HEAD:
            self.fail(UpstreamProtocolError(_NOT_HTTP))
        elif status >= 200:
            self._reusable = parser.should_keep_alive()
            self._until_closed = "content-length" not in headers and "transfer-encoding" not in headers
            answer.begin(status, headers)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        answer = self._answer
        if answer is not None and not answer.feed(body) and not self.paused:
            self.paused = True
            cast(asyncio.Transport, self._transport).pause_reading()

    def on_message_complete(self) -> None:
        """The end of an answer, maybe of an interim one."""
        answer = self._answer
        if answer is None or not answer.begun:
            return
        self._answer = None
        transport = cast(asyncio.Transport, self._transport)
        if self._reusable and not transport.get_write_buffer_size() and not transport.is_closing():
            self.resume()
        else:
            self.abort()
        answer.end()
