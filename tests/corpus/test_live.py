"""Recorded conversations, sent by the openai package through a running adapter to the emulator."""

import inspect
from typing import Any

import openai
import pytest
from openai.resources.chat.completions import AsyncCompletions

from adapter.emulator import EmulatorSettings, create_emulator
from adapter.server.app import create_app
from adapter.settings import Settings
from tests.support.recordings import chat_requests, compare
from tests.support.scripted import serving

PARAMETERS = set(inspect.signature(AsyncCompletions.create).parameters) - {"self"}
MODEL = "gemini-3.5-flash"


@pytest.fixture
async def client():
    async with serving(create_emulator(EmulatorSettings())) as url:
        settings = Settings(upstream_url=url, upstream_keys=("k",), store="memory", log_level="error")
        async with (
            serving(create_app(settings)) as base,
            openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="unused", max_retries=0) as made,
        ):
            yield made


async def send(client: openai.AsyncOpenAI, request: dict[str, Any]) -> None:
    """Send one request as an application would, and read the whole answer."""
    given = {**request, "model": MODEL}
    known = {name: value for name, value in given.items() if name in PARAMETERS}
    rest = {name: value for name, value in given.items() if name not in PARAMETERS}
    answer = await client.chat.completions.create(**known, extra_body=rest or None)
    if request.get("stream"):
        chunks = [chunk async for chunk in answer]
        finished = {choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason}
        assert finished == set(range(request.get("n") or 1))
    else:
        assert all(choice.finish_reason for choice in answer.choices)


async def test_every_recorded_conversation_is_answered(client, count):
    refused: dict[str, str] = {}
    for record in chat_requests():
        try:
            await send(client, record.request)
            count("answered")
        except openai.BadRequestError as error:
            count("refused with a reason")
            refused[record.id] = error.message
    compare("requests.live", refused)
