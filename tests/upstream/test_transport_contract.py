"""What both transports promise, over real sockets that misbehave."""

import asyncio
import gzip
import random
import socket
import ssl
import zlib
from contextlib import asynccontextmanager

import pytest
import trustme

from adapter.upstream.aiohttp_transport import AiohttpTransport
from adapter.upstream.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from adapter.upstream.httpx2_transport import SHARD, Httpx2Transport
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport import Request
from tests.upstream.chaos import CHUNKED, OK, answer, chunk, running

pytestmark = pytest.mark.faults

FAR = 60.0


@pytest.fixture(params=[AiohttpTransport, Httpx2Transport], ids=["aiohttp", "httpx2"])
def kind(request):
    return request.param


@asynccontextmanager
async def opened(kind, url, **settings):
    """A sender: path and deadline in seconds to a response."""
    transport = kind(UpstreamSettings(url=url, **settings))

    async def send(path="/x", *, body=b"{}", seconds=FAR, headers=None):
        deadline = asyncio.get_running_loop().time() + seconds
        return await transport.send(Request("POST", url + path, headers or {}, body, deadline))

    try:
        yield send
    finally:
        await transport.aclose()


@pytest.fixture
async def send(kind, chaos):
    async with opened(kind, chaos.url) as send:
        yield send


async def whole(response):
    pieces = []
    try:
        while piece := await response.read():
            pieces.append(piece)
    finally:
        await response.aclose()
    return b"".join(pieces)


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
            await exchange.gone()
            return True
        return await exchange.send(OK)

    chaos.script = script
    async with opened(kind, chaos.url, max_connections=1) as send:
        response = await send()
        assert await response.read() == b"one"
        await response.aclose()
        await chaos.settled()
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
            await exchange.gone()
            return True
        return await exchange.send(OK)

    chaos.script = script
    async with opened(kind, chaos.url, max_connections=1) as send:

        async def call():
            return await whole(await send())

        task = asyncio.create_task(call())
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await chaos.settled()
        assert await whole(await send()) == b"ok"


async def test_random_cancellations_leak_no_connection(kind, chaos):
    """httpx 0.28 keeps the places of cancelled calls for ever (encode/httpcore issue 1093)."""
    chance = random.Random(7)

    async def script(exchange):
        match chance.randrange(4):
            case 0:
                return await exchange.send(OK)
            case 1:
                await exchange.send(CHUNKED + chunk(b"one"))
                await exchange.gone()
            case 2:
                await exchange.send(CHUNKED + b"20\r\ncut")
            case 3:
                await exchange.gone()
        return True

    async def call(send):
        try:
            async with asyncio.timeout(chance.uniform(0.001, 0.1)):
                await whole(await send())
        except (TimeoutError, UpstreamError):
            return

    chaos.script = script
    async with opened(kind, chaos.url, max_connections=10, connect=FAR) as send:
        for _ in range(4):
            await asyncio.gather(*(call(send) for _ in range(75)))
        chaos.script = chaos.ok
        answers = await asyncio.gather(*(send() for _ in range(10)))
        assert [await whole(one) for one in answers] == [b"ok"] * 10


async def test_more_calls_than_connections_wait_for_a_place(kind, chaos):
    async with opened(kind, chaos.url, max_connections=2) as send:

        async def call():
            return await whole(await send())

        assert await asyncio.gather(*(call() for _ in range(20))) == [b"ok"] * 20
    assert chaos.connections <= 2


async def test_a_call_that_finds_no_place_is_told_to_come_back(kind, chaos):
    async with opened(kind, chaos.url, max_connections=1, connect=0.05) as send:
        held = await send()
        if kind is AiohttpTransport:  # It gives the place back once the body is there, read or not.
            await held.aclose()
            chaos.script = hang
            waiting = asyncio.create_task(send())
            while chaos.hits < 2:
                await asyncio.sleep(0)
        with pytest.raises(UpstreamBusy) as caught:
            await send()
        assert (caught.value.status, caught.value.retry_after, caught.value.again) == (503, 1.0, False)
        if kind is AiohttpTransport:
            waiting.cancel()
        await held.aclose()


async def hang(exchange):
    await exchange.gone()
    return True


async def test_httpx2_spreads_many_calls_over_several_pools(chaos):
    release = asyncio.Event()

    async def script(exchange):
        await release.wait()
        await exchange.send(OK)

    chaos.script = script
    async with opened(Httpx2Transport, chaos.url, max_connections=SHARD + 10) as send:
        calls = [asyncio.create_task(send()) for _ in range(SHARD + 10)]
        while chaos.hits < SHARD + 10:
            await asyncio.sleep(0.001)
        release.set()
        assert [await whole(await call) for call in calls] == [b"ok"] * (SHARD + 10)


async def test_a_refused_connection_may_be_tried_again(kind):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with opened(kind, f"http://127.0.0.1:{port}") as send:
            with pytest.raises(UpstreamUnavailable, match=r"No connection to Gemini\.") as caught:
                await send()
    assert (caught.value.again, caught.value.stale, caught.value.status) == (True, False, 502)


async def test_a_name_without_address_may_be_tried_again_and_is_not_told(kind, monkeypatch):
    def fail(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    async with opened(kind, "http://secret-project.test") as send:
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
        async with opened(kind, f"http://127.0.0.1:{full.getsockname()[1]}", connect=0.2) as send:
            with pytest.raises(UpstreamTimeout) as caught:
                await send()
        for filler in fillers:
            filler.close()
    assert (caught.value.phase, caught.value.status) == ("connect", 504)


async def test_a_tls_handshake_that_stalls_runs_into_the_connect_limit(kind):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with opened(kind, f"https://127.0.0.1:{silent.getsockname()[1]}", connect=0.2) as send:
            with pytest.raises(UpstreamTimeout) as caught:
                await send()
    assert caught.value.phase == "connect"


async def test_an_answer_that_does_not_begin_runs_into_the_first_byte_limit(kind, chaos):
    chaos.script = hang
    async with opened(kind, chaos.url, first_byte=0.1, between_bytes=FAR) as send:
        with pytest.raises(UpstreamTimeout) as caught:
            await send()
        assert caught.value.phase == "first byte"
        await chaos.settled()
    assert chaos.hits == 1


async def test_a_silence_inside_a_body_runs_into_its_own_limit(kind, chaos):
    async def script(exchange):
        await exchange.send(CHUNKED + chunk(b"one"))
        return await hang(exchange)

    chaos.script = script
    async with opened(kind, chaos.url, first_byte=FAR, between_bytes=0.1) as send:
        response = await send()
        assert await response.read() == b"one"
        with pytest.raises(UpstreamTimeout) as caught:
            await response.read()
        await response.aclose()
        assert caught.value.phase == "between bytes"
        await chaos.settled()


async def test_a_head_may_take_longer_than_a_silence_inside_a_body(kind, chaos):
    async def script(exchange):
        await asyncio.sleep(0.3)
        await exchange.send(OK)

    chaos.script = script
    async with opened(kind, chaos.url, first_byte=FAR, between_bytes=0.1) as send:
        assert await whole(await send()) == b"ok"


async def test_a_body_that_only_drips_runs_into_the_total_limit(kind, chaos):
    async def script(exchange):
        await exchange.send(CHUNKED)
        while True:
            await exchange.send(chunk(b":\n"))
            await asyncio.sleep(0.02)

    chaos.script = script
    async with opened(kind, chaos.url) as send:
        response = await send(seconds=0.3)
        with pytest.raises(UpstreamTimeout) as caught:
            await whole(response)
        assert caught.value.phase == "total"
        await chaos.settled()


@pytest.mark.parametrize("seconds", [0.1, -1.0])
async def test_a_head_that_misses_the_deadline_runs_into_the_total_limit(kind, chaos, seconds):
    chaos.script = hang
    async with opened(kind, chaos.url) as send:
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
        await chaos.settled()
    assert chaos.connections == 3


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


async def test_interim_answers_are_passed_over(chaos, send):
    async def script(exchange):
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK)

    chaos.script = script
    assert await whole(await send()) == b"ok"


async def test_bytes_beyond_a_body_do_not_reach_the_next_call(chaos, send):
    async def script(exchange):
        extra = b"more" if exchange.hit == 1 else b""
        await exchange.send(OK + extra)

    chaos.script = script
    try:
        assert await whole(await send()) == b"ok"
    except UpstreamError as error:
        assert isinstance(error, (UpstreamTruncated, UpstreamProtocolError))
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
    assert (response.status, response.headers.get("Retry-After")) == (502, "7")
    assert await whole(response) == b"<html>"


async def test_large_bodies_arrive_whole(chaos, send):
    body = bytes(range(256)) * 20_000
    assert await whole(await send(body=body)) == b"ok"
    assert chaos.exchanges[0].body == body


async def test_an_answer_before_the_body_was_taken_is_an_answer(chaos, send):
    async def script(exchange):
        await exchange.send(answer(b"too large", "413 Content Too Large", Connection="close"))
        return await hang(exchange)

    chaos.script = script
    chaos.takes_bodies = False
    response = await send(body=b"x" * 5_000_000)
    assert response.status == 413
    assert await whole(response) == b"too large"
    await chaos.settled()


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
    async with opened(kind, url) as send:
        await whole(await send())
        await whole(await send())
    assert "cookie" not in chaos.exchanges[1].fields


async def test_proxies_of_the_environment_are_not_used(kind, chaos, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with opened(kind, chaos.url) as send:
        assert await whole(await send()) == b"ok"


async def test_a_proxy_that_is_set_is_used(kind, chaos):
    async with opened(kind, "http://gemini.test", proxy=chaos.url) as send:
        assert await whole(await send("/v1beta/models")) == b"ok"
    assert chaos.exchanges[0].line == "POST http://gemini.test/v1beta/models HTTP/1.1"


async def test_a_proxy_that_refuses_is_unavailable(kind, chaos):
    async def script(exchange):
        await exchange.send(answer(b"", "403 Forbidden"))
        return True

    chaos.script = script
    async with opened(kind, "https://gemini.test", proxy=chaos.url) as send:
        with pytest.raises(UpstreamUnavailable) as caught:
            await send()
    assert not caught.value.again


async def test_one_transport_serves_a_second_life(kind, chaos):
    transport = kind(UpstreamSettings(url=chaos.url))
    request = Request("GET", chaos.url, {}, None, asyncio.get_running_loop().time() + FAR)
    for _ in range(2):
        assert await whole(await transport.send(request)) == b"ok"
        await transport.aclose()
    await transport.aclose()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def server_context(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def test_tls_works_with_the_certificates_of_a_file(kind, authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with (
        running(server_context(authority, "127.0.0.1")) as (chaos, url),
        opened(kind, url, ca_file=str(tmp_path / "ca.pem")) as send,
    ):
        assert await whole(await send()) == b"ok"
        assert await whole(await send()) == b"ok"
        assert chaos.connections == 1


@pytest.mark.parametrize("fault", ["unknown authority", "another host"])
async def test_a_refused_certificate_is_not_tried_again(kind, authority, tmp_path, fault):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ca_file = str(tmp_path / "ca.pem") if fault == "another host" else None
    name = "gemini.test" if fault == "another host" else "127.0.0.1"
    async with running(server_context(authority, name)) as (chaos, url), opened(kind, url, ca_file=ca_file) as send:
        with pytest.raises(UpstreamUnavailable, match="TLS") as caught:
            await send()
        assert (caught.value.again, chaos.hits) == (False, 0)


async def test_plain_http_where_tls_was_asked_for_fails(kind, chaos):
    async with opened(kind, chaos.url.replace("http:", "https:"), connect=5.0) as send:
        with pytest.raises(UpstreamError):
            await send()
    assert chaos.hits == 0
