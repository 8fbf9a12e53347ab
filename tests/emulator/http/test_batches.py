"""Batches of the emulator: by Google's own client, in both forms of rows, through every state."""

import io
import json
import time
from contextlib import asynccontextmanager

import httpx2
import pytest
from google import genai
from google.genai import types

from adapter.emulator import EmulatorSettings
from tests.emulator.asking import MODEL
from tests.emulator.serving import serve
from tests.support.clocks import Clock
from tests.support.guards import wait_until
from tests.support.scripted import run_emulator

EMBEDDING = "gemini-embedding-001"
KEY = {"x-goog-api-key": "k"}
BATCHES = "/v1beta/batches"


@pytest.fixture
def client():
    for url in serve(EmulatorSettings()):
        yield genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))


def wait_for_end(client, job):
    wait_until(lambda: client.batches.get(name=job.name).done, "the batch ends")
    return client.batches.get(name=job.name)


def row(text, key):
    return {"key": key, "request": {"contents": [{"role": "user", "parts": [{"text": text}]}]}}


def upload(client, rows):
    lines = "\n".join(json.dumps(one) if isinstance(one, dict) else one for one in rows)
    return client.files.upload(file=io.BytesIO(lines.encode()), config={"mime_type": "jsonl"})


def output(client, job):
    return [json.loads(line) for line in client.files.download(file=job.dest.file_name).splitlines()]


def test_googles_client_runs_rows_of_a_file_and_downloads_their_answers(client):
    rows = [row("one", "a"), row("two", "b"), {"key": "c", "request": {"contents": [], "colour": "red"}}, ""]
    source = upload(client, rows)
    job = client.batches.create(model=MODEL, src=source.name, config={"display_name": "mine"})
    assert (job.state.name, job.display_name) == ("JOB_STATE_PENDING", "mine")
    done = wait_for_end(client, job)
    assert done.state.name == "JOB_STATE_SUCCEEDED"
    first, second, third = output(client, done)
    assert (first["key"], "one" in json.dumps(first["response"])) == ("a", True)
    assert (second["key"], "two" in json.dumps(second["response"])) == ("b", True)
    assert (third["key"], third["error"]["status"]) == ("c", "INVALID_ARGUMENT")
    assert [one.name for one in client.batches.list()] == [job.name]
    client.batches.delete(name=job.name)
    assert list(client.batches.list()) == []


def test_googles_client_runs_rows_of_the_request(client):
    rows = [{"contents": [{"parts": [{"text": text}], "role": "user"}], "metadata": {"key": text}} for text in "xy"]
    done = wait_for_end(client, client.batches.create(model=MODEL, src=rows, config={"display_name": "inline"}))
    answers = done.dest.inlined_responses
    assert [one.metadata for one in answers] == [{"key": "x"}, {"key": "y"}]
    assert all(one.response.text for one in answers)


@pytest.mark.filterwarnings("ignore:batches.create_embeddings")
def test_googles_client_embeds_rows_of_a_file(client):
    request = {"content": {"parts": [{"text": "a"}]}, "output_dimensionality": 8}
    rows = [{"key": str(number), "request": request} for number in (1, 2)]
    source = {"file_name": upload(client, rows).name}
    done = wait_for_end(
        client, client.batches.create_embeddings(model=EMBEDDING, src=source, config={"display_name": "e"})
    )
    assert [len(one["response"]["embedding"]["values"]) for one in output(client, done)] == [8, 8]


def test_rows_in_openais_shape_are_answered_in_it_with_usage_in_camel_case(client):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
    rows = [
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body},
        {"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": {}},
    ]
    source = upload(client, rows)
    done = wait_for_end(client, client.batches.create(model=MODEL, src=source.name, config={"display_name": "o"}))
    good, bad = output(client, done)
    assert (good["custom_id"], good["response"]["status_code"]) == ("a", 200)
    assert "hello" in good["response"]["body"]["choices"][0]["message"]["content"]
    assert set(good["response"]["body"]["usage"]) == {"promptTokens", "completionTokens", "totalTokens"}
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("b", 400)


@asynccontextmanager
async def waiting(**settings):
    """A client, a job that waits for the clock, and the clock."""
    clock = Clock(time.time())
    given = EmulatorSettings(clock=clock, **{"batch_delay": 1_000.0, **settings})
    async with run_emulator(given) as gemini, httpx2.AsyncClient(base_url=gemini.url, headers=KEY) as client:
        requests = {"requests": {"requests": [{"request": row("a", "a")["request"]}] * 3}}
        body = {"batch": {"displayName": "d", "inputConfig": requests}}
        begun = await client.post(f"/v1beta/models/{MODEL}:batchGenerateContent", json=body)
        assert begun.status_code == 200, begun.text
        yield client, f"/v1beta/{begun.json()['name']}", clock


async def until_state(client, path, state):
    while (got := (await client.get(path)).json())["metadata"]["state"] != f"BATCH_STATE_{state}":
        pass
    return got


async def test_a_job_begins_by_the_clock():
    async with waiting() as (client, path, clock):
        pending = await until_state(client, path, "PENDING")
        assert pending["metadata"]["batchStats"]["pendingRequestCount"] == "3"
        assert "done" not in pending
        clock.now += 1_001
        done = await until_state(client, path, "SUCCEEDED")
        assert done["metadata"]["batchStats"]["successfulRequestCount"] == "3"


async def test_a_job_is_cancelled_and_one_that_has_ended_stays_as_it_is():
    async with waiting() as (client, path, clock):
        assert (await client.post(f"{path}:cancel", json={})).json() == {}
        got = await until_state(client, path, "CANCELLED")
        assert (got["done"], "output" in got["metadata"]) == (True, False)
    async with waiting() as (client, path, clock):
        clock.now += 1_001
        await until_state(client, path, "SUCCEEDED")
        await client.post(f"{path}:cancel", json={})
        await until_state(client, path, "SUCCEEDED")


async def test_a_job_that_does_not_begin_in_two_days_expires():
    async with waiting(batch_delay=1e9) as (client, path, clock):
        clock.now += 47 * 3_600
        await until_state(client, path, "PENDING")
        clock.now += 2 * 3_600
        await until_state(client, path, "EXPIRED")


async def test_a_job_is_its_keys_alone():
    async with waiting() as (client, path, _):
        other = {"x-goog-api-key": "other"}
        for verb, where in (("GET", path), ("DELETE", path), ("POST", f"{path}:cancel")):
            assert (await client.request(verb, where, headers=other)).status_code == 404
        assert (await client.get(BATCHES, headers=other)).json() == {}
        assert (await client.get(f"{BATCHES}?pageSize=x")).status_code == 400


@pytest.mark.parametrize(
    ("batch", "status"),
    [
        ({"inputConfig": {"fileName": "files/x"}}, 400),
        ({"displayName": "d"}, 400),
        ({"displayName": "d", "inputConfig": {"fileName": "files/x", "requests": {"requests": []}}}, 400),
        ({"displayName": "d", "inputConfig": {"fileName": "files/x"}}, 403),
    ],
)
async def test_a_job_that_cannot_be_is_refused(batch, status):
    async with (
        run_emulator(EmulatorSettings()) as gemini,
        httpx2.AsyncClient(base_url=gemini.url, headers=KEY) as client,
    ):
        for method in ("batchGenerateContent", "asyncBatchEmbedContent"):
            model = MODEL if method == "batchGenerateContent" else EMBEDDING
            got = await client.post(f"/v1beta/models/{model}:{method}", json={"batch": batch})
            assert got.status_code == status
        got = await client.post("/v1beta/models/none:batchGenerateContent", json={"batch": batch})
        assert got.status_code == 404


def test_a_file_that_is_no_list_of_rows_fails_the_job(client):
    source = upload(client, ["[1]"])
    done = wait_for_end(client, client.batches.create(model=MODEL, src=source.name, config={"display_name": "x"}))
    assert done.state.name == "JOB_STATE_FAILED"


def test_a_models_fault_is_the_answer_of_each_row(client):
    source = upload(client, [row("a", "a")])
    job = client.batches.create(model=f"{MODEL}+fault-503", src=source.name, config={"display_name": "x"})
    assert output(client, wait_for_end(client, job))[0]["error"]["code"] == 503
