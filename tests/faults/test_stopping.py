"""Processes that are told to end, are killed or hang; what the clients see, and what is left for the next process.

How what runs is finished, and how workers are replaced, is in tests/server/lifecycle/test_shutdown.py.
"""

import asyncio
import json
import os
import signal
import socket
from contextlib import contextmanager

import httpx2
import pytest

from tests.support.guards import PATIENCE, until
from tests.support.live import adapter
from tests.support.paths import REPOSITORY
from tests.support.shutting_down import HANGING, SILENT, SLOW, chat, events, until_under_way, wait_for_exit, workers_of

MODEL = "gemini-3.8-flash"
PATH = "/v1/chat/completions"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@contextmanager
def logging(tmp_path, *arguments, **settings):
    """A server, and the file that holds what it writes."""
    path = tmp_path / "log"
    given = {f"ADAPTER_{name.upper()}": str(value) for name, value in settings.items()}
    with path.open("wb") as file, adapter(tmp_path, *arguments, settings=given, stderr=file) as live:
        yield live, path


def client_of(live):
    return httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE, trust_env=False, verify=False)


async def test_a_second_sigterm_ends_the_grace_period_and_clients_are_told(tmp_path):
    with logging(tmp_path, shutdown_grace=60, commit_after=60, metrics="true") as (live, path):
        async with client_of(live) as client:
            running = [
                asyncio.create_task(chat(client, HANGING, stream=True)),
                asyncio.create_task(chat(client, SILENT, stream=True)),
                asyncio.create_task(chat(client, SILENT)),
            ]
            await until_under_way(client, running)
            live.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert [task for task in running if task.done()] == []
            live.process.send_signal(signal.SIGTERM)
            (status, text), *others = await asyncio.wait_for(asyncio.gather(*running), PATIENCE)
            assert status == 200
            assert "[DONE]" not in text
            assert events(text)[-1]["error"]["code"] == "shutting_down"
            for status, text in others:
                assert (status, json.loads(text)["error"]["code"]) == (503, "shutting_down")
        assert await wait_for_exit(live.process) in (0, -signal.SIGTERM)
        lines = path.read_text().splitlines()
        assert [line.endswith(" shutting_down") for line in lines if PATH in line] == [True] * 3


async def test_of_two_workers_none_is_hurried_by_the_second_sigterm_that_its_parent_sends(tmp_path):
    with logging(tmp_path, "--workers", "2", shutdown_grace=60, metrics="true") as (live, _):
        async with client_of(live) as client:
            stream = asyncio.create_task(chat(client, SLOW, stream=True))
            await until_under_way(client, [stream])
            # As systemd does: to all of the group.
            for pid in (live.process.pid, *workers_of(live.process.pid)):
                os.kill(pid, signal.SIGTERM)
            status, text = await stream
            assert status == 200
            assert text.endswith("data: [DONE]\n\n")
        assert await wait_for_exit(live.process) in (0, -signal.SIGTERM)


def accepts(live):
    """Return whether the server accepts a new connection."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(live.url.rpartition(":")[2]))) == 0


async def test_connections_are_refused_as_soon_as_no_worker_takes_them(tmp_path):
    """A load balancer asks another replica then; one that is taken and left would wait for the last answer's end."""
    with logging(tmp_path, "--workers", "2", shutdown_grace=60, metrics="true") as (live, _):
        async with client_of(live) as client:
            stream = asyncio.create_task(chat(client, HANGING, stream=True))
            await until_under_way(client, [stream])
            assert accepts(live)
            live.process.terminate()
            await until(lambda: not accepts(live))
            assert not stream.done()
            for pid in workers_of(live.process.pid):
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(httpx2.TransportError):
                await stream
        assert await wait_for_exit(live.process) in (0, -signal.SIGTERM)


async def test_a_killed_process_leaves_a_store_from_which_the_next_one_goes_on(tmp_path):
    """A tool loop goes on with the signature that the first process kept a moment before it was killed."""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "weather in Oslo"}], "tools": [TOOL]}
    with adapter(tmp_path, "--log-level", "error") as live:
        async with client_of(live) as client:
            stream = asyncio.create_task(chat(client, HANGING, stream=True))
            asking = asked | {"tool_choice": "required"}
            message = (await client.post(PATH, json=asking)).json()["choices"][0]["message"]
            live.process.kill()
            await wait_for_exit(live.process)
            with pytest.raises(httpx2.TransportError):
                await stream
    call = message["tool_calls"][0]
    bare = {"role": "assistant", "tool_calls": [{key: call[key] for key in ("id", "type", "function")}]}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "rain"}
    with adapter(tmp_path, "--log-level", "error") as live:
        async with client_of(live) as client:
            warnings = (await client.get("/healthz")).json()["warnings"]
            assert [warning for warning in warnings if "emulator" not in warning] == []
            answer = await client.post(PATH, json={**asked, "messages": [*asked["messages"], bare, result]})
    assert answer.status_code == 200
    assert answer.headers["x-adapter-signatures"] == "id=1"


STUCK = '''
"""Put before everything else in the path: /healthz?stuck=... never lets go of the event loop."""
import time
from adapter.server.endpoints import health

healthy = health.health

async def gets_stuck(call):
    match call.query.get("stuck"):
        case "asleep":
            time.sleep(float(call.query["seconds"]))
        case "busy":
            sum(range(10**13))
    await healthy(call)

health.health = gets_stuck
'''


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Processes that begin now can get stuck."""
    folder = tmp_path / "stuck"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(STUCK)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{REPOSITORY}")


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("how", ["asleep", "busy"])
async def test_a_worker_that_is_stuck_is_replaced_while_the_other_one_serves(tmp_path, how):
    with logging(tmp_path, "--workers", "2", stuck_timeout=1.0) as (live, log):
        before = set(workers_of(live.process.pid))
        async with client_of(live) as client:
            client.headers["connection"] = "close"
            stuck = asyncio.create_task(client.get("/healthz", params={"stuck": how, "seconds": 60}))
            await asyncio.sleep(0.3)
            for _ in range(5):
                assert (await chat(client, MODEL))[0] == 200
            with pytest.raises(httpx2.TransportError):
                await stuck
            await until(lambda: len(before & set(workers_of(live.process.pid))) == 1)
            await until(lambda: len(workers_of(live.process.pid)) == 2)
            assert (await chat(client, MODEL))[0] == 200
        assert "gets_stuck" in log.read_text()


@pytest.mark.usefixtures("path")
async def test_a_single_process_that_was_stuck_says_where_and_goes_on(tmp_path):
    with logging(tmp_path, stuck_timeout=0.5) as (live, log):
        async with client_of(live) as client:
            await asyncio.sleep(1.0)
            assert log.read_text().count("gets_stuck") == 0
            assert (await client.get("/healthz", params={"stuck": "asleep", "seconds": 1.5})).status_code == 200
            assert log.read_text().count("gets_stuck") == 1
            assert (await chat(client, MODEL))[0] == 200
            await asyncio.sleep(1.0)
            assert log.read_text().count("gets_stuck") == 1
