"""Keys in files are read again on SIGHUP, by real processes, while they serve."""

import asyncio
import signal

import httpx2
import pytest

from tests.support.guards import PATIENCE
from tests.support.live import adapter
from tests.support.scripted import answer, chat, run_upstream

pytestmark = pytest.mark.faults


async def hello(call):
    if call.request.headers["x-goog-api-key"] == "old":
        await asyncio.sleep(1.0)
    await call.json(answer("hello"))


async def until(true):
    """Wait for something that another process does."""
    async with asyncio.timeout(PATIENCE):
        while not await true():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_keys_are_rotated_without_a_lost_request(tmp_path, workers, capfd):
    upstream_keys, client_keys = tmp_path / "upstream", tmp_path / "clients"
    upstream_keys.write_text("old\n")
    client_keys.write_text("client-old\n")
    async with run_upstream(hello) as upstream:
        settings = {
            "ADAPTER_UPSTREAM_URL": upstream.url,
            "ADAPTER_UPSTREAM_KEYS_FILE": str(upstream_keys),
            "ADAPTER_CLIENT_KEYS_FILE": str(client_keys),
        }
        serving = adapter(tmp_path, "--workers", workers, settings=settings)
        live = await asyncio.to_thread(serving.__enter__)
        try:
            async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:

                async def status(key):
                    headers = {"authorization": f"Bearer {key}"}
                    return (await client.post("/v1/chat/completions", json=chat(), headers=headers)).status_code

                async def rotate():
                    return (await status("client-old"), await status("client-new")) == (401, 200)

                under_way = asyncio.create_task(status("client-old"))
                while not upstream.seen:
                    await asyncio.sleep(0.01)
                upstream_keys.write_text("new\n")
                client_keys.write_text("client-new\n")
                live.process.send_signal(signal.SIGHUP)
                assert await under_way == 200
                await until(rotate)
                seen = len(upstream.seen)
                for _ in range(6):
                    assert await status("client-new") == 200
                assert {call.headers["x-goog-api-key"] for call in upstream.seen[seen:]} == {"new"}
        finally:
            await asyncio.to_thread(serving.__exit__, None, None, None)
    written = "".join(capfd.readouterr())
    assert "client-old" not in written
    assert "client-new" not in written


async def test_a_file_that_cannot_be_read_leaves_the_keys_as_they_are(tmp_path, capfd):
    keys = tmp_path / "upstream"
    keys.write_text("kept\n")
    async with run_upstream(hello) as upstream:
        settings = {"ADAPTER_UPSTREAM_URL": upstream.url, "ADAPTER_UPSTREAM_KEYS_FILE": str(keys)}
        serving = adapter(tmp_path, "--store", "memory", settings=settings)
        live = await asyncio.to_thread(serving.__enter__)
        try:
            keys.write_text("not a key\n")
            live.process.send_signal(signal.SIGHUP)
            told = ""

            async def is_logged():
                nonlocal told
                told += "".join(capfd.readouterr())
                return "the old keys stay in use" in told

            await until(is_logged)
            async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
                assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200
        finally:
            await asyncio.to_thread(serving.__exit__, None, None, None)
    assert upstream.seen[-1].headers["x-goog-api-key"] == "kept"
    assert "not a key" not in told
