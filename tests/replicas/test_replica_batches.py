"""Batches of three replicas with one directory and one Redis: who is killed is replaced, and nothing runs twice."""

import asyncio
import json
import signal
import subprocess
import sys

import httpx2
import pytest

from tests.replicas.cluster import Replica
from tests.support.guards import PATIENCE
from tests.support.key_value import key_value_server
from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.replicas

ROWS = 300


def lines():
    for number in range(ROWS):
        body = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": f"number {number}"}]}
        told = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}
        yield json.dumps(told).encode() + b"\n"


@pytest.fixture
def replicas(tmp_path):
    """Three replicas, and the emulator behind them."""
    port = free_port()
    command = [sys.executable, "-m", "adapter", "emulate", "--port", str(port)]
    emulator = subprocess.Popen(command, cwd=REPOSITORY, env=bare_environment(tmp_path), stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/emulator/stats", emulator)
    with key_value_server(tmp_path) as store:
        settings = {
            "ADAPTER_UPSTREAM_URL": url, "ADAPTER_UPSTREAM_PLATFORM": "studio", "ADAPTER_STORE": store.url,
            "ADAPTER_FILES_DIR": str(tmp_path / "shared"), "ADAPTER_SHUTDOWN_DELAY": "0",
        }  # fmt: skip
        started = [Replica(tmp_path / str(number), settings) for number in range(3)]
        for one in started:
            one.start()
        yield started, url
        for one in started:
            one.end(signal.SIGTERM)
    emulator.terminate()
    emulator.wait(PATIENCE)


async def test_batches_of_replicas_that_are_killed_are_ended_by_the_others_once(replicas):
    started, gemini = replicas
    bases = [f"http://127.0.0.1:{one.port}/v1" for one in started]
    content = b"".join(lines())
    async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        begun = []
        for base in bases:
            file = (await client.post(f"{base}/files", files={"file": content}, data={"purpose": "batch"})).json()
            told = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
            begun.append((await client.post(f"{base}/batches", json=told)).json())
        started[0].end(signal.SIGKILL)
        started[1].end(signal.SIGKILL)
        for batch in begun:
            while (got := (await client.get(f"{bases[2]}/batches/{batch['id']}")).json())["status"] != "completed":
                assert got["status"] in ("validating", "in_progress", "finalizing"), got
                await asyncio.sleep(0.1)
            assert got["request_counts"] == {"total": ROWS, "completed": ROWS, "failed": 0}
            output = await client.get(f"{bases[2]}/files/{got['output_file_id']}/content")
            assert [json.loads(one)["custom_id"] for one in output.text.splitlines()] == list(map(str, range(ROWS)))
        listed = await client.get(f"{gemini}/v1beta/batches?pageSize=100", headers={"x-goog-api-key": "any"})
        names = [one["metadata"]["displayName"] for one in listed.json()["operations"]]
        assert sorted(names) == sorted(f"{one['id']}-0" for one in begun)
