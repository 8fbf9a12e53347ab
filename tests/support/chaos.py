"""A server on raw sockets that follows a script, to the byte."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(body: bytes, status: str = "200 OK", **headers: object) -> bytes:
    """Return a whole answer; a header's name has _ for -."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


class Exchange(NamedTuple):
    """One request. `hit` counts requests, `connection` connections, both from 1."""

    hit: int
    connection: int
    head: bytes
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def fields(self) -> dict[str, str]:
        """The header fields, names in lower case."""
        lines = self.head.decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    async def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Cut the connection with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the other side has closed."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            return


class Chaos:
    """`script` is called for each request; a true result ends the connection."""

    url = ""

    def __init__(self) -> None:
        self.script: Callable[[Exchange], Awaitable[object]] = self.ok
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.open = 0
        self.takes_bodies = True
        self.changed = asyncio.Condition()

    @staticmethod
    async def ok(exchange: Exchange) -> None:
        """Answer with `ok`."""
        await exchange.send(OK)

    @property
    def hits(self) -> int:
        """The number of requests."""
        return len(self.exchanges)

    async def wait_for_connections(self, open_connections: int = 0) -> None:
        """Wait until so many connections are open."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.open == open_connections)

    async def _count(self, step: int) -> None:
        async with self.changed:
            self.open += step
            self.changed.notify_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        connection = self.connections
        await self._count(1)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(f.split(b":")[1]) for f in head.split(b"\r\n") if f.lower().startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(length) if self.takes_bodies else b""
                exchange = Exchange(self.hits + 1, connection, head, body, reader, writer)
                self.exchanges.append(exchange)
                if await self.script(exchange):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            await self._count(-1)


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[tuple[Chaos, str]]:
    """Run a `Chaos`; yield it and its base URL."""
    chaos = Chaos()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await chaos.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield chaos, f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
