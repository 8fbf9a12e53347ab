"""Connections to Gemini that are not made, not in time, not with whom they should be, or not with anybody's answer."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import aiohappyeyeballs
import msgspec
import pytest
import trustme

from adapter.settings import upstream_settings
from tests.faults.upstreams import (
    GOOD,
    LATE,
    LIMITS,
    LOST,
    PATH,
    Named,
    answer_bytes,
    check_error,
    check_stream,
    check_whole,
    http_error,
    says,
    streams,
)
from tests.faults.upstreams import Whole as Says
from tests.support.chaos import CHUNKED, chunk, running
from tests.support.scripted import adapter, answer, chat

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def check(response, expected, *, stream):
    (check_stream if stream else check_whole)(response, expected)


@contextmanager
def reserve_port() -> Iterator[socket.socket]:
    """A port where nobody listens yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free


def url_of(bound, scheme="http"):
    return f"{scheme}://127.0.0.1:{bound.getsockname()[1]}"


@BOTH
async def test_a_refused_connection_is_tried_once_more(stream, monkeypatch):
    """The listener opens when the first connection has been refused."""
    connect, tries, servers = aiohappyeyeballs.start_connection, [], []
    async with running() as (chaos, _):
        chaos.script = GOOD
        with reserve_port() as port:

            async def opening(*args, **kwargs):
                tries.append(1)
                try:
                    return await connect(*args, **kwargs)
                except OSError:
                    servers.append(await asyncio.start_server(chaos.serve, sock=port))
                    raise

            monkeypatch.setattr(aiohappyeyeballs, "start_connection", opening)
            async with adapter(Named(url_of(port)), retries=1) as client:
                check(await client.post(PATH, json=chat(stream=stream)), Says("!"), stream=stream)
            servers[0].close()
    assert (len(tries), chaos.hits) == (2, 1)


@pytest.mark.parametrize("kind", ["fails", "is slow"])
async def test_a_name_that_is_not_resolved_is_told_without_the_name_and_holds_up_nobody(kind, monkeypatch):
    resolve, asked, release = asyncio.get_running_loop().getaddrinfo, [], asyncio.Event()

    async def resolver(host, *args, **kwargs):
        if host != "secret-project.test":
            return await resolve(host, *args, **kwargs)
        asked.append(host)
        if kind == "is slow":
            await release.wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver)
    async with adapter(Named("http://secret-project.test"), retries=1, connect_timeout=0.3) as client:
        asking = asyncio.create_task(client.post(PATH, json=chat()))
        while not asked:
            await asyncio.sleep(0.01)
        assert (await client.get("/healthz")).status_code == 200
        response = await asking
    check_error(response, LOST if kind == "fails" else LATE)
    assert "secret-project" not in response.text
    assert len(asked) == 2


@asynccontextmanager
async def over_tls(authority, certificate, monkeypatch):
    """A server with this certificate, and an adapter that trusts the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    certificate.configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    for transport in ("asyncio_transport", "httpx2_transport"):
        monkeypatch.setattr(f"adapter.upstream.transport.{transport}.tls_context", lambda *_: trusting)
    async with running(context) as (chaos, url):
        yield chaos, url


def certificates(fault: str) -> tuple[trustme.CA, trustme.LeafCert]:
    """An authority that is trusted, and a certificate that is no good."""
    authority = trustme.CA()
    match fault:
        case "another name":
            return authority, authority.issue_cert("another.test")
        case "expired":
            return authority, authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
        case "another authority":
            return authority, trustme.CA().issue_cert("127.0.0.1")
        case _:
            return authority, authority.issue_cert("127.0.0.1")


@BOTH
@pytest.mark.parametrize("fault", ["another name", "expired", "another authority"])
async def test_a_certificate_that_is_no_good_is_refused_at_once(fault, stream, monkeypatch):
    async with over_tls(*certificates(fault), monkeypatch) as (chaos, url), adapter(Named(url), retries=1) as client:
        check_error(await client.post(PATH, json=chat(stream=stream)), LOST)
        assert (chaos.hits, chaos.connections) == (0, 0)


@pytest.mark.parametrize("carrier", ["asyncio", "httpx2"])
async def test_http_2_is_not_spoken_also_where_it_is_offered(carrier, monkeypatch):
    async with (
        over_tls(*certificates("none"), monkeypatch) as (chaos, url),
        adapter(Named(url), upstream_http=carrier) as client,
    ):
        chaos.script = GOOD
        check_whole(await client.post(PATH, json=chat()), Says("!"))
        spoken = chaos.exchanges[0].writer.get_extra_info("ssl_object").selected_alpn_protocol()
    assert spoken in (None, "http/1.1")
    assert chaos.exchanges[0].line.endswith("HTTP/1.1")


@BOTH
async def test_a_handshake_that_stalls_ends_with_the_time_to_connect(stream):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with adapter(Named(url_of(server.sockets[0], "https")), connect_timeout=0.2, retries=1) as client:
        check_error(await client.post(PATH, json=chat(stream=stream)), LATE)
    server.close()


async def test_plain_http_where_tls_was_asked_for_is_no_connection():
    async with running() as (chaos, url), adapter(Named(url.replace("http:", "https:")), connect_timeout=0.5) as client:
        chaos.script = GOOD
        response = await client.post(PATH, json=chat())
        assert response.status_code in (502, 504)
        assert chaos.hits == 0


@BOTH
async def test_a_pool_without_a_free_connection_is_told_and_then_serves_again(stream, monkeypatch):
    def small(settings):
        return msgspec.structs.replace(upstream_settings(settings), max_connections=4)

    release = asyncio.Event()

    async def waits(exchange):
        await exchange.send(CHUNKED + chunk(b"data: " + msgspec.json.encode(answer("a", finish=None)) + b"\n\n"))
        await release.wait()
        await exchange.send(chunk(b"data: " + msgspec.json.encode(answer("!")) + b"\n\n") + chunk(b""))

    monkeypatch.setattr("adapter.server.app.upstream_settings", small)
    async with running() as (chaos, url), adapter(Named(url), connect_timeout=0.3) as client:
        chaos.script = waits
        running_ones = [asyncio.create_task(client.post(PATH, json=chat(stream=True))) for _ in range(4)]
        while chaos.hits < 4:
            await asyncio.sleep(0.01)
        refused = await client.post(PATH, json=chat(stream=stream))
        check_error(refused, (503, "overloaded"))
        assert (refused.headers["retry-after"], chaos.hits) == ("1", 4)
        release.set()
        for one in running_ones:
            check_stream(await one, Says("a!"))
        chaos.script = GOOD
        check(await client.post(PATH, json=chat(stream=stream)), Says("!"), stream=stream)
        assert chaos.connections == 4


@BOTH
async def test_a_connection_that_was_closed_while_it_was_idle_is_not_noticed(stream):
    async def closes(exchange):
        await GOOD(exchange)
        return True

    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = closes
        for _ in range(3):
            check(await client.post(PATH, json=chat(stream=stream)), Says("!"), stream=stream)
            await chaos.wait_for_connections()
        assert (chaos.hits, chaos.connections) == (3, 3)


@BOTH
async def test_a_silent_upstream_leaves_another_one_to_answer(stream):
    async with running() as (silent, first), running() as (good, second):
        silent.script, good.script = says(then="hang"), GOOD
        other = {"upstream_url": second, "upstream_keys": ["other"], "upstream_name": "other"}
        async with adapter(Named(first), fallback_upstreams=(other,), **LIMITS) as client:
            response = await client.post(PATH, json=chat(stream=stream))
            check(response, Says("!"), stream=stream)
            await silent.wait_for_connections()
        assert (silent.hits, good.hits) == (1, 1)
        assert response.headers["x-adapter-upstream"] == "other"
        assert good.exchanges[0].fields["x-goog-api-key"] == "other"


@BOTH
async def test_a_refusal_that_comes_before_the_body_was_sent_is_that_refusal(stream):
    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.takes_bodies = False
        refusal = answer_bytes({"error": {"code": 413, "message": "too large"}}, "413 X", connection="close")

        async def script(exchange):
            await refusal(exchange)
            await exchange.wait_closed()
            return True

        chaos.script = script
        check_error(await client.post(PATH, json=chat("x" * 8_000_000, stream=stream)), (413, None))
        assert chaos.hits == 1
        chaos.takes_bodies, chaos.script = True, GOOD
        check(await client.post(PATH, json=chat(stream=stream)), Says("!"), stream=stream)


@pytest.mark.parametrize("own_key", [False, True], ids=["the servers key", "the clients key"])
async def test_a_relay_that_refuses_the_key_tells_no_browser_to_ask_for_another(own_key):
    refusal = answer_bytes({"error": {"code": 401, "message": "no"}}, "401 X", www_authenticate='Basic realm="secret"')
    given = {"upstream_auth": "caller", "upstream_keys": ()} if own_key else {"upstream_auth": "bearer"}
    async with running() as (chaos, url), adapter(Named(url), retries=1, **given) as client:
        chaos.script = refusal
        response = await client.post(PATH, json=chat(), headers={"authorization": "Bearer mine"})
        check_error(response, (401, "invalid_api_key") if own_key else (502, "upstream_auth_failed"))
        assert "www-authenticate" not in response.headers
        assert "secret" not in str(response.headers) + response.text
        assert chaos.hits == 1


async def test_two_candidates_whose_events_are_mixed_have_one_finish_each():
    def event(index, text, finish=None):
        return b"data: " + msgspec.json.encode(answer(text, finish=finish, index=index)) + b"\n\n"

    first, then = [event(0, "a"), event(1, "x"), event(1, "y", "STOP")], [event(0, "b", "STOP"), event(1, "", "STOP")]
    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = streams(*first, *then, b"", then="keep")
        request = {**chat(stream=True, n=2), "model": "gemini-2.5-flash"}
        response = await client.post(PATH, json=request)
    chunks = [msgspec.json.decode(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    choices = [choice for one in chunks for choice in one["choices"]]
    for index, text in ((0, "ab"), (1, "xy")):
        own = [choice for choice in choices if choice["index"] == index]
        assert "".join(choice["delta"].get("content") or "" for choice in own) == text
        assert [choice["finish_reason"] for choice in own if choice["finish_reason"]] == ["stop"]
    assert chaos.hits == 1


async def test_a_blocked_prompt_is_a_refusal_and_no_error():
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = answer_bytes(blocked)
        whole = (await client.post(PATH, json=chat())).json()["choices"][0]
        assert (whole["finish_reason"], bool(whole["message"]["refusal"])) == ("content_filter", True)
        chaos.script = streams(b"data: " + msgspec.json.encode(blocked) + b"\n\n", b"", then="keep")
        streamed = (await client.post(PATH, json=chat(stream=True))).text
        assert '"finish_reason":"content_filter"' in streamed
        assert streamed.endswith("data: [DONE]\n\n")
    async with running() as (chaos, url), adapter(Named(url), blocked_prompt="error") as client:
        chaos.script = answer_bytes(blocked)
        check_error(await client.post(PATH, json=chat()), (400, "content_policy_violation"))


async def test_a_key_that_is_dead_is_told_to_the_operator_once(caplog):
    async def script(exchange):
        dead = http_error(403, "PERMISSION_DENIED", "Your API key was reported as leaked.")
        return await (dead if exchange.fields["x-goog-api-key"] == "first-key" else GOOD)(exchange)

    async with running() as (chaos, url), adapter(Named(url), upstream_keys=("first-key", "next-key")) as client:
        chaos.script = script
        for _ in range(4):
            check_whole(await client.post(PATH, json=chat()), Says("!"))
    assert [one.getMessage() for one in caplog.records if one.name == "adapter"] == [
        "API key 1 of 2 is invalid and no longer used: replace it"
    ]
