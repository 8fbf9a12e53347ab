"""/v1/models: where each model is served and until when, the same in every process; and what a wrong name meant."""

import pytest
from openai.types import Model

from adapter.emulator import EmulatorSettings
from adapter.settings import KnownClient
from tests.support.scripted import adapter, chat, run_emulator, run_upstream

NOVEMBER = 1_796_000_000.0
"""2026-11-29."""


def clock():
    return NOVEMBER


@pytest.fixture
async def gemini():
    async with run_emulator(EmulatorSettings(clock=clock)) as made:
        yield made


async def list_models(client, **headers):
    answer = (await client.get("/v1/models", headers=headers)).json()
    return {one["id"]: one for one in answer["data"]}


async def test_the_list_tells_where_a_model_is_served_and_until_when(gemini):
    async with adapter(gemini, upstream_platform="studio", models={"mine": "gemini-3.5-flash"}) as client:
        found = await list_models(client)
        again = await list_models(client)
    for one in found.values():
        Model.model_validate(one)
    assert found["gemini-embedding-2"]["served_by"] == "POST /v1/embeddings"
    assert found["gemini-3.5-flash"]["served_by"] == "POST /v1/chat/completions"
    assert found["gemini-decision-1"]["served_by"] == "POST /v1/decisions"
    assert found["gemini-2.5-flash-image"]["shutdown_date"] == "2027-03-15"
    assert "shutdown_date" not in found["gemini-3.5-flash"]
    assert (found["mine"]["owned_by"], found["mine"]["stands_for"]) == ("adapter", "gemini-3.5-flash")
    assert {name: one["created"] for name, one in found.items()} == {
        name: one["created"] for name, one in again.items()
    }


async def test_a_relay_has_no_dates(gemini):
    async with adapter(gemini) as client:
        assert all("shutdown_date" not in one for one in (await list_models(client)).values())


async def test_each_client_sees_its_own_models(gemini):
    clients = (KnownClient(name="a", key="key-of-a", models=("gemini-3.5-*",)),)
    async with adapter(gemini, clients=clients) as client:
        found = await list_models(client, authorization="Bearer key-of-a")
    assert set(found) == {"gemini-3.5-flash", "gemini-3.5-flash-lite", "gemini-3.5-transcribe"}


async def test_a_name_that_stands_for_a_model_is_told_with_it(gemini):
    async with adapter(gemini) as client:
        one = (await client.get("/v1/models/gpt-4o")).json()
    assert (one["id"], one["stands_for"]) == ("gpt-4o", "gemini-3.8-flash")


@pytest.mark.parametrize("wrong", ["gemini-3.8-flahs", "gemini-3.8flash"])
async def test_a_name_that_is_nearly_one_says_which(wrong, gemini):
    async with adapter(gemini) as client:
        answered = await client.post("/v1/chat/completions", json=chat(model=wrong))
        told = await client.get(f"/v1/models/{wrong}")
    for got in (answered, told):
        assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")
        assert got.json()["error"]["message"].endswith("Did you mean gemini-3.8-flash?")


async def test_a_client_is_not_told_of_models_that_it_may_not_have():
    async def script(call):
        await call.json({"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}, 404)

    clients = (KnownClient(name="a", key="key-of-a", models=("*flahs",)),)
    async with run_upstream(script) as upstream, adapter(upstream, clients=clients) as client:
        got = await client.post(
            "/v1/chat/completions",
            json=chat(model="gemini-3.8-flahs"),
            headers={"authorization": "Bearer key-of-a"},
        )
    assert "mean" not in got.json()["error"]["message"]
