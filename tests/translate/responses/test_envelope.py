"""The error of a response that failed."""

import pytest

from adapter.translate.responses.envelope import error_of, failure_of
from adapter.wire.openai.errors import Error


@pytest.mark.parametrize(
    ("code", "type_", "expected"),
    [
        ("context_length_exceeded", "invalid_request_error", "context_length_exceeded"),
        (None, "rate_limit_error", "rate_limit_exceeded"),
        ("unknown", "unknown", "server_error"),
    ],
)
def test_the_error_of_a_failed_response_says_what_the_event_before_it_says(
    code: str, type_: str, expected: str
) -> None:
    error = failure_of(Error(message="m", type=type_, param="input", code=code))
    assert (error.code, error.message, error.type, error.param) == (expected, "m", type_, "input")
    assert error_of(error) == Error(message="m", type=type_, param="input", code=expected)
