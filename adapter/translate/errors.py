"""google.rpc.Status to OpenAI's error: one table, and the hints that make an error useful.

OpenAI's types and codes are those of its error guide (2026); Gemini's texts are quoted from public threads. What the
openai SDKs do with an answer is part of it: they repeat 408, 409, 429 and 5xx twice unless `x-should-retry` is false,
and obey `retry-after` in whole seconds from 1 to 120.
"""

import math
import re
from typing import NamedTuple

from adapter.wire.gemini.errors import Status, told_wait
from adapter.wire.openai.errors import Error, ErrorBody

TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    501: "invalid_request_error",
    502: "server_error",
    503: "service_unavailable_error",
    504: "server_error",
}
"""OpenAI's error types by HTTP status."""


class AnswerError(Exception):
    """An answer of Gemini's that is no answer; `retry`: whether the same request may succeed."""

    def __init__(self, status: int, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry = retry


class Failure(NamedTuple):
    """An error as it goes to the client."""

    status: int
    body: ErrorBody
    headers: dict[str, str]


class _Row(NamedTuple):
    """What one kind of error becomes; `retry` None leaves the decision to the client."""

    status: int
    code: str | None
    retry: bool | None = None


_STATUSES = {
    "INVALID_ARGUMENT": _Row(400, None),
    "FAILED_PRECONDITION": _Row(400, None),
    "OUT_OF_RANGE": _Row(400, None),
    "UNAUTHENTICATED": _Row(401, "invalid_api_key"),
    "PERMISSION_DENIED": _Row(403, "permission_denied"),
    "NOT_FOUND": _Row(404, "model_not_found"),
    "ABORTED": _Row(503, "server_is_overloaded"),
    "ALREADY_EXISTS": _Row(409, None, retry=False),
    "RESOURCE_EXHAUSTED": _Row(429, "rate_limit_exceeded"),
    "CANCELLED": _Row(503, "server_is_overloaded"),
    "INTERNAL": _Row(500, None),
    "UNKNOWN": _Row(502, "upstream_error"),
    "DATA_LOSS": _Row(502, "upstream_error"),
    "UNIMPLEMENTED": _Row(501, "unsupported", retry=False),
    "UNAVAILABLE": _Row(503, "server_is_overloaded"),
    "DEADLINE_EXCEEDED": _Row(504, "upstream_timeout"),
}
"""By google.rpc.Code."""

_QUOTA = _Row(429, "insufficient_quota", retry=False)
_BAD_KEY = _Row(401, "invalid_api_key")
_OPERATOR = _Row(502, "upstream_auth_failed", retry=False)
_CONTEXT = _Row(400, "context_length_exceeded")

_TOO_LONG = re.compile(r"token count.{0,40}exceeds the maximum", re.IGNORECASE)

_HINTS = (
    ("too many states for serving", "Shorten the schema: fewer or shorter enum values, no maxItems, fewer tools."),
    ("exceeds the maximum allowed nesting depth", "Flatten the schema."),
    (
        "include_server_side_tool_invocations",
        "The adapter sent this flag wherever Gemini wants it: a relay between them has removed it.",
    ),
)
"""Parts of Gemini's messages, and what to do about them."""


def to_openai(status: int, error: Status, *, own_key: bool, retry_after: float | None = None) -> Failure:
    """OpenAI's error for one of Gemini's. `own_key`: whether the client's own key was used.

    A key of the operator's that Gemini refuses is not the client's fault: it is a 502.
    """
    row = _row(status, error, own_key)
    message = error.message or f"Gemini answered {error.status or status}."
    hint = next((hint for part, hint in _HINTS if part in message), None)
    if row is _OPERATOR:
        message = f"Gemini refused the key of this server: {message}"
    wait = told_wait(error, retry_after) if row.status in (429, 503) else None
    return failure(row.status, f"{message} {hint}" if hint else message, row.code, retry=row.retry, wait=wait)


def failure(
    status: int,
    message: str,
    code: str | None,
    *,
    param: str | None = None,
    retry: bool | None = None,
    wait: float | None = None,
) -> Failure:
    """An error with all four keys, and the headers that tell clients whether and when to come back."""
    type_ = "insufficient_quota" if code == "insufficient_quota" else TYPES.get(status, "server_error")
    headers = {} if retry is None else {"x-should-retry": "true" if retry else "false"}
    if wait is not None:
        headers["retry-after"] = str(max(1, math.ceil(wait)))
    return Failure(status, ErrorBody(error=Error(message=message, type=type_, param=param, code=code)), headers)


def _row(status: int, error: Status, own_key: bool) -> _Row:
    reasons = {detail.reason for detail in error.details or ()}
    if "API_KEY_INVALID" in reasons or error.status in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        if not own_key:
            return _OPERATOR
        return _BAD_KEY if "API_KEY_INVALID" in reasons else _STATUSES[error.status or ""]
    if _TOO_LONG.search(error.message or ""):
        return _CONTEXT
    if error.status == "RESOURCE_EXHAUSTED" and _per_day(error):
        return _QUOTA
    known = _STATUSES.get(error.status or "")
    return known or _Row(status if status in TYPES else 502, None)


def _per_day(error: Status) -> bool:
    """A daily quota is not worth a retry (ai.google.dev, rate limits)."""
    violations = [one for detail in error.details or () for one in detail.violations or ()]
    return any("PerDay" in (one.quota_id or "") or "Daily" in (one.quota_id or "") for one in violations)


def of_answer(error: AnswerError) -> Failure:
    """The error for an answer that is none."""
    return failure(error.status, error.message, error.code, retry=error.retry)
