"""/v1/decisions over real sockets: the openai package through the adapter to the strict emulator."""

import pytest
from openai import AsyncOpenAI, BadRequestError

from adapter.emulator import EmulatorSettings
from adapter.settings import KnownClient
from tests.support.scripted import LogLines, adapter, run_emulator, run_upstream

QUESTIONS = [
    {"type": "predicate", "name": "urgent", "instructions": "Does the customer say that it is urgent?"},
    {
        "type": "choice",
        "instructions": "Who answers?",
        "choices": [{"value": True}, {"value": "true"}, {"value": "no"}],
    },
    {
        "type": "score",
        "name": "mood",
        "instructions": "How angry?",
        "levels": [{"label": "calm"}, {"label": "furious"}],
    },
]


@pytest.fixture
async def gemini():
    async with run_emulator(EmulatorSettings()) as made:
        yield made


def openai_at(client):
    return AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="any", http_client=client, max_retries=0)


async def test_the_openai_package_gets_its_answers_in_order(gemini):
    lines = LogLines()
    async with adapter(gemini, lines) as client:
        found = await openai_at(client).decisions.create(
            model="gpt-6-luna", input="This is urgent: nothing works.", questions=QUESTIONS
        )
        again = await openai_at(client).decisions.create(
            model="gpt-6-luna", input="This is urgent: nothing works.", questions=QUESTIONS
        )
    assert [(one.type, one.name) for one in found.answers] == [
        ("predicate", "urgent"), ("choice", None), ("score", "mood"),
    ]  # fmt: skip
    assert found.answers[0].probability > 0.9
    assert [one.value for one in found.answers[1].probabilities] == [True, "true", "no"]
    assert sum(one.probability for one in found.answers[2].probabilities) == pytest.approx(1, abs=1e-5)
    assert found == again
    assert (await gemini.requests())[0]["model"] == "gemini-decision-1"
    assert f"{found.usage.input_tokens}+0 tokens" in lines[0]


async def test_a_blocked_input_refuses_each_question(gemini):
    async with adapter(gemini, models={"blocked": "gemini-decision-1+fault-blocked-image-safety"}) as client:
        found = await openai_at(client).decisions.create(model="blocked", input="x", questions=QUESTIONS)
    assert [(one.type, one.name) for one in found.answers] == [
        ("refusal", "urgent"), ("refusal", None), ("refusal", "mood"),
    ]  # fmt: skip


async def test_an_error_of_geminis_is_openais(gemini):
    async with adapter(gemini, models={"busy": "gemini-decision-1+fault-429"}) as client:
        got = await client.post("/v1/decisions", json={"model": "busy", "input": "x", "questions": QUESTIONS})
    assert (got.status_code, got.json()["error"]["type"]) == (429, "rate_limit_error"), got.text


async def test_a_chat_model_is_refused_before_anything_is_asked(gemini):
    async with adapter(gemini) as client:
        with pytest.raises(BadRequestError, match="gemini-decision-1"):
            await openai_at(client).decisions.create(model="gemini-3.5-flash", input="x", questions=QUESTIONS)
    assert await gemini.requests() == []


async def test_a_client_without_the_model_may_not_decide():
    clients = (KnownClient(name="a", key="key-of-a", models=("gemini-3.5-*",)),)
    async with run_upstream(None) as upstream, adapter(upstream, clients=clients) as client:
        got = await client.post(
            "/v1/decisions",
            json={"model": "gemini-decision-1", "input": "x", "questions": QUESTIONS},
            headers={"authorization": "Bearer key-of-a"},
        )
    assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")
    assert upstream.seen == []
