"""The time limit of an answer: as long as the client waits, and never longer than the operator allows."""

import asyncio
import json
import time

import httpx2
import pytest

from adapter.server.pipeline.service import deadline_of
from tests.support.guards import PATIENCE
from tests.support.scripted import LogLines, adapter, answer, chat, run_upstream

pytestmark = pytest.mark.faults

PATH = "/v1/chat/completions"


def waiting(text):
    return {b"x-stainless-read-timeout": text.encode()}


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-1", "0", "1e400", "86400"])
async def test_nonsense_sets_no_deadline(text):
    assert deadline_of(waiting(text)) is None


async def test_the_deadline_is_a_time_of_the_loops_clock():
    before = asyncio.get_running_loop().time()
    assert before + 7 <= (deadline_of(waiting("7")) or 0) <= asyncio.get_running_loop().time() + 7


@pytest.mark.parametrize(("wait", "told"), [("20", 20), ("600", 60), (None, 60)])
async def test_gemini_is_told_the_shorter_of_the_two_times(wait, told):
    async def says_hello(call):
        await call.json(answer("hello"))

    headers = {} if wait is None else {"x-stainless-read-timeout": wait}
    async with run_upstream(says_hello) as upstream, adapter(upstream, total_timeout=60.0) as client:
        await client.post(PATH, json=chat(), headers=headers)
    assert told - 10 < int(upstream.seen[0].headers["x-server-timeout"]) <= told


async def test_a_client_that_waits_a_second_gets_its_error_soon():
    async def hangs(_call):
        await asyncio.Event().wait()

    async with run_upstream(hangs) as upstream, adapter(upstream, retries=3) as client:
        response = await client.post(PATH, json=chat(), headers={"x-stainless-read-timeout": "1"})
    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")
    assert response.headers["x-should-retry"] == "false"
    assert len(upstream.seen) == 1


async def test_the_clients_own_time_limit_comes_before_our_error():
    """openai-python raises `APITimeoutError` where it runs out of patience itself; programs wait for that."""

    async def hangs(_call):
        await asyncio.Event().wait()

    log = LogLines()
    async with run_upstream(hangs) as upstream, adapter(upstream, lines=log) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.post(PATH, json=chat(), headers={"x-stainless-read-timeout": "1"}, timeout=1.0)
        async with asyncio.timeout(PATIENCE):
            await upstream.gone.wait()
            while not log:
                await asyncio.sleep(0.01)
    assert " 499 " in log[0]


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.7s"}


@pytest.mark.parametrize("where", ["body", "header"])
async def test_a_retry_waits_as_long_as_gemini_asks_for(where):
    times = []

    async def later(call):
        times.append(time.monotonic())
        if call.number == 2:
            await call.json(answer("hello"))
            return
        details = [RETRY_INFO] if where == "body" else []
        body = json.dumps({"error": {"code": 503, "message": "no", "status": "UNAVAILABLE", "details": details}})
        more = "Retry-After: 1\r\n" if where == "header" else ""
        call.writer.write(f"HTTP/1.1 503 X\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await call.writer.drain()

    async with run_upstream(later) as upstream, adapter(upstream, retries=1) as client:
        assert (await client.post(PATH, json=chat())).status_code == 200
    assert times[1] - times[0] >= (0.7 if where == "body" else 1.0)


async def test_the_next_key_is_asked_at_once_and_at_most_three_are():
    async def run_out(call):
        error = {"code": 429, "message": "no", "details": [{**RETRY_INFO, "retryDelay": "39s"}]}
        await call.json({"error": error}, 429)

    keys = tuple(f"k{number}" for number in range(5))
    async with run_upstream(run_out) as upstream, adapter(upstream, upstream_keys=keys) as client:
        response = await client.post(PATH, json=chat())
    assert (response.status_code, response.headers["retry-after"]) == (429, "39")
    assert [seen.headers["x-goog-api-key"] for seen in upstream.seen] == ["k0", "k1", "k2"]
