"""The owner of a key decides whose fault an error is: each status, with a caller's own key and with a pool."""

import time

import pytest

from tests.support.scripted import adapter, answer, chat, run_upstream

INFO, QUOTA, RETRY = (f"type.googleapis.com/google.rpc.{name}" for name in ("ErrorInfo", "QuotaFailure", "RetryInfo"))


def body(code, status, message="m", *, reason=None, quota=None, wait=None):
    details = [{"@type": INFO, "reason": reason}] if reason else []
    details += [{"@type": QUOTA, "violations": [{"quotaId": quota}]}] if quota else []
    details += [{"@type": RETRY, "retryDelay": wait}] if wait else []
    return {"error": {"code": code, "message": message, "status": status, "details": details}}


INVALID = body(400, "INVALID_ARGUMENT", "API key not valid.", reason="API_KEY_INVALID")
LEAKED = body(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key.")
SUSPENDED = body(403, "PERMISSION_DENIED", "Consumer has been suspended.", reason="CONSUMER_SUSPENDED")
MINUTE = body(429, "RESOURCE_EXHAUSTED", quota="GenerateRequestsPerMinutePerProjectPerModel", wait="39s")
DAY = body(429, "RESOURCE_EXHAUSTED", quota="GenerateRequestsPerDayPerProjectPerModel-FreeTier")
SHARED = body(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.")

ROWS = {
    "the request is wrong": (body(400, "INVALID_ARGUMENT"), (400, None, 1), (400, None, 1)),
    "an invalid key": (INVALID, (401, "invalid_api_key", 1), (502, "upstream_auth_failed", 2)),
    "a place that is not served": (
        body(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        (403, "permission_denied", 1),
        (502, "upstream_auth_failed", 2),
    ),
    "no billing": (
        body(400, "FAILED_PRECONDITION", "Please enable billing on your project."),
        (403, "permission_denied", 1),
        (502, "upstream_auth_failed", 2),
    ),
    "a file that is not ready": (body(400, "FAILED_PRECONDITION", "not ACTIVE"), (400, None, 1), (400, None, 1)),
    "no credentials": (
        body(401, "UNAUTHENTICATED", reason="ACCESS_TOKEN_EXPIRED"),
        (401, "invalid_api_key", 1),
        (502, "upstream_auth_failed", 2),
    ),
    "a service that is off": (
        body(403, "PERMISSION_DENIED", reason="SERVICE_DISABLED"),
        (403, "permission_denied", 1),
        (502, "upstream_auth_failed", 2),
    ),
    "a suspended key": (SUSPENDED, (403, "permission_denied", 1), (502, "upstream_auth_failed", 2)),
    "no permission": (
        body(403, "PERMISSION_DENIED", reason="IAM_PERMISSION_DENIED"),
        (403, "permission_denied", 1),
        (502, "upstream_auth_failed", 2),
    ),
    "a leaked key": (LEAKED, (403, "permission_denied", 1), (502, "upstream_auth_failed", 2)),
    "no such model": (body(404, "NOT_FOUND"), (404, "model_not_found", 1), (404, "model_not_found", 1)),
    "aborted": (body(409, "ABORTED"), (503, "server_is_overloaded", 2), (503, "server_is_overloaded", 2)),
    "too large": (
        body(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
        (413, "request_too_large", 1),
        (413, "request_too_large", 1),
    ),
    "a minute's quota": (MINUTE, (429, "rate_limit_exceeded", 1), (429, "rate_limit_exceeded", 2)),
    "a day's quota": (DAY, (429, "insufficient_quota", 1), (429, "insufficient_quota", 2)),
    "a shared quota": (SHARED, (429, "rate_limit_exceeded", 2), (429, "rate_limit_exceeded", 3)),
    "cancelled": (body(499, "CANCELLED"), (503, "server_is_overloaded", 1), (503, "server_is_overloaded", 1)),
    "internal": (body(500, "INTERNAL"), (500, None, 1), (500, None, 1)),
    "unimplemented": (body(501, "UNIMPLEMENTED"), (501, "unsupported", 1), (501, "unsupported", 1)),
    "unavailable": (body(503, "UNAVAILABLE"), (503, "server_is_overloaded", 2), (503, "server_is_overloaded", 2)),
    "too late": (body(504, "DEADLINE_EXCEEDED"), (504, "upstream_timeout", 1), (504, "upstream_timeout", 1)),
}
"""Gemini's error; status, code and calls to Gemini with the caller's own key, and with a pool of two keys."""

CALLERS = {"upstream_auth": "caller", "upstream_keys": ()}
POOL = {"upstream_keys": ("one", "two")}


def refusing(error):
    async def script(call):
        await call.json(error, error["error"]["code"])

    return script


def keys_of(upstream):
    return [call.headers["x-goog-api-key"] for call in upstream.seen]


@pytest.mark.parametrize("owner", ["caller", "pool"])
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_error_is_its_key_owners(name, owner, stream):
    error, *expected = ROWS[name]
    status, code, calls = expected[owner == "pool"]
    settings = CALLERS if owner == "caller" else POOL
    async with run_upstream(refusing(error)) as upstream, adapter(upstream, retries=1, **settings) as client:
        headers = {"authorization": "Bearer theirs"}
        answered = await client.post("/v1/chat/completions", json=chat(stream=stream), headers=headers)
    told = answered.json()["error"]
    assert (answered.status_code, told["code"], len(upstream.seen)) == (status, code, calls)
    assert set(told) == {"message", "type", "param", "code"}
    if owner == "caller":
        assert set(keys_of(upstream)) == {"theirs"}
    elif calls == 2 and status not in (503, 504):
        assert keys_of(upstream) == ["one", "two"]


def first_key_is(error):
    """The first key meets an error, the others do not."""

    async def script(call):
        if call.request.headers["x-goog-api-key"] == "one":
            await call.json(error, error["error"]["code"])
        else:
            await call.json(answer("hello"))

    return script


@pytest.mark.parametrize("error", [INVALID, LEAKED, SUSPENDED, MINUTE, DAY, SHARED], ids=lambda error: str(error)[-60:])
async def test_the_other_key_answers_and_is_asked_first_from_then_on(error):
    async with run_upstream(first_key_is(error)) as upstream, adapter(upstream, **POOL) as client:
        for _ in range(3):
            assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200
    assert keys_of(upstream) == ["one", "two", "two", "two"]


async def test_one_request_tries_three_keys_and_no_more():
    keys = {"upstream_keys": tuple("abcdefgh")}
    async with run_upstream(refusing(INVALID)) as upstream, adapter(upstream, **keys) as client:
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 502
    assert keys_of(upstream) == ["a", "b", "c"]


@pytest.mark.parametrize("keys", [("one",), ("one", "two")])
@pytest.mark.parametrize(
    ("error", "code"), [(MINUTE, "rate_limit_exceeded"), (DAY, "insufficient_quota")], ids=["minute", "day"]
)
async def test_when_all_keys_must_wait_the_next_request_is_told_so_at_once(keys, error, code):
    async with run_upstream(refusing(error)) as upstream, adapter(upstream, upstream_keys=keys) as client:
        before = time.time()
        for _ in range(3):
            answered = await client.post("/v1/chat/completions", json=chat())
            assert (answered.status_code, answered.json()["error"]["code"]) == (429, code)
        assert len(upstream.seen) == len(keys)
        if code == "insufficient_quota":
            reset = (before + int(answered.headers["retry-after"])) % 86_400
            assert answered.headers["x-should-retry"] == "false"
            assert 8 * 3_600 - 1 <= reset <= 8 * 3_600 + 60, "midnight in California"
        else:
            assert 0 < int(answered.headers["retry-after"]) <= 39
        other = await client.post("/v1/chat/completions", json=chat() | {"model": "gemini-3.8-flash"})
        assert other.status_code == 429
        assert len(upstream.seen) == 2 * len(keys), "each model has a quota of its own"


async def test_a_key_is_asked_again_once_its_time_is_over():
    async def script(call):
        if call.number == 1:
            await call.json(body(429, "RESOURCE_EXHAUSTED", wait="0.2s"), 429)
        else:
            await call.json(answer("hello"))

    async with run_upstream(script) as upstream, adapter(upstream, retries=1) as client:
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200
    assert len(upstream.seen) == 2
