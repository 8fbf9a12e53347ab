"""google.rpc.Status as the HTTP APIs write it (cloud.google.com/apis/design/errors)."""

import re

import msgspec

from adapter.wire.base import Wire


class FieldViolation(Wire, forbid_unknown_fields=False):
    """One fault of the request."""

    field: str | None = None
    description: str | None = None


class QuotaViolation(Wire, rename="camel", forbid_unknown_fields=False):
    """One quota that was used up; `quotaId` tells its period."""

    quota_id: str | None = None
    quota_metric: str | None = None
    description: str | None = None


RELAY = "relay"
"""The `@type` that this side gives a detail with the code of a relay's own error, as its `reason`."""

BALANCE = "relay/balance"
"""The `@type` that this side gives a detail that says: the account at the relay is empty."""


class ErrorDetail(Wire, forbid_unknown_fields=False):
    """One of google.rpc's detail messages, told apart by `@type`; only what this project reads."""

    type: str = msgspec.field(name="@type", default="")
    reason: str | None = None
    retry_delay: str | None = msgspec.field(name="retryDelay", default=None)
    field_violations: list[FieldViolation] | None = msgspec.field(name="fieldViolations", default=None)
    violations: list[QuotaViolation] | None = None


class Status(Wire, forbid_unknown_fields=False):
    """The error itself; `code` equals the HTTP status."""

    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: list[ErrorDetail] | None = None


class ErrorBody(Wire, forbid_unknown_fields=False):
    """The body of an error answer; some come as a list of one."""

    error: Status


NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""google.rpc.Code by HTTP status (cloud.google.com/apis/design/errors)."""

CODES = {name: code for code, name in NAMES.items()}


def status_name(status: int) -> str:
    """Return Google's name for an HTTP status ("NOT_FOUND")."""
    return NAMES.get(status, "UNKNOWN")


def relay_code(error: Status) -> str | None:
    """Return the code of a relay's own error."""
    return next((detail.reason for detail in error.details or () if detail.type == RELAY), None)


def is_balance(error: Status) -> bool:
    """Return whether the account at the relay is empty."""
    return any(detail.type == BALANCE for detail in error.details or ())


def is_daily_quota_exhausted(error: Status) -> bool:
    """Return whether the QuotaFailure names a daily quota (ai.google.dev/gemini-api/docs/rate-limits)."""
    ids = (violation.quota_id or "" for detail in error.details or () for violation in detail.violations or ())
    return any("PerDay" in quota or "Daily" in quota for quota in ids)


_PROJECTS_FAULT = re.compile(r"location is not supported|billing", re.IGNORECASE)


def is_projects_fault(error: Status) -> bool:
    """Return whether a FAILED_PRECONDITION is about the key's project, not about the request (a file not ready yet)."""
    return error.status == "FAILED_PRECONDITION" and _PROJECTS_FAULT.search(error.message or "") is not None


_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_IN_WORDS = re.compile(r"retry in (\d{1,9}(?:\.\d{1,9})?)s", re.IGNORECASE)


def find_retry_delay(error: Status, header: float | None) -> float | None:
    """Return the seconds that Gemini asks to wait: RetryInfo, else Retry-After, else the message's words."""
    for detail in error.details or ():
        if detail.retry_delay and (match := _DURATION.fullmatch(detail.retry_delay)):
            return float(match.group(1))
    if header is not None:
        return header
    words = _IN_WORDS.search(error.message or "")
    return float(words.group(1)) if words else None
