"""/v1/moderations over real sockets: batches, blocks among them, and judges where there is no Decisions API."""

import pytest
from openai import AsyncOpenAI

from adapter.emulator import EmulatorSettings
from tests.support.scripted import adapter, answer, run_emulator, run_upstream

PATH = "/v1/moderations"
BLOCKED = {"prompt_feedback": {"block_reason": "safety"}}


def verdict(request, harmful=()):
    """An answer by Gemini: what is about a harmful content is violence."""
    answers = {}
    for name in request.body["questions"]:
        index, _, category = name.partition(" ")
        sure = 0.97 if category == "violence" and int(index) in harmful else 0.02
        answers[name] = {"type": "noul", "noul": sure, "confidence": 0.97}
    return {"answers": answers}


async def test_the_openai_package_gets_a_verdict_of_the_emulators():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        openai = AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="any", http_client=client)
        found = await openai.moderations.create(input=["They depict violence.", "Hello."])
    assert [one.categories.violence for one in found.results] == [True, True], "both are in one call to the emulator"
    assert found.results[0].flagged
    assert found.id.startswith("modr-")


async def test_200_texts_are_three_calls_whose_verdicts_keep_the_order():
    async def script(call):
        await call.json(verdict(call.request, harmful=(0, 76, 199)))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = (await client.post(PATH, json={"input": [f"text {number}" for number in range(200)]})).json()
    assert sorted(len(one.body["questions"]) for one in upstream.seen) == [48 * 13, 76 * 13, 76 * 13]
    assert [index for index, one in enumerate(got["results"]) if one["flagged"]] == [0, 76, 199]


async def test_a_blocked_text_is_flagged_and_takes_no_verdict_from_the_others():
    async def script(call):
        is_bad = any("bad" in block["text"] for block in call.request.body["input"])
        await call.json(BLOCKED if is_bad else verdict(call.request))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"input": ["a", "bad", "b"]})
    assert [one["flagged"] for one in got.json()["results"]] == [False, True, False]
    assert got.headers["x-adapter-notes"].endswith("moderation-block")
    assert [len(one.body["questions"]) // 13 for one in upstream.seen] == [3, 1, 1, 1]


async def test_a_call_that_fails_fails_all():
    async def script(call):
        if len(call.request.body["questions"]) < 76 * 13:
            await call.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)
        else:
            await call.json(verdict(call.request))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"input": ["a"] * 80})
    assert (got.status_code, got.json()["error"]["message"]) == (400, "no")


async def test_an_answer_that_does_not_fit_is_an_error():
    async def script(call):
        await call.json({"answers": {}})

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"input": "a"})
    assert (got.status_code, got.json()["error"]["code"]) == (502, "malformed_response")


async def relay(call):
    """A relay that knows generations alone."""
    if call.request.path.endswith("/decisions"):
        await call.json({"error": {"code": 404, "message": "unknown path", "status": "NOT_FOUND"}}, 404)
    elif "hurt" in str(call.request.body["contents"]):
        rating = {"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH"}
        await call.json({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [rating]}})
    else:
        await call.json(answer("I"))


async def test_a_relay_without_decisions_judges_by_safety_ratings():
    async with run_upstream(relay) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"input": ["hurt", "greet"]})
    assert [one["flagged"] for one in got.json()["results"]] == [True, False]
    assert got.json()["results"][0]["categories"]["harassment"] is True
    assert got.json()["model"] == got.headers["x-adapter-model"] == "gemini-3.5-flash-lite"
    assert "moderation-by-ratings" in got.headers["x-adapter-notes"]
    assert [one.path.rpartition("/")[2] for one in upstream.seen] == [
        "decisions",
        "gemini-3.5-flash-lite:generateContent",
        "gemini-3.5-flash-lite:generateContent",
    ]


async def test_google_ai_studio_has_decisions_so_that_a_404_there_is_one():
    async with run_upstream(relay) as upstream, adapter(upstream, upstream_platform="studio") as client:
        got = await client.post(PATH, json={"input": "hurt"})
    assert (got.status_code, len(upstream.seen)) == (404, 1)


@pytest.mark.parametrize("model", ["a b", "x?y"])
async def test_a_name_that_is_none_goes_nowhere(model):
    async with run_upstream(relay) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"input": "a", "model": model})
    assert (got.status_code, got.json()["error"]["param"], upstream.seen) == (400, "model", [])
