"""POST /translate: the verdict, the body and the notes of the served call, without it."""

import json

import pytest

from adapter.server.routes import ENDPOINTS
from adapter.translate.translations import endpoints
from tests.support.scripted import adapter, answer, chat, run_upstream

RESPONSES = "/v1/responses"
CHAT = "/v1/chat/completions"


async def says_hello(call):
    await call.json(answer("Hello"))


REQUESTS = {
    "chat": (CHAT, chat("hi", user="me", seed=7)),
    "a response": (RESPONSES, {"model": "gemini-3.5-flash", "input": "hi", "user": "me", "truncation": "auto"}),
    "tools": (
        CHAT,
        chat("hi", tools=[{"type": "function", "function": {"name": "f", "parameters": {"$schema": "x"}}}]),
    ),
}


@pytest.mark.parametrize(("path", "body"), REQUESTS.values(), ids=REQUESTS.keys())
async def test_it_shows_the_body_and_the_notes_of_the_served_call(path, body):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        shown = (await client.post("/translate", json=body)).json()
        assert upstream.seen == []
        served = await client.post(path, json=body, headers={"x-adapter-notes": "full"})
    assert shown["endpoint"] == path
    assert shown["body"] == upstream.seen[0].body
    assert shown["url"].endswith(upstream.seen[0].path)
    losses = [note["code"] for note in served.json()["extra_content"]["adapter"]["notes"] if "code" in note]
    assert [note["code"] for note in shown["notes"] if "code" in note] == losses


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, chat("hi", frequency_penalty=1.0)),
        (CHAT, chat("hi", temperature=9)),
        (RESPONSES, {"model": "gemini-3.5-flash", "input": "hi", "truncation": "auto"}),
    ],
)
async def test_it_gives_the_served_calls_verdict(path, body):
    strict = {"x-adapter-strict": "answers"}
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        told = await client.post("/translate", json=body, headers=strict)
        served = await client.post(path, json=body, headers=strict)
    assert (told.status_code, told.json()) == (served.status_code, served.json())
    assert told.status_code == 400
    assert upstream.seen == []


async def test_earlier_responses_stand_under_the_field_that_they_came_from():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        one = (await client.post(RESPONSES, json={"model": "gemini-3.5-flash", "input": "first"})).json()
        body = {"model": "gemini-3.5-flash", "input": "second", "previous_response_id": one["id"]}
        shown = (await client.post("/translate", json=body)).json()
    targets = {note["path"]: note["targets"] for note in shown["notes"]}
    assert len(shown["body"]["contents"]) == 3
    assert "/contents/0/parts/0" in targets["previous_response_id"]
    assert "/contents/2/parts/0" in targets["input[0]"]
    assert len(upstream.seen) == 1


async def test_json_lines_are_told_line_by_line():
    batch = {"custom_id": "one", "url": RESPONSES, "body": {"model": "gemini-3.5-flash", "input": "hi"}}
    text = "\n".join([json.dumps(chat("hi")), json.dumps(batch), "{"])
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post("/translate", content=text.encode())
    told = [json.loads(line) for line in response.text.splitlines()]
    assert [one.get("endpoint") for one in told] == [CHAT, RESPONSES, None]
    assert (told[1]["custom_id"], told[2]["error"]["code"]) == ("one", "invalid_json")
    assert upstream.seen == []


async def test_an_answer_of_geminis_becomes_openais():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post("/translate", json=answer("Hello"))
        view = await client.post("/translate?endpoint=/v1/responses", json=answer("Hello"))
    assert response.json()["answer"]["choices"][0]["message"]["content"] == "Hello"
    assert view.json()["answer"]["object"] == "response"


async def test_values_are_shown_on_request():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        shown = (await client.post("/translate?values=true", json=chat("hi", seed=7))).json()
    seed = next(note for note in shown["notes"] if note["path"] == "seed")
    assert (seed["before"], seed["after"]) == (7, [7])


OTHERS = {
    "/v1/completions": {"model": "gemini-2.5-flash", "prompt": "Once", "max_tokens": 9, "best_of": 3, "user": "me"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": ["a", "b"], "user": "me"},
    "/v1/decisions": {
        "model": "gemini-decision-1",
        "input": "It rains.",
        "questions": [{"type": "predicate", "instructions": "Does it rain?"}],
    },
    "/v1/moderations": {"input": "hello"},
    "/v1/images/generations": {"prompt": "a cat", "size": "1536x1024", "user": "me"},
    "/v1/audio/speech": {"model": "tts-1", "input": "hi", "voice": "alloy", "speed": 2},
}


@pytest.mark.parametrize(("path", "body"), OTHERS.items(), ids=OTHERS.keys())
async def test_every_endpoint_that_translates_is_shown_as_it_is_served(path, body):
    line = {"custom_id": "1", "method": "POST", "url": path, "body": body}
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        shown = (await client.post("/translate", json=line)).json()
        assert upstream.seen == []
        served = await client.post(path, json=body)
    assert shown["endpoint"] == path, shown
    assert shown["body"] == upstream.seen[0].body
    assert shown["url"].endswith(upstream.seen[0].path)
    assert shown["calls"] == 1
    told = served.headers.get("x-adapter-notes", "")
    # The upstream's answer is a chat's: where that is none of the endpoint's, there is no ledger to compare.
    assert served.status_code != 200 or all(note["code"] in told for note in shown["notes"] if "code" in note)


def test_every_endpoint_that_asks_gemini_can_be_shown():
    shown = set(endpoints(None))
    asking = {
        one.path for one in ENDPOINTS if one.asks_gemini and (one.takes or one.takes_form) and "{" not in one.path
    }
    # What asks Gemini about a request of the Responses API is shown as that request.
    assert asking - shown == {"/v1/responses/input_tokens", "/v1/responses/compact"}
    assert shown <= asking
