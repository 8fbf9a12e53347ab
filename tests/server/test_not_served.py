"""An endpoint that is not served says why and what to use; a mistyped path gets a suggestion; no body is read."""

import pytest

from adapter.server.not_served import NOT_SERVED
from tests.support.scripted import adapter, chat, run_upstream


@pytest.fixture
async def client():
    async with run_upstream(None) as upstream, adapter(upstream) as made:
        yield made
    assert upstream.seen == []


@pytest.mark.parametrize("path", sorted({one.path.replace("{rest:path}", "a/b") for one in NOT_SERVED}))
async def test_each_endpoint_of_openais_that_is_not_served_says_why_and_what_to_use(client, path):
    for method in ("GET", "POST", "DELETE"):
        got = await client.request(method, path, content=b"no JSON" if method == "POST" else b"")
        error = got.json()["error"]
        assert (got.status_code, error["code"]) == (404, "unsupported_endpoint"), (method, path)
        assert "not served here" in error["message"]
        assert len(error["message"]) > 60


async def test_a_body_of_what_is_not_served_is_not_read(client):
    got = await client.post("/v1/fine_tuning/jobs", content=b"x" * 1_000, headers={"content-type": "text/plain"})
    assert got.status_code == 404, "a body that is read must be JSON"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/api/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/v1/Chat/Completions", "/v1/chat/completions"),
        ("/v1/embedding", "/v1/embeddings"),
    ],
)
async def test_a_mistyped_path_says_what_was_meant(client, path, meant):
    got = await client.post(path, json=chat())
    assert got.status_code == 404
    assert f"POST {path} (did you mean {meant}?)" in got.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/nothing/like/it", "/v1/" + "x" * 5_000])
async def test_a_path_like_none_gets_no_guess(client, path):
    got = await client.post(path, json=chat())
    assert got.status_code == 404
    assert "did you mean" not in got.json()["error"]["message"]
