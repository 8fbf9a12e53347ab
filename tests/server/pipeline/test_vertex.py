"""The whole server in front of Vertex AI's paths, spoken by the emulator."""

import asyncio
import json
from typing import Any, NamedTuple

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from adapter.emulator import EmulatorSettings, create_emulator
from adapter.server.state import gemini_files
from adapter.settings import SettingsError, load
from tests.server.batches.running import line, run
from tests.server.endpoints.storing import put
from tests.support.scripted import adapter, chat, events, run_emulator, serving

TOKEN = "ya29.local"
VERTEX = {"upstream_auth": "vertex", "vertex_project": "p-1", "vertex_location": "europe-west1", "upstream_keys": ()}


class Vertex(NamedTuple):
    """The emulator, and what it was asked."""

    url: str
    record: Any


@pytest.fixture
async def emulator():
    """The emulator on a port of its own; `url` has Vertex AI's version."""
    app = create_emulator(EmulatorSettings())
    async with serving(app) as url:
        yield Vertex(f"{url}/v1beta1", app.state.record)


@pytest.fixture
def token(monkeypatch):
    """Google Cloud's tokens without Google Cloud."""
    monkeypatch.setattr(
        "adapter.upstream.auth.google_tokens.GoogleTokens", lambda: lambda: ({"authorization": f"Bearer {TOKEN}"}, 3600)
    )


async def test_a_chat_and_a_stream_and_a_count_and_the_models(emulator, token):
    async with adapter(emulator, **VERTEX) as client:
        whole = await client.post("/v1/chat/completions", json=chat("hi"))
        assert whole.status_code == 200, whole.text
        streamed = await client.post("/v1/chat/completions", json=chat("hi", stream=True))
        assert events(streamed.text)[-1] == "[DONE]"
        counted = await client.post("/v1/responses/input_tokens", json={"model": "gemini-3.5-flash", "input": "hi"})
        assert counted.json()["input_tokens"] > 0
        names = [one["id"] for one in (await client.get("/v1/models")).json()["data"]]
        assert "gemini-3.5-flash" in names
        assert (await client.get("/v1/models/gemini-3.5-flash")).json()["id"] == "gemini-3.5-flash"


@pytest.mark.parametrize(
    ("model", "count", "methods"),
    [
        ("gemini-embedding-001", 3, ["predict"] * 3),
        ("gemini-embedding-2", 1, ["embedContent"]),
        ("gemini-embedding-2", 3, ["batchEmbedContents"]),
        ("text-embedding-3-small", 2, ["predict"] * 2),
    ],
)
async def test_embeddings_are_those_of_ai_studio_in_vertex_ais_forms(emulator, token, model, count, methods):
    asked = {"model": model, "input": [f"text {number}" for number in range(count)], "dimensions": 256}
    async with run_emulator(EmulatorSettings()) as studio, adapter(studio) as client:
        expected = (await client.post("/v1/embeddings", json=asked)).json()
    async with adapter(emulator, **VERTEX) as client:
        got = (await client.post("/v1/embeddings", json=asked)).json()
    for one, other in zip(got["data"], expected["data"], strict=True):
        assert one["embedding"] == pytest.approx(other["embedding"], abs=1e-6)
    assert [one["method"] for one in emulator.record.requests] == methods
    assert got["usage"]["prompt_tokens"] > 0


async def test_google_genai_embeds_on_the_emulators_vertex_ai(emulator):
    options = types.HttpOptions(base_url=emulator.url.removesuffix("/v1beta1"))
    credentials = Credentials(token=TOKEN)
    with genai.Client(
        vertexai=True, project="p-1", location="europe-west1", credentials=credentials, http_options=options
    ) as client:
        config = types.EmbedContentConfig(output_dimensionality=64)
        for count in (1, 3):
            made = await asyncio.to_thread(
                client.models.embed_content,
                model="gemini-embedding-2",
                contents=[types.Content(parts=[types.Part(text=f"text {number}")]) for number in range(count)],
                config=config,
            )
            assert [len(one.values or ()) for one in made.embeddings or ()] == [64] * count


async def test_a_tool_loop_keeps_its_signatures(emulator, token):
    tool = {"type": "function", "function": {"name": "step", "parameters": {"type": "object", "properties": {}}}}
    messages: list[Any] = [{"role": "user", "content": "go"}]
    async with adapter(emulator, **VERTEX) as client:
        for _ in range(3):
            body = {"model": "gemini-3.5-flash", "messages": messages, "tools": [tool], "tool_choice": "required"}
            answer = await client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            [call] = answer.json()["choices"][0]["message"]["tool_calls"]
            bare = {"id": call["id"], "type": "function", "function": call["function"]}
            messages += [
                {"role": "assistant", "content": None, "tool_calls": [bare]},
                {"role": "tool", "tool_call_id": call["id"], "content": "ok"},
            ]
        assert answer.headers["x-adapter-signatures"].startswith("id=")
    last = list(emulator.record.requests)[-1]
    assert "skip_thought_signature_validator" not in json.dumps(last)


async def test_one_real_token_serves_many_calls_together(emulator, tokens, credentials):
    """google-auth signs with a service account's key, a local server gives a token for it, the emulator checks that."""
    async with adapter(emulator, **VERTEX) as client:
        answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=chat("hi")) for _ in range(20)))
        streamed = await client.post("/v1/chat/completions", json=chat("hi", stream=True))
    assert {answer.status_code for answer in answers} == {200}
    assert events(streamed.text)[-1] == "[DONE]"
    assert len(tokens.asked) == 1


async def test_a_token_that_was_withdrawn_is_replaced_within_the_call(emulator, tokens, credentials, monkeypatch):
    monkeypatch.setattr("adapter.upstream.auth.vertex.NEW_TOKEN_S", -1.0)
    given = iter(["withdrawn", "ya29.new"])

    async def script():
        token = {"access_token": next(given), "expires_in": 3_600, "token_type": "Bearer"}
        return 200, json.dumps(token).encode()

    tokens.script = script
    async with adapter(emulator, **VERTEX) as client:
        assert (await client.post("/v1/chat/completions", json=chat("hi"))).status_code == 200
    assert len(tokens.asked) == 2


async def test_signatures_of_one_location_are_not_sent_to_another(emulator, tokens, credentials, tmp_path):
    tool = {"type": "function", "function": {"name": "step", "parameters": {"type": "object", "properties": {}}}}
    body = {"model": "gemini-3.5-flash", "tools": [tool], "tool_choice": "required"}
    first = {"role": "user", "content": "go"}

    async def turn(client, *messages):
        answer = await client.post("/v1/chat/completions", json={**body, "messages": [first, *messages]})
        assert answer.status_code == 200, answer.text
        return answer

    kept = {**VERTEX, "store": f"sqlite:{tmp_path}/signatures"}
    async with adapter(emulator, **kept) as client:
        [call] = (await turn(client)).json()["choices"][0]["message"]["tool_calls"]
        del call["extra_content"]
        said = {"role": "assistant", "content": None, "tool_calls": [call]}
        result = {"role": "tool", "tool_call_id": call["id"], "content": "ok"}
        assert (await turn(client, said, result)).headers["x-adapter-signatures"] == "id=1"
    async with adapter(emulator, **{**kept, "vertex_location": "us"}) as client:
        assert (await turn(client, said, result)).headers["x-adapter-signatures"] == "stand-in=1"


async def test_what_only_the_gemini_api_takes_is_told_and_not_sent(emulator, token):
    async with adapter(emulator, **VERTEX) as client:
        answer = await client.post("/v1/chat/completions", json=chat("hi", service_tier="flex"))
        assert answer.status_code == 200, answer.text
        assert "upstream-field-unsupported" in answer.headers["x-adapter-notes"]


async def test_a_refused_token_is_this_servers_fault(emulator, monkeypatch):
    monkeypatch.setattr(
        "adapter.upstream.auth.google_tokens.GoogleTokens", lambda: lambda: ({"authorization": "Bearer no"}, 3600)
    )
    async with adapter(emulator, **VERTEX) as client:
        answer = await client.post("/v1/chat/completions", json=chat("hi"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_auth_failed")


async def test_googles_own_client_takes_the_emulator_for_vertex(emulator):
    options = types.HttpOptions(base_url=emulator.url.removesuffix("/v1beta1"))
    credentials = Credentials(token=TOKEN)
    with genai.Client(
        vertexai=True, project="p-1", location="europe-west1", credentials=credentials, http_options=options
    ) as client:
        answer = await asyncio.to_thread(
            client.models.generate_content, model="gemini-3.5-flash", contents="Say something."
        )
        assert answer.text


ENVIRONMENT = {"ADAPTER_UPSTREAM_AUTH": "vertex"}


def test_the_url_follows_from_the_location():
    settings = load({}, {**ENVIRONMENT, "GOOGLE_CLOUD_PROJECT": "p-1", "GOOGLE_CLOUD_LOCATION": "us"})
    assert settings.upstream_url == "https://aiplatform.us.rep.googleapis.com/v1beta1"
    assert not settings.uses_emulator
    assert load({}, {**ENVIRONMENT, "ADAPTER_VERTEX_PROJECT": "p-1"}).vertex_location == "global"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "GOOGLE_CLOUD_PROJECT"),
        ({"ADAPTER_VERTEX_PROJECT": "../x"}, "not valid names"),
        ({"ADAPTER_VERTEX_PROJECT": "p-1", "ADAPTER_VERTEX_LOCATION": "a/b"}, "not valid names"),
    ],
)
def test_a_project_and_a_location_are_needed(given, told):
    with pytest.raises(SettingsError, match=told):
        load({}, {**ENVIRONMENT, **given})


def test_without_its_packages_the_command_that_installs_them_is_named(monkeypatch):
    monkeypatch.setattr("adapter.extras.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="pip install"):
        load({}, {**ENVIRONMENT, "ADAPTER_VERTEX_PROJECT": "p-1"})


async def test_files_go_in_line_or_by_gs_and_batches_one_by_one(emulator, token, tmp_path, monkeypatch):
    monkeypatch.setattr(gemini_files, "MAX_INLINE_ALONE", 100)
    store = {"store": f"sqlite:{tmp_path / 'store.sqlite3'}", "batch_rate": 1e6}
    async with adapter(emulator, **VERTEX, **store) as client:
        small = (await put(client, b"%PDF-1", name="a.pdf", mime_type="application/pdf"))["id"]
        large = (await put(client, b"%PDF-1" * 20, name="b.pdf", mime_type="application/pdf"))["id"]
        stored = chat([{"type": "file", "file": {"file_id": small}}, {"type": "text", "text": "What?"}])
        bucket = chat([{"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}}])
        too_large = chat([{"type": "file", "file": {"file_id": large}}])
        refused = await client.post("/v1/chat/completions", json=too_large)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "messages")
        assert "stores no files; a request may have at most 100 bytes" in refused.json()["error"]["message"]
        for native in (await client.get("/v1beta/files"), await client.post("/upload/v1beta/files", json={})):
            assert (native.status_code, native.json()["error"]["status"]) == (404, "NOT_FOUND")
            assert "Files are stored at /v1/files" in native.json()["error"]["message"]
        rows = [line("stored", **stored), line("bucket", **bucket), line("large", **too_large)]
        batch, output, errors = await run(client, *rows)
        assert (batch["status"], [one["custom_id"] for one in output]) == ("completed", ["stored", "bucket"])
        assert [(one["custom_id"], one["response"]["status_code"]) for one in errors] == [("large", 400)]
        url = "/v1/embeddings"
        rows = [line("a", url=url, model="gemini-embedding-001", input=["one", "two"], dimensions=8)]
        batch, output, errors = await run(client, *rows, url=url)
        assert errors == []
        assert [len(one["embedding"]) for one in output[0]["response"]["body"]["data"]] == [8, 8]
    asked = [one["body"]["contents"][0]["parts"][0] for one in emulator.record.requests if "contents" in one["body"]]
    by_kind = {next(iter(part)): part for part in asked}
    assert (len(asked), set(by_kind)) == (2, {"inlineData", "fileData"})
    assert by_kind["fileData"]["fileData"]["fileUri"] == "gs://bucket/a.png"
