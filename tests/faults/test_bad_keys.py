"""Credentials that are none, in every place and form: one answer for all of them, and nobody behind it is asked."""

import asyncio
import hashlib
import json
import logging
import re
import time

import pytest
import pytest_asyncio

from adapter.server.http.router import ANY_METHOD, WEBSOCKET
from adapter.server.routes import ENDPOINTS
from adapter.settings import KnownClient, Settings
from tests.faults.rows import CHAT, serve
from tests.support.raw import BODY, head, raw, request
from tests.support.scripted import chat

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sk-right-5f3c9a"
KEYS = {"client_keys": ("other", SECRET), "clients": (KnownClient(name="a", key="third", models=("gemini-3.5-*",)),)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with serve(**KEYS) as made:
        yield made


async def ask(client, *fields, path=CHAT):
    """The answer to a request with these bytes as headers."""
    plain = head(path=path).replace(b"\r\n\r\n", b"\r\n")
    async with raw(client) as connection:
        await connection.send(plain + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + BODY)
        return await connection.answer()


WRONG = {
    "nothing": (),
    "another scheme": (b"Authorization: Basic x",),
    "a scheme alone": (b"Authorization: Bearer",),
    "a scheme and a blank": (b"Authorization: Bearer ",),
    "a key alone": (b"Authorization: " + SECRET.encode(),),
    "ten thousand characters": (b"Authorization: Bearer " + b"x" * 10_000,),
    "bytes beyond ASCII": (b"Authorization: Bearer \xff\xfe\xe2\x82\xac",),
    "the beginning of the right one": (b"Authorization: Bearer " + SECRET[:-1].encode(),),
    "the right one and more": (b"Authorization: Bearer " + SECRET.encode() + b"x",),
    "the right one in capitals": (b"Authorization: Bearer " + SECRET.upper().encode(),),
    "the right one's hash": (b"Authorization: Bearer sha256:" + hashlib.sha256(SECRET.encode()).hexdigest().encode(),),
    "a database's words": (b"Authorization: Bearer ' OR 1=1--",),
    "a template's words": (b"Authorization: Bearer {{7*7}}",),
    "two keys in one header": (b"Authorization: Bearer " + SECRET.encode() + b", Bearer x",),
    "a wrong one and the right one": (b"Authorization: Bearer x", b"Authorization: Bearer " + SECRET.encode()),
    "the right one and a wrong one": (b"Authorization: Bearer " + SECRET.encode(), b"Authorization: Bearer x"),
    "the right one twice": (b"Authorization: Bearer " + SECRET.encode(),) * 2,
    "a wrong one before the right one of Azure": (b"Authorization: Bearer x", b"api-key: " + SECRET.encode()),
    "Anthropic's header": (b"x-api-key: " + SECRET.encode(),),
    "a cookie": (b"Cookie: authorization=Bearer " + SECRET.encode(),),
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG.keys())
async def test_what_is_no_key_is_a_401_like_all_others(server, fields, caplog):
    caplog.set_level(logging.WARNING)
    upstream, client = server
    asked = len(upstream.seen)
    status, headers, body = await ask(client, *fields)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(body)["error"] == {
        "message": "Incorrect API key provided.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert len(upstream.seen) == asked
    assert caplog.records == []
    assert (await ask(client, b"Authorization: Bearer " + SECRET.encode()))[0] == 200


async def test_a_zero_byte_in_a_key_is_no_http(server):
    _, client = server
    assert (await ask(client, b"Authorization: Bearer a\0b"))[0] == 400


@pytest.mark.parametrize("name", ["key", "api_key", "api-key", "apikey", "access_token", "KEY"])
@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/models", "/v1/models/gemini-3.5-flash", "/"])
async def test_a_key_in_a_url_is_refused_and_not_repeated(server, path, name):
    upstream, client = server
    asked = len(upstream.seen)
    method = "POST" if path in (CHAT, "/v1/responses") else "GET"
    for headers in ({}, {"authorization": f"Bearer {SECRET}"}):
        response = await client.request(method, f"{path}?a=b&{name}={SECRET}", headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "key_in_url")
        assert SECRET not in response.text
    assert len(upstream.seen) == asked


async def test_a_client_has_its_limits_in_every_header(server):
    _, client = server
    body = {**chat(), "model": "gemini-3.8-pro"}
    for headers in ({"authorization": "Bearer third"}, {"api-key": "third"}, {"x-goog-api-key": "third"}):
        refused = await client.post(CHAT, json=body, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
        assert (await client.post(CHAT, json=chat(), headers=headers)).status_code == 200


LINKS = {"/v1/images/files/x/x", "/images/files/x/x"}
"""Links to images: who has the name, which nobody can guess, may look at it for an hour."""

OPEN = {"/healthz", "/readyz", "/openapi.json", *LINKS}
"""Routes that tell nothing of anybody, for whoever asks."""


def served_paths():
    """Every endpoint that is served, with each of its paths, a value for each name in them."""
    settings = Settings(upstream_url="http://127.0.0.1:1", upstream_keys=("k",), metrics=True, inspector=True)
    for endpoint in ENDPOINTS:
        if endpoint.is_served(settings):
            for path in endpoint.paths:
                yield endpoint, re.sub(r"{\w+(:path)?}", "x", path)


ROUTES = [
    ("GET" if endpoint.method == ANY_METHOD else endpoint.method, path)
    for endpoint, path in served_paths()
    # The page's own files say nothing of anybody.
    if endpoint.method != WEBSOCKET and "{file}" not in endpoint.path
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything():
    async with serve(**KEYS, metrics=True, inspector=True) as made:
        yield made


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda text: text)
async def test_every_route_wants_a_key(everything, method, path):
    upstream, client = everything
    for headers in ({}, {"authorization": "Bearer wrong"}, {"api-key": "wrong"}):
        response = await client.request(method, path, headers=headers)
        assert (response.status_code == 401) is (path not in OPEN), path
    assert upstream.seen == []


NOTHING = ["/docs", "/redoc", "/debug", "/admin", "/metrics", "/v1/", "/config", "/.env"]
ABSENT = ["/v1/videos", "/v1/assistants", "/v1/threads", "/v1/evals", "/v1/realtime/sessions", "/v1/fine_tuning/jobs"]


@pytest.mark.parametrize("path", NOTHING + ABSENT)
async def test_what_is_not_served_is_not_found_in_openais_shape(server, path, caplog):
    upstream, client = server
    asked = len(upstream.seen)
    for method in ("GET", "POST"):
        for headers in ({}, {"authorization": f"Bearer {SECRET}"}):
            response = await client.request(method, path, headers=headers)
            # What OpenAI has and this server has not is told to clients alone.
            assert response.status_code in ((404,) if headers else (404, 401))
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert len(upstream.seen) == asked
    assert caplog.records == []


SOCKETS = {path for endpoint, path in served_paths() if endpoint.method == WEBSOCKET}
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize("path", sorted({path for _, path in ROUTES} | {"/", "/inspector/script.js", "/nowhere"}))
async def test_a_websocket_is_opened_nowhere_without_a_key(everything, path):
    upstream, client = everything
    async with raw(client) as connection:
        await connection.send(request(*UPGRADE, path=path, method="GET", body=b""))
        answer = await connection.answer()
    assert answer is not None
    assert answer[0] == (401 if path in SOCKETS else 403)
    assert upstream.seen == []


async def test_an_upgrade_to_something_else_is_not_made(server):
    _, client = server
    for name in ("h2c", "TLS/1.2", "x"):
        status, headers, _ = await ask(
            client, b"Connection: Upgrade", b"Upgrade: " + name.encode(), b"Authorization: Bearer " + SECRET.encode()
        )
        assert status == 200
        assert "upgrade" not in headers


RELAYS = ("no-pattern-fits-this-one", "nor/this+one=&")


async def test_a_key_of_the_servers_is_not_repeated_whatever_it_looks_like():
    async def script(call):
        told = f"{call.request.headers['x-goog-api-key']} and {RELAYS[0]} and nor%2Fthis%2Bone%3D%26 failed"
        if "stream" in call.request.path:
            await call.stream({"error": {"code": 500, "message": told, "status": "INTERNAL"}})
        else:
            await call.json({"error": {"code": 400, "message": told, "status": "INVALID_ARGUMENT"}}, 400)

    async with serve(upstream_keys=RELAYS) as (upstream, client):
        upstream.script = script
        for _ in range(2):
            for path, body in ((CHAT, chat()), ("/v1/responses", {"model": "gemini-3.5-flash", "input": "hi"})):
                for stream in (False, True):
                    response = await client.post(path, json={**body, "stream": stream})
                    assert "[hidden] and [hidden] and [hidden] failed" in response.text
                    assert not any(key in response.text for key in (*RELAYS, "nor%2Fthis"))
        page = await client.get("/inspector/exchanges")
        assert not any(key in page.text for key in RELAYS)
    assert {one.headers["x-goog-api-key"] for one in upstream.seen} == set(RELAYS)
    assert not any("key" in one.path for one in upstream.seen)


async def test_websockets_that_are_refused_leave_nothing_behind(everything):
    _, client = everything
    paths = sorted({path for _, path in ROUTES})

    async def check_refusal(path):
        async with raw(client) as connection:
            await connection.send(request(*UPGRADE, path=path, method="GET", body=b""))
            assert (await connection.answer())[0] in (401, 403)

    await check_refusal("/v1/responses")
    before = len(asyncio.all_tasks())
    for path in paths * 3:
        await check_refusal(path)
    for _ in range(100):
        if len(asyncio.all_tasks()) <= before:
            break
        await asyncio.sleep(0.02)
    assert len(asyncio.all_tasks()) <= before


async def test_a_flood_of_wrong_keys_costs_little_and_keeps_nobody_out(server):
    upstream, client = server
    asked, begun = len(upstream.seen), time.process_time()
    for number in range(1_000):
        response = await client.post(CHAT, json=chat(), headers={"authorization": f"Bearer wrong-{number}"})
        assert response.status_code == 401
    assert time.process_time() - begun < 20
    assert len(upstream.seen) == asked
    assert (await client.post(CHAT, json=chat(), headers={"authorization": f"Bearer {SECRET}"})).status_code == 200


PAGES = {
    "a name that came to point here": ("evil.example:80", "http://evil.example:80", 403),
    "a name that only contains this one": ("localhost.evil.example", "https://localhost.evil.example", 403),
    "this machine's own page": ("localhost:80", "http://localhost:80", 200),
    "an application without a site": ("127.0.0.1:80", "app://obsidian.md", 200),
    "nobody's page": ("127.0.0.1:80", "null", 200),
    "a proxy before this one": ("adapter.example", None, 200),
}


@pytest.mark.parametrize(("host", "origin", "status"), PAGES.values(), ids=PAGES.keys())
async def test_a_page_whose_name_was_made_to_point_here_may_not_call(host, origin, status):
    headers = {"host": host, **({"origin": origin} if origin else {})}
    async with serve() as (upstream, client):
        response = await client.post(CHAT, json=chat(), headers=headers)
        assert response.status_code == status
        assert len(upstream.seen) == (status == 200)
        if status == 403:
            assert response.json()["error"]["code"] == "foreign_page"
    async with serve(allow_origins=(origin or "https://a.example",)) as (_, client):
        assert (await client.post(CHAT, json=chat(), headers=headers)).status_code == 200
