"""Helpers of the tests of batches: an adapter with the emulator behind it, a batch that runs, and its results."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

from adapter.emulator import EmulatorSettings
from tests.server.endpoints.storing import put
from tests.support.scripted import adapter, run_emulator

MODEL = "gemini-3.5-flash"
CHAT = "/v1/chat/completions"
OVER = ("completed", "failed", "expired", "cancelled")


@asynccontextmanager
async def serving(tmp_path, platform="studio", emulator=None, **settings):
    """An adapter with the emulator behind it."""
    given = {"store": f"sqlite:{tmp_path / 'store.sqlite3'}", "upstream_platform": platform, **settings}
    async with run_emulator(emulator or EmulatorSettings()) as gemini, adapter(gemini, **given) as client:
        yield gemini, client


def line(custom_id, text="hi", url=CHAT, model=MODEL, **body: Any):
    """One request of a batch."""
    if url == CHAT:
        body = {"messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": model, **body}}


def lines(*rows):
    """An input file: objects as JSON, bytes as they are."""
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in rows)


async def begin(client, *rows, url=CHAT, content=None, **fields):
    """Begin a batch; return it."""
    file = await put(client, lines(*rows) if content is None else content, name="in.jsonl", purpose="batch")
    body = {"input_file_id": file["id"], "endpoint": url, "completion_window": "24h", **fields}
    got = await client.post("/v1/batches", json=body)
    assert got.status_code == 200, got.text
    return got.json()


async def wait_for_end(client, batch):
    """Wait until a batch has ended; return it."""
    while True:
        got = (await client.get(f"/v1/batches/{batch['id']}")).json()
        if got["status"] in OVER:
            return got
        await asyncio.sleep(0.02)


async def rows_of(client, file_id):
    """The lines of an output or error file."""
    if file_id is None:
        return []
    got = await client.get(f"/v1/files/{file_id}/content")
    return [json.loads(one) for one in got.content.splitlines()]


async def run(client, *rows, **fields):
    """A batch that has ended, the lines of its output and of its errors."""
    batch = await wait_for_end(client, await begin(client, *rows, **fields))
    return batch, await rows_of(client, batch["output_file_id"]), await rows_of(client, batch["error_file_id"])


async def jobs_at(gemini, client, key="k"):
    """The jobs that Gemini has."""
    got = await client.get(f"{gemini.url}/v1beta/batches", headers={"x-goog-api-key": key})
    return got.json().get("operations", [])
