"""A client that is limited to some models reaches no other one on Gemini's own paths, however it is written."""

import httpx2
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapter.settings import KnownClient
from tests.support.scripted import adapter, answer, run_upstream

MODEL = "gemini-3.5-flash"
OTHER = "gemini-3.8-pro"
LIMITED = KnownClient(name="limited", key="key-of-limited", models=("gemini-3.5-*", "*-flash", "m*"))
FREE = KnownClient(name="free", key="key-of-free")
HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
LIST = {"models": [{"name": f"models/{MODEL}", "version": 1.0}, {"name": f"models/{OTHER}"}], "nextPageToken": "n"}


async def ok(call):
    await call.json(LIST if call.request.path.startswith("/v1beta/models?") else answer("hello"))


async def ask(client, path, method="POST", key=LIMITED.key, body=None):
    """A request whose path stands in the URL as it is written here."""
    url = httpx2.URL(f"{client.base_url}".rstrip("/")).copy_with(raw_path=path.encode())
    return await client.request(method, url, json=body, headers={"x-goog-api-key": key})


REFUSED = [
    # Another model, and one that is dressed as a permitted one.
    ("POST", f"models/{OTHER}:generateContent"),
    ("POST", f"models%2F{OTHER}:generateContent"),
    ("POST", f"models/{OTHER}%3AgenerateContent"),
    ("POST", f"models/models/{OTHER}:generateContent"),
    ("POST", f"models/google/{OTHER}:generateContent"),
    ("POST", f"models/{MODEL}:generateContent%2F..%2F..%2F{OTHER}:generateContent"),
    ("POST", f"models/{MODEL}%2F..%2F{OTHER}:generateContent"),
    ("POST", f"models/{MODEL}/../{OTHER}:generateContent"),
    ("POST", f"models/{OTHER}:generateContent?model={MODEL}"),
    ("POST", f"models/{OTHER}%3Fx={MODEL}:generateContent"),
    ("POST", f"models/{OTHER}:generateContent%3F:{MODEL}"),
    ("POST", f"models/{OTHER}:x:{MODEL}"),
    ("POST", f"models/{OTHER}%23{MODEL}:generateContent"),
    ("POST", f"models/{MODEL}:generateContent%3Fx=1"),
    ("POST", f"models/{MODEL}:..%2F{OTHER}"),
    # Methods whose bodies name models, and models in bodies.
    ("POST", f"models/{MODEL}:batchGenerateContent"),
    ("POST", f"models/{MODEL}:asyncBatchEmbedContent"),
    ("POST", f"models/{MODEL}:predict"),
    # Reading.
    ("GET", f"models/{OTHER}"),
    ("GET", f"models%2F{OTHER}"),
    ("GET", f"models/{MODEL}/../{OTHER}"),
    ("GET", f"models/{MODEL}%2f..%2f{OTHER}"),
    ("GET", f"models/{MODEL}/operations/x"),
    ("GET", f"models/{MODEL}:x"),
    ("GET", f"models/models/{MODEL}"),
    ("PATCH", f"models/{MODEL}"),
    ("DELETE", f"models/{MODEL}"),
    # Other paths, also where a pattern fits their names.
    ("GET", "files"),
    ("GET", "files/a-flash"),
    ("DELETE", "files/a-flash"),
    ("GET", "batches/m1"),
    ("POST", "interactions"),
    ("POST", "decisions"),
    ("GET", "metrics"),
    ("GET", "m"),
    ("POST", "cachedContents"),
    ("GET", "tunedModels/a-flash"),
    ("POST", "tunedModels/a-flash:generateContent"),
    ("POST", "files:register"),
    ("GET", f"%6dodels/{OTHER}"),
    ("GET", "%6dodels"),
    ("GET", "models/"),
    ("GET", "models%2F"),
]


@pytest.mark.parametrize(("method", "path"), REFUSED, ids=lambda value: value.replace("/", "|"))
async def test_nothing_but_its_own_models_is_reached(method, path):
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(LIMITED, FREE)) as client:
        got = await ask(client, f"/v1beta/{path}", method, body=HI if method in ("POST", "PATCH") else None)
    assert got.status_code in (400, 404, 405), got.text
    assert got.json()["error"]["code"] == got.status_code
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("countTokens", {"generateContentRequest": {"model": f"models/{OTHER}", **HI}}),
        ("countTokens", {"generate_content_request": {"model": f"models/{OTHER}", **HI}}),
        ("batchEmbedContents", {"requests": [{"model": f"models/{MODEL}"}, {"model": f"models/{OTHER}"}]}),
        ("embedContent", {"model": OTHER, "content": {}}),
        ("generateContent", {**HI, "model": OTHER}),
    ],
)
async def test_a_model_in_the_body_is_one_that_it_may_name(method, body):
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(LIMITED, FREE)) as client:
        refused = await ask(client, f"/v1beta/models/{MODEL}:{method}", body=body)
        free = await ask(client, f"/v1beta/models/{MODEL}:{method}", body=body, key=FREE.key)
    assert (refused.status_code, refused.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert (free.status_code, len(upstream.seen)) == (200, 1)


@pytest.mark.parametrize("body", [{"requests": [1]}, {"model": 1}, ["model"], None])
async def test_a_body_that_cannot_be_read_is_refused_as_it_may_name_others(body):
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(LIMITED,)) as client:
        got = await ask(client, f"/v1beta/models/{MODEL}:countTokens", body=body)
    assert (got.status_code, upstream.seen) == (400, [])


@pytest.mark.parametrize("method", ["generateContent", "countTokens", "batchEmbedContents"])
async def test_its_own_models_are_served_as_to_anybody(method):
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(LIMITED,)) as client:
        called = await ask(client, f"/v1beta/models/{MODEL}:{method}", body={**HI, "model": f"models/{MODEL}"})
        read = await ask(client, f"/v1beta/models/{MODEL}", "GET")
    assert (called.status_code, read.status_code) == (200, 200)
    assert [one.path for one in upstream.seen] == [f"/v1beta/models/{MODEL}:{method}", f"/v1beta/models/{MODEL}"]


async def test_the_list_of_models_is_its_own_and_each_item_is_as_it_came():
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(LIMITED, FREE)) as client:
        limited = await ask(client, "/v1beta/models?pageSize=2", "GET")
        free = await ask(client, "/v1beta/models?pageSize=2", "GET", FREE.key)
    assert limited.json() == {"models": LIST["models"][:1], "nextPageToken": "n"}
    assert free.json() == LIST
    assert [one.path for one in upstream.seen] == ["/v1beta/models?pageSize=2"] * 2


EXACT = KnownClient(name="exact", key="key-of-exact", models=(MODEL,))
PIECES = st.sampled_from(
    [MODEL, OTHER, "models", "files", "/", "%2F", "%2f", ":", "%3A", "..", "%2e%2e", "?", "%3F", "%23", ";", "%00"]
)
PATHS = st.lists(PIECES, min_size=1, max_size=6).map("".join)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE"])
REQUESTS = st.tuples(METHODS, st.sampled_from(["", "models/"]), PATHS, st.sampled_from(["", ":countTokens"]))


@settings(max_examples=3, phases=[Phase.generate])
@given(requests=st.lists(REQUESTS, min_size=30, max_size=40))
async def test_whatever_is_asked_the_upstream_hears_of_no_other_model(requests):
    async with run_upstream(ok) as upstream, adapter(upstream, clients=(EXACT,)) as client:
        for method, folder, path, suffix in requests:
            body = {} if method in ("POST", "PATCH") else None
            await ask(client, f"/v1beta/{folder}{path}{suffix}", method, EXACT.key, body)
    own = f"/v1beta/models/{MODEL}"
    assert {one.path.partition("?")[0] for one in upstream.seen} <= {"/v1beta/models", own, f"{own}:countTokens"}
