"""The data of the page at /: running requests, calls as they went, changes as they come, and its own forms."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from adapter import __version__
from adapter.server.endpoints.inspector import MAX_VIEWERS
from adapter.server.observe import changes
from adapter.server.observe.changes import Changes
from adapter.server.observe.exchange_log import MAX_EXCHANGES, Exchange, ExchangeLog
from adapter.translate.core.catalogue import CODES
from tests.support.guards import PATIENCE
from tests.support.scripted import adapter, answer, chat, frame, run_upstream

OWN = {"x-adapter-page": "1", "origin": "http://127.0.0.1", "host": "127.0.0.1", "content-type": "application/json"}


async def says_hello(call):
    await call.json(answer("Hello", surprise={"a": 1}))


def running(number):
    return Exchange(id=f"req_{number}", path="/v1/chat/completions", started_at=0.0, client="")


def message_of(frame):
    return json.loads(frame.partition(b"data: ")[2])


async def test_a_running_request_is_listed_at_once():
    release = asyncio.Event()

    async def hangs(call):
        await release.wait()
        await says_hello(call)

    async with run_upstream(hangs) as upstream, adapter(upstream) as client:
        sent = asyncio.create_task(client.post("/v1/chat/completions", json=chat("wait for me")))
        rows = []
        while not rows:
            rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
        release.set()
        await sent
        after = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert [(row["running"], row["outcome"], row["excerpt"]) for row in rows] == [(True, "running", "wait for me")]
    assert [(row["running"], row["tokens"]) for row in after] == [(False, [3, 2])]


async def test_tokens_of_thoughts_count_as_output():
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 64, "totalTokenCount": 69}

    async def thinks(call):
        await call.json({**answer("Hello"), "usageMetadata": usage})

    async with run_upstream(thinks) as upstream, adapter(upstream) as client:
        await client.post("/v1/chat/completions", json=chat("hi"), headers={"x-client-request-id": "one"})
        [row] = (await client.get("/inspector/exchanges")).json()["exchanges"]
        detail = (await client.get("/inspector/exchanges/one")).json()
    assert (row["tokens"], detail["tokens"]) == ([3, 66], [3, 66])


async def test_the_detail_has_each_call_with_its_attempts_and_what_came_byte_for_byte():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        named = {"x-client-request-id": "first"}
        await client.post("/v1/chat/completions", json={**chat("hi"), "n": 2, "temperature": 0.5}, headers=named)
        detail = (await client.get("/inspector/exchanges/first")).json()
    assert detail["was_sent"] is True
    assert [[attempt["outcome"] for attempt in call["attempts"]] for call in detail["calls"]] == [["ok"], ["ok"]]
    assert '"surprise"' in detail["calls"][0]["events"][0]["text"]
    notes = {note["path"]: note for note in detail["plan"]["notes"]}
    assert notes["temperature"]["targets"] == ["/generationConfig/temperature"]
    assert "key" not in json.dumps(detail["plan"]["headers"]).replace("x-goog-api-key", "")


async def test_what_never_went_to_gemini_is_said():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        named = {"x-client-request-id": "strict", "x-adapter-strict": "all"}
        refused = await client.post("/v1/chat/completions", json={**chat("hi"), "user": "a"}, headers=named)
        detail = (await client.get("/inspector/exchanges/strict")).json()
    assert refused.status_code == 400
    assert (detail["was_sent"], detail["calls"]) == (False, [])


async def test_a_running_stream_tells_when_gemini_said_something_last_and_who_asked():
    release = asyncio.Event()

    async def stalls(call):
        await call.start()
        await call.send(frame(answer("Hel", finish=None)))
        await release.wait()
        await call.send(frame(answer("lo")))
        await call.end()

    async with run_upstream(stalls) as upstream, adapter(upstream) as client:
        sent = asyncio.create_task(
            client.post(
                "/v1/chat/completions", json={**chat("hi"), "stream": True}, headers={"user-agent": "a program/1"}
            )
        )
        row: dict[str, Any] = {"last_event_ms": 0}
        while not row["last_event_ms"]:
            row = next(iter((await client.get("/inspector/exchanges")).json()["exchanges"]), row)
        release.set()
        await sent
    assert (row["running"], row["program"]) == (True, "a program/1")
    assert row["first_event_ms"] > 0


async def test_the_page_is_told_of_the_server_and_of_the_codes():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        facts = (await client.get("/inspector/about")).json()
        codes = (await client.get("/inspector/codes")).json()
    assert facts == {
        "version": __version__,
        "upstream": facts["upstream"],
        "emulator": False,
        "processes": 1,
        "needs_key": False,
    }
    assert [set(code) for code in codes] == [{"name", "severity", "sentence", "advice"}] * len(CODES)


async def test_a_signature_of_the_history_has_its_source_its_issuer_and_its_time():
    tools = [{"type": "function", "function": {"name": "look"}}]

    async def calls(call):
        await call.json(answer({"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2ln"}))

    async with run_upstream(calls) as upstream, adapter(upstream) as client:
        before = time.time()
        first = (await client.post("/v1/chat/completions", json={**chat("hi"), "tools": tools})).json()
        made = first["choices"][0]["message"]["tool_calls"][0]
        made.pop("extra_content", None)
        history = [
            *chat("hi")["messages"],
            {"role": "assistant", "tool_calls": [made]},
            {"role": "tool", "tool_call_id": made["id"], "content": "a"},
        ]
        body = {**chat("hi"), "messages": history, "tools": tools}
        await client.post("/v1/chat/completions", json=body, headers={"x-client-request-id": "second"})
        detail = (await client.get("/inspector/exchanges/second")).json()
    [signature] = detail["signatures"]
    assert before <= signature.pop("issued_at") <= time.time()
    assert signature == {
        "message": 1,
        "call": made["id"],
        "name": "look",
        "source": "id",
        "upstream": upstream.url.removeprefix("http://"),
    }


async def test_a_request_that_cannot_be_read_still_names_its_model():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        refused = await client.post("/v1/chat/completions", json={**chat("hi"), "temperature": "warm"})
        [row] = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert refused.status_code == 400
    assert (row["model_asked"], row["model"], row["status"]) == ("gemini-3.5-flash", "", 400)


async def test_with_client_keys_the_page_says_that_one_is_needed():
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("one",)) as client:
        shown = (await client.get("/inspector/about", headers={"authorization": "Bearer one"})).json()
        refused = await client.get("/inspector/about")
    assert shown["needs_key"] is True
    assert refused.status_code == 401


@pytest.mark.parametrize(
    ("content", "excerpt"),
    [
        ('two\nlines\tand a "quote"', 'two lines and a "quote"'),
        ("a face 😀 and a half \ud83d", "a face 😀 and a half �"),
        ("x" * 500, "x" * 120),
    ],
)
def test_an_excerpt_is_one_line_of_plain_text(content, excerpt):
    body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    assert Exchange(id="a", path="/", started_at=0.0, request=body).excerpt == excerpt


@pytest.mark.parametrize(
    ("size_bytes", "excerpt"), [(100, "begin"), (9_000, "begin"), (130_000, "begin"), (140_000, "")]
)
def test_an_excerpt_is_found_before_tools(size_bytes, excerpt):
    tools = [{"type": "function", "function": {"name": "f", "description": "x" * size_bytes}}]
    body = json.dumps({"messages": [{"role": "user", "content": "begin"}], "tools": tools}).encode()
    assert Exchange(id="a", path="/", started_at=0.0, request=body).excerpt == excerpt


async def test_a_page_that_is_closed_makes_room_for_another_at_once(monkeypatch):
    monkeypatch.setattr(changes, "ALIVE_EVERY_S", 10 * PATIENCE)
    async with run_upstream(says_hello) as upstream, adapter(upstream, heartbeat_after=10 * PATIENCE) as client:
        async with AsyncExitStack() as stack:
            for _ in range(MAX_VIEWERS):
                await stack.enter_async_context(client.stream("GET", "/inspector/changes"))
        status = 503
        while status == 503:
            async with client.stream("GET", "/inspector/changes") as response:
                status = response.status_code
    assert status == 200


async def test_more_pages_than_are_told_of_changes_are_asked_to_ask():
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(run_upstream(says_hello))
        client = await stack.enter_async_context(adapter(upstream))
        open_ones = [client.stream("GET", "/inspector/changes") for _ in range(MAX_VIEWERS + 1)]
        statuses = [(await stack.enter_async_context(one)).status_code for one in open_ones]
    assert statuses == [200] * MAX_VIEWERS + [503]


def test_changes_go_on_where_the_last_connection_ended():
    ring = ExchangeLog(enabled=True)
    one = running(1)
    ring.begin(one)
    first = Changes(ring, "").frame()
    ring.add(one)
    ring.add(running(2))
    last = first.partition(b"\n")[0].removeprefix(b"id: ").decode()
    again = message_of(Changes(ring, "", last).frame())
    assert (message_of(first)["reset"], again["reset"]) == (True, False)
    assert [row["id"] for row in again["rows"]] == ["req_2", "req_1"]
    assert message_of(Changes(ring, "", "other-9").frame())["reset"] is True


def test_nothing_is_told_twice_and_other_clients_hear_nothing():
    ring = ExchangeLog(enabled=True)
    own, others = Changes(ring, ""), Changes(ring, "another")
    assert message_of(own.frame())["rows"] == []
    others.frame()
    ring.add(running(1))
    assert [row["id"] for row in message_of(own.frame())["rows"]] == ["req_1"]
    assert (own.frame(), others.frame()) == (None, None)


def test_keeping_a_hundred_exchanges_costs_at_most_15_microseconds_each():
    ring = ExchangeLog(enabled=True)

    def spent():
        ones = [running(number) for number in range(MAX_EXCHANGES)]
        begun = time.thread_time()
        for one in ones:
            ring.begin(one)
            ring.add(one)
        return (time.thread_time() - begun) / MAX_EXCHANGES

    assert min(spent() for _ in range(5)) < 15e-6


@pytest.mark.parametrize("path", ["translate", "compare", "run"])
@pytest.mark.parametrize("lacking", ["x-adapter-page", "origin"])
async def test_no_other_page_can_use_the_forms(path, lacking):
    headers = {name: value for name, value in OWN.items() if name != lacking}
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(f"/inspector/{path}", json=chat("hi"), headers=headers)
        foreign = await client.post(
            f"/inspector/{path}", json=chat("hi"), headers={**OWN, "origin": "https://evil.example"}
        )
    assert (response.status_code, foreign.status_code, upstream.seen) == (403, 403, [])


async def test_a_pasted_request_is_translated_compared_and_run_by_the_page():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        body = {**chat("hi"), "user": "a"}
        shown = (await client.post("/inspector/translate", json=body, headers=OWN)).json()
        models = (await client.post("/inspector/compare", json=body, headers=OWN)).json()["models"]
        assert upstream.seen == []
        ran = await client.post("/inspector/run", json=body, headers=OWN)
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert "contents" in shown["body"]
    assert len(models) > 3
    assert all(row["losses"] or row["error"] for row in models)
    assert ran.json()["choices"][0]["message"]["content"] == "Hello"
    assert [row["path"] for row in rows] == ["/v1/chat/completions"]


async def test_capabilities_have_dates():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        shown = (await client.get("/inspector/capabilities")).json()
    assert all(row["checked"] for row in shown["rows"])
    assert any(row["until"] for row in shown["rows"])
