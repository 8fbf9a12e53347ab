"""google.rpc.Status to OpenAI's error: the table, the headers that steer retries, and what must not leave."""

import msgspec
import pytest

from adapter.translate.core.errors import MAX_MESSAGE, AnswerError, failure, of_answer, scrub, to_openai
from adapter.wire.base import encode
from adapter.wire.gemini.errors import ErrorDetail, QuotaViolation, Status

TOKENS = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
CACHE = "CachedContent not found (or permission denied)"


def status(name, message="m", **details):
    return Status(message=message, status=name, details=[ErrorDetail(**details)] if details else None)


def quota(period):
    violation = QuotaViolation(quota_id=f"GenerateRequests{period}PerProjectPerModel-FreeTier")
    return status("RESOURCE_EXHAUSTED", violations=[violation], retry_delay="7.5s")


@pytest.mark.parametrize(
    ("http", "error", "expected"),
    [
        (400, status("INVALID_ARGUMENT"), (400, "invalid_request_error", None)),
        (400, status("FAILED_PRECONDITION"), (400, "invalid_request_error", None)),
        (404, status("NOT_FOUND"), (404, "invalid_request_error", "model_not_found")),
        (429, status("RESOURCE_EXHAUSTED"), (429, "rate_limit_error", "rate_limit_exceeded")),
        (429, quota("PerMinute"), (429, "rate_limit_error", "rate_limit_exceeded")),
        (429, quota("PerDay"), (429, "insufficient_quota", "insufficient_quota")),
        (499, status("CANCELLED"), (503, "service_unavailable_error", "server_is_overloaded")),
        (409, status("ABORTED"), (503, "service_unavailable_error", "server_is_overloaded")),
        (500, status("INTERNAL"), (500, "server_error", None)),
        (501, status("UNIMPLEMENTED"), (501, "invalid_request_error", "unsupported")),
        (503, status("UNAVAILABLE"), (503, "service_unavailable_error", "server_is_overloaded")),
        (504, status("DEADLINE_EXCEEDED"), (504, "server_error", "upstream_timeout")),
        (400, status("INVALID_ARGUMENT", TOKENS), (400, "invalid_request_error", "context_length_exceeded")),
        (400, status("INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
         (413, "invalid_request_error", "request_too_large")),
        (418, status(None), (502, "server_error", None)),
        (418, status("A_NEW_ONE"), (502, "server_error", None)),
        (502, status(None), (502, "server_error", None)),
    ],
    ids=lambda value: None if isinstance(value, Status) else str(value),
)  # fmt: skip
@pytest.mark.parametrize("own_key", [True, False])
def test_each_status_has_one_answer_whoever_owns_the_key(http, error, expected, own_key):
    made = to_openai(http, error, own_key=own_key)
    body = made.body.error
    assert (made.status, body.type, body.code) == expected
    assert set(msgspec.json.decode(encode(made.body))["error"]) == {"message", "type", "param", "code"}


KEYS = [
    (400, status("INVALID_ARGUMENT", "API key not valid.", reason="API_KEY_INVALID"), (401, "invalid_api_key")),
    (401, status("UNAUTHENTICATED", "Invalid token."), (401, "invalid_api_key")),
    (403, status("PERMISSION_DENIED", "Your API key was reported as leaked."), (403, "permission_denied")),
    (403, status("PERMISSION_DENIED", "disabled", reason="SERVICE_DISABLED"), (403, "permission_denied")),
    (400, status("FAILED_PRECONDITION", "User location is not supported for the API use."), (403, "permission_denied")),
    (400, status("FAILED_PRECONDITION", "Please enable billing on your project."), (403, "permission_denied")),
]


@pytest.mark.parametrize(("http", "error", "expected"), KEYS, ids=[error.message for _, error, _ in KEYS])
def test_a_refused_key_is_its_owners_fault(http, error, expected):
    mine = to_openai(http, error, own_key=True)
    assert (mine.status, mine.body.error.code) == expected
    operators = to_openai(http, error, own_key=False)
    assert (operators.status, operators.body.error.code) == (502, "upstream_auth_failed")
    assert operators.headers == {"x-should-retry": "false"}
    assert "of this server" in operators.body.error.message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (status("PERMISSION_DENIED", CACHE), (403, "permission_denied")),
        (
            status("PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist."),
            (403, "permission_denied"),
        ),
        (status("NOT_FOUND", "Not found: cache content metadata for 7."), (404, "not_found")),
    ],
)
def test_what_a_request_names_is_not_a_fault_of_the_servers_key(error, expected):
    made = to_openai(403, error, own_key=False)
    assert (made.status, made.body.error.code, made.body.error.param) == (*expected, None)


@pytest.mark.parametrize(
    ("error", "header", "expected"),
    [
        (status("RESOURCE_EXHAUSTED", retry_delay="7.5s"), None, "8"),
        (status("RESOURCE_EXHAUSTED", retry_delay="40.025771073s"), None, "41"),
        (status("RESOURCE_EXHAUSTED", retry_delay="0s"), None, "1"),
        (status("RESOURCE_EXHAUSTED", "Quota exceeded. Please retry in 7.5s."), None, "8"),
        (status("UNAVAILABLE"), 3.0, "3"),
        (status("RESOURCE_EXHAUSTED"), None, None),
        (status("INVALID_ARGUMENT", "Please retry in 7.5s."), None, None),
        (status("RESOURCE_EXHAUSTED", retry_delay="soon"), None, None),
    ],
)
def test_retry_after_is_whole_seconds_from_the_details_the_header_or_the_words(error, header, expected):
    assert to_openai(429, error, own_key=False, retry_after=header).headers.get("retry-after") == expected


def test_a_daily_quota_is_not_worth_a_retry():
    assert to_openai(429, quota("PerDay"), own_key=False).headers == {"x-should-retry": "false", "retry-after": "8"}
    assert "x-should-retry" not in to_openai(429, quota("PerMinute"), own_key=False).headers


def test_the_fault_names_the_parameter_where_there_is_one():
    assert to_openai(404, status("NOT_FOUND"), own_key=False).body.error.param == "model"
    assert to_openai(400, status("INVALID_ARGUMENT", TOKENS), own_key=False).body.error.param == "messages"


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("The specified schema produces a constraint that has too many states for serving.", "fewer tools"),
        ("A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.", "Flatten"),
        ("Please enable tool_config.include_server_side_tool_invocations to use it.", "relay.example has removed it"),
    ],
)
def test_some_messages_come_with_a_hint(message, hint):
    error = to_openai(400, status("INVALID_ARGUMENT", message), own_key=False, upstream="relay.example").body.error
    assert error.message.startswith(message)
    assert hint in error.message


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Permission denied: Consumer 'api_key:AIzaSyA1234567890abcdefghijklmnopqrstuv' has been suspended.", "AIza"),
        ("Consumer 'api_key:a-key-of-another-kind' has been suspended.", "another-kind"),
        ("key AQ.Ab8RN6LongAndSecret-_ is bad", "Ab8RN6"),
        ("token ya29.a0AfB_secret is bad", "a0AfB"),
        ("Incorrect key: sk-proj-1234567890", "1234567890"),
        ("bearer eyJhbGciOi.eyJzdWIiOi.c2ln", "eyJzdWIiOi"),
        ("GET https://x/v1?key=topsecret&alt=sse", "topsecret"),
        ("has not been used in project 12345678 before", "12345678"),
        ("projects/12345678/locations/global", "12345678"),
        ("for consumer 'project_number:12345678'", "12345678"),
    ],
)
def test_keys_tokens_and_project_numbers_do_not_leave(text, secret):
    error = status("PERMISSION_DENIED", text)
    for shown in (scrub(text), *(to_openai(403, error, own_key=own).body.error.message for own in (True, False))):
        assert secret not in shown
        assert "[hidden]" in shown


def test_harmless_texts_stay_as_they_are():
    text = "Unknown name \"task-1\" at 'tools[0].function_declarations[12]': Cannot find field in project notes."
    assert scrub(text) == text


def test_a_message_has_an_end():
    assert (
        len(to_openai(400, status("INVALID_ARGUMENT", "x" * 100_000), own_key=True).body.error.message) == MAX_MESSAGE
    )


def test_an_error_without_words_still_says_something():
    assert to_openai(500, Status(), own_key=True).body.error.message == "Gemini answered 500."


@pytest.mark.parametrize(("retry", "expected"), [(True, "true"), (False, "false")])
def test_an_answer_that_is_none_says_whether_to_try_again(retry, expected):
    made = of_answer(AnswerError(502, "malformed_function_call", "Malformed.", retry=retry))
    assert (made.status, made.headers["x-should-retry"]) == (502, expected)
    assert made.body.error.code == "malformed_function_call"


def test_each_status_has_openais_type():
    types = {
        "invalid_request_error": (400, 401, 404, 405, 408, 413, 415, 431, 501),
        "permission_error": (403,),
        "conflict_error": (409,),
        "rate_limit_error": (429,),
        "server_error": (500, 502, 504),
        "service_unavailable_error": (503,),
    }
    for type_, statuses in types.items():
        assert {failure(status, "m", None).body.error.type for status in statuses} == {type_}


def test_a_status_that_openai_does_not_know_is_a_server_error():
    assert failure(599, "m", None).body.error.type == "server_error"
