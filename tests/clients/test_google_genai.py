"""The google-genai package, unchanged, through a live adapter with its emulator: its own header and Bearer."""

import pytest
from google import genai
from google.genai import types

from tests.support.live import adapter

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

MODEL = "gemini-3.5-flash"
KEYS = {"ADAPTER_CLIENT_KEYS": "sk-of-the-client"}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with adapter(tmp_path_factory.mktemp("state"), "--emulator", settings=KEYS) as running:
        yield running


@pytest.fixture(params=["x-goog-api-key", "bearer"])
def client(live, request):
    options = types.HttpOptions(base_url=live.url, api_version="v1beta")
    if request.param == "bearer":
        options.headers = {"authorization": "Bearer sk-of-the-client"}
    key = "sk-of-the-client" if request.param == "x-goog-api-key" else "unused"
    with genai.Client(api_key=key, http_options=options) as made:
        yield made


def test_a_chat(client):
    assert "hello" in client.models.generate_content(model=MODEL, contents="hello").text


def test_a_stream(client):
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="20 words"))
    assert len(chunks) > 1
    assert len("".join(chunk.text or "" for chunk in chunks).split()) == 20


def test_a_tool_loop_that_the_package_runs_itself(client):
    asked = []

    def get_weather(city: str) -> str:
        """Tells the weather of a city."""
        asked.append(city)
        return f"sunny, number {len(asked)}"

    config = types.GenerateContentConfig(tools=[get_weather])
    answer = client.models.generate_content(model=MODEL, contents="call get_weather in 3 steps", config=config)
    assert len(asked) == 3
    assert "number 3" in answer.text


def test_a_count_a_list_and_vectors(client):
    assert client.models.count_tokens(model=MODEL, contents="hello").total_tokens
    assert f"models/{MODEL}" in {model.name for model in client.models.list()}
    found = client.models.embed_content(model="gemini-embedding-001", contents=["a cat", "a stone"])
    assert len(found.embeddings) == 2


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
async def test_the_same_without_waiting(client):
    async with client.aio as waiting:
        answer = await waiting.models.generate_content(model=MODEL, contents="hello")
    assert "hello" in answer.text


def test_an_error_is_one_that_the_package_knows(client):
    with pytest.raises(genai.errors.ClientError, match="not found") as caught:
        client.models.generate_content(model="gemini-none", contents="hello")
    assert caught.value.code == 404
