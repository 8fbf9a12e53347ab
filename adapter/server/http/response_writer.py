"""Response writers, and the headers that all answers have in common.

`DirectWriter` serves under our own server (uvicorn with `http.uvicorn_protocol`): head and body are one `write()`.
Handing them over as ASGI messages would cost as much as translating a small request. `AsgiWriter` sends those messages
to any other server, and wherever a middleware (CORS) stands in between.

States of an answer, in either writer:

    fresh      nothing was written
    begun      the head and maybe some pieces were written
    complete   the answer has ended

Transitions (the endpoint makes them): `send_whole` leads from fresh to complete, `send_piece` from fresh or begun to
begun, `finish` from begun to complete. `DirectWriter` raises `RuntimeError` for any other order: a second head, or
bytes behind the end, would be read as another answer.
"""

import time
from collections.abc import Awaitable, Mapping
from typing import Protocol

import msgspec
from starlette.types import Message, Send

from adapter.server.http.asgi import encode_headers, to_printable_values
from adapter.server.http.uvicorn_classes import STATUS_LINE, RequestResponseCycle, cycle_of

UPSTREAM_HEADER = "x-adapter-upstream"
"""Names the upstream that answered. After a fallback the endpoint sets it, else `CommonHeaders` do."""

LARGE = 64 * 1024
"""Size in bytes from which a body is not copied behind its head: below it, a copy costs less than a second buffer."""


# It has only texts, so it is in no cycle, and the garbage collector need not track one for each request.
class CommonHeaders(msgspec.Struct, gc=False):
    """The headers that every answer to one request has in addition to its endpoint's.

    `common` are lines that all answers of the server have; `label` is the name of the first upstream.
    """

    common: str
    label: str
    request_id: str
    begun_at: float = msgspec.field(default_factory=time.perf_counter)

    def lines(self, *, names_upstream: bool) -> str:
        """Return lines of a head. `names_upstream`: the endpoint has set `UPSTREAM_HEADER` itself."""
        upstream = "" if names_upstream else f"{UPSTREAM_HEADER}: {self.label}\r\n"
        milliseconds = int((time.perf_counter() - self.begun_at) * 1000)
        return f"{self.common}{upstream}x-request-id: {self.request_id}\r\nopenai-processing-ms: {milliseconds}\r\n"


class ResponseWriter(Protocol):
    """Sends one answer, whole or piece by piece; the module's docstring has the order of calls."""

    def send_whole(self, status: int, headers: Mapping[str, str], body: bytes) -> Awaitable[None]:
        """Send a complete answer. `headers` are printable ASCII and include `content-length`."""
        ...

    async def send_piece(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Send a piece of an answer of unknown length; before the first one a head with status 200 and `headers`."""
        ...

    async def finish(self) -> None:
        """End an answer that was sent in pieces."""
        ...


class AsgiWriter:
    """Sends ASGI messages; works under any server."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_begun = False

    async def send_whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send head and body as two messages."""
        await self._send({"type": "http.response.start", "status": status, "headers": encode_headers(headers)})
        await self._send({"type": "http.response.body", "body": body})

    async def send_piece(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Send the head, if it was not sent, and a piece."""
        if not self._has_begun:
            self._has_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": encode_headers(headers)})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """Send the last message."""
        await self._send({"type": "http.response.body", "body": b""})


class DirectWriter(msgspec.Struct, eq=False):
    """Writes HTTP/1.1 bytes to uvicorn's transport: the same bytes that uvicorn's own `send` would write.

    It uses private parts of uvicorn's `RequestResponseCycle`, so pyproject.toml limits uvicorn's version. It raises
    `RuntimeError` for a call out of order, as uvicorn does, which then closes the connection.
    """

    _cycle: RequestResponseCycle
    _common_headers: CommonHeaders

    async def send_whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Write head and body at once."""
        cycle = self._cycle
        # Tested here, and not in a coroutine: nearly always there is nothing to wait for.
        if (cycle.flow.write_paused or cycle.disconnected) and not await self._wait_until_writable():
            return
        self._check_order(begun=False)
        head, transport = self._head(status, headers), cycle.transport
        if len(body) < LARGE:
            transport.write(head + body)
        else:
            # One system call as well, and no copy of megabytes where the event loop is uvloop.
            transport.writelines((head, body))
        self._finish_cycle()

    async def send_piece(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Write a chunk, with the head in front of the first one."""
        cycle = self._cycle
        if (cycle.flow.write_paused or cycle.disconnected) and not await self._wait_until_writable():
            return
        self._check_order(begun=cycle.response_started)
        # A chunk of no bytes would end the answer.
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        if not cycle.response_started:
            chunk = self._head(200, headers, "transfer-encoding: chunked\r\n") + chunk
        cycle.transport.write(chunk)

    async def finish(self) -> None:
        """Write the last chunk."""
        cycle = self._cycle
        if (cycle.flow.write_paused or cycle.disconnected) and not await self._wait_until_writable():
            return
        self._check_order(begun=True)
        cycle.transport.write(b"0\r\n\r\n")
        self._finish_cycle()

    async def _wait_until_writable(self) -> bool:
        """Wait until a slow client has made room in the write buffer; False if it has disconnected."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        return not cycle.disconnected

    def _check_order(self, *, begun: bool) -> None:
        """Raise `RuntimeError` for a second head or for bytes behind the end of the answer."""
        if self._cycle.response_complete or self._cycle.response_started != begun:
            raise RuntimeError("call out of order: a second head, or bytes behind the end of an answer")

    def _head(self, status: int, headers: Mapping[str, str], last: str = "") -> bytes:
        cycle = self._cycle
        cycle.response_started = True
        # Else uvicorn's next `receive()` would write a 100 Continue behind this head.
        cycle.waiting_for_100_continue = False
        # An endpoint may close the connection itself (`inspector` does): the header must not be there twice.
        is_last = headers.get("connection") == "close"
        closing = "" if cycle.keep_alive or is_last else "connection: close\r\n"
        if is_last:
            cycle.keep_alive = False
        common = self._common_headers.lines(names_upstream=UPSTREAM_HEADER in headers)
        lines = f"{format_head_lines(headers)}{common}{closing}{last}\r\n"
        return b"%b%b%b" % (STATUS_LINE[status], _server_lines(*cycle.default_headers), lines.encode())

    def _finish_cycle(self) -> None:
        cycle = self._cycle
        cycle.response_complete = True
        # As in uvicorn's own `send`: a `receive()` that waits for a disconnect ends with the answer.
        cycle.message_event.set()
        # Before `on_response`, which starts the next pipelined request unless the transport is closing.
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class ResponseSender:
    """Wraps a request's `send`: adds the common headers, and chooses the writer.

    `status` is the status of an answer that was sent as ASGI messages, else 0.
    """

    def __init__(self, send: Send, common: CommonHeaders, *, is_head: bool = False) -> None:
        self.status = 0
        self._send = send
        self._common_headers = common
        # For HEAD uvicorn drops the body from the ASGI messages; `DirectWriter` would send it.
        direct = None if is_head else cycle_of(send)
        # Its messages go through this object, which adds the common headers.
        self.writer: ResponseWriter = AsgiWriter(self) if direct is None else DirectWriter(direct, common)

    async def __call__(self, message: Message) -> None:
        """Send an ASGI message; the common headers are added to a head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            named = any(name == UPSTREAM_HEADER.encode() for name, _ in message["headers"])
            lines = self._common_headers.lines(names_upstream=named).split("\r\n")[:-1]
            pairs = [line.partition(": ") for line in lines]
            fields = [(name.encode(), value.encode()) for name, _, value in pairs]
            message["headers"] = [*message["headers"], *fields]
        await self._send(message)


def format_head_lines(headers: Mapping[str, str]) -> str:
    """Format headers as lines of an HTTP head."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def _server_lines(*fields: tuple[bytes, bytes]) -> bytes:
    """Format uvicorn's own headers (`date`, `server`)."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def writer_for(send: Send) -> ResponseWriter:
    """Return the writer for a `send`. Behind a middleware it is an `AsgiWriter`, so that the middleware sees all."""
    return send.writer if isinstance(send, ResponseSender) else AsgiWriter(send)


def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> Awaitable[None]:
    """Send a complete answer with a JSON body."""
    all_headers = {"content-type": "application/json", "content-length": str(len(body)), **to_printable_values(headers)}
    return writer_for(send).send_whole(status, all_headers, body)
