"""A request goes elsewhere when its first place fails: other upstreams, other models. On real sockets."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapter.emulator import EmulatorSettings, create_emulator
from adapter.upstream.policy.circuit_breaker import LEAST_CALLS
from tests.support import stateful
from tests.support.circuits import still_circuits
from tests.support.responses_socket import create, receive_events
from tests.support.responses_socket import socket as responses_socket
from tests.support.scripted import adapter, answer, chat, events, frame, run_upstream, serving
from tests.support.stateful import wait_for_response

pytestmark = pytest.mark.faults

PATH = "/v1/chat/completions"
FULL = {"x-adapter-notes": "full"}
STRICT = {"x-adapter-strict": "true"}


def fails_with(code, message="no", **more):
    async def script(call):
        await call.json({"error": {"code": code, "message": message, **more}}, code)

    return script


def says(text):
    async def script(call):
        if "stream" in call.request.path:
            await call.stream(answer(f"{text} ", finish=None), answer("indeed"))
        else:
            await call.json(answer(f"{text} indeed"))

    return script


def by_model(**scripts):
    """A script for each model, by its name with underscores; all others say who they are."""

    async def script(call):
        model = model_of(call.request)
        await scripts.get(model.replace("-", "_").replace(".", "_"), says(model))(call)

    return script


async def hangs(_call):
    await asyncio.Event().wait()


async def hangs_up(call):
    call.writer.close()


async def sends_a_page(call):
    await call.json(b"<html>", 502)


async def says_nothing(call):
    await call.stream()


async def breaks_off(call):
    await call.start()
    await call.send(frame(answer("half", finish=None)))
    call.writer.close()


def model_of(seen):
    return seen.path.split("/models/")[1].split(":")[0]


def asked_models(upstream):
    return [model_of(seen) for seen in upstream.seen]


def further(*upstreams, **more):
    """Settings that name further upstreams."""
    tables = [
        {"upstream_url": one.url, "upstream_keys": ["k2"], "upstream_name": f"other{number}", **more}
        for number, one in enumerate(upstreams, 1)
    ]
    return {"fallback_upstreams": tuple(tables)}


@asynccontextmanager
async def two(first, second, **settings):
    """An adapter with two upstreams."""
    async with (
        run_upstream(first) as one,
        run_upstream(second) as other,
        adapter(one, **{**further(other), **settings}) as client,
    ):
        yield client, one, other


async def text_of(client, *, stream=False, headers=None, **fields):
    """An answer and what it says."""
    response = await client.post(PATH, json=chat(stream=stream, **fields), headers={**FULL, **(headers or {})})
    if response.status_code != 200:
        return response, ""
    if not stream:
        return response, response.json()["choices"][0]["message"]["content"]
    chunks = [json.loads(payload) for payload in events(response.text) if payload != "[DONE]"]
    return response, "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks if one["choices"])


def ledger(response):
    """The notes about where a request went."""
    found = [json.loads(payload) for payload in events(response.text) if payload != "[DONE]"] or [response.json()]
    notes = found[-1]["extra_content"]["adapter"]["notes"]
    return {note["path"]: note["reason"] for note in notes if note["path"] in ("model", "upstream") and note["reason"]}


FAILURES = {
    "429": (fails_with(429), "429"),
    "500": (fails_with(500), "500"),
    "503": (fails_with(503), "503"),
    "504": (fails_with(504), "504"),
    "a page": (sends_a_page, "502"),
    "no such model": (fails_with(404, "models/x is not found for API version v1beta"), "404"),
    "silence": (hangs, "upstream_timeout"),
    "a broken connection": (hangs_up, "upstream_connection_error"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("failure", FAILURES)
async def test_another_upstream_answers_and_the_client_is_told(failure, stream):
    script, why = FAILURES[failure]
    async with two(script, says("other"), first_byte_timeout=0.5) as (client, one, other):
        response, text = await text_of(client, stream=stream)
    assert text == "other indeed"
    assert (asked_models(one), asked_models(other)) == (["gemini-3.5-flash"], ["gemini-3.5-flash"])
    assert other.seen[0].headers["x-goog-api-key"] == "k2", "each upstream gets its own key"
    assert one.seen[0].headers["x-goog-api-key"] == "k"
    assert response.headers.get_list("x-adapter-upstream") == ["other1"]
    assert response.headers["x-adapter-model"] == "gemini-3.5-flash"
    assert "upstream-fallback" in response.headers["x-adapter-notes"]
    assert ledger(response) == {"upstream": f"fell back to other1 after {why}"}


async def test_a_stream_without_events_goes_elsewhere():
    async with two(says_nothing, says("other")) as (client, _, _):
        response, text = await text_of(client, stream=True)
    assert text == "other indeed"
    assert ledger(response) == {"upstream": "fell back to other1 after upstream_bad_response"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_dead_upstream_is_not_asked_for_another_model(stream):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = {"upstream_url": f"http://127.0.0.1:{taken.getsockname()[1]}"}
        models = {"gemini-3.5-flash": "gemini-3.8-flash"}
        async with (
            run_upstream(by_model(gemini_3_5_flash=fails_with(503))) as other,
            adapter(other, **{**further(other), **dead, "fallback_models": models}) as client,
        ):
            response, text = await text_of(client, stream=stream)
    assert text == "gemini-3.8-flash indeed"
    assert asked_models(other) == ["gemini-3.5-flash", "gemini-3.8-flash"]
    assert set(ledger(response)) == {"model", "upstream"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_another_model_answers_and_is_asked_in_its_own_words(stream):
    script = by_model(gemini_3_5_flash=fails_with(503), gemini_3_8_flash=fails_with(429))
    models = {"gemini-3.5-*": "gemini-3.8-flash|gemini-2.5-flash"}
    async with run_upstream(script) as upstream, adapter(upstream, fallback_models=models) as client:
        response, text = await text_of(client, stream=stream, reasoning_effort="low")
        shown = (await client.get("/inspector/exchanges")).json()["exchanges"][0]
    assert text == "gemini-2.5-flash indeed"
    assert asked_models(upstream) == ["gemini-3.5-flash", "gemini-3.8-flash", "gemini-2.5-flash"]
    thinking = [seen.body["generationConfig"]["thinkingConfig"] for seen in upstream.seen]
    assert "thinkingLevel" in thinking[0]
    assert "thinkingBudget" in thinking[2], "models before 3 know budgets, not levels"
    assert response.headers["x-adapter-model"] == "gemini-2.5-flash"
    assert response.headers["x-adapter-upstream"] == upstream.url.removeprefix("http://")
    assert "model-fallback" in response.headers["x-adapter-notes"]
    assert ledger(response) == {"model": "fell back to gemini-2.5-flash after 503"}
    assert (shown["model_asked"], shown["model"]) == ("gemini-3.5-flash", "gemini-2.5-flash")


async def test_the_same_model_elsewhere_goes_before_another_model():
    models = {"gemini-3.5-flash": "gemini-3.8-flash"}
    async with two(fails_with(503), fails_with(503), fallback_models=models) as (client, one, other):
        response, _ = await text_of(client)
    assert response.status_code == 503
    assert asked_models(one) == asked_models(other) == ["gemini-3.5-flash", "gemini-3.8-flash"]


NOT_WORTH = {
    "400": fails_with(400, status="INVALID_ARGUMENT"),
    "401": fails_with(401, status="UNAUTHENTICATED"),
    "403": fails_with(403, status="PERMISSION_DENIED"),
    "a file that is not there": fails_with(404, "File abc not found", status="NOT_FOUND"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("failure", NOT_WORTH)
async def test_what_another_place_would_refuse_as_well_goes_nowhere(failure, stream):
    async with two(NOT_WORTH[failure], says("other")) as (client, one, other):
        response, _ = await text_of(client, stream=stream)
    assert response.status_code >= 400
    assert (len(one.seen), len(other.seen)) == (1, 0)
    assert response.headers["x-adapter-upstream"] == one.url.removeprefix("http://")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_blocked_prompt_is_an_answer(stream):
    async def blocks(call):
        event = {"promptFeedback": {"blockReason": "SAFETY"}}
        await (call.stream(event) if stream else call.json(event))

    async with two(blocks, says("other")) as (client, _, other):
        response, _ = await text_of(client, stream=stream)
    assert response.status_code == 200
    assert other.seen == []


async def test_an_answer_that_breaks_off_is_an_error_and_is_not_begun_again():
    async with two(breaks_off, says("other")) as (client, _, other):
        response = await client.post(PATH, json=chat(stream=True))
    last = json.loads(events(response.text)[-1])
    assert last["error"]["code"] == "upstream_stream_truncated"
    assert other.seen == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_when_all_fail_the_first_error_is_told(stream):
    async with two(fails_with(429, "slowly"), fails_with(400, "what")) as (client, one, other):
        response, _ = await text_of(client, stream=stream)
    assert response.status_code == 429
    assert response.json()["error"]["message"] == "slowly"
    assert (len(one.seen), len(other.seen)) == (1, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_strict_mode_goes_nowhere_unless_the_note_is_allowed(stream):
    async with two(fails_with(503), says("other")) as (client, _, other):
        response, _ = await text_of(client, stream=stream, headers=STRICT)
        assert (response.status_code, other.seen) == (503, [])
    allowed = {"notes": {"upstream.approximated": "allow"}}
    async with two(fails_with(503), says("other"), **allowed) as (client, _, other):
        assert (await text_of(client, stream=stream, headers=STRICT))[1] == "other indeed"


async def test_strict_mode_passes_over_a_model_that_would_lose_something_else():
    models = {"gemini-2.5-flash": "gemini-3.8-flash|gemini-2.5-pro"}
    script = by_model(gemini_2_5_flash=fails_with(503))
    settings = {"fallback_models": models, "notes": {"model.approximated": "allow"}}
    async with run_upstream(script) as upstream, adapter(upstream, **settings) as client:
        response, _ = await text_of(client, headers=STRICT, model="gemini-2.5-flash", temperature=0.5)
    assert response.status_code == 200
    assert asked_models(upstream) == ["gemini-2.5-flash", "gemini-2.5-pro"], "3.8 takes no temperature"


async def test_a_model_that_cannot_do_what_is_asked_is_passed_over():
    models = {"gemini-3.5-flash": "gemini-4-pro|gemini-2.5-flash"}
    script = by_model(gemini_3_5_flash=fails_with(503))
    begun = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "well"}]
    settings = {"fallback_models": models, "trailing_assistant": "reject"}
    async with run_upstream(script) as upstream, adapter(upstream, **settings) as client:
        response, _ = await text_of(client, messages=begun)
    assert response.status_code == 200
    assert asked_models(upstream) == ["gemini-3.5-flash", "gemini-2.5-flash"], "4 takes no such request"


@pytest.mark.parametrize("heartbeat", ["comment", "chunk"])
async def test_a_stream_that_was_only_kept_alive_still_goes_elsewhere(heartbeat):
    beaten = asyncio.Event()

    async def beaten_then_503(call):
        await beaten.wait()
        await fails_with(503)(call)

    models = {"gemini-3.5-flash": "gemini-3.8-flash"}
    script = by_model(gemini_3_5_flash=beaten_then_503)
    settings = {"fallback_models": models, "commit_after": 0.0, "heartbeat": heartbeat}
    async with (
        run_upstream(script) as upstream,
        adapter(upstream, **settings) as client,
        client.stream("POST", PATH, json=chat(stream=True), headers=FULL) as response,
    ):
        assert "x-adapter-model" not in response.headers, "nobody had answered when the head went out"
        pieces = response.aiter_text()
        seen = await anext(pieces)
        beaten.set()
        seen += "".join([piece async for piece in pieces])
    chunks = [json.loads(payload) for payload in events(seen)[:-1]]
    assert "gemini-3.8-flash" in "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == 1
    notes = chunks[-1]["extra_content"]["adapter"]["notes"]
    fallback = {"path": "model", "fate": "approximated", "reason": "fell back to gemini-3.8-flash after 503"}
    assert any(fallback.items() <= note.items() for note in notes)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_parallel_calls_go_elsewhere_together(stream):
    async def second_fails(call):
        await (fails_with(503) if call.number == 2 else hangs)(call)

    async with two(second_fails, says("other")) as (client, one, other):
        response, _ = await text_of(client, stream=stream, n=2)
    assert response.status_code == 200
    assert response.text.count("indeed") == 2
    assert (len(one.seen), len(other.seen)) == (2, 2)


async def test_without_time_nothing_else_is_asked():
    async with two(hangs, says("other"), total_timeout=1.0) as (client, _, other):
        response, _ = await text_of(client)
    assert response.status_code == 504
    assert other.seen == []


async def test_all_places_share_the_time_that_the_client_gives():
    async with two(fails_with(503), says("other")) as (client, one, other):
        await text_of(client, headers={"x-stainless-read-timeout": "30"})
    assert int(one.seen[0].headers["x-server-timeout"]) <= 30
    assert int(other.seen[0].headers["x-server-timeout"]) <= 30


async def test_a_malformed_call_is_asked_for_once_more_where_it_was_made():
    async def malformed_once(call):
        await call.json(answer("", finish="MALFORMED_FUNCTION_CALL") if call.number == 1 else answer("well"))

    async with two(fails_with(503), malformed_once, retry_malformed=True) as (client, one, other):
        response, text = await text_of(client)
    assert text == "well"
    assert (len(one.seen), len(other.seen)) == (1, 2)
    assert response.headers["x-adapter-upstream"] == "other1"


async def test_the_schema_dialect_is_that_of_the_upstream_that_is_asked():
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    async with (
        run_upstream(fails_with(503)) as one,
        run_upstream(says("other")) as other,
        adapter(one, **further(other, upstream_schema="openapi")) as client,
    ):
        assert (await text_of(client, tools=[tool]))[1] == "other indeed"
    sent = [seen.body["tools"][0]["functionDeclarations"][0] for seen in (one.seen[0], other.seen[0])]
    assert "parametersJsonSchema" in sent[0]
    assert "parametersJsonSchema" not in sent[1]


async def test_an_upstream_that_failed_too_often_is_passed_over_until_it_recovers(monkeypatch):
    move = still_circuits(monkeypatch)
    script = fails_with(503)

    async def first(call):
        await script(call)

    async with two(first, says("other"), circuit_pause=60.0) as (client, one, _):
        for _ in range(LEAST_CALLS):
            assert (await text_of(client))[1] == "other indeed"
        response, text = await text_of(client)
        assert (text, len(one.seen)) == ("other indeed", LEAST_CALLS)
        assert ledger(response) == {"upstream": "fell back to other1 after circuit_open"}
        script = says("first")
        move(60.0)
        assert {(await text_of(client))[1] for _ in range(4)} == {"first indeed"}


async def test_an_open_circuit_is_told_with_the_upstreams_name():
    settings = {"circuit_pause": 60.0, "upstream_name": "paid"}
    async with run_upstream(fails_with(503)) as upstream, adapter(upstream, **settings) as client:
        for _ in range(LEAST_CALLS):
            await text_of(client)
        response, _ = await text_of(client)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (503, "circuit_open", "service_unavailable_error")
    assert "paid" in error["message"]
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert len(upstream.seen) == LEAST_CALLS


async def test_a_response_comes_from_elsewhere_under_the_clients_own_paths():
    request = stateful.ask(max_tool_calls=3, conversation=None)
    async with two(fails_with(503), says("other")) as (client, _, _):
        response = await client.post(stateful.PATH, json=request, headers=FULL)
        kept = (await client.get(f"{stateful.PATH}/{response.json()['id']}")).json()
    body = response.json()
    notes = {note["path"]: note["reason"] for note in body["extra_content"]["adapter"]["notes"]}
    assert stateful.text_of_response(body) == stateful.text_of_response(kept) == "other indeed"
    assert notes["upstream"] == "fell back to other1 after 503"
    assert "max_tool_calls" in notes, "the rest of the ledger is that of a response"
    assert response.headers["x-adapter-upstream"] == "other1"


async def test_a_streamed_response_comes_from_elsewhere():
    models = {"gemini-3.5-flash": "gemini-3.8-flash"}
    script = by_model(gemini_3_5_flash=fails_with(503))
    async with run_upstream(script) as upstream, adapter(upstream, fallback_models=models) as client:
        response = await client.post(stateful.PATH, json=stateful.ask(stream=True))
    seen = stateful.read_events(response.text)
    assert stateful.text_of_response(seen[-1]["response"]) == "gemini-3.8-flash indeed"
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    assert response.headers["x-adapter-model"] == "gemini-3.8-flash"


async def test_a_response_in_the_background_comes_from_elsewhere():
    async with two(fails_with(503), says("other")) as (client, _, _):
        response = await client.post(stateful.PATH, json=stateful.ask(background=True))
        assert stateful.text_of_response(await wait_for_response(client, response.json()["id"])) == "other indeed"


async def test_a_response_over_a_websocket_comes_from_elsewhere():
    async with two(fails_with(503), says("other")) as (client, _, _), responses_socket(client) as connection:
        await connection.send(create("hi"))
        assert stateful.text_of_response((await receive_events(connection))[-1]["response"]) == "other indeed"


async def test_a_compacted_conversation_comes_from_elsewhere():
    async with two(fails_with(503), says("other")) as (client, _, other):
        response = await client.post(f"{stateful.PATH}/compact", json=stateful.ask([{"role": "user", "content": "a"}]))
    assert response.status_code == 200
    assert len(other.seen) == 1


class Emulated:
    """An emulator that can be down, and is strict about the signatures of others."""

    def __init__(self, key):
        self.app = create_emulator(EmulatorSettings(signature_key=key))
        self.down = False
        self.url = ""
        self.answered = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and self.down:
            body = b'{"error": {"code": 503, "message": "down", "status": "UNAVAILABLE"}}'
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": body})
            return

        async def note_status(message):
            if message["type"] == "http.response.start":
                self.answered.append(message["status"])
            await send(message)

        await self.app(scope, receive, note_status if scope["type"] == "http" else send)


@asynccontextmanager
async def two_emulators(key):
    one = Emulated(key)
    async with serving(one) as one.url:
        yield one


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_tool_loop_goes_on_elsewhere_and_comes_back_with_the_signatures_that_each_place_takes(stream):
    messages: list[Any] = [{"role": "user", "content": "In 4 steps: get the weather of Rome"}]
    places, sources = [], []
    async with two_emulators(b"first") as first, two_emulators(b"second") as second:
        settings = {**further(second), "upstream_name": "first"}
        async with adapter(first, **settings) as client:
            for down in (False, True, False, True, False):
                first.down = down
                body = chat(messages=messages, tools=[WEATHER], stream=stream)
                response = await client.post(PATH, json=body)
                assert response.status_code == 200, response.text
                places.append(response.headers["x-adapter-upstream"])
                sources.append(response.headers.get("x-adapter-signatures"))
                calls = _calls(response, stream)
                if calls:
                    messages.append({"role": "assistant", "content": None, "tool_calls": calls})
                    messages += [{"role": "tool", "tool_call_id": call["id"], "content": "21 C"} for call in calls]
    assert places == ["first", "other1", "first", "other1", "first"]
    assert sources[1] == "stand-in=1", "a foreign signature stays at home"
    assert sources[2] == "client=1, stand-in=1"
    assert not calls, "the loop has ended"
    assert set(first.answered) == set(second.answered) == {200}


def _calls(response, stream):
    """The calls of an answer, as the `openai` package sends them back."""
    if not stream:
        return response.json()["choices"][0]["message"].get("tool_calls") or []
    chunks = [json.loads(payload) for payload in events(response.text)[:-1]]
    deltas = [call for one in chunks for call in one["choices"][0]["delta"].get("tool_calls") or []]
    return [{name: value for name, value in call.items() if name != "index"} for call in deltas]
