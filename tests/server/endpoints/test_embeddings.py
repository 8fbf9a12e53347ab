"""/v1/embeddings over real sockets: many inputs are several calls, all of them or none."""

import asyncio
import hashlib
import sys
import types
from typing import Any

import pytest

from adapter.emulator import EmulatorSettings
from adapter.server.media import openai_tokens
from adapter.settings import KnownClient
from tests.support.oracles import floats_of
from tests.support.scripted import adapter, run_emulator, run_upstream

PATH = "/v1/embeddings"
MODEL = "gemini-embedding-2"


def vectors(request):
    """A vector for each input, which says which one it is."""
    texts = [one["content"]["parts"][0]["text"] for one in request.body["requests"]]
    return {
        "embeddings": [{"values": [float(text)]} for text in texts],
        "usageMetadata": {"promptTokenCount": len(texts)},
    }


def asking(count, **fields):
    return {"model": MODEL, "input": [str(number) for number in range(count)], "dimensions": 1, **fields}


async def test_250_inputs_are_three_calls_whose_vectors_keep_the_order():
    async def script(call):
        # The later a batch, the sooner its answer.
        await asyncio.sleep(0.05 / call.number)
        await call.json(vectors(call.request))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = (await client.post(PATH, json=asking(250))).json()
    assert sorted(len(one.body["requests"]) for one in upstream.seen) == [50, 100, 100]
    assert [(one["index"], one["embedding"]) for one in got["data"]] == [(n, [float(n)]) for n in range(250)]
    assert got["usage"] == {"prompt_tokens": 250, "total_tokens": 250}


async def test_a_batch_that_fails_for_good_fails_all_and_no_other_batch_is_asked_twice():
    async def script(call):
        if len(call.request.body["requests"]) == 50:
            await call.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)
        else:
            await call.json(vectors(call.request))

    async with run_upstream(script) as upstream, adapter(upstream, retries=2) as client:
        got = await client.post(PATH, json=asking(250))
    assert (got.status_code, got.json()["error"]["message"]) == (400, "no")
    sizes = [len(one.body["requests"]) for one in upstream.seen]
    assert sizes.count(100) <= 2
    assert sizes.count(50) == 1


async def test_a_batch_that_fails_once_is_repeated_alone():
    async def script(call):
        if call.number == 1:
            await call.json({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, 503)
        else:
            await call.json(vectors(call.request))

    async with run_upstream(script) as upstream, adapter(upstream, retries=1) as client:
        got = await client.post(PATH, json=asking(150))
    assert [one["embedding"] for one in got.json()["data"]] == [[float(n)] for n in range(150)]
    assert sorted(len(one.body["requests"]) for one in upstream.seen) in ([50, 50, 100], [50, 100, 100])


async def test_openais_default_of_base64_is_what_the_emulator_embeds():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        asked = {"model": "text-embedding-3-small", "input": ["cat", "a cat", "stone"], "encoding_format": "base64"}
        got = await client.post(PATH, json=asked)
        bare = await client.post(PATH, json={**asked, "encoding_format": "float"})
    first, near, far = [floats_of(one["embedding"]) for one in got.json()["data"]]
    assert len(first) == 1_536
    assert bare.json()["data"][0]["embedding"] == pytest.approx(first, abs=1e-6)

    def product(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert product(first, first) == pytest.approx(1, abs=1e-3), (
        "short vectors of gemini-embedding-001 have length 1 here"
    )
    assert product(first, near) > product(first, far)
    assert "embedding-space" in got.headers["x-adapter-notes"]


async def test_tokens_without_their_data_are_an_error_that_says_what_to_set(monkeypatch):
    monkeypatch.delenv(openai_tokens.VARIABLE, raising=False)
    openai_tokens.detokenizer.cache_clear()
    async with run_upstream(None) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"model": MODEL, "input": [[1, 2]]})
    error = got.json()["error"]
    assert (got.status_code, error["param"]) == (400, "input[0]")
    assert openai_tokens.VARIABLE in error["message"]


@pytest.fixture
def tiktoken(monkeypatch, tmp_path):
    """The package as a stand-in whose data are here: a token is a letter."""
    url = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
    (tmp_path / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()).touch()
    encoding = types.SimpleNamespace(decode=lambda tokens: "".join("0123456789"[one] for one in tokens))
    module: Any = types.ModuleType("tiktoken")
    module.get_encoding = {"cl100k_base": encoding}.__getitem__
    module.__spec__ = types.SimpleNamespace(name="tiktoken")
    monkeypatch.setitem(sys.modules, "tiktoken", module)
    monkeypatch.setenv(openai_tokens.VARIABLE, str(tmp_path))
    openai_tokens.detokenizer.cache_clear()
    yield
    openai_tokens.detokenizer.cache_clear()


async def test_tokens_are_read_where_their_data_are(tiktoken):
    async def script(call):
        await call.json(vectors(call.request))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"model": MODEL, "input": [[4, 2], [7]], "dimensions": 1})
        assert [one["embedding"] for one in got.json()["data"]] == [[42.0], [7.0]]


async def test_a_client_may_embed_only_with_its_models():
    clients = (KnownClient(name="a", key="key-of-a", models=("gemini-embedding-*",)),)
    async with run_upstream(None) as upstream, adapter(upstream, clients=clients) as client:
        got = await client.post(
            PATH, json={"model": "text-embedding-3-small", "input": "a"}, headers={"authorization": "Bearer key-of-a"}
        )
    assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")
