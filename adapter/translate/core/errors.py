"""google.rpc.Status to OpenAI's error: one table, and the hints that make an error useful.

OpenAI's types and codes are those of its error guide (2026); Gemini's texts are quoted from public threads. What the
openai SDKs do with an answer is part of it: they repeat 408, 409, 429 and 5xx twice unless `x-should-retry` is false,
and obey `retry-after` in whole seconds from 1 to 120.
"""

import math
import re
from typing import NamedTuple

from msgspec.structs import replace

from adapter.wire.gemini.errors import (
    Status,
    find_retry_delay,
    is_balance,
    is_daily_quota_exhausted,
    is_projects_fault,
    relay_code,
)
from adapter.wire.openai.errors import Error, ErrorBody

TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    500: "server_error",
    501: "invalid_request_error",
    502: "server_error",
    503: "service_unavailable_error",
    504: "server_error",
}
"""OpenAI's error types by HTTP status."""


class AnswerError(Exception):
    """An answer of Gemini's that cannot be used; `retry`: whether the same request may succeed."""

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
    """OpenAI's form of one kind of error. With `retry` None the client decides whether to retry."""

    status: int
    code: str | None
    retry: bool | None = None
    param: str | None = None


_STATUSES = {
    "INVALID_ARGUMENT": _Row(400, None),
    "FAILED_PRECONDITION": _Row(400, None),
    "OUT_OF_RANGE": _Row(400, None),
    "UNAUTHENTICATED": _Row(401, "invalid_api_key"),
    "PERMISSION_DENIED": _Row(403, "permission_denied"),
    "NOT_FOUND": _Row(404, "model_not_found", param="model"),
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
"""Rows by google.rpc.Code."""

_QUOTA = _Row(429, "insufficient_quota", retry=False)
_BAD_KEY = _Row(401, "invalid_api_key")
_OPERATOR = _Row(502, "upstream_auth_failed", retry=False)

_BY_TEXT = (
    (
        re.compile(r"token count.{0,40}exceeds the maximum", re.IGNORECASE),
        _Row(400, "context_length_exceeded", param="messages"),
    ),
    (re.compile(r"payload size exceeds", re.IGNORECASE), _Row(413, "request_too_large")),
    (re.compile(r"^CachedContent not found|permission to access the File"), _Row(403, "permission_denied")),
    (re.compile(r"^Not found: cache|^(?:File|CachedContent) .{0,200}not found", re.IGNORECASE), _Row(404, "not_found")),
)
"""Errors that only Gemini's message tells apart: limits, and resources that the key cannot see."""

_HINTS = (
    ("too many states for serving", "Shorten the schema: fewer or shorter enum values, no maxItems, fewer tools."),
    ("exceeds the maximum allowed nesting depth", "Flatten the schema."),
    (
        "include_server_side_tool_invocations",
        "The adapter sent this flag wherever Gemini wants it: {upstream} has removed it.",
    ),
)
"""Parts of Gemini's messages, and advice about them."""

_OF_A_KEY = re.compile(r"key|token|auth", re.IGNORECASE)

MAX_MESSAGE = 2_000
"""Characters of Gemini's message that are passed on; the message lists every fault of a request."""

MAX_ERROR_MESSAGE = 4_000
"""Characters of any error's message, which may quote the client's values."""

MAX_PARAM = 500
"""Characters of the path to the faulty value, which may contain the client's own names."""

_SECRETS = re.compile(
    r"AIza[\w-]{8,}|AQ\.[\w-]{8,}|ya29\.[\w.-]+|\bsk-[\w-]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?<=api_key:)[\w.-]+|(?<=[?&]key=)[\w.-]+"
)
_PROJECTS = re.compile(r"(\bprojects?(?:_number)?[/ =:])\d+", re.IGNORECASE)


def scrub(text: str) -> str:
    """Remove keys, tokens and project numbers from a foreign text: some of Google's messages name the consumer."""
    return _PROJECTS.sub(r"\1[hidden]", _SECRETS.sub("[hidden]", text[:MAX_MESSAGE]))


def to_openai(
    status: int, error: Status, *, own_key: bool, upstream: str = "the upstream", retry_after: float | None = None
) -> Failure:
    """Return OpenAI's error for one of Gemini's; `own_key`: the client's own key was used at `upstream`.

    A key of the operator's that Gemini refuses is not the client's fault: it is a 502.
    """
    row = _row(status, error, own_key)
    message = scrub((error.message or "").strip() or f"Gemini answered {error.status or status}.")
    hint = next((hint for part, hint in _HINTS if part in message), "").format(upstream=upstream)
    if row is _OPERATOR:
        message = f"Gemini refused the key of this server: {message}"
    wait = find_retry_delay(error, retry_after) if row.status in (429, 503) else None
    result = failure(row.status, f"{message} {hint}".strip(), row.code, param=row.param, retry=row.retry, wait=wait)
    code = relay_code(error)
    # A client that reads `invalid_api_key` looks for the fault in its own key.
    return result if code is None or (row is _OPERATOR and _OF_A_KEY.search(code)) else _with_code(result, code)


def _with_code(result: Failure, code: str) -> Failure:
    """Return the error with the code that the relay gave it."""
    return result._replace(body=ErrorBody(error=replace(result.body.error, code=code)))


def failure(
    status: int,
    message: str,
    code: str | None,
    *,
    param: str | None = None,
    retry: bool | None = None,
    wait: float | None = None,
) -> Failure:
    """Build an error with all four keys, and the headers that say whether and when to retry."""
    type_ = "insufficient_quota" if code == "insufficient_quota" else TYPES.get(status, "server_error")
    headers = {} if retry is None else {"x-should-retry": "true" if retry else "false"}
    if wait is not None:
        headers["retry-after"] = str(max(1, math.ceil(wait)))
    error = Error(message=message[:MAX_ERROR_MESSAGE], type=type_, param=param and param[:MAX_PARAM], code=code)
    return Failure(status, ErrorBody(error=error), headers)


def _row(status: int, error: Status, own_key: bool) -> _Row:
    by_text = next((row for pattern, row in _BY_TEXT if pattern.search(error.message or "")), None)
    if by_text is not None:
        return by_text
    if is_balance(error):
        return _QUOTA
    reasons = {detail.reason for detail in error.details or ()}
    if "API_KEY_INVALID" in reasons or error.status in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        if not own_key:
            return _OPERATOR
        return _BAD_KEY if "API_KEY_INVALID" in reasons else _STATUSES[error.status or ""]
    if is_projects_fault(error):
        return _STATUSES["PERMISSION_DENIED"] if own_key else _OPERATOR
    if error.status == "RESOURCE_EXHAUSTED" and is_daily_quota_exhausted(error):
        return _QUOTA
    by_status = _STATUSES.get(error.status or "")
    return by_status or _Row(status if status in TYPES else 502, None)


def of_answer(error: AnswerError) -> Failure:
    """Return the error for an answer that is unusable."""
    return failure(error.status, error.message, error.code, retry=error.retry)
