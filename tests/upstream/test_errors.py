import json
from email.utils import formatdate

import pytest

from adapter.upstream import errors
from adapter.upstream.errors import UpstreamError, UpstreamProtocolError, from_answer, from_event, status_in

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
    [b"", b"  ", b"<html>secret</html>", b"[]", b"{}", b'{"error": "invalid_request"}', b'{"error": {"code": "x"}}',
     b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_what_is_not_googles_error_is_told_by_the_http_status_alone(body):
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
        ({"code": 3, "status": "INVALID_ARGUMENT"}, 3, "INVALID_ARGUMENT"),
    ],
)
def test_code_and_name_complete_each_other(error, code, name):
    status = status_in(json.dumps({"error": error}).encode(), 502)
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
    monkeypatch.setattr(errors.time, "time", lambda: 1_000.0)
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
    assert str(UpstreamError(418, errors.Status())) == "HTTP 418"
