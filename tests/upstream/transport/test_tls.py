"""Both transports over TLS and through proxies."""

import socket
import ssl

import msgspec
import pytest
import trustme

from adapter.upstream.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from adapter.upstream.transport.httpx2_transport import Httpx2Transport
from adapter.wire.gemini.pieces import Piece
from tests.support.chaos import answer, running
from tests.upstream.transport.sending import open_transport, whole

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def authority():
    """The issuer of certificates here."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    """The authority's own certificate."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def certificate_for(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def test_tls_works_with_the_certificates_of_a_file(kind, authority, ca_file):
    async with (
        running(certificate_for(authority, "127.0.0.1")) as (chaos, url),
        open_transport(kind, url, ca_file=ca_file) as send,
    ):
        assert await whole(await send()) == b"ok"
        assert await whole(await send()) == b"ok"
        pieces: list[Piece] = [b"begin", memoryview(msgspec.Raw(b"x" * 400_000)), b"", b"end"]
        assert await whole(await send(body=pieces)) == b"ok"
        assert chaos.exchanges[-1].body == b"".join(pieces)
        assert chaos.connections == 1


@pytest.mark.parametrize("size", [2_000, 100_000])
async def test_an_answer_before_the_body_was_taken_is_read_though_its_sender_closes(kind, authority, ca_file, size):
    async def refuses(exchange):
        await exchange.send(answer(b"too large", "413 Content Too Large", Connection="close"))
        return True

    async with (
        running(certificate_for(authority, "127.0.0.1")) as (chaos, url),
        open_transport(kind, url, ca_file=ca_file) as send,
    ):
        chaos.script, chaos.takes_bodies = refuses, False
        for _ in range(6):
            response = await send(body=b"x" * size)
            assert (response.status, await whole(response)) == (413, b"too large")


@pytest.mark.parametrize("fault", ["unknown authority", "another host"])
async def test_a_refused_certificate_is_not_tried_again(kind, authority, ca_file, fault):
    trusted = ca_file if fault == "another host" else None
    name = "gemini.test" if fault == "another host" else "127.0.0.1"
    async with (
        running(certificate_for(authority, name)) as (chaos, url),
        open_transport(kind, url, ca_file=trusted) as send,
    ):
        with pytest.raises(UpstreamUnavailable, match="TLS") as caught:
            await send()
        assert (caught.value.again, chaos.hits) == (False, 0)


async def test_plain_http_where_tls_was_asked_for_fails(kind, chaos):
    async with open_transport(kind, chaos.url.replace("http:", "https:")) as send:
        with pytest.raises(UpstreamError):
            await send()
    assert chaos.hits == 0


async def test_a_handshake_that_stalls_runs_into_the_connect_limit(kind):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with open_transport(kind, f"https://127.0.0.1:{silent.getsockname()[1]}", connect=0.2) as send:
            with pytest.raises(UpstreamTimeout) as caught:
                await send()
    assert caught.value.phase == "connect"


async def test_proxies_of_the_environment_are_not_used(kind, chaos, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with open_transport(kind, chaos.url) as send:
        assert await whole(await send()) == b"ok"


async def test_a_proxy_that_is_set_is_used(chaos):
    async with open_transport(Httpx2Transport, "http://gemini.test", proxy=chaos.url) as send:
        assert await whole(await send("/v1beta/models")) == b"ok"
    assert chaos.exchanges[0].line == "POST http://gemini.test/v1beta/models HTTP/1.1"


async def test_a_proxy_that_refuses_is_unavailable(chaos):
    async def script(exchange):
        await exchange.send(answer(b"", "403 Forbidden"))
        return True

    chaos.script = script
    async with open_transport(Httpx2Transport, "https://gemini.test", proxy=chaos.url) as send:
        with pytest.raises(UpstreamUnavailable) as caught:
            await send()
    assert not caught.value.again
