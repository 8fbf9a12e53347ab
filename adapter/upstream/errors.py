"""The errors of a call, and how an error answer is read.

UpstreamError             Gemini answered with an error; carries its google.rpc.Status
  UpstreamTimeout         a time limit ran out; carries the phase
  UpstreamUnavailable     no connection, or it broke
    UpstreamBusy          all connections are in use; nothing was sent
    UpstreamTruncated     the connection broke inside an answer
  UpstreamProtocolError   the answer is not what Gemini sends
  KeysCoolingDown         Gemini told each of our keys to wait; nothing was sent
  CircuitOpen             the upstream failed too often; nothing was sent
  InvalidModelName        the name cannot stand in a URL; nothing was sent
  MissingKey              the client sent no key that could be passed on; nothing was sent

Clients see these texts. So none of ours contains a key, an address or a piece of the upstream's body; the one exception
is Gemini's own message.
"""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal

import msgspec

from adapter.upstream.relay_errors import mark_empty_balance, parse_relay_status
from adapter.wire.gemini.errors import (
    CODES,
    NAMES,
    ErrorBody,
    Status,
    find_retry_delay,
    is_balance,
    is_daily_quota_exhausted,
)

Phase = Literal["connect", "first byte", "between bytes", "total"]

MAX_ERROR_BODY = 64 * 1024
"""The bytes of an error answer after which no more of it is read."""


class UpstreamError(Exception):
    """An error answer of Gemini, or an error event inside a stream.

    `status` is an HTTP status, `retry_after` the seconds that Gemini asks to wait. `code` names an error that this side
    detected; it is None if Gemini's Status tells what is wrong. `try_another_key`: another attempt at once may succeed.
    """

    code: str | None = None
    try_another_key = False

    def __init__(self, status: int, error: Status, retry_after: float | None = None) -> None:
        super().__init__(error.message or error.status or f"HTTP {status}")
        self.status = status
        self.error = error
        self.retry_after = retry_after


class UpstreamTimeout(UpstreamError):
    """A time limit ran out. `seconds` is the limit, if the message should name it."""

    code = "upstream_timeout"

    def __init__(self, phase: Phase, seconds: float | None = None) -> None:
        limit = "" if seconds is None else f": {seconds:g} s"
        message = f"Gemini did not answer in time ({phase}{limit})."
        super().__init__(504, Status(code=504, message=message, status="DEADLINE_EXCEEDED"))
        self.phase = phase


class UpstreamUnavailable(UpstreamError):
    """There was no connection, or it broke.

    `again`: nothing reached Gemini, and another attempt may. `stale`: a reused connection broke before it answered.
    """

    code = "upstream_connection_error"

    def __init__(self, message: str, *, again: bool = False, stale: bool = False) -> None:
        super().__init__(502, Status(code=502, message=message, status="UNAVAILABLE"))
        self.again = again
        self.stale = stale


class UpstreamBusy(UpstreamUnavailable):
    """All connections that may be opened are in use."""

    code = "overloaded"

    def __init__(self) -> None:
        super().__init__("All connections to Gemini are in use: try again.")
        self.status = self.error.code = 503
        self.retry_after = 1.0


class UpstreamTruncated(UpstreamUnavailable):
    """The connection broke inside an answer."""

    code = "upstream_stream_truncated"

    def __init__(self) -> None:
        super().__init__("The connection to Gemini broke inside its answer.")


class UpstreamProtocolError(UpstreamError):
    """An answer that cannot be used: not HTTP, not JSON, too large, a redirect."""

    code = "upstream_bad_response"

    def __init__(self, message: str) -> None:
        super().__init__(502, Status(code=502, message=message, status="UNKNOWN"))


class KeysCoolingDown(UpstreamError):
    """All of our keys are cooling down; the first is ready in `seconds`. Has Gemini's message and quotas."""

    def __init__(self, cause: UpstreamError, seconds: float) -> None:
        quotas = [detail for detail in cause.error.details or () if detail.violations]
        error = Status(code=429, message=cause.error.message, status="RESOURCE_EXHAUSTED", details=quotas)
        super().__init__(429, error, seconds)


class CircuitOpen(UpstreamError):
    """The circuit breaker is open; the next probe is due in `seconds`."""

    code = "circuit_open"

    def __init__(self, upstream: str, model: str, seconds: float) -> None:
        which = f"{upstream} failed too often{model and f' for {model}'}"
        message = f"The upstream {which}: no calls are sent to it for a while. Try again later."
        super().__init__(503, Status(code=503, message=message, status="UNAVAILABLE"), seconds)


class InvalidModelName(UpstreamError):
    """The model's name cannot stand in a URL."""

    code = "model_not_found"

    def __init__(self) -> None:
        super().__init__(404, Status(code=404, message="This is not the name of a model.", status="NOT_FOUND"))


class MissingKey(UpstreamError):
    """Clients bring their own keys here (`auth` is "caller"), and this one sent none that fits into a header."""

    code = "invalid_api_key"

    def __init__(self) -> None:
        message = "No API key was sent, or one with characters that no key has."
        super().__init__(401, Status(code=401, message=message, status="UNAUTHENTICATED"))


def parse_status(body: bytes, http_status: int) -> Status:
    """Read the google.rpc.Status of an error body: Google's own, a relay's, or one for HTML or an empty body."""
    error = parse_google_status(body)
    if error is None or not (error.status or error.details):
        error = parse_relay_status(body) or error or Status(message=_describe_unreadable(body, http_status))
        error = mark_empty_balance(error, http_status)
    code = error.code or CODES.get(error.status or "") or http_status
    message = error.message or (None if error.status else f"The upstream answered HTTP {http_status}.")
    return Status(code=code, message=message, status=error.status or NAMES.get(code), details=error.details)


def parse_google_status(body: bytes) -> Status | None:
    """Read a google.rpc.Status in Google's shape; None if the body has another."""
    try:
        decoded = msgspec.json.decode(body, type=ErrorBody | list[ErrorBody])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    errors = [decoded] if isinstance(decoded, ErrorBody) else decoded
    return errors[0].error if errors else None


def _describe_unreadable(body: bytes, http_status: int) -> str:
    kind = "that is not Google's JSON" if body.strip() else "that is empty"
    return f"The upstream answered HTTP {http_status} with a body {kind}."


def from_answer(http_status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Build the error for an answer whose HTTP status is no success."""
    if http_status < 400:
        return UpstreamProtocolError(f"The upstream answered HTTP {http_status}.")
    error = parse_status(body, http_status)
    return UpstreamError(
        429 if is_balance(error) else http_status, error, find_retry_delay(error, _header_delay(headers))
    )


def from_event(payload: bytes) -> UpstreamError:
    """Build the error for an `{"error": ...}` inside a 200; its code takes the place of the HTTP status."""
    error = parse_status(payload, 502)
    code = error.code or 502
    return UpstreamError(code if 400 <= code < 600 else 502, error, find_retry_delay(error, None))


def is_exhausted(error: Status) -> bool:
    """Return whether a short wait does not help: a daily quota, or an empty account."""
    return is_daily_quota_exhausted(error) or is_balance(error)


def has_quota_violation(error: Status) -> bool:
    """Return whether a QuotaFailure names the quota."""
    return any(detail.violations for detail in error.details or ())


def error_reason(error: Status) -> str | None:
    """Return the reason of google.rpc.ErrorInfo ("API_KEY_INVALID")."""
    return next((detail.reason for detail in error.details or () if detail.reason), None)


def _header_delay(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after")
    return _seconds(value) if not value or value[:1].isdigit() else _seconds_until(value)


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
