import json
import time
from email.utils import formatdate

import pytest

from adapter.upstream import errors
from adapter.upstream.errors import UpstreamError, UpstreamProtocolError, from_answer, from_event, parse_status
from adapter.wire.gemini.errors import Status, is_balance, relay_code

QUOTA = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "PerMinute"}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"},
        ],
    }
}


@pytest.mark.parametrize("body", [QUOTA, [QUOTA]], ids=["object", "list of one"])
def test_googles_error_is_read_whole(body):
    error = from_answer(429, {}, json.dumps(body).encode())
    assert (error.status, error.error.status, error.retry_after) == (429, "RESOURCE_EXHAUSTED", 34.07)
    assert str(error) == "You exceeded your current quota."
    assert error.code is None


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"<html>secret</html>", b'{"message": "<html><body>secret</body></html>"}', b"[]", b"{}",
     b'{"error": {"code": "x y"}}', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_error_in_words_is_told_by_the_http_status_alone(body):
    error = from_answer(503, {}, body)
    assert (error.status, error.error.code, error.error.status) == (503, 503, "UNAVAILABLE")
    assert "HTTP 503" in str(error)
    assert "secret" not in str(error)


def test_an_empty_body_is_told_from_a_foreign_one():
    assert "empty" in str(from_answer(500, {}, b""))
    assert "not Google's JSON" in str(from_answer(500, {}, b"<html>"))


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        ({"code": 404, "message": "no"}, 404, "NOT_FOUND"),
        ({"status": "UNAVAILABLE"}, 503, "UNAVAILABLE"),
        ({"message": "no"}, 502, None),
        ({"message": "no", "code": "503"}, 503, "UNAVAILABLE"),
        ({"code": 3, "status": "INVALID_ARGUMENT"}, 3, "INVALID_ARGUMENT"),
    ],
)
def test_code_and_name_complete_each_other(error, code, name):
    status = parse_status(json.dumps({"error": error}).encode(), 502)
    assert (status.code, status.status) == (code, name)


@pytest.mark.parametrize(("code", "status"), [(503, 503), (499, 499), (3, 502), (200, 502), (None, 502)])
def test_an_error_inside_a_stream_has_its_codes_status(code, status):
    error = from_event(json.dumps({"error": {"code": code, "message": "no"}}).encode())
    assert (type(error), error.status, str(error)) == (UpstreamError, status, "no")


@pytest.mark.parametrize("status", [301, 302, 304])
def test_a_redirect_is_no_answer(status):
    assert isinstance(from_answer(status, {}, b""), UpstreamProtocolError)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("soon", None),
        ("7 s", None),
        ("", None),
        ("1e400", None),
        ("9" * 30, None),
    ],
)
def test_the_header_tells_seconds(header, seconds):
    assert from_answer(503, {"retry-after": header}, b"").retry_after == seconds


def test_the_header_tells_a_date(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    assert from_answer(503, {"retry-after": formatdate(1_030, usegmt=True)}, b"").retry_after == 30.0
    assert from_answer(503, {"retry-after": formatdate(10, usegmt=True)}, b"").retry_after == 0.0


def test_every_error_says_something():
    kinds = [
        errors.UpstreamTimeout("total"),
        errors.UpstreamTimeout("connect", 5.0),
        errors.UpstreamUnavailable("No connection."),
        errors.UpstreamBusy(),
        errors.UpstreamTruncated(),
        errors.UpstreamProtocolError("No JSON."),
        errors.InvalidModelName(),
        errors.MissingKey(),
    ]
    for error in kinds:
        assert isinstance(error, UpstreamError)
        assert error.code
        assert str(error) == error.error.message
        assert error.status == error.error.code
    assert str(kinds[1]) == "Gemini did not answer in time (connect: 5 s)."
    assert str(UpstreamError(418, Status())) == "HTTP 418"


RELAYS = {
    "OpenAI's shape": ({"error": {"message": "no luck", "type": "new_api_error", "code": "bad_luck"}}, "bad_luck"),
    "OpenAI's shape without a code": ({"error": {"message": "no luck", "type": "bad_luck", "code": None}}, "bad_luck"),
    "Anthropic's shape": ({"type": "error", "error": {"type": "bad_luck", "message": "no luck"}}, "bad_luck"),
    "a message": ({"message": "no luck"}, None),
    "a detail": ({"detail": "no luck"}, None),
    "a list of details": ({"detail": [{"loc": ["body"], "msg": "no luck", "type": "bad_luck"}]}, "bad_luck"),
    "a text": ({"error": "no luck"}, None),
    "a list of errors": ({"success": False, "errors": [{"code": 7003, "message": "no luck"}]}, None),
    "a text of JSON": ({"error": {"message": '{"error": {"message": "no luck"}}', "code": "bad_luck"}}, "bad_luck"),
}
"""github.com/Laisky/one-api/issues/237, github.com/Wei-Shaw/sub2api/issues/4176 (2026)."""


@pytest.mark.parametrize("shape", RELAYS)
@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_a_relays_words_and_code_are_read_from_each_shape(shape, status):
    body, code = RELAYS[shape]
    error = from_answer(status, {}, json.dumps(body).encode())
    assert (error.status, str(error), relay_code(error.error)) == (status, "no luck", code)
    assert not is_balance(error.error)


EMPTY = [
    {"error": {"message": "User quota is not enough", "type": "new_api_error", "code": "insufficient_user_quota"}},
    {"error": {"message": "token quota is not enough", "code": "pre_consume_token_quota_failed"}},
    {"error": {"message": "user [3] quota [-2] preConsumedQuota [7]is not enough", "type": "one_api_error"}},
    {"message": "Insufficient account balance"},
    {"detail": "You are out of credits"},
    {"error": "余额不足"},
]


@pytest.mark.parametrize("body", EMPTY, ids=lambda body: json.dumps(body)[:40])
@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_an_empty_account_is_told_from_a_refused_key_and_from_a_busy_upstream(body, status):
    error = from_answer(status, {}, json.dumps(body).encode())
    assert (error.status, error.error.status, is_balance(error.error)) == (429, "RESOURCE_EXHAUSTED", True)
    inside = from_event(json.dumps({"error": body}).encode())
    assert (inside.status, is_balance(inside.error)) == (429, True)


def test_a_quota_that_refills_soon_is_no_empty_account():
    words = "You exceeded your current quota: per minute requests exhausted. Please retry in 34.07s."
    error = from_answer(429, {}, json.dumps({"error": {"message": words, "code": "rate_limited"}}).encode())
    assert (error.retry_after, is_balance(error.error)) == (34.07, False)
    assert not is_balance(from_answer(429, {}, json.dumps(QUOTA).encode()).error)


def test_a_relays_words_are_bounded_and_name_no_machine():
    words = 'Post "https://gemini.internal:8443/v1beta?key=k": dial tcp 10.0.0.7:443: refused ' + "x" * 9_000
    error = from_answer(502, {}, json.dumps({"error": {"message": words, "code": "c" * 99}}).encode())
    assert len(str(error)) <= 2_100
    assert relay_code(error.error) is None
    assert not [place for place in ("internal", "10.0.0.7") if place in str(error)]
