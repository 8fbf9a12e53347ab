"""Shared by the tests of /v1/responses."""

import asyncio
import json
from typing import Any

import httpx2

from tests.support.guards import PATIENCE
from tests.support.scripted import Object, Seen, events

PATH = "/v1/responses"


def ask(text: Any = "hi", **fields: Any) -> Object:
    """Send a request."""
    return {"model": "gemini-3.5-flash", "input": text, **fields}


def text_of_response(response: Object) -> str:
    """Return the text of a response."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in parts)


def read_events(text: str) -> list[Object]:
    """Return the events of a stream, each under its own name."""
    found = [json.loads(payload) for payload in events_of(text)]
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert [event["type"] for event in found] == names
    return found


def events_of(text: str) -> list[str]:
    """Return the payloads, without `[DONE]`."""
    bare = "\n".join(line for line in text.split("\n") if not line.startswith("event: "))
    return [payload for payload in events(bare) if payload != "[DONE]"]


def contents(seen: Seen) -> list[tuple[str, list[str | None]]]:
    """Return the conversation as it reached the upstream: role and texts of each turn."""
    return [(turn["role"], [part.get("text") for part in turn["parts"]]) for turn in seen.body["contents"]]


async def wait_for_response(client: httpx2.AsyncClient, response_id: str) -> Object:
    """Wait until a response has ended, and return it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            response: Object = (await client.get(f"{PATH}/{response_id}")).json()
            if response["status"] not in ("queued", "in_progress"):
                return response
            await asyncio.sleep(0.02)
