"""The memory of a process with large files and batches, the chats beside them, and kills at any moment."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.faults.held_memory import MB, Held
from tests.support.guards import PATIENCE, until
from tests.support.live import adapter, bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY
from tests.support.shutting_down import workers_of
from tests.support.size import IS_LARGE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

MODEL = "gemini-3.5-flash"
ALLOWED = 32 * MB
LINES = 50_000 if IS_LARGE else 1_000
LINE_BYTES = 4_190
"""Bytes of a line: fifty thousand lines have 200 MB, the most of a batch."""


@pytest.fixture(scope="module")
def gemini(tmp_path_factory):
    """An emulator in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "adapter", "emulate", "--port", str(port)]
    environment = bare_environment(tmp_path_factory.mktemp("emulator"))
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/emulator/stats", process)
    yield url
    process.terminate()
    process.wait(PATIENCE)


@contextmanager
def serving(gemini, state, *arguments):
    settings = {
        "ADAPTER_UPSTREAM_URL": gemini, "ADAPTER_UPSTREAM_KEYS": "k", "ADAPTER_UPSTREAM_PLATFORM": "studio",
        "ADAPTER_LOG_LEVEL": "error", "ADAPTER_MAX_HEADER_BYTES": "32768",
    }  # fmt: skip
    with adapter(state, "--no-inspector", *arguments, settings=settings) as live:
        yield live


def client_of(live):
    return httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE, trust_env=False, verify=False)


def form(name, pieces, size, purpose):
    """A form with one file, piece by piece, and its headers."""
    head = (
        f'--xyz\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="a.jsonl"\r\n'
        "Content-Type: application/pdf\r\n\r\n"
    ).encode()
    end = b"\r\n--xyz--\r\n"

    async def content():
        yield head
        for piece in pieces:
            yield piece
        yield end

    length = str(len(head) + size + len(end))
    return {
        "content": content(),
        "headers": {"content-type": "multipart/form-data; boundary=xyz", "content-length": length},
    }


def chat(number):
    return {"model": MODEL, "messages": [{"role": "user", "content": f"number {number}"}]}


async def warm(client):
    """Send some requests of each kind, after which a process holds what it always holds."""
    for number in range(50):
        assert (await client.post("/v1/chat/completions", json=chat(number))).status_code == 200
    small = await client.post("/v1/files", **form("file", [b"x" * MB], MB, "user_data"))
    assert (await client.get(f"/v1/files/{small.json()['id']}/content")).status_code == 200


def batch_lines(count):
    filler = "x" * (LINE_BYTES - len(json.dumps(line(0, ""))) - 1)
    return [json.dumps(line(number, filler)).encode() + b"\n" for number in range(count)]


def line(number, filler):
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"{number:06} {filler}"}]}
    return {"custom_id": f"{number:06}", "method": "POST", "url": "/v1/chat/completions", "body": body}


async def begin(client, rows):
    size = sum(map(len, rows))
    file = (await client.post("/v1/files", **form("file", rows, size, "batch"))).json()
    told = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return (await client.post("/v1/batches", json=told)).json()


async def wait_for_end(client, batch):
    while True:
        got = (await client.get(f"/v1/batches/{batch['id']}")).json()
        if got["status"] in ("completed", "failed", "expired", "cancelled"):
            return got
        await asyncio.sleep(0.2)


async def test_a_hundred_megabytes_pass_through_to_the_disk_and_back_and_to_gemini(gemini, tmp_path):
    pieces = [b"%PDF" + b"x" * (MB - 4)] * 100
    with serving(gemini, tmp_path) as live:
        async with client_of(live) as client:
            await warm(client)
            held = Held(live.process.pid)
            held.begin()
            made = (await client.post("/v1/files", **form("file", pieces, 100 * MB, "user_data"))).json()
            assert made["bytes"] == 100 * MB
            assert held.most < ALLOWED, f"stored: {held.most / MB:.0f} MB"
            async with client.stream("GET", f"/v1/files/{made['id']}/content") as got:
                size = 0
                async for piece in got.aiter_bytes():
                    size += len(piece)
            assert size == 100 * MB
            assert held.most < ALLOWED, f"read: {held.most / MB:.0f} MB"
            part = {"type": "file", "file": {"file_id": made["id"]}}
            asked = {"model": MODEL, "messages": [{"role": "user", "content": [part]}]}
            answer = await client.post("/v1/chat/completions", json=asked)
            assert answer.status_code == 200, answer.text
            assert held.most < ALLOWED, f"uploaded to Gemini: {held.most / MB:.0f} MB"


async def test_a_batch_is_translated_and_collected_line_by_line_beside_chats(gemini, tmp_path):
    rows = batch_lines(LINES)
    with serving(gemini, tmp_path) as live:
        async with client_of(live) as client:
            await warm(client)
            held = Held(live.process.pid)
            held.begin()
            batch = await begin(client, rows)
            waiting = asyncio.create_task(wait_for_end(client, batch))
            chats = 0
            while not waiting.done():
                assert (await client.post("/v1/chat/completions", json=chat(chats))).status_code == 200
                chats += 1
                await asyncio.sleep(0.05)
            done = await waiting
            assert done["status"] == "completed"
            assert done["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}
            assert held.most < ALLOWED, f"{held.most / MB:.0f} MB for {LINES} lines"
            assert chats > 3, "chats were answered meanwhile"


async def test_a_request_that_kills_its_process_does_so_twice_and_is_told(gemini, tmp_path):
    """Requests that Gemini is asked one by one: after one fails, the others are answered, each once."""
    rows = [json.dumps(line(number, "x")).encode() + b"\n" for number in range(20)]
    rows[3] = rows[3].replace(MODEL.encode(), MODEL.encode() + b"+fault-stall")
    batch = None
    for life in (1, 2):
        with serving(gemini, tmp_path, "--upstream-platform", "relay", "--batch-rate", "100000") as live:
            async with client_of(live) as client:
                batch = batch or await begin(client, rows)
                await until(partial(has_got_to, tmp_path, answers=19, attempts=life))
                live.process.kill()
                live.process.wait(PATIENCE)
    with serving(gemini, tmp_path, "--upstream-platform", "relay", "--batch-rate", "100000") as live:
        async with client_of(live) as client:
            done = await wait_for_end(client, batch)
            assert done["request_counts"] == {"total": 20, "completed": 19, "failed": 1}
            errors = (await client.get(f"/v1/files/{done['error_file_id']}/content")).text.splitlines()
            assert [json.loads(one)["error"]["code"] for one in errors] == ["interrupted"]
            output = (await client.get(f"/v1/files/{done['output_file_id']}/content")).text.splitlines()
            assert [one for one in output if "attempts" in json.loads(one)["response"]] == []
    assert unfinished_files(tmp_path) == []


def has_got_to(tmp_path: Path, *, answers: int, attempts: int) -> bool:
    """Return whether so many answers of a batch are on the disk after so many attempts to get that of line 4."""
    written = [path.read_bytes().count(b"\n") for path in tmp_path.rglob("done.jsonl")]
    asked = [path.read_text().split().count("4") for path in tmp_path.rglob("asked")]
    return (written, asked) == ([answers], [attempts])


def unfinished_files(tmp_path: Path):
    return list(tmp_path.rglob("state.json"))


async def test_a_process_that_is_killed_loses_no_batch(gemini, tmp_path):
    rows = batch_lines(200)
    begun = []
    for moment in (0.0, 0.3, 1.0):
        with serving(gemini, tmp_path) as live:
            async with client_of(live) as client:
                begun.append(await begin(client, rows))
                await asyncio.sleep(moment)
            live.process.kill()
            live.process.wait(PATIENCE)
    with serving(gemini, tmp_path) as live:
        async with client_of(live) as client:
            for batch in begun:
                done = await wait_for_end(client, batch)
                assert done["request_counts"] == {"total": 200, "completed": 200, "failed": 0}
            jobs = (await client.get(f"{gemini}/v1beta/batches?pageSize=100", headers={"x-goog-api-key": "k"})).json()
    names = [one["metadata"]["displayName"] for one in jobs["operations"]]
    assert sorted(name for name in names if name.rsplit("-", 1)[0] in {one["id"] for one in begun}) == sorted(
        f"{one['id']}-0" for one in begun
    ), "each was begun once"
    assert unfinished_files(tmp_path) == []


def holders(tmp_path: Path, pids):
    """The workers that run a batch, by the batch's id: the lock of its folder is open in one of them."""
    found = {}
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            # It may be closed meanwhile.
            with suppress(FileNotFoundError):
                if (path := entry.readlink()).name == "lock" and path.is_relative_to(tmp_path):
                    found[path.parent.name] = pid
    return found


async def test_batches_of_two_workers_go_on_in_the_other_when_one_is_killed(gemini, tmp_path):
    rows = batch_lines(300)
    size = sum(map(len, rows))
    with serving(gemini, tmp_path, "--workers", "2") as live:

        async def request_anew(method, path, **more):
            """A request by a connection of its own: whichever worker gets it."""
            async with client_of(live) as client:
                got = await client.request(method, path, **more)
            assert got.status_code == 200, got.text
            return got

        begun = []
        while len(set(holders(tmp_path, workers_of(live.process.pid)).values())) < 2:
            async with client_of(live) as client:
                begun.append(await begin(client, rows))
        for _ in range(4):
            seen = [(await request_anew("GET", f"/v1/batches/{one['id']}")).json()["id"] for one in begun]
            assert seen == [one["id"] for one in begun], "either worker knows those of the other"
        while not (running := holders(tmp_path, workers_of(live.process.pid))):
            async with client_of(live) as client:
                begun.append(await begin(client, rows))
        victim = next(iter(running.values()))
        os.kill(victim, signal.SIGKILL)
        async with client_of(live) as client:
            for batch in begun:
                done = await wait_for_end(client, batch)
                assert done["request_counts"] == {"total": 300, "completed": 300, "failed": 0}
                output = (await request_anew("GET", f"/v1/files/{done['output_file_id']}/content")).text.splitlines()
                assert [json.loads(one)["custom_id"] for one in output] == [f"{number:06}" for number in range(300)]
                for _ in range(2):
                    assert (
                        len((await request_anew("GET", f"/v1/files/{batch['input_file_id']}/content")).content) == size
                    )
            jobs = (await client.get(f"{gemini}/v1beta/batches?pageSize=100", headers={"x-goog-api-key": "k"})).json()
    names = [one["metadata"]["displayName"] for one in jobs["operations"]]
    own = {one["id"] for one in begun}
    assert sorted(name for name in names if name.rsplit("-", 1)[0] in own) == sorted(f"{one}-0" for one in own)
    assert unfinished_files(tmp_path) == []
