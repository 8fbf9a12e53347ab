"""A client of /v1/responses over a websocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from tests.support.guards import PATIENCE

LAST = ("response.completed", "response.incomplete", "response.failed", "error", "response.steer.failed")


@asynccontextmanager
async def socket(client: httpx2.AsyncClient, **options: Any) -> AsyncIterator[ClientConnection]:
    """Open a client's connection to the adapter."""
    url = str(client.base_url).replace("http", "ws", 1).rstrip("/")
    async with connect(f"{url}/v1/responses", proxy=None, **options) as connection:
        yield connection


def create(text: Any = "hi", **fields: Any) -> str:
    """Return a request for a response."""
    return json.dumps({"type": "response.create", "model": "gemini-3.5-flash", "input": text, **fields})


async def receive_events(connection: ClientConnection) -> list[dict[str, Any]]:
    """Return the events up to the last one of a response."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in LAST:
        events.append(json.loads(await asyncio.wait_for(connection.recv(), PATIENCE)))
    return events
