"""Connections that a client, without a key, could leave behind: each ends by itself, in the time that a head has."""

import asyncio

import pytest

from adapter.server.http.router import WEBSOCKET
from adapter.server.pipeline.endpoint import Endpoint
from tests.support.raw import HANDSHAKE, raw, request, upgrade
from tests.support.scripted import adapter, answer, run_upstream

FRAME = b"\x81\x82\x00\x00\x00\x00{}"


CHUNKED = "Transfer-Encoding: chunked"
UPGRADES = {
    "a body of known length": upgrade("Content-Length: 5", behind=b"12345"),
    "a body that is announced and does not come": upgrade("Content-Length: 5"),
    "a body that comes in half": upgrade("Content-Length: 5", behind=b"12"),
    "more than the body": upgrade("Content-Length: 5", behind=b"1234567890"),
    "a body whose length is none": upgrade("Content-Length: five", behind=b"12345"),
    "a body of chunks": upgrade(CHUNKED, behind=b"5\r\n12345\r\n0\r\n\r\n"),
    "chunks that do not come": upgrade(CHUNKED),
    "half a chunk": upgrade(CHUNKED, behind=b"5\r\n12"),
    "chunks without an end": upgrade(CHUNKED, behind=b"5\r\n12345\r\n"),
    "a body of known length and chunks": upgrade(CHUNKED, "Content-Length: 5", behind=b"0\r\n\r\n"),
    "POST": upgrade(method="POST"),
    "POST with a body": upgrade("Content-Length: 5", method="POST", behind=b"12345"),
    "HEAD": upgrade(method="HEAD"),
    "CONNECT": upgrade(method="CONNECT", path="127.0.0.1:80"),
    "HTTP/1.0": upgrade(version="1.0"),
    "half a head": upgrade()[:-20],
    "a head without its last line": upgrade()[:-2],
    "a frame ahead of the answer": upgrade(behind=FRAME),
    "half a frame ahead of the answer": upgrade(behind=FRAME[:3]),
    "another request behind it": upgrade(behind=request()),
    "half a head behind it": upgrade(behind=b"GET / HT"),
    "no key": upgrade(without=HANDSHAKE[4]),
    "a key that is none": upgrade("Sec-WebSocket-Key: x", without=HANDSHAKE[4]),
    "no version": upgrade(without=HANDSHAKE[3]),
    "another version": upgrade("Sec-WebSocket-Version: 12", without=HANDSHAKE[3]),
    "a line too long for a handshake": upgrade(f"X-Long: {'x' * 9_000}"),
    "an extension that is none": upgrade("Sec-WebSocket-Extensions: ;;"),
    "a protocol that is none": upgrade("Sec-WebSocket-Protocol: ,"),
    "a connection that is none": upgrade("Connection: ;"),
    "a path that is none": upgrade(path="/nowhere"),
    "behind a request": request() + upgrade(),
    "behind a request, with a body": request() + upgrade("Content-Length: 5", behind=b"12345"),
    "behind half a request": request()[:-3] + upgrade(),
}


async def whole(call):
    await call.json(answer("Hello"))


async def ends(data, seconds=10.0):
    """Send this and nothing more; whether the server ends the connection, and what it said."""
    async with run_upstream(whole) as upstream, adapter(upstream, header_timeout=0.5, body_timeout=0.5) as client:
        async with raw(client) as connection:
            await connection.send(data)
            async with asyncio.timeout(seconds):
                said = await connection.rest()
        assert (await client.get("/healthz")).status_code == 200
        return said


@pytest.mark.parametrize("data", UPGRADES.values(), ids=UPGRADES)
async def test_an_upgrade_that_is_no_whole_handshake_is_not_held(data):
    said = await ends(data)
    assert b" 101 " not in said


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses?x=1"])
async def test_a_whole_handshake_is_answered_and_its_connection_stays(path):
    async with (
        run_upstream(whole) as upstream,
        adapter(upstream, header_timeout=0.2) as client,
        raw(client) as connection,
    ):
        await connection.send(upgrade(path=path))
        assert (await connection.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        await asyncio.sleep(0.5)
        await connection.send(FRAME)
        assert b"response.create" in await asyncio.wait_for(connection.reader.readuntil(b"}}"), 10)


async def test_a_handshake_that_nobody_answers_is_not_held():
    async def never(call):
        while (await call.receive())["type"] != "websocket.disconnect":
            pass

    silent = (Endpoint(method=WEBSOCKET, path="/v1/responses", handler=never, is_open=True),)
    async with (
        run_upstream(whole) as upstream,
        adapter(upstream, endpoints=silent, header_timeout=0.5) as client,
        raw(client) as connection,
    ):
        await connection.send(upgrade())
        assert b" 101 " not in await asyncio.wait_for(connection.rest(), 10)


@pytest.mark.parametrize("behind", [b"G", b"GET / HT", request()[:-1], request()[:60]], ids=repr)
async def test_half_a_request_behind_one_that_is_answered_is_not_held(behind):
    said = await ends(request() + behind)
    assert said.count(b"Hello") == 1
