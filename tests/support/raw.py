"""A client that says exactly these bytes."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

BODY = json.dumps({"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "hi"}]}).encode()


def head(
    *fields: str | None,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    host: str | None = "Host: 127.0.0.1",
    length: int | str | None = None,
) -> bytes:
    """Return the head of a request, of `BODY` unless it has another length."""
    length = len(BODY) if length is None else length
    lines = [f"{method} {path} HTTP/1.1", host, "Content-Type: application/json", f"Content-Length: {length}", *fields]
    return "".join(f"{line}\r\n" for line in lines if line is not None).encode("latin-1") + b"\r\n"


def request(*fields: str | None, body: bytes = BODY, **about: Any) -> bytes:
    """Return a whole request."""
    return head(*fields, length=len(body), **about) + body


class Raw:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes] | None:
        """Read one answer: status, headers and body; None if the connection ends without one."""
        try:
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            if headers.get("transfer-encoding") == "chunked":
                return int(lines[0].split()[1]), headers, await self._chunks()
            return int(lines[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def _chunks(self) -> bytes:
        pieces = []
        while size := int(await self.reader.readline(), 16):
            pieces.append(await self.reader.readexactly(size))
            await self.reader.readline()
        await self.reader.readline()
        return b"".join(pieces)

    async def rest(self) -> bytes:
        """Read everything until the connection ends."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def reset(self) -> None:
        """Cut the connection with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def raw(client: httpx2.AsyncClient, buffer: int | None = None) -> AsyncIterator[Raw]:
    """Open a connection to the server that an httpx2 client is for."""
    url = client.base_url
    plain = socket.socket()
    if buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, (url.host, url.port))
    limit = 2**16 if buffer is None else buffer
    reader, writer = await asyncio.open_connection(sock=plain, limit=limit)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


HANDSHAKE = (
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def upgrade(
    *fields: str,
    method: str = "GET",
    version: str = "1.1",
    without: str | None = None,
    path: str = "/v1/responses",
    behind: bytes = b"",
) -> bytes:
    """Return a request for a websocket, and the bytes behind it."""
    lines = [f"{method} {path} HTTP/{version}", *(line for line in HANDSHAKE if line != without), *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + behind
