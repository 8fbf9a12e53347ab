"""The promises of both transports, over real sockets."""

import asyncio
import gzip
import random
import zlib

import msgspec
import pytest

from adapter.upstream.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamTimeout,
)
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport.base import Request
from adapter.upstream.transport.httpx2_transport import SHARD, Httpx2Transport
from tests.support.chaos import CHUNKED, OK, answer, chunk
from tests.support.guards import PATIENCE
from tests.upstream.transport.sending import FAR, hang, open_transport, whole

pytestmark = pytest.mark.faults


async def test_a_call_arrives_as_it_was_made(chaos, send):
    response = await send("/v1beta/models/m:generateContent", body=b'{"a":1}', headers={"x-goog-api-key": "k"})
    assert (response.status, await whole(response)) == (200, b"ok")
    [exchange] = chaos.exchanges
    assert exchange.line == "POST /v1beta/models/m:generateContent HTTP/1.1"
    assert exchange.body == b'{"a":1}'
    assert exchange.fields["x-goog-api-key"] == "k"


async def test_pieces_arrive_when_they_are_sent(chaos, send):
    go_on = asyncio.Event()

    async def script(exchange):
        await exchange.send(CHUNKED + chunk(b"one"))
        await go_on.wait()
        await exchange.send(chunk(b"two") + b"0\r\n\r\n")

    chaos.script = script
    response = await send()
    assert await response.read() == b"one"
    go_on.set()
    assert await response.read() == b"two"
    assert await response.read() == b""
    await response.aclose()


async def test_a_connection_is_kept_after_a_body_read_to_its_end(chaos, send):
    for _ in range(3):
        assert await whole(await send()) == b"ok"
    assert (chaos.hits, chaos.connections) == (3, 1)


async def test_closing_inside_a_body_closes_the_connection_and_frees_its_place(kind, chaos):
    async def script(exchange):
        if exchange.hit == 1:
            await exchange.send(CHUNKED + chunk(b"one"))
            await exchange.wait_closed()
            return True
        return await exchange.send(OK)

    chaos.script = script
    async with open_transport(kind, chaos.url, max_connections=1) as send:
        response = await send()
        assert await response.read() == b"one"
        await response.aclose()
        await chaos.wait_for_connections()
        assert await whole(await send()) == b"ok"


async def test_closing_twice_is_closing_once(chaos, send):
    response = await send()
    await response.aclose()
    await response.aclose()
    assert await whole(await send()) == b"ok"


@pytest.mark.parametrize("head_first", [False, True], ids=["before the head", "inside the body"])
async def test_cancelling_a_wait_closes_the_connection_and_frees_its_place(kind, chaos, head_first):
    arrived = asyncio.Event()

    async def script(exchange):
        if exchange.hit == 1:
            if head_first:
                await exchange.send(CHUNKED)
            arrived.set()
            await exchange.wait_closed()
            return True
        return await exchange.send(OK)

    chaos.script = script
    async with open_transport(kind, chaos.url, max_connections=1) as send:

        async def call():
            return await whole(await send())

        task = asyncio.create_task(call())
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await chaos.wait_for_connections()
        assert await whole(await send()) == b"ok"


async def test_random_cancellations_leak_no_connection(kind, chaos):
    """The pool of httpx 0.28 keeps the places of cancelled calls for ever (encode/httpcore issue 1093)."""
    chance = random.Random(7)

    async def script(exchange):
        match chance.randrange(4):
            case 0:
                return await exchange.send(OK)
            case 1:
                await exchange.send(CHUNKED + chunk(b"one"))
                await exchange.wait_closed()
            case 2:
                await exchange.send(CHUNKED + b"20\r\ncut")
            case 3:
                await exchange.wait_closed()
        return True

    async def call(send):
        try:
            async with asyncio.timeout(chance.uniform(0.001, 0.1)):
                await whole(await send())
        except (TimeoutError, UpstreamError):
            return

    chaos.script = script
    async with open_transport(kind, chaos.url, max_connections=10, connect=FAR) as send:
        for _ in range(4):
            await asyncio.gather(*(call(send) for _ in range(75)))
        chaos.script = chaos.ok
        answers = await asyncio.gather(*(send() for _ in range(10)))
        assert [await whole(one) for one in answers] == [b"ok"] * 10


async def test_more_calls_than_connections_wait_for_a_place(kind, chaos):
    async with open_transport(kind, chaos.url, max_connections=2) as send:

        async def call():
            return await whole(await send())

        assert await asyncio.gather(*(call() for _ in range(20))) == [b"ok"] * 20
    assert chaos.connections <= 2


async def test_a_call_that_finds_no_place_is_told_to_come_back(kind, chaos):
    async with open_transport(kind, chaos.url, max_connections=1, connect=0.5) as send:
        held = await send()
        if kind is not Httpx2Transport:  # The others give the place back once the body is there, read or not.
            await held.aclose()
            chaos.script = hang
            waiting = asyncio.create_task(send())
            while chaos.hits < 2:
                await asyncio.sleep(0)
        with pytest.raises(UpstreamBusy) as caught:
            await send()
        assert (caught.value.status, caught.value.retry_after, caught.value.again) == (503, 1.0, False)
        if kind is not Httpx2Transport:
            waiting.cancel()
        await held.aclose()


async def test_httpx2_spreads_many_calls_over_several_pools(chaos):
    release = asyncio.Event()

    async def script(exchange):
        await release.wait()
        await exchange.send(OK)

    chaos.script = script
    async with open_transport(Httpx2Transport, chaos.url, max_connections=SHARD + 10) as send:
        calls = [asyncio.create_task(send()) for _ in range(SHARD + 10)]
        while chaos.hits < SHARD + 10:
            await asyncio.sleep(0.001)
        release.set()
        assert [await whole(await call) for call in calls] == [b"ok"] * (SHARD + 10)


async def test_interim_answers_are_passed_over(chaos, send):
    async def script(exchange):
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK)

    chaos.script = script
    assert await whole(await send()) == b"ok"


async def test_compressed_bodies_are_opened_as_they_come(chaos, send):
    go_on = asyncio.Event()

    async def script(exchange):
        if exchange.hit == 1:
            return await exchange.send(answer(gzip.compress(b"whole"), Content_Encoding="gzip"))
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        await exchange.send(head + chunk(packer.compress(b"one") + packer.flush(zlib.Z_SYNC_FLUSH)))
        await go_on.wait()
        return await exchange.send(chunk(packer.compress(b"two") + packer.flush()) + b"0\r\n\r\n")

    chaos.script = script
    assert await whole(await send()) == b"whole"
    response = await send()
    assert await response.read() == b"one"
    go_on.set()
    assert await whole(response) == b"two"


async def test_an_error_page_is_an_answer(chaos, send):
    async def script(exchange):
        await exchange.send(answer(b"<html>", "502 Bad Gateway", Content_Type="text/html", Retry_After="7"))

    chaos.script = script
    response = await send()
    assert (response.status, response.headers.get("retry-after")) == (502, "7")
    assert await whole(response) == b"<html>"


async def test_large_bodies_arrive_whole(chaos, send):
    body = bytes(range(256)) * 20_000
    assert await whole(await send(body=body)) == b"ok"
    assert chaos.exchanges[0].body == body


async def test_a_body_in_pieces_arrives_as_one_with_its_length(chaos, send):
    pieces: list[bytes | memoryview] = [bytes([size % 7]) * size for size in (1, 300_000, 1, 0, 70_000)]
    pieces.append(memoryview(msgspec.Raw(b"x" * 400_000)))
    for _ in range(2):
        assert await whole(await send(body=pieces)) == b"ok"
    assert [one.body for one in chaos.exchanges] == [b"".join(pieces)] * 2
    assert {one.fields["content-length"] for one in chaos.exchanges} == {str(sum(map(len, pieces)))}


async def test_an_answer_before_the_body_was_taken_is_an_answer(chaos, send):
    async def script(exchange):
        await exchange.send(answer(b"too large", "413 Content Too Large", Connection="close"))
        return await hang(exchange)

    chaos.script = script
    chaos.takes_bodies = False
    response = await send(body=b"x" * 5_000_000)
    assert response.status == 413
    assert await whole(response) == b"too large"
    await chaos.wait_for_connections()


async def test_redirects_are_not_followed(chaos, send):
    async def script(exchange):
        await exchange.send(answer(b"", "302 Found", Location=f"{chaos.url}/elsewhere"))

    chaos.script = script
    response = await send()
    assert response.status == 302
    await response.aclose()
    assert chaos.hits == 1


async def test_cookies_are_not_kept(kind, chaos):
    async def script(exchange):
        await exchange.send(answer(b"ok", Set_Cookie="tenant=A; Path=/"))

    chaos.script = script
    url = chaos.url.replace("127.0.0.1", "localhost")
    async with open_transport(kind, url) as send:
        await whole(await send())
        await whole(await send())
    assert "cookie" not in chaos.exchanges[1].fields


async def test_one_transport_serves_a_second_life(kind, chaos):
    transport = kind(UpstreamSettings(url=chaos.url))
    request = Request("GET", chaos.url, {}, None, asyncio.get_running_loop().time() + FAR)
    for _ in range(2):
        assert await whole(await transport.send(request)) == b"ok"
        await transport.aclose()
    await transport.aclose()


@pytest.mark.parametrize("piece", [b"data: {}\n\n", b": nothing\n\n"], ids=["events", "comments"])
async def test_the_deadline_ends_a_body_that_never_pauses(kind, chaos, piece):
    sent = chunk(piece * 64)

    async def script(exchange):
        await exchange.send(CHUNKED)
        try:
            while True:
                await exchange.send(sent * 16)
        except ConnectionError:
            return True

    chaos.script = script
    async with open_transport(kind, chaos.url, between_bytes=FAR) as send:
        response = await send(seconds=0.5)
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.wait_for(whole(response), PATIENCE)
        await chaos.wait_for_connections()
    assert caught.value.phase == "total"


async def test_the_deadline_ends_a_compressed_body_of_which_much_has_arrived(kind, chaos):
    body = gzip.compress(bytes(64 * 1024 * 1024))

    async def script(exchange):
        await exchange.send(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") + chunk(body))
        await exchange.wait_closed()

    chaos.script = script
    async with open_transport(kind, chaos.url, between_bytes=FAR) as send:
        response = await send(seconds=0.5)
        assert await response.read()
        await asyncio.sleep(0.6)
        with pytest.raises(UpstreamTimeout) as caught:
            await response.read()
    assert caught.value.phase == "total"


@pytest.mark.parametrize("coding", ["", "identity", "Identity", " identity , identity", ","], ids=repr)
async def test_a_body_of_which_nothing_special_is_said_is_read_as_it_is(chaos, send, coding):
    chaos.script = lambda exchange: exchange.send(answer(b"plain", **{"Content-Encoding": coding}))
    assert await whole(await send()) == b"plain"


@pytest.mark.parametrize("coding", ["identity, gzip", "GZIP", "gzip,"], ids=repr)
async def test_a_packed_body_is_opened_however_its_coding_is_written(chaos, send, coding):
    body = gzip.compress(b"plain")
    chaos.script = lambda exchange: exchange.send(answer(body, **{"Content-Encoding": coding}))
    assert await whole(await send()) == b"plain"
