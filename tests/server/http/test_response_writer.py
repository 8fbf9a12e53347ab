"""An answer is the same on the connection, whether its bytes are written there or uvicorn is told of it."""

import asyncio
import re
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn

from adapter.server.http.asgi import CONNECTION
from adapter.server.http.response_writer import AsgiWriter, CommonHeaders, DirectWriter, ResponseSender
from adapter.server.http.uvicorn_protocol import build_protocol
from adapter.settings import Settings
from tests.support.guards import PATIENCE

COMMON = "openai-version: 2020-10-01\r\n"
EVENTS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
LARGE = 64 * 1024
VARYING = re.compile(rb"(?<=\r\ndate: )[^\r]+|(?<=\r\nopenai-processing-ms: )\d+")


def whole_headers(body):
    return {"content-type": "application/json", "content-length": str(len(body))}


async def whole(way, status=200, body=b'{"said": "hello"}'):
    await way.send_whole(status, whole_headers(body), body)


async def stream(way, *pieces):
    for piece in pieces:
        await way.send_piece(piece, EVENTS)
    await way.finish()


async def read(receive):
    while (await receive())["more_body"]:
        pass


class App:
    """Answers /WAY/ANSWER. `buffered` is the most that waited for a client; `ended` are the ends of answers."""

    def __init__(self):
        self.buffered = 0
        self.ended = asyncio.Queue()

    async def __call__(self, scope, receive, send):
        _, way_name, name = scope["path"].split("/")
        outlet = ResponseSender(send, CommonHeaders(COMMON, "emulator", "req_1"))
        assert isinstance(outlet.writer, DirectWriter), "our own server has the short way"
        way = outlet.writer if way_name == "bytes" else AsgiWriter(outlet)
        try:
            await getattr(self, name)(way, receive, scope["extensions"][CONNECTION])
        except BaseException as error:
            self.ended.put_nowait(error)
            raise
        self.ended.put_nowait(None)

    async def whole(self, way, receive, _connection):
        await read(receive)
        await whole(way)

    async def busy(self, way, _receive, _connection):
        await whole(way, 503, b'{"error": "busy"}')

    async def large(self, way, _receive, _connection):
        await whole(way, body=b"x" * 40 * LARGE)

    async def stream(self, way, _receive, _connection):
        await stream(way, b"data: 1\n\n", b"data: " + b"x" * 300 + b"\n\n", b"data: [DONE]\n\n")

    async def an_empty_piece(self, way, _receive, _connection):
        await stream(way, b"", b"data: 1\n\n", b"", b"data: 2\n\n")

    async def nothing(self, way, _receive, _connection):
        await way.finish()

    async def two_heads(self, way, _receive, _connection):
        await way.send_piece(b"data: 1\n\n", EVENTS)
        await whole(way, 500)

    async def two_answers(self, way, _receive, _connection):
        await whole(way)
        await whole(way)

    async def much(self, way, _receive, connection):
        for number in range(200):
            await way.send_piece(b"%03d" % number + b"x" * LARGE, EVENTS)
            self.buffered = max(self.buffered, connection.transport.get_write_buffer_size())
        await way.finish()


@asynccontextmanager
async def serving():
    """The application on a port, behind the server as `adapter serve` runs it."""
    app = App()
    http = build_protocol(Settings())
    config = uvicorn.Config(app, http=http, lifespan="off", access_log=False, log_config=None, server_header=False)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield app, listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running


def request(path, *lines, version="1.1", body=b""):
    head = [f"POST {path} HTTP/{version}", "host: a", f"content-length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


async def ask(port, sent):
    """All that the server says until it closes, without what two answers never share."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answered = await reader.read(-1)
        writer.close()
    return VARYING.sub(b"...", answered)


CLOSE = "connection: close"

SENT = {
    "a whole answer": lambda way: request(f"/{way}/whole", CLOSE),
    "an error": lambda way: request(f"/{way}/busy", CLOSE),
    "an error before the body was read": lambda way: request(f"/{way}/busy", CLOSE, body=b"{}"),
    "a large answer": lambda way: request(f"/{way}/large", CLOSE),
    "a large answer before the body was read": lambda way: request(f"/{way}/large", CLOSE, body=b"{}"),
    "large answers to pipelined requests": lambda way: request(f"/{way}/large") + request(f"/{way}/large", CLOSE),
    "a stream": lambda way: request(f"/{way}/stream", CLOSE),
    "a stream with empty pieces": lambda way: request(f"/{way}/an_empty_piece", CLOSE),
    "a whole answer by HTTP/1.0": lambda way: request(f"/{way}/whole", version="1.0"),
    "a stream by HTTP/1.0": lambda way: request(f"/{way}/stream", version="1.0"),
    "HTTP/1.0 that would go on": lambda way: request(f"/{way}/whole", "connection: keep-alive", version="1.0"),
    "an expectation that is met": lambda way: request(f"/{way}/whole", "expect: 100-continue", CLOSE, body=b"{}"),
    "an expectation that is not": lambda way: request(f"/{way}/busy", "expect: 100-continue", CLOSE, body=b"{}"),
    "pipelined requests": lambda way: b"".join(
        [request(f"/{way}/{name}") for name in ("whole", "stream", "busy", "stream", "whole")]
        + [request(f"/{way}/stream", CLOSE)]
    ),
    "an end without a beginning": lambda way: request(f"/{way}/nothing"),
    "a second head in a stream": lambda way: request(f"/{way}/two_heads"),
    "an answer behind an answer": lambda way: request(f"/{way}/two_answers", CLOSE),
}


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
async def test_both_ways_write_the_same_bytes(sent):
    async with serving() as (_, port):
        direct, told = await ask(port, sent("bytes")), await ask(port, sent("messages"))
    assert direct == told
    assert direct.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ", b"HTTP/1.1 500 ", b"HTTP/1.1 100 "))


async def test_a_connection_has_an_answer_for_each_pipelined_request():
    async with serving() as (_, port):
        answered = await ask(port, SENT["pipelined requests"]("bytes"))
    assert re.findall(rb"HTTP/1.1 (\d+)", answered) == [b"200", b"200", b"503", b"200", b"200", b"200"]
    assert answered.count(b"data: [DONE]") == answered.count(b"\r\n0\r\n\r\n") == 3


async def test_a_stream_that_fails_has_one_head_and_no_end():
    async with serving() as (_, port):
        answered = await ask(port, SENT["a second head in a stream"]("bytes"))
    assert answered.count(b"HTTP/1.1") == 1
    assert answered.endswith(b"data: 1\n\n\r\n")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("way", ["bytes", "messages"])
async def test_an_answer_ahead_of_the_body_does_not_reset_who_still_sends(way, version):
    body = b"x" * 4 * LARGE
    sent = request(f"/{way}/busy", CLOSE, version=version, body=body)
    async with serving() as (_, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent[:-LARGE])
        head = await reader.readuntil(b"\r\n\r\n")
        answered = await reader.readexactly(len(b'{"error": "busy"}'))
        for start in range(len(sent) - LARGE, len(sent), LARGE // 4):
            writer.write(sent[start : start + LARGE // 4])
            await writer.drain()
            await asyncio.sleep(0.01)
        assert await reader.read(-1) == b""
        writer.close()
        await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 503")
    assert b"\r\nconnection: close\r\n" in head
    assert answered == b'{"error": "busy"}'


@pytest.mark.parametrize("way", ["bytes", "messages"])
async def test_a_client_that_never_sends_its_body_is_closed_behind_its_answer(way):
    sent = request(f"/{way}/busy", CLOSE, body=b"x" * LARGE)
    async with serving() as (_, port):
        assert b"HTTP/1.1 503" in await ask(port, sent[:-1])


@pytest.mark.parametrize("way", ["bytes", "messages"])
async def test_a_client_that_reads_slowly_is_waited_for(way):
    async with serving() as (app, port), asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LARGE)
        writer.write(request(f"/{way}/much", CLOSE))
        while app.buffered < LARGE:
            await asyncio.sleep(0.01)
        assert app.ended.empty()
        received = 0
        while data := await reader.read(LARGE):
            received += len(data)
        writer.close()
        assert await app.ended.get() is None
    assert received > 200 * LARGE
    assert app.buffered < 4 * LARGE


@pytest.mark.parametrize("way", ["bytes", "messages"])
async def test_a_client_that_leaves_keeps_no_answer_waiting(way):
    async with serving() as (app, port), asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=LARGE)
        writer.write(request(f"/{way}/much"))
        while app.buffered < LARGE:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        assert await app.ended.get() is None
