"""A server's surroundings fail: its store, its tokens, its log, its file descriptors, its clock."""

import asyncio
import fcntl
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapter.upstream.auth.access_token import NoToken
from tests.faults.upstreams import FINAL as HELLO
from tests.faults.upstreams import (
    GOOD,
    LATE,
    LIMITS,
    PATH,
    Named,
    Whole,
    answer_bytes,
    by_kind,
    check_error,
    check_stream,
    check_whole,
    delta,
    http_error,
    says,
    waits,
    whole_stream,
)
from tests.support import live
from tests.support.chaos import CHUNKED, chunk, running
from tests.support.guards import PATIENCE
from tests.support.key_value import key_value_server
from tests.support.raw import raw
from tests.support.scripted import adapter, answer, chat, frame

CALL = answer({"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": "c2lnbmF0dXJl"})
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


# The store


def wrong_data(server):
    """Every key holds what no version of this server wrote."""
    names = [line for line in server.ask("KEYS", "*").split(b"\r\n") if line and line[:1] not in b"*$"]
    assert names
    for name in names:
        server.ask("DEL", name)
        server.ask("RPUSH", name, "garbage")


STORE = {
    "is killed": lambda server: server.kill(),
    "is frozen": lambda server: server.freeze(),
    "may only be read": lambda server: server.ask("REPLICAOF", "127.0.0.1", "1"),
    "lost everything": lambda server: server.ask("FLUSHALL"),
    "holds wrong data": wrong_data,
}


@pytest.mark.parametrize("fault", STORE)
async def test_no_tool_loop_breaks_because_the_store(fault, tmp_path):
    """One replica issues a call, another one that does not know it answers what follows, and issues one itself."""
    with key_value_server(tmp_path) as server:
        async with running() as (chaos, url), AsyncExitStack() as replicas:
            chaos.script = answer_bytes(CALL)
            given = {"store": server.url, "upstream_name": "one"}
            first, second = [await replicas.enter_async_context(adapter(Named(url), **given)) for _ in range(2)]
            question = chat("weather", tools=TOOLS)
            issued = (await first.post(PATH, json=question)).json()["choices"][0]["message"]["tool_calls"][0]
            STORE[fault](server)
            call = {name: issued[name] for name in ("id", "type", "function")}
            asks = {"role": "assistant", "tool_calls": [call]}
            result = {"role": "tool", "tool_call_id": call["id"], "content": "rain"}
            response = await second.post(PATH, json=question | {"messages": [*question["messages"], asks, result]})
            assert response.status_code == 200, response.text
            assert response.json()["choices"][0]["message"]["tool_calls"]
            sent = json.loads(chaos.exchanges[-1].body)["contents"][1]["parts"][0]
            known = fault == "may only be read"
            assert (sent["thoughtSignature"] == "c2lnbmF0dXJl") is known
            assert ("stand-in" in response.headers["x-adapter-signatures"]) is not known
            assert (await second.get("/readyz")).status_code == 200


# The tokens of Google Cloud


class Tokens:
    """Google Cloud's tokens, as a test wants them; each is made in a thread, and takes its time."""

    def __init__(self):
        self.made = 0
        self.seconds = 3_600.0
        self.takes = 0.0
        self.error = None

    def __call__(self):
        self.made += 1
        time.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return {"authorization": f"Bearer ya29.{self.made}"}, self.seconds


@pytest.fixture
def tokens(monkeypatch):
    made = Tokens()
    monkeypatch.setattr("adapter.upstream.auth.google_tokens.GoogleTokens", lambda: made)
    return made


VERTEX = {"upstream_auth": "vertex", "vertex_project": "p", "vertex_location": "global", "upstream_keys": ()}


async def test_without_a_token_requests_fail_and_with_the_next_one_they_do_not(tokens):
    async with running() as (chaos, url), adapter(Named(f"{url}/v1beta1"), **VERTEX) as client:
        chaos.script = GOOD
        tokens.error = NoToken()
        refused = await client.post(PATH, json=chat())
        check_error(refused, (502, "upstream_auth_failed"))
        assert (chaos.hits, "ya29" in refused.text) == (0, False)
        tokens.error = None
        check_whole(await client.post(PATH, json=chat()), Whole("!"))


@pytest.mark.parametrize("seconds", [3_600.0, 0.0, -600.0], ids=["a good token", "an ended one", "one of the past"])
async def test_many_requests_wait_for_one_token_and_nothing_else_waits(tokens, seconds):
    """A token that has ended already, by a clock that is wrong, is Google's to refuse."""
    tokens.takes, tokens.seconds = 0.5, seconds
    async with running() as (chaos, url), adapter(Named(f"{url}/v1beta1"), **VERTEX) as client:
        chaos.script = GOOD
        asking = [asyncio.create_task(client.post(PATH, json=chat())) for _ in range(20)]
        while not tokens.made:
            await asyncio.sleep(0.01)
        assert (await client.get("/healthz")).status_code == 200
        assert [task for task in asking if task.done()] == []
        for response in await asyncio.gather(*asking):
            check_whole(response, Whole("!"))
        assert (tokens.made, chaos.hits) == (1, 20)
        check_whole(await client.post(PATH, json=chat()), Whole("!"))
        assert tokens.made == (1 if seconds > 0 else 2)


async def test_a_token_that_serves_is_used_while_the_next_one_cannot_be_made(tokens):
    tokens.seconds = 200.0
    async with running() as (chaos, url), adapter(Named(f"{url}/v1beta1"), **VERTEX) as client:
        chaos.script = GOOD
        check_whole(await client.post(PATH, json=chat()), Whole("!"))
        tokens.error, tokens.takes = NoToken(), 0.2
        async with asyncio.timeout(PATIENCE):
            while tokens.made < 3:
                check_whole(await client.post(PATH, json=chat()), Whole("!"))
        assert {one.fields["authorization"] for one in chaos.exchanges} == {"Bearer ya29.1"}


# The log


@pytest.fixture
def serve(tmp_path):
    """Starts a server on the emulator."""

    def serve(**popen):
        return live.adapter(tmp_path, "--store", "memory", **popen)

    return serve


async def ask_often(url, number=100):
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False, verify=False) as client:
        for stream in (False, True):
            done = [await client.post(PATH, json=chat(stream=stream)) for _ in range(number // 2)]
            assert [one.status_code for one in done] == [200] * len(done)


async def test_a_log_that_nobody_reads_costs_lines_and_no_answer(serve):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8_192)
    with serve(stderr=writer) as server:
        os.close(writer)
        await ask_often(server.url)
        kept = os.read(reader, 65_536)
        assert 5 < kept.count(b"/v1/chat/completions") < 90
        # Read again, it goes on, and says what is missing.
        await ask_often(server.url, 2)
        told = os.read(reader, 65_536)
        assert b"lines of the log were lost" in told
        assert told.count(b"/v1/chat/completions") == 2
    os.close(reader)


def closes_stderr():
    os.close(2)


LOGS = {
    "whose reader has gone": None,
    "on a disk that is full": "/dev/full",
    "that was never open": closes_stderr,
}


@pytest.mark.parametrize("where", LOGS)
async def test_a_log_costs_no_answer_also_one(serve, where):
    if where == "whose reader has gone":
        reader, writer = os.pipe()
        os.close(reader)
        popen: dict[str, Any] = {"stderr": writer, "stdout": writer}
    elif where == "on a disk that is full":
        writer = os.open("/dev/full", os.O_WRONLY)
        popen = {"stderr": writer, "stdout": writer}
    else:
        writer = None
        popen = {"preexec_fn": closes_stderr}
    with serve(**popen) as server:
        await ask_often(server.url, 20)
    if writer is not None:
        os.close(writer)


# File descriptors


async def status_of(client):
    try:
        return (await client.post(PATH, json=chat())).status_code
    except httpx2.TransportError:
        return 0


@pytest.mark.skipif(sys.platform != "linux", reason="the time of a process is read from /proc")
async def test_a_process_without_a_file_descriptor_left_waits_calmly_and_serves_again(tmp_path):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    def spent(pid):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    options = ("--store", "memory", "--header-timeout", "3", "--log-level", "error")
    with live.adapter(tmp_path, *options, preexec_fn=few, stderr=subprocess.DEVNULL) as server:
        async with (
            httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE, trust_env=False, verify=False) as client,
            AsyncExitStack() as idle,
        ):
            assert (await client.get("/healthz")).status_code == 200
            for _ in range(100):
                await idle.enter_async_context(raw(client))
            await asyncio.sleep(0.3)
            before = spent(server.process.pid)
            await asyncio.sleep(1.5)
            assert spent(server.process.pid) - before < 0.75
            assert server.process.poll() is None
            # Those that say nothing are closed after three seconds; until then others are sent away.
            client.headers["connection"] = "close"
            async with asyncio.timeout(PATIENCE):
                while await status_of(client) != 200:
                    await asyncio.sleep(0.2)
            assert [await status_of(client) for _ in range(10)] == [200] * 10


# The clock


@pytest.fixture
def jump(monkeypatch):
    """Makes the wall clock jump by so many seconds; what only goes forward is as it was."""
    real, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    return lambda seconds: offset.__setitem__(0, offset[0] + seconds)


@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0], ids=["forward", "back"])
async def test_a_clock_that_jumps_ends_no_wait_and_begins_none(jump, seconds):
    async def jumps(exchange):
        await exchange.send(CHUNKED + chunk(delta("a")))
        jump(seconds)
        await asyncio.sleep(0.4)
        await exchange.send(chunk(frame(HELLO)) + chunk(b""))

    beats = {"heartbeat_after": 0.1, "metrics": True}
    async with running() as (chaos, url), adapter(Named(url), **beats, **LIMITS | {"idle_timeout": 20}) as client:
        chaos.script = jumps
        response = await client.post(PATH, json=chat(stream=True))
        check_stream(response, Whole("a!"))
        assert 1 <= response.text.count(": keep-alive\n\n") <= 20
        chaos.script = says(then="hang")
        begun = time.monotonic()
        task = asyncio.create_task(client.post(PATH, json=chat()))
        await asyncio.sleep(0.1)
        jump(-seconds)
        check_error(await task, LATE)
        assert time.monotonic() - begun > 0.3
        assert (await client.get("/metrics")).status_code == 200


@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0], ids=["forward", "back"])
async def test_a_key_rests_as_long_as_it_was_told_whatever_the_clock_says(jump, seconds):
    async def script(exchange):
        rests = http_error(429, "RESOURCE_EXHAUSTED", details=[waits(39)])
        return await (rests if exchange.fields["x-goog-api-key"] == "a" else GOOD)(exchange)

    async with running() as (chaos, url), adapter(Named(url), upstream_keys=("a", "b")) as client:
        chaos.script = script
        check_whole(await client.post(PATH, json=chat()), Whole("!"))
        jump(seconds)
        for _ in range(3):
            check_whole(await client.post(PATH, json=chat()), Whole("!"))
        assert [one.fields["x-goog-api-key"] for one in chaos.exchanges].count("a") == 1


@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0], ids=["forward", "back"])
async def test_what_is_stored_is_found_after_the_clock_jumped(jump, seconds, tmp_path):
    async with (
        running() as (chaos, url),
        adapter(Named(url), store=f"sqlite:{tmp_path}/store", upstream_name="one") as client,
    ):
        chaos.script = by_kind(answer_bytes(CALL), whole_stream(frame(CALL)))
        question = chat("weather", tools=TOOLS)
        issued = (await client.post(PATH, json=question)).json()["choices"][0]["message"]["tool_calls"][0]
        response = (await client.post("/v1/responses", json={"model": "gemini-3.5-flash", "input": "hi"})).json()
        jump(seconds)
        asks = {"role": "assistant", "tool_calls": [{name: issued[name] for name in ("id", "type", "function")}]}
        result = {"role": "tool", "tool_call_id": issued["id"], "content": "rain"}
        answered = await client.post(PATH, json=question | {"messages": [*question["messages"], asks, result]})
        assert answered.headers["x-adapter-signatures"] == "id=1"
        assert (await client.get(f"/v1/responses/{response['id']}")).status_code == 200
