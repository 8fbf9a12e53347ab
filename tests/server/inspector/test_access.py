"""The page at / shows everybody's requests: only this machine's user sees it, not whoever comes through a proxy."""

import json
from contextlib import asynccontextmanager

import pytest

from tests.support.scripted import adapter, chat, run_upstream

PAGES = ("/", "/inspector/exchanges", "/inspector/exchanges/first")
TOKEN = "secret-token"
NGINX = "127.0.0.1:8081"
"""The Host that nginx sends by default: that of its `proxy_pass`."""


async def says_hello(call):
    await call.json({"candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}]})


@asynccontextmanager
async def page(upstream, token=TOKEN, **settings):
    """A client of an adapter whose page has a token, with one exchange, called `first`."""
    async with adapter(upstream, page_token=token, **settings) as client:
        named = {"x-client-request-id": "first", "authorization": "Bearer one"}
        await client.post("/v1/chat/completions", json=chat("a prompt"), headers=named)
        yield client


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "forwarded",
    [
        {"x-forwarded-for": "203.0.113.7"},
        {"x-forwarded-host": "chat.example"},
        {"x-forwarded-proto": "https"},
        {"X-Forwarded-Server": "a"},
        {"forwarded": "for=203.0.113.7"},
        {"via": "1.1 proxy"},
        {"x-real-ip": "203.0.113.7"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_the_page_is_off_for_who_comes_through_a_proxy_also_with_the_token(path, forwarded):
    async with run_upstream(says_hello) as upstream, page(upstream) as client:
        response = await client.get(path, params={"token": TOKEN}, headers={"host": NGINX, **forwarded})
    assert response.status_code == 403
    assert "--inspector" in response.json()["error"]["message"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("given", [{}, {"token": "wrong"}, {"token": ""}, {"token": "é"}], ids=str)
async def test_through_a_proxy_that_says_nothing_of_itself_the_page_wants_the_token(path, given):
    async with run_upstream(says_hello) as upstream, page(upstream) as client:
        response = await client.get(path, params=given, headers={"host": NGINX})
    assert response.status_code == 403
    assert "prompt" not in response.text


@pytest.mark.parametrize("path", PAGES[1:])
async def test_the_token_opens_what_the_page_reads(path):
    async with run_upstream(says_hello) as upstream, page(upstream) as client:
        response = await client.get(path, params={"token": TOKEN})
    assert response.status_code == 200
    assert "first" in response.text


async def test_the_printed_address_opens_the_page_once_and_for_all_and_leaves_the_address_bar():
    async with run_upstream(says_hello) as upstream, page(upstream) as client:
        opened = await client.get("/", params={"token": TOKEN}, follow_redirects=False)
        cookie = opened.headers["set-cookie"]
        shown = await client.get(opened.headers["location"])
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
        detail = (await client.get("/inspector/exchanges/first")).json()
    assert (opened.status_code, opened.headers["location"]) == (303, "./")
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "script.js" in shown.text
    assert [row["id"] for row in rows] == ["first"]
    assert "a prompt" in detail["request"]


async def test_each_server_of_a_machine_has_a_cookie_of_its_own():
    async with run_upstream(says_hello) as upstream, page(upstream) as one, page(upstream, token="other") as two:
        cookies = [
            (await client.get("/", params={"token": token}, follow_redirects=False)).headers["set-cookie"]
            for client, token in ((one, TOKEN), (two, "other"))
        ]
    assert len({cookie.partition("=")[0] for cookie in cookies}) == 2


async def test_with_keys_the_page_wants_the_key_and_no_token():
    async with run_upstream(says_hello) as upstream, page(upstream, client_keys=("one",)) as client:
        keyed = await client.get("/inspector/exchanges/first", headers={"authorization": "Bearer one"})
        other = await client.get("/inspector/exchanges/first", headers={"authorization": "Bearer two"})
        token = await client.get("/inspector/exchanges/first", params={"token": TOKEN})
    assert (keyed.status_code, other.status_code, token.status_code) == (200, 401, 401)


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-for": "203.0.113.7"}, {"host": "chat.example"}], ids=str)
async def test_a_page_that_the_operator_switched_on_is_for_whoever_may_call(headers):
    async with run_upstream(says_hello) as upstream, page(upstream, inspector=True) as client:
        assert (await client.get("/inspector/exchanges/first", headers=headers)).status_code == 200


async def test_the_page_works_below_any_path():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        html, script = [(await client.get(path)).text for path in ("/", "/inspector/script.js")]
    assert 'src="inspector/script.js"' in html
    assert 'href="inspector/style.css"' in html
    for text in (html, script):
        for quote in "\"'`":
            assert f"{quote}/inspector" not in text
            assert f"{quote}/v1" not in text


async def test_of_several_processes_one_says_that_another_may_have_the_exchange():
    async with run_upstream(says_hello) as upstream, adapter(upstream, workers=2) as client:
        await client.post("/v1/chat/completions", json=chat("a prompt"))
        listed = await client.get("/inspector/exchanges")
        missing = await client.get("/inspector/exchanges/other")
    assert listed.json()["processes"] == 2
    assert missing.status_code == 404
    assert "2 processes" in missing.json()["error"]["message"]
    # The next request comes by a new connection, which any of them may take.
    assert listed.headers["connection"] == missing.headers["connection"] == "close"
    assert json.loads(listed.text)["exchanges"]
