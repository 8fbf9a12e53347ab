"""Paths of Google's below /v1, where OpenAI has some of the same names: the headers tell who calls."""

import asyncio

import pytest
from google import genai
from google.genai.types import HttpOptions

from adapter.emulator import EmulatorSettings
from adapter.server.http.google_paths import google_path
from adapter.settings import KnownClient
from tests.support.scripted import adapter, run_emulator, run_upstream

GOOGLE = [(b"x-goog-api-client", b"google-genai-sdk/3.6.1"), (b"x-goog-api-key", b"k")]
BEARER = [(b"x-goog-api-client", b"google-genai-sdk/3.6.1"), (b"authorization", b"Bearer k")]
CURL = [(b"x-goog-api-key", b"k")]
OPENAI = [(b"authorization", b"Bearer k")]
AZURE = [(b"api-key", b"k"), (b"x-goog-api-key", b"k")]


@pytest.mark.parametrize("headers", [GOOGLE, BEARER, CURL])
@pytest.mark.parametrize("path", ["models", "models/x", "files", "files/abc", "batches/abc:cancel", "decisions"])
def test_a_google_client_means_googles_path(headers, path):
    assert google_path({"path": f"/v1/{path}", "headers": headers}) == f"/v1beta/{path}"


@pytest.mark.parametrize("headers", [OPENAI, AZURE, []])
@pytest.mark.parametrize("path", ["models", "models/x", "files", "files/file-abc", "batches/b", "decisions"])
def test_every_other_client_means_openais(headers, path):
    assert google_path({"path": f"/v1/{path}", "headers": headers}) is None


@pytest.mark.parametrize("headers", [GOOGLE, OPENAI, []])
def test_what_openai_has_not_is_googles_and_what_google_has_not_is_openais(headers):
    for path in ("cachedContents", "cachedContents/a", "interactions", "fileSearchStores/a/documents"):
        assert google_path({"path": f"/v1/{path}", "headers": headers}) == f"/v1beta/{path}"
    for path in ("chat/completions", "responses", "filesystem", "modelsx", "batchesque", "embeddings", "uploads"):
        assert google_path({"path": f"/v1/{path}", "headers": headers}) is None
    assert google_path({"path": "/v1beta/files", "headers": headers}) is None


async def test_google_genai_on_its_default_version_gets_googles_answers():
    """google-genai 3 asks /v1 unless it is told otherwise."""
    settings = {"client_keys": ("key-of-a",)}
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, **settings) as http:
        google = genai.Client(api_key="key-of-a", http_options=HttpOptions(base_url=str(http.base_url)))

        def ask():
            names = [one.name for one in google.models.list()]
            one = google.models.get(model="gemini-3.5-flash")
            text = google.models.generate_content(model="gemini-3.5-flash", contents='say "hello"').text
            vectors = google.models.embed_content(model="gemini-embedding-2", contents=["a"]).embeddings
            files = list(google.files.list())
            return names, one, text, vectors, files

        names, one, text, vectors, files = await asyncio.to_thread(ask)
        assert "models/gemini-3.5-flash" in names
        assert (one.name, text, len(vectors or ()), files) == ("models/gemini-3.5-flash", "hello", 1, [])
        listed = (await http.get("/v1/models", headers={"authorization": "Bearer key-of-a"})).json()
        assert listed["object"] == "list"


async def test_a_decision_is_answered_in_the_form_of_the_client_that_asks():
    google = {
        "model": "gemini-decision-1",
        "input": "It rains.",
        "questions": {"wet": {"type": "noul", "instructions": "Is it wet?"}},
    }
    questions = [{"type": "predicate", "instructions": "Is it wet?"}]
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, client_keys=("k",)) as http:
        one = await http.post("/v1/decisions", json=google, headers={"x-goog-api-key": "k"})
        other = await http.post(
            "/v1/decisions", json={**google, "questions": questions}, headers={"authorization": "Bearer k"}
        )
    assert one.json()["answers"]["wet"]["type"] == "noul"
    assert other.json()["answers"][0]["type"] == "predicate"


async def test_a_limited_client_reaches_no_more_by_this_path():
    async def script(call):
        await call.json({"models": [{"name": "models/a"}, {"name": "models/b"}]})

    limited = {"clients": (KnownClient(key="k", name="n", models=("a",)),)}
    async with run_upstream(script) as upstream, adapter(upstream, **limited) as http:
        headers = {"x-goog-api-key": "k"}
        listed = (await http.get("/v1/models", headers=headers)).json()
        refused = [(await http.get(f"/v1/{path}", headers=headers)).status_code for path in ("files", "models/b")]
    assert [one["name"] for one in listed["models"]] == ["models/a"]
    assert refused == [404, 404]
    assert len(upstream.seen) == 1
