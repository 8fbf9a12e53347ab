"""Both transports on a network that fails."""

import asyncio
import socket
from contextlib import suppress
from math import inf

import pytest

from adapter.upstream.errors import UpstreamProtocolError, UpstreamTimeout, UpstreamTruncated, UpstreamUnavailable
from adapter.upstream.transport.base import MAX_STALE, Request, retry_stale_connections
from tests.support.chaos import CHUNKED, OK, chunk
from tests.upstream.transport.sending import FAR, hang, open_transport, whole

pytestmark = pytest.mark.faults


async def test_a_refused_connection_may_be_tried_again(kind):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with open_transport(kind, f"http://127.0.0.1:{port}") as send:
            with pytest.raises(UpstreamUnavailable, match=r"No connection to Gemini\.") as caught:
                await send()
    assert (caught.value.again, caught.value.stale, caught.value.status) == (True, False, 502)


async def test_a_name_without_address_may_be_tried_again_and_is_not_told(kind, monkeypatch):
    def fail(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    async with open_transport(kind, "http://secret-project.test") as send:
        with pytest.raises(UpstreamUnavailable) as caught:
            await send()
    assert caught.value.again
    assert "secret-project" not in str(caught.value)


async def test_a_host_that_never_accepts_runs_into_the_connect_limit(kind):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with open_transport(kind, f"http://127.0.0.1:{full.getsockname()[1]}", connect=0.2) as send:
            with pytest.raises(UpstreamTimeout) as caught:
                await send()
        for filler in fillers:
            filler.close()
    assert (caught.value.phase, caught.value.status) == ("connect", 504)


async def test_an_answer_that_does_not_begin_runs_into_the_first_byte_limit(kind, chaos):
    chaos.script = hang
    async with open_transport(kind, chaos.url, first_byte=0.1, between_bytes=FAR) as send:
        with pytest.raises(UpstreamTimeout) as caught:
            await send()
        assert caught.value.phase == "first byte"
        await chaos.wait_for_connections()
    assert chaos.hits == 1


async def test_a_silence_inside_a_body_runs_into_its_own_limit(kind, chaos):
    async def script(exchange):
        await exchange.send(CHUNKED + chunk(b"one"))
        return await hang(exchange)

    chaos.script = script
    async with open_transport(kind, chaos.url, first_byte=FAR, between_bytes=0.1) as send:
        response = await send()
        assert await response.read() == b"one"
        with pytest.raises(UpstreamTimeout) as caught:
            await response.read()
        await response.aclose()
        assert caught.value.phase == "between bytes"
        await chaos.wait_for_connections()


async def test_a_silence_right_after_the_head_runs_into_the_same_limit(kind, chaos):
    async def script(exchange):
        await exchange.send(CHUNKED)
        return await hang(exchange)

    chaos.script = script
    async with open_transport(kind, chaos.url, first_byte=FAR, between_bytes=0.1) as send:
        response = await send()
        with pytest.raises(UpstreamTimeout) as caught:
            await whole(response)
    assert caught.value.phase == "between bytes"


async def test_a_head_may_take_longer_than_a_silence_inside_a_body(kind, chaos):
    async def script(exchange):
        await asyncio.sleep(0.3)
        await exchange.send(OK)

    chaos.script = script
    async with open_transport(kind, chaos.url, first_byte=FAR, between_bytes=0.1) as send:
        assert await whole(await send()) == b"ok"


async def test_a_body_that_only_drips_runs_into_the_total_limit(kind, chaos):
    async def script(exchange):
        await exchange.send(CHUNKED)
        while True:
            await exchange.send(chunk(b":\n"))
            await asyncio.sleep(0.02)

    chaos.script = script
    async with open_transport(kind, chaos.url) as send:
        response = await send(seconds=1.0)
        with pytest.raises(UpstreamTimeout) as caught:
            await whole(response)
        assert caught.value.phase == "total"
        await chaos.wait_for_connections()


@pytest.mark.parametrize("seconds", [0.1, -1.0])
async def test_a_head_that_misses_the_deadline_runs_into_a_limit(kind, chaos, seconds):
    chaos.script = hang
    async with open_transport(kind, chaos.url) as send:
        with pytest.raises(UpstreamTimeout):
            await send(seconds=seconds)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_new_connection_that_breaks_before_an_answer_is_not_tried_again(chaos, send, how):
    async def script(exchange):
        if how == "reset":
            exchange.reset()
        return True

    chaos.script = script
    with pytest.raises(UpstreamUnavailable) as caught:
        await send()
    assert (caught.value.again, caught.value.stale, chaos.hits) == (False, False, 1)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_kept_connection_that_breaks_before_an_answer_is_replaced(chaos, send, how):
    async def script(exchange):
        if exchange.hit != 2:
            return await exchange.send(OK)
        if how == "reset":
            exchange.reset()
        return True

    chaos.script = script
    assert await whole(await send()) == b"ok"
    assert await whole(await send()) == b"ok"
    assert (chaos.hits, chaos.connections) == (3, 2)


async def test_a_kept_connection_closed_while_idle_is_not_used(chaos, send):
    async def script(exchange):
        await exchange.send(OK)
        return True

    chaos.script = script
    for _ in range(3):
        assert await whole(await send()) == b"ok"
        await chaos.wait_for_connections()
    assert chaos.connections == 3


async def test_stale_connections_are_passed_over_only_so_often():
    met = []

    async def send(_request):
        met.append(UpstreamUnavailable("broke", stale=True))
        raise met[-1]

    with pytest.raises(UpstreamUnavailable) as caught:
        await retry_stale_connections(send, Request("GET", "http://unused", {}, None, inf))
    assert caught.value is met[-1]
    assert len(met) == MAX_STALE + 1


CUTS = {
    "content-length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    "inside a chunk": CHUNKED + b"20\r\nabc",
    "no last chunk": CHUNKED + chunk(b"abc"),
    "bad gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("cut", CUTS)
async def test_a_body_that_is_cut_is_never_a_whole_one(chaos, send, cut):
    async def script(exchange):
        await exchange.send(CUTS[cut])
        return True

    chaos.script = script
    with pytest.raises(UpstreamTruncated):
        await whole(await send())
    assert chaos.hits == 1


async def test_a_body_that_is_reset_is_never_a_whole_one(chaos, send):
    read = asyncio.Event()

    async def script(exchange):
        await exchange.send(CHUNKED + chunk(b"abc"))
        await read.wait()
        exchange.reset()
        return True

    chaos.script = script
    response = await send()
    assert await response.read() == b"abc"
    read.set()
    with pytest.raises(UpstreamTruncated):
        await response.read()
    await response.aclose()


NOT_HTTP = {
    "garbage": b"\x00\x01garbage\r\n\r\n",
    "a huge head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("what", NOT_HTTP)
async def test_what_is_not_http_is_an_error_of_its_own(chaos, send, what):
    async def script(exchange):
        await exchange.send(NOT_HTTP[what])
        return True

    chaos.script = script
    with pytest.raises(UpstreamProtocolError):
        await send()
    assert chaos.hits == 1


async def test_bytes_beyond_a_body_do_not_reach_the_next_call(chaos, send):
    async def script(exchange):
        extra = b"more" if exchange.hit == 1 else b""
        await exchange.send(OK + extra)

    chaos.script = script
    with suppress(UpstreamTruncated, UpstreamProtocolError):
        assert await whole(await send()) == b"ok"
    assert await whole(await send()) == b"ok"
