"""The way of an answer to its client, and what the head of every answer says.

Under our own server (uvicorn with `server.protocol`) a head and its body are bytes of one write: to hand both over as
ASGI messages costs as much as the translation of a small request. Any other server gets the messages.
"""

import time
from collections.abc import Awaitable, Mapping
from functools import lru_cache
from typing import Protocol

from starlette.types import Message, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from adapter.server.http.asgi import encoded, printable_values

UPSTREAM_HEADER = "x-adapter-upstream"
"""Names the upstream that answers. An answer of another one than the first names it itself."""


class Stamps:
    """What the head of each answer to one request says beside what its endpoint puts there.

    `common` is what the heads of all say; `label` names the first upstream.
    """

    __slots__ = ("_begun", "_common", "_id", "_label")

    def __init__(self, common: str, label: str, request_id: str) -> None:
        self._begun = time.perf_counter()
        self._common = common
        self._label = label
        self._id = request_id

    def lines(self, *, names_upstream: bool) -> str:
        """Lines of a head; `names_upstream`: whether the answer has named the upstream already."""
        upstream = "" if names_upstream else f"{UPSTREAM_HEADER}: {self._label}\r\n"
        milliseconds = int((time.perf_counter() - self._begun) * 1000)
        return f"{self._common}{upstream}x-request-id: {self._id}\r\nopenai-processing-ms: {milliseconds}\r\n"


class Way(Protocol):
    """How an answer is sent: whole, or piece by piece with its head ahead of the first one."""

    def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> Awaitable[None]:
        """Send it at once; `headers` are printable and tell its length."""
        ...

    async def piece(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Send a piece of an answer whose length nobody knows; its head has status 200 and these printable headers."""
        ...

    async def end(self) -> None:
        """There are no more pieces."""
        ...


class Messages:
    """By ASGI's messages."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """See `Way`."""
        await self._send({"type": "http.response.start", "status": status, "headers": encoded(headers)})
        await self._send({"type": "http.response.body", "body": body})

    async def piece(self, data: bytes, headers: Mapping[str, str]) -> None:
        """See `Way`."""
        if not self._begun:
            self._begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": encoded(headers)})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """See `Way`."""
        await self._send({"type": "http.response.body", "body": b""})


class Bytes:
    """By the bytes of HTTP/1.1, written to the connection that uvicorn holds; its own `send` writes the same ones.

    Like that one it raises `RuntimeError` for what fits no answer: uvicorn then closes the connection.
    """

    def __init__(self, cycle: RequestResponseCycle, stamps: Stamps) -> None:
        self._cycle = cycle
        self._stamps = stamps

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """See `Way`."""
        if self._waits and not await self._open():
            return
        self._check(begun=False)
        self._cycle.transport.write(self._head(status, headers) + body)
        self._complete()

    async def piece(self, data: bytes, headers: Mapping[str, str]) -> None:
        """See `Way`."""
        if self._waits and not await self._open():
            return
        cycle = self._cycle
        self._check(begun=cycle.response_started)
        # A chunk of no bytes would end the answer.
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        if not cycle.response_started:
            chunk = self._head(200, headers, "transfer-encoding: chunked\r\n") + chunk
        cycle.transport.write(chunk)

    async def end(self) -> None:
        """See `Way`."""
        if self._waits and not await self._open():
            return
        self._check(begun=True)
        self._cycle.transport.write(b"0\r\n\r\n")
        self._complete()

    @property
    def _waits(self) -> bool:
        """Whether the client has not taken all that was written, or never will."""
        return self._cycle.flow.write_paused or self._cycle.disconnected

    async def _open(self) -> bool:
        """Wait until the client has taken what was written; whether it is still there."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        return not cycle.disconnected

    def _check(self, *, begun: bool) -> None:
        """Two heads, or anything behind an end, would be read as another answer."""
        if self._cycle.response_complete or self._cycle.response_started != begun:
            raise RuntimeError("this is not what comes next in an answer")

    def _head(self, status: int, headers: Mapping[str, str], last: str = "") -> bytes:
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        is_last = headers.get("connection") == "close"
        closing = "" if cycle.keep_alive or is_last else "connection: close\r\n"
        if is_last:
            cycle.keep_alive = False
        lines = (
            f"{head_lines(headers)}{self._stamps.lines(names_upstream=UPSTREAM_HEADER in headers)}{closing}{last}\r\n"
        )
        return b"%b%b%b" % (STATUS_LINE[status], _servers(*cycle.default_headers), lines.encode())

    def _complete(self) -> None:
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class Outlet:
    """A request's `send`. `status` is that of an answer that came in messages."""

    def __init__(self, send: Send, stamps: Stamps, *, is_head: bool = False) -> None:
        self.status = 0
        self._send = send
        self._stamps = stamps
        cycle = getattr(send, "__self__", None)
        # uvicorn leaves out the body of an answer to HEAD, from messages.
        direct = cycle if isinstance(cycle, RequestResponseCycle) and not is_head else None
        self.way: Way = Messages(self) if direct is None else Bytes(direct, stamps)

    async def __call__(self, message: Message) -> None:
        """Send an ASGI message; a head with what all heads say."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            named = any(name == UPSTREAM_HEADER.encode() for name, _ in message["headers"])
            lines = self._stamps.lines(names_upstream=named).split("\r\n")[:-1]
            stamps = [line.partition(": ") for line in lines]
            fields = [(name.encode(), value.encode()) for name, _, value in stamps]
            message["headers"] = [*message["headers"], *fields]
        await self._send(message)


def head_lines(headers: Mapping[str, str]) -> str:
    """Lines of a head."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


@lru_cache(maxsize=1)
def _servers(*fields: tuple[bytes, bytes]) -> bytes:
    """Lines of the server's own: the date, which changes once in a second."""
    return b"".join([b"%b: %b\r\n" % field for field in fields])


def way_of(send: Send) -> Way:
    """The shortest way: a middleware between an endpoint and the server leaves only that of messages."""
    return send.way if isinstance(send, Outlet) else Messages(send)


def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> Awaitable[None]:
    """Send a whole answer in JSON."""
    told = {"content-type": "application/json", "content-length": str(len(body)), **printable_values(headers)}
    return way_of(send).whole(status, told, body)
