"""More than there is room for: an upstream that refuses everything, and clients that ask for more than is served."""

import asyncio
import json

import openai
import pytest

from adapter.settings import KnownClient
from tests.faults.upstreams import (
    GOOD,
    PATH,
    Named,
    Whole,
    check_error,
    check_stream,
    check_whole,
    http_error,
    quota,
    says,
    waits,
)
from tests.support.chaos import running
from tests.support.circuits import still_circuits
from tests.support.guards import PATIENCE
from tests.support.responses_socket import create, receive_events, socket
from tests.support.scripted import adapter, chat

BUSY = http_error(503, "UNAVAILABLE")
DAY = http_error(429, "RESOURCE_EXHAUSTED", details=[quota("GenerateRequestsPerDayPerProjectPerModel")])


async def together(client, number, **fields):
    """The answers to so many requests at once."""
    return await asyncio.gather(*(client.post(PATH, json=chat(**fields)) for _ in range(number)))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_upstream_that_refuses_everything_is_left_alone_and_asked_again_later(stream, monkeypatch):
    """No refusal is doubled by retries, calls end at once while the circuit is open, and one answer closes it."""
    move = still_circuits(monkeypatch)
    async with running() as (chaos, url), adapter(Named(url), retries=1, circuit_pause=60.0) as client:
        chaos.script = BUSY
        answers = await together(client, 60, stream=stream)
        for one in answers:
            assert one.status_code == 503
        assert 20 <= chaos.hits <= 60 + 60 // 5 + 3
        asked = chaos.hits
        answers = await together(client, 40, stream=stream)
        codes = {one.json()["error"]["code"] for one in answers}
        assert codes == {"circuit_open"}
        assert all(int(one.headers["retry-after"]) >= 1 for one in answers if "circuit" in one.text)
        assert chaos.hits == asked
        chaos.script = GOOD
        move(60.0)
        response = await client.post(PATH, json=chat(stream=stream))
        assert response.status_code == 200
        (check_stream if stream else check_whole)(response, Whole("!"))
        answers = await together(client, 10, stream=stream)
        assert {one.status_code for one in answers} == {200}


async def test_a_client_that_tries_again_and_a_server_that_does_make_six_calls_at_most():
    async with running() as (chaos, url), adapter(Named(url), retries=1) as client:
        chaos.script = http_error(503, "UNAVAILABLE", details=[waits(0.01)])
        asking = openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="k")
        async with asking:
            with pytest.raises(openai.InternalServerError) as caught:
                await asking.chat.completions.create(**chat())
        assert caught.value.code == "server_is_overloaded"
        assert 3 <= chaos.hits <= 6


async def test_a_quota_that_is_used_up_for_all_keys_is_asked_once_with_each_and_by_no_client_again():
    async with running() as (chaos, url), adapter(Named(url), upstream_keys=("a", "b"), retries=1) as client:
        chaos.script = DAY
        async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="k") as asking:
            with pytest.raises(openai.RateLimitError) as caught:
                await asking.chat.completions.create(**chat())
        assert (caught.value.code, caught.value.response.headers["x-should-retry"]) == ("insufficient_quota", "false")
        assert [one.fields["x-goog-api-key"] for one in chaos.exchanges] == ["a", "b"]


async def test_a_429_without_a_word_of_when_is_tried_again_after_a_moment():
    async with running() as (chaos, url), adapter(Named(url), retries=1) as client:
        chaos.script = http_error(429, "RESOURCE_EXHAUSTED", "Resource exhausted.")
        check_error(await client.post(PATH, json=chat()), (429, "rate_limit_exceeded"))
        assert chaos.hits == 2


async def test_an_internal_error_is_tried_again_only_where_the_operator_wants_it():
    for wanted, hits in ((False, 1), (True, 2)):
        async with running() as (chaos, url), adapter(Named(url), retries=1, retry_server_errors=wanted) as client:
            chaos.script = http_error(500, "INTERNAL")
            assert (await client.post(PATH, json=chat())).status_code == 500
            assert chaos.hits == hits


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_load_past_capacity_is_refused_quickly_and_served_again_at_once(stream):
    """Three times as many as run and wait: those too many have their answer while all others still hang."""
    release = asyncio.Event()

    async def hangs(exchange):
        await release.wait()
        return await GOOD(exchange)

    limits = {"max_concurrent": 10, "max_queued": 10, "queue_timeout": 30.0}
    async with running() as (chaos, url), adapter(Named(url), **limits) as client:
        chaos.script = hangs
        admitted = [asyncio.create_task(client.post(PATH, json=chat(stream=stream))) for _ in range(20)]
        while chaos.hits < 10:
            await asyncio.sleep(0.01)
        refused = await together(client, 40, stream=stream)
        for one in refused:
            check_error(one, (503, "overloaded"))
            assert one.headers["retry-after"] == "1"
        assert (chaos.hits, [task for task in admitted if task.done()]) == (10, [])
        assert (await client.get("/readyz")).status_code == 200
        release.set()
        for one in await asyncio.gather(*admitted):
            (check_stream if stream else check_whole)(one, Whole("!"))
        answers = await together(client, 10, stream=stream)
        assert {one.status_code for one in answers} == {200}
        assert chaos.hits == 30


async def test_a_client_that_asks_too_often_is_refused_quickly_with_when_to_come_back():
    eager = KnownClient(name="eager", key="key-of-eager", rates=("5/minute",))
    async with running() as (chaos, url), adapter(Named(url), clients=(eager,)) as client:
        chaos.script = GOOD
        client.headers["authorization"] = "Bearer key-of-eager"
        answers = await together(client, 30)
        refused = [one for one in answers if one.status_code == 429]
        assert (len(refused), chaos.hits) == (25, 5)
        assert {one.json()["error"]["code"] for one in refused} == {"rate_limit_exceeded"}
        assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in refused)


async def test_bodies_beyond_what_is_held_at_once_are_refused():
    release = asyncio.Event()

    async def hangs(exchange):
        await release.wait()
        return await GOOD(exchange)

    body = json.dumps(chat("x" * 400_000)).encode()
    async with running() as (chaos, url), adapter(Named(url), max_bodies=1_000_000) as client:
        chaos.script = hangs
        held = [asyncio.create_task(client.post(PATH, content=body)) for _ in range(2)]
        while chaos.hits < 2:
            await asyncio.sleep(0.01)
        for path in (PATH, "/v1/responses", "/translate", "/v1/conversations"):
            refused = await client.post(path, content=body)
            check_error(refused, (503, "overloaded"))
            assert refused.headers["retry-after"] == "1"
        small = asyncio.create_task(client.post(PATH, json=chat()))
        while chaos.hits < 3:
            await asyncio.sleep(0.01)
        release.set()
        for one in await asyncio.gather(*held, small):
            check_whole(one, Whole("!"))
        chaos.script = GOOD
        answers = await asyncio.gather(*(client.post(PATH, content=body) for _ in range(2)))
        assert [one.status_code for one in answers] == [200, 200]


async def test_what_waits_on_a_websocket_is_counted_and_forgotten_with_it():
    async with running() as (chaos, url), adapter(Named(url), max_bodies=1_000_000) as client:
        chaos.script = says(then="hang")
        async with socket(client) as connection:
            for _ in range(2):
                await connection.send(create("x" * 400_000))
            for _ in range(2):
                await connection.send(create("x" * 400_000, stream_id="other"))
            told = await receive_events(connection)
            assert (told[-1]["type"], told[-1]["error"]["code"]) == ("error", "overloaded")
            while not chaos.hits:
                await asyncio.sleep(0.01)
            # A lane that was refused its first request serves the next one.
            await connection.send(create("small", stream_id="other"))
            while chaos.hits < 2:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(PATIENCE):
            await chaos.wait_for_connections()
        chaos.script = GOOD
        body = json.dumps(chat("x" * 400_000)).encode()
        answers = await asyncio.gather(*(client.post(PATH, content=body) for _ in range(2)))
        assert [one.status_code for one in answers] == [200, 200]


async def test_a_body_of_unknown_length_is_counted_as_it_comes():
    async def pieces():
        for _ in range(16):
            yield b" " * 50_000
            await asyncio.sleep(0)

    release = asyncio.Event()

    async def hangs(exchange):
        await release.wait()
        return await GOOD(exchange)

    async with running() as (chaos, url), adapter(Named(url), max_bodies=1_000_000) as client:
        chaos.script = hangs
        held = asyncio.create_task(client.post(PATH, json=chat("x" * 400_000)))
        while not chaos.hits:
            await asyncio.sleep(0.01)
        check_error(await client.post(PATH, content=pieces()), (503, "overloaded"))
        release.set()
        check_whole(await held, Whole("!"))
        check_error(await client.post(PATH, content=pieces()), (400, "invalid_json"))
