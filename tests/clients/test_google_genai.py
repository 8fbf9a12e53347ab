"""The google-genai package, unchanged, through a live adapter with its emulator: its own header and Bearer."""

import subprocess
import sys
from typing import Any

import pytest
from google import genai
from google.genai import types
from openai import OpenAI

from tests.support.guards import PATIENCE
from tests.support.live import adapter, bare_environment, free_port, wait_for

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


class Alternation:
    """One tool loop, asked by google-genai and by openai in turn: of each answer the call's id and name are kept."""

    def __init__(self, google, openai):
        self.google, self.openai = google, openai
        self.calls = []

    def ask_google(self):
        contents: list[Any] = [types.Content(role="user", parts=[types.Part(text="call f in 50 steps")])]
        for one in self.calls:
            call = types.FunctionCall(id=one, name="f", args={})
            result = types.FunctionResponse(id=one, name="f", response={"output": "done"})
            contents.append(types.Content(role="model", parts=[types.Part(function_call=call)]))
            contents.append(types.Content(role="user", parts=[types.Part(function_response=result)]))
        schema = {"type": "object", "properties": {}}
        tools: list[Any] = [
            types.Tool(function_declarations=[types.FunctionDeclaration(name="f", parameters_json_schema=schema)])
        ]
        off = types.AutomaticFunctionCallingConfig(disable=True)
        config = types.GenerateContentConfig(tools=tools, automatic_function_calling=off)
        answer = self.google.models.generate_content(model=MODEL, contents=contents, config=config)
        return answer.function_calls[0].id if answer.function_calls else None

    def ask_openai(self):
        messages: list[Any] = [{"role": "user", "content": "call f in 50 steps"}]
        for one in self.calls:
            call = {"id": one, "type": "function", "function": {"name": "f", "arguments": "{}"}}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": one, "content": "done"})
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        answer = self.openai.chat.completions.create(model=MODEL, messages=messages, tools=[tool])
        calls = answer.choices[0].message.tool_calls
        return calls[0].id if calls else None

    def run(self):
        """Until there are no more calls; how many there were."""
        while (call := (self.ask_google, self.ask_openai)[len(self.calls) % 2]()) is not None:
            self.calls.append(call)
        return len(self.calls)


def test_fifty_turns_of_google_genai_and_openai_in_alternation_need_no_stand_in(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "adapter", "emulate", "--port", str(port)]
    emulator = subprocess.Popen(command, env=bare_environment(tmp_path))
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/emulator/stats", emulator)
        settings = {**KEYS, "ADAPTER_UPSTREAM_URL": url, "ADAPTER_UPSTREAM_KEYS": "k"}
        with adapter(tmp_path, settings=settings) as live:
            options = types.HttpOptions(base_url=live.url, api_version="v1beta")
            with (
                genai.Client(api_key="sk-of-the-client", http_options=options) as google,
                OpenAI(api_key="sk-of-the-client", base_url=f"{live.url}/v1", max_retries=0) as openai,
            ):
                assert Alternation(google, openai).run() == 50
        stats = wait_for(f"{url}/emulator/stats", emulator)
    finally:
        emulator.terminate()
        emulator.wait(PATIENCE)
    assert (stats["sentinels"], stats["rejected"]) == (0, 0)
    assert stats["signatures_verified"] >= 50
