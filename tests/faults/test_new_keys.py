"""Keys that are replaced in the settings' file while the server runs: SIGHUP has them read, and no request fails."""

import asyncio
import json
import signal
from subprocess import DEVNULL

import httpx2
import pytest

from tests.faults.test_bad_upstreams import GOOD, PATH
from tests.live import adapter
from tests.server.scripted import chat
from tests.server.test_shutdown import workers_of
from tests.upstream.chaos import running


def write(path, url, key, client_key):
    other = f'[[fallback_upstreams]]\nupstream_url = "{url}/other"\nupstream_keys = ["{key}-other"]\n'
    path.write_text(f'upstream_url = "{url}"\nupstream_keys = ["{key}"]\nclient_keys = ["{client_key}"]\n{other}')


def used(chaos):
    return chaos.exchanges[-1].fields["x-goog-api-key"]


async def ask(client, key="one", **fields):
    return await client.post(PATH, json=chat(**fields), headers={"authorization": f"Bearer {key}"})


@pytest.fixture
async def upstream():
    async with running() as (chaos, url):
        chaos.script = GOOD
        chaos.url = url
        yield chaos


def started(tmp_path, path, *arguments):
    # At a terminal the signal means its end.
    return adapter(tmp_path, "--config", str(path), "--log-level", "info", *arguments, stdin=DEVNULL)


async def until_refused(client, key):
    async with asyncio.timeout(30):
        while (await ask(client, key)).status_code != 401:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "two workers"])
async def test_new_keys_are_used_and_old_ones_only_for_what_ran_before(tmp_path, upstream, workers):
    path = tmp_path / "settings.toml"
    write(path, upstream.url, "old", "one")
    with started(tmp_path, path, "--workers", str(workers)) as live:
        before = workers_of(live.process.pid)
        async with httpx2.AsyncClient(base_url=live.url, timeout=60, trust_env=False, verify=False) as client:
            client.headers["connection"] = "close"
            assert (await ask(client)).status_code == 200
            assert used(upstream) == "old"
            release = asyncio.Event()

            async def waits(exchange):
                if exchange.fields["x-goog-api-key"] == "old":
                    await release.wait()
                return await GOOD(exchange)

            upstream.script = waits
            hits = upstream.hits
            running_one = asyncio.create_task(ask(client))
            while upstream.hits == hits:
                await asyncio.sleep(0.01)
            write(path, upstream.url, "new", "two")
            live.process.send_signal(signal.SIGHUP)
            if workers == 1:
                await until_refused(client, "one")
                answers = await asyncio.gather(*(ask(client, "two") for _ in range(5)))
                assert [one.status_code for one in answers] == [200] * 5
                assert used(upstream) == "new"
            release.set()
            assert (await running_one).status_code == 200
            await until_refused(client, "one")
            if workers == 2:
                async with asyncio.timeout(30):
                    while set(workers_of(live.process.pid)) & set(before):
                        await asyncio.sleep(0.05)
            assert (await ask(client, "two")).status_code == 200
            assert used(upstream) == "new"
            upstream.script = fails_first
            assert (await ask(client, "two")).status_code == 200
            assert used(upstream) == "new-other"
        assert live.process.poll() is None


async def fails_first(exchange):
    if "other" in exchange.line:
        return await GOOD(exchange)
    body = json.dumps({"error": {"code": 500, "status": "INTERNAL", "message": "no"}}).encode()
    return await exchange.send(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize(
    ("workers", "text"),
    [(1, "no TOML"), (2, 'upstream_keys = ["new"]\nno_such_setting = 1\n')],
    ids=["one process", "two workers"],
)
async def test_a_file_that_is_no_good_changes_nothing(tmp_path, upstream, workers, text):
    path, log = tmp_path / "settings.toml", tmp_path / "log"
    write(path, upstream.url, "old", "one")
    arguments = ["--config", str(path), "--workers", str(workers)]
    with log.open("wb") as file, adapter(tmp_path, *arguments, stdin=DEVNULL, stderr=file) as live:
        before = workers_of(live.process.pid)
        path.write_text(text)
        live.process.send_signal(signal.SIGHUP)
        async with httpx2.AsyncClient(base_url=live.url, timeout=60, trust_env=False, verify=False) as client:
            async with asyncio.timeout(30):
                while "the settings stay as they are" not in log.read_text():
                    await asyncio.sleep(0.05)
            assert (await ask(client)).status_code == 200
        assert used(upstream) == "old"
        assert workers_of(live.process.pid) == before
