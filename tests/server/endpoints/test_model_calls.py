"""No client can name what another one has made at Gemini, at any endpoint."""

from typing import Any

import pytest

from tests.support.scripted import adapter, answer, run_upstream

FILE = "https://generativelanguage.googleapis.com/v1beta/files/abc"
IMAGE = {"type": "image_url", "image_url": {"url": FILE}}
QUESTION = {"type": "predicate", "instructions": "Is it a cat?"}
SAID = [{"role": "user", "content": [{"type": "input_image", "image_url": FILE}]}]

REQUESTS: dict[str, Any] = {
    "/v1/embeddings": {"model": "gemini-embedding-2", "input": [[IMAGE]]},
    "/v1/moderations": {"input": [IMAGE]},
    "/v1/decisions": {"model": "gemini-decision-1", "input": SAID, "questions": [QUESTION]},
    "/v1/images/edits": {"prompt": "greener", "images": [{"file_id": "files/abc"}]},
    "/v1/images/variations": {"image": FILE},
    "/v1/audio/transcriptions": {"model": "whisper-1", "file": FILE},
    "/v1/audio/translations": {"model": "whisper-1", "file": FILE},
}


@pytest.mark.parametrize("path", REQUESTS)
async def test_a_file_of_another_client_is_not_there(path):
    async def script(call):
        await call.json(answer("a cat"))

    body = REQUESTS[path]
    sent: dict[str, Any] = {"data": body, "files": {"more": b"x"}} if path.startswith("/v1/audio") else {"json": body}
    async with run_upstream(script) as upstream:
        async with adapter(upstream, client_keys=("right", "other")) as client:
            refused = await client.post(path, headers={"authorization": "Bearer right"}, **sent)
        assert (refused.status_code, upstream.seen) == (404, []), refused.text
        async with adapter(upstream) as client:
            await client.post(path, **sent)
        assert upstream.seen, "a server with one client passes the name on"
