"""The promises of our own transport beyond the contract."""

import asyncio
import gzip
import random
import socket

import pytest

from adapter.upstream.errors import UpstreamProtocolError, UpstreamTruncated, UpstreamUnavailable
from adapter.upstream.transport.asyncio_transport import IDLE_TIMEOUT_S, AsyncioTransport
from adapter.upstream.transport.http1 import MAX_UNREAD, Connection
from tests.support.chaos import CHUNKED, OK, answer, chunk
from tests.upstream.transport.sending import open_transport, whole

pytestmark = pytest.mark.faults


async def test_an_answer_that_nobody_asked_for_is_never_anybodys(chaos):
    async def script(exchange):
        await exchange.send(OK)
        if exchange.hit == 1:
            await exchange.send(answer(b"smuggled"))
            await exchange.wait_closed()
        return exchange.hit == 1

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url) as send:
        assert await whole(await send()) == b"ok"
        await chaos.wait_for_connections()
        assert await whole(await send()) == b"ok"


async def test_an_answer_that_is_packed_and_cut_is_never_a_whole_one(chaos):
    packed = gzip.compress(random.Random(1).randbytes(10_000))

    async def script(exchange):
        await exchange.send(answer(packed[:-20], Content_Encoding="gzip"))

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url) as send:
        with pytest.raises(UpstreamTruncated):
            await whole(await send())


async def test_a_small_answer_that_opens_into_a_huge_one_comes_in_pieces(chaos):
    async def script(exchange):
        await exchange.send(answer(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"))

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url) as send:
        response = await send()
        assert max([len(await response.read()) for _ in range(5)]) <= 1024 * 1024
        await response.aclose()


async def test_an_answer_packed_in_another_way_is_refused(chaos):
    async def script(exchange):
        await exchange.send(answer(b"xx", Content_Encoding="br"))

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url) as send:
        with pytest.raises(UpstreamProtocolError):
            await whole(await send())


async def test_an_answer_may_come_before_the_request_is_sent_whole(chaos):
    chaos.takes_bodies = False

    async def script(exchange):
        await exchange.send(answer(b"too large", "413 Payload Too Large"))
        await exchange.wait_closed()
        return True

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url) as send:
        response = await send(body=bytes(30_000_000))
        assert (response.status, await whole(response)) == (413, b"too large")
        await chaos.wait_for_connections()


async def test_what_nobody_reads_stops_the_sender(chaos):
    sent = 0

    async def script(exchange):
        nonlocal sent
        await exchange.send(CHUNKED)
        while sent < 200_000_000:
            await exchange.send(chunk(bytes(100_000)))
            sent += 100_000

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url) as send:
        response = await send()
        before = -1
        while before < sent:
            before = sent
            await asyncio.sleep(0.2)
        assert MAX_UNREAD <= sent < 100_000_000
        assert await response.read()
        await response.aclose()


async def test_a_body_without_a_length_ends_with_its_connection(chaos):
    async def script(exchange):
        await exchange.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        return True

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url) as send:
        assert await whole(await send()) == b"all of it"
        assert await whole(await send()) == b"all of it"
    assert chaos.connections == 2


async def test_a_connection_that_was_idle_for_long_is_closed(chaos, monkeypatch):
    monkeypatch.setattr("adapter.upstream.transport.asyncio_transport.IDLE_TIMEOUT_S", -1.0)
    assert IDLE_TIMEOUT_S > 0
    async with open_transport(AsyncioTransport, chaos.url) as send:
        for _ in range(3):
            assert await whole(await send()) == b"ok"
            await asyncio.sleep(0.01)
    assert chaos.connections == 3


async def test_who_waits_for_a_place_gets_it_also_after_others_gave_up(chaos):
    release = asyncio.Event()

    async def script(exchange):
        await release.wait()
        await exchange.send(OK)

    chaos.script = script
    async with open_transport(AsyncioTransport, chaos.url, max_connections=1) as send:
        first = asyncio.create_task(send())
        while chaos.hits == 0:
            await asyncio.sleep(0)
        gone, last = asyncio.create_task(send()), asyncio.create_task(send())
        await asyncio.sleep(0.01)
        gone.cancel()
        release.set()
        assert await whole(await first) == b"ok"
        assert await whole(await last) == b"ok"
        outcomes = await asyncio.gather(gone, return_exceptions=True)
    assert outcomes[0] != b"ok"
    assert chaos.connections == 1


class Written(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.sent = []
        self.aborted = False

    def writelines(self, pieces):
        self.sent += pieces

    def abort(self):
        self.aborted = True


def connection():
    """One that idles, and where it writes to."""
    made, written = Connection(lambda _: None, lambda _: None), Written()
    made.connection_made(written)
    return made, written


async def test_what_came_before_the_request_has_left_is_no_answer_to_it():
    kept, written = connection()
    answering = kept.send_request(b"POST / HTTP/1.1\r\n\r\n", b"{}", 1e9, 1.0)
    kept.data_received(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
    with pytest.raises(UpstreamUnavailable) as told:
        await answering.head(1.0)
    await asyncio.sleep(0)
    assert (told.value.stale, written.sent, written.aborted) == (True, [], True)


async def test_a_call_that_is_given_up_before_it_has_left_does_not_leave():
    kept, written = connection()
    await kept.send_request(b"POST / HTTP/1.1\r\n\r\n", b"{}", 1e9, 1.0).aclose()
    await asyncio.sleep(0)
    assert (written.sent, written.aborted) == ([], True)


async def test_calls_of_one_turn_leave_in_the_next():
    kept, written = connection()
    kept.send_request(b"POST / HTTP/1.1\r\n\r\n", b"{}", 1e9, 1.0)
    assert written.sent == []
    await asyncio.sleep(0)
    assert written.sent == [b"POST / HTTP/1.1\r\n\r\n", b"{}"]
    kept.abort()


@pytest.mark.parametrize("fault", ["hangs", "fails"])
async def test_a_look_up_that_hangs_or_fails_leaves_the_addresses_of_the_last_one(chaos, monkeypatch, fault):
    monkeypatch.setattr("adapter.upstream.transport.asyncio_transport.DNS_TIMEOUT_S", 0.1)

    look_up, first = asyncio.get_running_loop().getaddrinfo, [True]

    async def failing_look_up(*arguments, **options):
        if not first:
            # uvloop looks the address up once more to connect to it.
            return await look_up(*arguments, **options)
        first.clear()
        if fault == "fails":
            raise socket.gaierror
        return await asyncio.Event().wait()

    chaos.script = lambda exchange: exchange.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    async with open_transport(AsyncioTransport, chaos.url) as send:
        assert await whole(await send()) == b"ok"
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", failing_look_up, raising=False)
        assert await whole(await send()) == b"ok"
