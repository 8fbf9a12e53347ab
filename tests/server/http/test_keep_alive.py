"""A connection that idles is closed after a while, and none that does not."""

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from websockets.asyncio.client import connect

from adapter.server.http.uvicorn_protocol import build_protocol
from adapter.settings import Settings
from tests.support.guards import PATIENCE, patient_clock

IDLE: Any = 0.4
"""Seconds after which these servers close a connection."""

REQUEST = b"POST /quick HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
SLOW = REQUEST.replace(b"quick", b"slow")


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(2.5 * IDLE)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def open_connection():
    http = build_protocol(Settings())
    config = uvicorn.Config(
        app, http=http, lifespan="off", access_log=False, log_config=None, server_header=False, timeout_keep_alive=IDLE
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with patient_clock(), asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
            yield reader, writer
        writer.close()
    finally:
        server.should_exit = True
        await running


async def answer(reader, writer, request=REQUEST):
    writer.write(request)
    said = await reader.readuntil(b"\r\n\r\nok")
    assert said.startswith(b"HTTP/1.1 200 ")


async def test_one_that_idles_is_closed():
    async with open_connection() as (reader, writer):
        await answer(reader, writer)
        begun = time.monotonic()
        assert await reader.read() == b""
    assert time.monotonic() - begun >= 0.9 * IDLE


async def test_one_that_is_used_is_kept():
    async with open_connection() as (reader, writer):
        for _ in range(8):
            await answer(reader, writer)
            await asyncio.sleep(0.4 * IDLE)
        await answer(reader, writer, SLOW)
        await answer(reader, writer)
        assert await reader.read() == b"", "and closed when it is not"


async def test_one_whose_next_request_is_slow_is_kept():
    async with open_connection() as (reader, writer):
        await answer(reader, writer)
        writer.write(REQUEST[:20])
        await asyncio.sleep(2.5 * IDLE)
        await answer(reader, writer, REQUEST[20:])


async def test_one_that_becomes_a_websocket_is_kept():
    async with open_connection() as (reader, writer):
        await answer(reader, writer)
        link = writer.get_extra_info("socket").dup()
        async with connect("ws://a/", sock=link, proxy=None) as talk:
            await asyncio.sleep(2.5 * IDLE)
            await talk.send("still here")
            assert await talk.recv() == "still here"
