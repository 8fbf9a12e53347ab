"""Calls a transport for the contract tests."""

import asyncio
from contextlib import asynccontextmanager

from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport.base import Request

FAR = 60.0
"""Seconds that no test takes."""


@asynccontextmanager
async def open_transport(kind, url, **settings):
    """A sender: path and deadline in seconds to a response."""
    transport = kind(UpstreamSettings(url=url, **settings))

    async def send(path="/x", *, body=b"{}", seconds=FAR, headers=None):
        deadline = asyncio.get_running_loop().time() + seconds
        return await transport.send(Request("POST", url + path, headers or {}, body, deadline))

    try:
        yield send
    finally:
        await transport.aclose()


async def whole(response):
    pieces = []
    try:
        while piece := await response.read():
            pieces.append(piece)
    finally:
        await response.aclose()
    return b"".join(pieces)


async def hang(exchange):
    await exchange.wait_closed()
    return True
