"""Clients of processes that end."""

import asyncio
import json
import subprocess
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from tests.support.figures import figures
from tests.support.guards import PATIENCE

SLOW, HANGING, SILENT = (f"gemini-3.8-flash+fault-{name}" for name in ("slow", "hang", "stall"))
PROMPT = "Count from one to ten, in words."


def body(model: str, **more: Any) -> dict[str, Any]:
    """Return a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}], **more}


async def chat(client: httpx2.AsyncClient, model: str, **more: Any) -> tuple[int, str]:
    """Status and text of a whole answer or a stream; the text is empty where the connection was refused."""
    try:
        answer = await client.post("/v1/chat/completions", json=body(model, **more))
    except httpx2.ConnectError:
        return 0, ""
    return answer.status_code, answer.text


def events(text: str) -> list[Any]:
    """Return the chunks of a stream, and its error."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def text_of_stream(text: str) -> str:
    """Return the text of a stream."""
    return "".join(choice["delta"].get("content") or "" for event in events(text) for choice in event["choices"])


async def until_under_way(client: httpx2.AsyncClient, tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait until all these requests have come, to any worker of a server with figures: each runs or is answered.

    They need not run all at once: on a busy machine the first may be answered before the last has come.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            answered = sum(task.done() for task in tasks)
            running = figures((await client.get("/metrics")).text).get(("adapter_running",), 0)
            if running + answered >= len(tasks):
                return
            await asyncio.sleep(0.02)


async def wait_for_exit(process: subprocess.Popen[Any]) -> int:
    """Wait until a process has ended; return its exit code."""
    return await asyncio.to_thread(process.wait, PATIENCE)


def workers_of(parent: int) -> list[int]:
    """Return the listening child processes of a parent; uvloop and multiprocessing may add a tracker."""
    workers = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        # One that ends meanwhile is none.
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                workers.append(int(child))
    return workers
