"""Requests that are no good HTTP, byte for byte: each is refused by its own connection, and the next one is served."""

import asyncio
import json
import logging
import re
from contextlib import suppress
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.support.raw import BODY, head, raw, request
from tests.support.scripted import adapter, answer, chat, run_upstream

SMUGGLED = b"0\r\n\r\nPOST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
PATH = "/v1/chat/completions"


class Row(NamedTuple):
    """A request's bytes, and the statuses that may answer it; none: the connection just ends."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]


def without_length(*fields, body):
    return head(*fields, length="x").replace(b"Content-Length: x\r\n", b"") + body


def chunked_request(body, *, more=()):
    return without_length("Transfer-Encoding: chunked", *more, body=body)


CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)
"""Headers that Java's HttpClient sends with its first request."""


REFUSED = [
    Row("a megabyte of one header", request("X: " + "a" * 1_000_000), (431,)),
    Row("headers one byte over the limit", request("X: " + "a" * 32_768), (431,)),
    Row("a hundred headers and one", request(*(f"X-{i}: a" for i in range(98))), (431,)),
    Row("ten thousand headers", request(*(f"X-{i}: a" for i in range(10_000))), (431,)),
    Row("a URL of a megabyte", request(path="/" + "a" * 1_000_000), (431, 400)),
    Row("no host", request(host=None), (400,)),
    Row("two hosts", request("Host: b"), (400,)),
    Row("a length and chunks", head("Transfer-Encoding: chunked", length=5) + SMUGGLED, (400,)),
    Row("two lengths", request("Content-Length: 3"), (400,)),
    Row("two equal lengths", request(f"Content-Length: {len(BODY)}"), (400,)),
    Row("a length with a sign", head(length="+5") + BODY, (400,)),
    Row("a hexadecimal length", head(length="0x5") + BODY, (400,)),
    Row("a negative length", head(length="-1") + BODY, (400,)),
    Row("another transfer encoding", without_length("Transfer-Encoding: xchunked", body=SMUGGLED), (400,)),
    Row("a chunk size of seventeen digits", chunked_request(b"f" * 17 + b"\r\n"), (400,)),
    Row("a chunk size that is no number", chunked_request(b"zz\r\n"), (400,)),
    Row("a folded header", request("X: a\r\n b"), (400,)),
    Row("lines that end without a return", request().replace(b"\r\n", b"\n", 3), (400,)),
    Row("a blank before the colon", request("X : a"), (400,)),
    Row("a zero byte in a header", request("X: a\0b"), (400,)),
    Row("HTTP/0.9", b"GET /healthz\r\n\r\n", (400,)),
    Row("HTTP/1.2", request().replace(b"HTTP/1.1", b"HTTP/1.2"), (400,)),
    Row("HTTP/3.0", request().replace(b"HTTP/1.1", b"HTTP/3.0"), (400,)),
    Row("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
    Row("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200, (400,)),
    Row("a method that there is not", request().replace(b"POST", b"FOO"), (400,)),
    Row("garbage", b"\x00\x01garbage\r\n\r\n", (400,)),
]

ROUTED = [
    Row("TRACE", request(method="TRACE"), (405,)),
    Row("CONNECT", b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\n\r\n", (400, 404, 405)),
    Row("CONNECT to a path", request(method="CONNECT"), (405,)),
    Row("CONNECT to another URL", request(method="CONNECT", path="http://evil.example" + PATH), (405,)),
    Row("a way around", request(path="/v1/../v1/chat/completions"), (404,)),
    Row("capital letters", request(path=PATH.upper()), (404,)),
    Row("a model that leads up", request(path="/v1/models/..%2f..%2f", method="GET", body=b""), (404,)),
    Row("a model that leads up by dots alone", request(path="/v1/models/%2e%2e/x", method="GET", body=b""), (404,)),
    Row("a zero byte in a model", request(path="/v1/models/a%00", method="GET", body=b""), (404,)),
    Row("bytes that are no UTF-8 in a model", request(path="/v1/models/%ff", method="GET", body=b""), (404,)),
    Row("a body that says it is too large", head(length=33 * 1024 * 1024), (413,)),
    Row("a length of twenty digits", head(length="1" * 20) + BODY, (413,)),
    Row("one that asks whether it may be", head("Expect: 100-continue", length=33 * 1024 * 1024), (413,)),
    *(
        Row(f"the content type {kind!r}", request().replace(b"application/json", kind), (415,))
        for kind in (
            b"text/plain",
            b"text/plain; application/json",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=x",
            b"application/json; charset=utf-16",
            b"application/json; charset=utf-32",
            b"application/jsonx",
            b"text/json",
            b"x",
        )
    ),
    Row(
        "a page's body without a content type",
        request("Origin: https://evil.example").replace(b"Content-Type: application/json\r\n", b""),
        (415,),
    ),
    Row("a page's body of an empty content type", request("Origin: null").replace(b"application/json", b""), (415,)),
    Row("a body packed with brotli", request("Content-Encoding: br"), (415,)),
    Row("a body packed twice", request("Content-Encoding: gzip, gzip"), (415,)),
    Row("a body packed with gzip", request("Content-Encoding: gzip"), (415,)),
    Row("a body packed in an unknown way", request("Content-Encoding: x"), (415,)),
]

SERVED = [
    Row("a slash in front", request(path="/" + PATH), (200,)),
    Row("a slash at the end", request(path=PATH + "/"), (200,)),
    Row("ten thousand query parameters", request(path=PATH + "?" + "&".join(f"a{i}=1" for i in range(2_000))), (200,)),
    Row("a whole URL in the first line", request(path="http://evil.example" + PATH), (200,)),
    Row("a host with a path", request(host="Host: a/admin?x=#"), (200,)),
    Row("a host that is none", request(host="Host: [::1"), (200,)),
    Row("headers up to the limit", request("X: " + "a" * 32_500), (200,)),
    *(
        Row(f"the content type {kind!r}", request().replace(b"application/json", kind), (200,))
        for kind in (
            b"",
            b"application/json; charset=utf-8",
            b'Application/JSON ; Charset="UTF-8"',
            b"application/x+json",
        )
    ),
    Row("no content type", request().replace(b"Content-Type: application/json\r\n", b""), (200,)),
    Row("an offer of HTTP/2", request(*H2C), (200,)),
    Row("an offer of HTTP/2 in two pieces of a connection header", request(H2C[1], "Connection: x, upgrade"), (200,)),
    Row("an offer of HTTP/2 before chunks", chunked_request(CHUNKS, more=H2C), (200,)),
    Row("an offer of TLS", request("Connection: Upgrade", "Upgrade: TLS/1.2"), (200,)),
    Row("an offer without an upgrade", request("Upgrade: h2c"), (200,)),
    Row("HTTP/1.0 without a host", request(host=None).replace(b"HTTP/1.1", b"HTTP/1.0"), (200,)),
]


async def says_hello(call):
    if call.request.method == "GET":
        await call.json({"error": {"code": 404, "status": "NOT_FOUND", "message": "no"}}, 404)
    else:
        await call.json(answer("Hello"))


async def ask(client, sent):
    async with raw(client) as connection:
        # Read at once: a connection that is reset while much is on its way to the server loses what was not read.
        answering = asyncio.create_task(connection.answer())
        with suppress(ConnectionError):
            await connection.send(sent)
        first = await answering
        closing = first is None or first[1].get("connection") == "close"
        return first, await connection.rest() if closing else b""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        yield upstream, client


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
async def test_bad_http_is_refused_and_the_connection_closed(server, row, caplog):
    caplog.set_level(logging.WARNING)
    upstream, client = server
    upstream.seen.clear()
    first, rest = await ask(client, row.sent)
    assert upstream.seen == []
    assert (await client.post(PATH, json=chat())).status_code == 200
    assert first is not None, "the connection ended without an answer"
    assert first[0] in row.statuses
    assert set(json.loads(first[2])["error"]) == {"message", "type", "param", "code"}
    assert first[1]["connection"] == "close"
    assert rest == b""
    assert caplog.records == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROUTED, ids=lambda row: row.name)
async def test_what_is_not_served_is_told_by_status(server, row, caplog):
    caplog.set_level(logging.WARNING)
    upstream, client = server
    upstream.seen.clear()
    first, _ = await ask(client, row.sent)
    assert [one for one in upstream.seen if one.method != "GET" or ".." in one.path] == []
    assert (await client.post(PATH, json=chat())).status_code == 200
    assert first[0] in row.statuses
    assert set(json.loads(first[2])["error"]) == {"message", "type", "param", "code"}
    assert caplog.records == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.name)
async def test_what_is_only_odd_is_served_alike(server, row):
    upstream, client = server
    upstream.seen.clear()
    first, _ = await ask(client, row.sent)
    [seen] = upstream.seen
    assert seen.path == "/v1beta/models/gemini-3.5-flash:generateContent"
    assert seen.body == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert first[0] in row.statuses


async def test_fifty_megabytes_of_headers_are_cut_off():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client, raw(client) as connection:
        sent = 0
        try:
            await connection.send(b"POST / HTTP/1.1\r\nX: ")
            while sent < 50_000_000:
                await connection.send(b"a" * 65_536)
                sent += 65_536
        except ConnectionError:
            pass
    assert sent < 20_000_000


async def test_a_body_that_grows_past_the_limit_is_cut_off():
    async with run_upstream(says_hello) as upstream, adapter(upstream, max_body=100_000) as client, raw(client) as one:
        await one.send(chunked_request(b""))
        # Read at once: a connection that is reset while much is on its way to the server loses what was not read.
        first = asyncio.create_task(one.answer())
        with suppress(ConnectionError):
            for _ in range(100):
                await one.send(b"2710\r\n" + b" " * 10_000 + b"\r\n")
        assert (await first)[0] == 413
        assert (await client.post(PATH, json=chat())).status_code == 200
    assert len(upstream.seen) == 1


async def test_nothing_dangerous_is_handed_on():
    sent = request(
        "Connection: x-secret",
        "X-Secret: 1",
        "X-Forwarded-For: 1.2.3.4",
        "X-Goog-User-Project: p",
        "X-Goog-Api-Key: theirs",
        "Metadata-Flavor: Google",
        "Cookie: a=b",
        "Forwarded: for=1.2.3.4",
        "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-Request-Id: a%0d%0ab",
        "X-Stainless-Lang: python",
    )
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        first, _ = await ask(client, sent)
    assert first[0] == 200
    built = {"host", "content-type", "content-length", "user-agent", "accept", "accept-encoding", "connection"}
    known = built | {"x-goog-api-key", "x-goog-api-client", "x-server-timeout"}
    assert set(upstream.seen[0].headers) <= known
    assert upstream.seen[0].headers["x-goog-api-key"] == "k"
    assert upstream.seen[0].headers.get("connection", "keep-alive") == "keep-alive"


IDS = [b"x" * 10_000, b"a%0d%0ab", b"a b", b'"}{"level":"fatal', b"\xff\xfe", b"a\tb", b"../x", b"a;b", b""]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sent", IDS, ids=lambda sent: repr(sent[:12]))
async def test_a_request_id_that_is_none_is_replaced(server, sent):
    upstream, client = server
    upstream.seen.clear()
    for name in (b"X-Request-Id", b"X-Client-Request-Id"):
        plain = request("Z: z").replace(b"Z: z", name + b": " + sent)
        first, _ = await ask(client, plain)
        assert first[0] == 200
        assert re.fullmatch(r"req_\w+", first[1]["x-request-id"])
    assert len(upstream.seen) == 2
    assert not any(sent.decode("latin-1") in str(one.headers.values()) for one in upstream.seen if len(sent) > 3)


SLOW = {
    "nothing at all": b"",
    "an empty line": b"\r\n",
    "half a head": b"POST /v1/chat/completions HTTP/1.1\r\nHo",
    "half a body": head() + BODY[:10],
    "half a chunk": chunked_request(b"ff\r\nabc"),
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("before", [b"", request()], ids=["first", "second"])
async def test_a_client_that_says_no_more_is_not_waited_for(sent, before):
    limits = {"header_timeout": 0.2, "body_timeout": 0.2}
    async with run_upstream(says_hello) as upstream, adapter(upstream, **limits) as client, raw(client) as connection:
        if before:
            await connection.send(before)
            assert (await connection.answer())[0] == 200
        await connection.send(sent)
        last = await connection.answer()
        assert (last is None) is (sent in (b"", b"\r\n"))
        if last is not None:
            assert (last[0], json.loads(last[2])["error"]["code"]) == (408, "request_timeout")
            assert last[1]["x-should-retry"] == "false"
        assert await connection.rest() == b""
    assert len(upstream.seen) == bool(before)


async def test_a_body_that_only_drips_is_not_waited_for():
    async with (
        run_upstream(says_hello) as upstream,
        adapter(upstream, body_timeout=0.3) as client,
        raw(client) as one,
    ):
        await one.send(head())
        try:
            for byte in BODY:
                await one.send(bytes([byte]))
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        assert (await one.answer() or (408,))[0] == 408
    assert upstream.seen == []


async def test_a_body_that_comes_steadily_may_take_longer_than_the_limit():
    body = json.dumps(chat("x" * 40_000)).encode()
    async with (
        run_upstream(says_hello) as upstream,
        adapter(upstream, body_timeout=0.1) as client,
        raw(client) as one,
    ):
        await one.send(head(length=len(body)))
        for start in range(0, len(body), 2_000):
            await one.send(body[start : start + 2_000])
            await asyncio.sleep(0.02)
        assert (await one.answer())[0] == 200


async def test_an_answer_that_takes_longer_than_the_limits_is_waited_for():
    async def slow(call):
        await asyncio.sleep(0.5)
        await call.json(answer("Hello"))

    limits = {"header_timeout": 0.1, "body_timeout": 0.1}
    async with run_upstream(slow) as upstream, adapter(upstream, **limits) as client, raw(client) as connection:
        for _ in range(2):
            await connection.send(request())
            assert (await connection.answer())[0] == 200


async def test_two_requests_at_once_are_answered_one_after_the_other():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client, raw(client) as connection:
        await connection.send(request() + request())
        assert [(await connection.answer())[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("cut", [1, 30, 200, 250, 400])
async def test_an_offer_of_another_protocol_may_come_in_pieces_and_costs_no_request(cut):
    sent = request(*H2C) + request() + request(*H2C, "Connection: close")
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client, raw(client) as connection:
        for start in range(0, len(sent), cut):
            await connection.send(sent[start : start + cut])
            await asyncio.sleep(0)
        answers = [await connection.answer() for _ in range(3)]
        assert [one and one[0] for one in answers] == [200, 200, 200]
        assert answers[-1][1]["connection"] == "close"
        assert await connection.rest() == b""
    assert len({json.dumps(one.body) for one in upstream.seen}) == 1


async def test_garbage_behind_a_request_costs_nobody_an_answer_of_another():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client, raw(client) as connection:
        await connection.send(request() + b"\x00garbage\r\n\r\n")
        everything = await connection.rest()
        assert b" 400 " not in everything
        assert (await client.post(PATH, json=chat())).status_code == 200


async def test_the_limits_of_a_head_are_the_operators():
    async with (
        run_upstream(says_hello) as upstream,
        adapter(upstream, max_header_bytes=2_000, max_headers=20) as client,
    ):
        assert (await ask(client, request("X: " + "a" * 2_000)))[0][0] == 431
        assert (await ask(client, request(*(f"X-{i}: a" for i in range(20)))))[0][0] == 431
        assert (await ask(client, request(*(f"X-{i}: a" for i in range(10)))))[0][0] == 200


async def test_who_sends_on_after_the_answer_is_not_listened_to_for_ever():
    async with (
        run_upstream(says_hello) as upstream,
        adapter(upstream, max_body=1_000) as client,
        raw(client) as connection,
    ):
        await connection.send(chunked_request(b"2710\r\n" + b" " * 10_000 + b"\r\n"))
        assert (await connection.answer())[0] == 413
        with suppress(ConnectionError):
            for _ in range(1_000):
                await connection.send(b"2710\r\n" + b" " * 10_000 + b"\r\n")
                await asyncio.sleep(0.01)
            pytest.fail("it was listened to for ten seconds")
    assert upstream.seen == []


async def test_who_sends_the_rest_after_the_answer_may_ask_again():
    keys = {"client_keys": ("right",)}
    async with run_upstream(says_hello) as upstream, adapter(upstream, **keys) as client, raw(client) as connection:
        await connection.send(head())
        assert (await connection.answer())[0] == 401
        await connection.send(BODY + request("Authorization: Bearer right"))
        assert (await connection.answer())[0] == 200
