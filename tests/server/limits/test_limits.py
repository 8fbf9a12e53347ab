"""Clients with limits of their own, and a server that has more to do than it can."""

import asyncio
import json
import random
from contextlib import aclosing

import msgspec
import pytest

from adapter.server.http.byte_budget import ByteBudget, Overloaded
from adapter.server.limits.admission import Admission, RateLimitExceeded
from adapter.server.limits.rate_limits import RateLimiter
from adapter.settings import KnownClient, SettingsError, load
from tests.support.key_value import PASSWORD, key_value_server
from tests.support.scripted import adapter, answer, chat, run_upstream

ALICE = KnownClient(name="alice", key="key-of-alice", models=("gemini-3.5-*",), rates=("2/minute",))
BOB = KnownClient(name="bob", key="key-of-bob")


def key(client):
    return {"authorization": f"Bearer {client.key}"}


async def ok(call):
    await call.json(answer("hello"))


async def test_a_client_may_ask_so_often_and_others_are_not_touched():
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(ALICE, BOB)) as client:
        statuses = [
            (await client.post("/v1/chat/completions", json=chat(), headers=key(ALICE))).status_code for _ in range(2)
        ]
        refused = await client.post("/v1/chat/completions", json=chat(), headers=key(ALICE))
        assert statuses == [200, 200]
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        for path, body in (("/v1/responses", {"model": "gemini-3.5-flash", "input": "hi"}),):
            assert (await client.post(path, json=body, headers=key(ALICE))).status_code == 429
        assert (await client.post("/v1/chat/completions", json=chat(), headers=key(BOB))).status_code == 200
        assert len(upstream.seen) == 3


async def test_rates_for_all_are_counted_for_each_client():
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(BOB,), client_rates=("1/minute",)) as client:
        statuses = [
            (await client.post("/v1/chat/completions", json=chat(), headers=key(BOB))).status_code for _ in range(2)
        ]
        assert statuses == [200, 429]


async def test_a_client_names_only_the_models_on_its_list():
    unhurried = msgspec.structs.replace(ALICE, rates=())
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(unhurried,)) as client:
        body = {**chat(), "model": "gemini-3.8-pro"}
        refused = await client.post("/v1/chat/completions", json=body, headers=key(ALICE))
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
        assert (await client.get("/v1/models/gemini-3.8-pro", headers=key(ALICE))).status_code == 404
        assert upstream.seen == []
        assert (await client.post("/v1/chat/completions", json=chat(), headers=key(ALICE))).status_code == 200


async def test_the_list_of_models_is_the_clients_own():
    async def models(call):
        await call.json({"models": [{"name": "models/gemini-3.5-flash"}, {"name": "models/gemini-3.8-pro"}]})

    async with run_upstream(models) as upstream, adapter(upstream, clients=(ALICE, BOB)) as client:
        listed = (await client.get("/v1/models", headers=key(ALICE))).json()["data"]
        assert [one["id"] for one in listed] == ["gemini-3.5-flash"]
        assert len((await client.get("/v1/models", headers=key(BOB))).json()["data"]) == 2


async def test_a_wrong_key_is_refused():
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(ALICE,)) as client:
        refused = await client.post("/v1/chat/completions", json=chat(), headers={"authorization": "Bearer no"})
        assert refused.status_code == 401


@pytest.mark.faults
async def test_what_cannot_be_served_now_is_sent_away_and_then_served_again():
    release = asyncio.Event()

    async def slow(call):
        await release.wait()
        await call.json(answer("hello"))

    async with run_upstream(slow) as upstream, adapter(upstream, max_concurrent=2, max_queued=1) as client:
        calls = [asyncio.create_task(client.post("/v1/chat/completions", json=chat())) for _ in range(3)]
        while len(upstream.seen) < 2:
            await asyncio.sleep(0.01)
        refused = await client.post("/v1/chat/completions", json=chat())
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        release.set()
        assert [one.status_code for one in await asyncio.gather(*calls)] == [200] * 3
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200


@pytest.mark.faults
async def test_who_waits_too_long_is_sent_away():
    release = asyncio.Event()

    async def slow(call):
        await release.wait()
        await call.json(answer("hello"))

    async with run_upstream(slow) as upstream, adapter(upstream, max_concurrent=1, queue_timeout=0.05) as client:
        first = asyncio.create_task(client.post("/v1/chat/completions", json=chat()))
        while not upstream.seen:
            await asyncio.sleep(0.01)
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 503
        release.set()
        assert (await first).status_code == 200


@pytest.mark.faults
async def test_far_more_than_can_be_served_is_answered_and_nothing_else():
    async def slow(call):
        await asyncio.sleep(0.02)
        await call.json(answer("hello"))

    async with run_upstream(slow) as upstream, adapter(upstream, max_concurrent=4, max_queued=4) as client:
        answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=chat()) for _ in range(60)))
        texts = [
            one.json()["choices"][0]["message"]["content"] if one.status_code == 200 else one.json()["error"]["code"]
            for one in answers
        ]
        assert set(texts) == {"hello", "overloaded"}
        assert texts.count("hello") == len(upstream.seen) >= 8


async def test_places_are_neither_lost_nor_made_by_clients_that_leave():
    chance = random.Random(3)
    places = Admission(3, 10, 1.0)

    async def use():
        try:
            async with asyncio.timeout(chance.uniform(0.0, 0.01)):
                await places.acquire()
                try:
                    await asyncio.sleep(chance.uniform(0.0, 0.01))
                finally:
                    places.release()
        except (TimeoutError, Overloaded):
            return

    for _ in range(20):
        await asyncio.gather(*(use() for _ in range(25)))
    for _ in range(3):
        await places.acquire()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.0):
            await places.acquire()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"client_rates": "often"}, "not a rate"),
        ({"clients": [{"name": "a", "key": "k", "rates": ["1/eon"]}]}, "not a rate"),
        ({"clients": [{"name": "a", "key": "k"}, {"name": "b", "key": "k"}]}, "two keys are equal"),
        ({"clients": [{"name": "a"}]}, "key"),
    ],
)
def test_limits_that_mean_nothing_are_told(given, told):
    with pytest.raises(SettingsError, match=told):
        load(given, {})


def test_clients_come_from_the_environment_too_and_their_keys_are_kept_as_hashes():
    clients = json.dumps([{"name": "a", "key": "planted"}])
    settings = load({}, {"ADAPTER_CLIENTS": clients, "ADAPTER_HOST": "0.0.0.0", "GEMINI_API_KEY": "any"})
    assert settings.clients[0].key.startswith("sha256:")
    assert "planted" not in repr(settings)


def test_rates_without_their_package_name_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("adapter.extras.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="pip install"):
        load({"client_rates": "1/minute"}, {})


@pytest.fixture
def key_values(tmp_path):
    with key_value_server(tmp_path) as server:
        yield server


async def test_processes_that_share_a_store_count_together(key_values):
    async with aclosing(RateLimiter(key_values.url)) as one, aclosing(RateLimiter(key_values.url)) as other:
        await one.hit("a", ("2/minute",))
        await other.hit("a", ("2/minute",))
        with pytest.raises(RateLimitExceeded):
            await one.hit("a", ("2/minute",))
        await one.hit("b", ("2/minute",))


@pytest.mark.faults
@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_a_store_that_does_not_answer_leaves_each_process_to_count_alone(key_values, how, caplog):
    async with aclosing(RateLimiter(key_values.url)) as rates:
        await rates.hit("a", ("1/minute",))
        getattr(key_values, how)()
        await rates.hit("a", ("1/minute",))
        with pytest.raises(RateLimitExceeded):
            await rates.hit("a", ("1/minute",))
    assert PASSWORD not in caplog.text
    assert len(caplog.records) == 1


def test_no_request_may_be_larger_than_all_together():
    with pytest.raises(SettingsError, match="max_bodies"):
        load({"max_bodies": "1000", "max_body": "1001"}, {})
    assert load({"max_bodies": "1000", "max_body": "1000"}, {}).max_bodies == 1_000


def test_room_is_taken_whole_or_not_at_all():
    room = ByteBudget(10)
    room.reserve(10)
    with pytest.raises(Overloaded):
        room.reserve(1)
    room.release(4)
    with pytest.raises(Overloaded):
        room.reserve(5)
    room.reserve(4)


async def test_the_list_of_models_counts_and_is_asked_for_once():
    async def lists(call):
        await call.json({"models": [{"name": "models/gemini-3.5-flash"}]})

    async with run_upstream(lists) as upstream, adapter(upstream, client_rates=("20/minute",)) as client:
        answers = await asyncio.gather(*(client.get("/v1/models") for _ in range(60)))
    assert sorted({one.status_code for one in answers}) == [200, 429]
    assert [one.status_code for one in answers].count(200) == 20
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gemini-3.5-flash"])
async def test_models_have_a_place_among_those_that_run(path):
    go_on, asked = asyncio.Event(), asyncio.Event()

    async def waits(call):
        asked.set()
        await go_on.wait()
        await call.json({"models": [], "name": "models/gemini-3.5-flash"})

    async with run_upstream(waits) as upstream, adapter(upstream, max_concurrent=1, max_queued=0) as client:
        first = asyncio.create_task(client.get(path))
        await asked.wait()
        refused = await client.get(path)
        go_on.set()
        assert (await first).status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")


async def test_a_list_of_models_that_failed_is_asked_for_again():
    async def fails_once(call):
        if call.number == 1:
            await call.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)
        else:
            await call.json({"models": [{"name": "models/gemini-3.5-flash"}]})

    async with run_upstream(fails_once) as upstream, adapter(upstream) as client:
        answers = [await client.get("/v1/models") for _ in range(3)]
    assert [one.status_code for one in answers] == [400, 200, 200]
    assert len(upstream.seen) == 2
