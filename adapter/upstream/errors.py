"""What a call can end in.

UpstreamError           Gemini answered with an error; carries its google.rpc.Status
  UpstreamTimeout       a time limit ran out; carries the phase
  UpstreamUnavailable   no connection, or it broke
  UpstreamProtocolError the answer is not what Gemini sends
InvalidModelName        the name cannot stand in a URL; nothing was sent
"""

from typing import Literal

import msgspec

from adapter.wire.gemini.errors import ErrorBody, Status

Phase = Literal["connect", "first byte", "between bytes", "total", "pool"]

MAX_ERROR_BODY = 64 * 1024

_STATUSES = {
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


class UpstreamError(Exception):
    """An error that Gemini told, by HTTP status or inside a stream. `retry_after` is in seconds."""

    def __init__(self, status: int, error: Status, retry_after: float | None = None) -> None:
        super().__init__(error.message or error.status or f"HTTP {status}")
        self.status = status
        self.error = error
        self.retry_after = retry_after


class UpstreamTimeout(UpstreamError):
    """A time limit ran out; nothing more will come."""

    def __init__(self, phase: Phase, seconds: float) -> None:
        message = f"Gemini did not answer in time ({phase}: {seconds:g} s)."
        super().__init__(504, Status(code=504, message=message, status="DEADLINE_EXCEEDED"))
        self.phase = phase


class UpstreamUnavailable(UpstreamError):
    """No connection, or one that broke. `sent`: whether Gemini may have seen the request."""

    def __init__(self, message: str, *, sent: bool, reused: bool = False) -> None:
        super().__init__(503, Status(code=503, message=message, status="UNAVAILABLE"))
        self.sent = sent
        self.reused = reused


class UpstreamProtocolError(UpstreamError):
    """An answer that is no answer: not JSON, too large, cut."""

    def __init__(self, message: str) -> None:
        super().__init__(502, Status(code=502, message=message, status="UNKNOWN"))


class InvalidModelName(ValueError):
    """The model's name cannot stand in a URL."""


def status_of(status: int, body: bytes) -> Status:
    """The google.rpc.Status in an error's body: an object, a list of one, or none (an HTML page, nothing)."""
    try:
        decoded = msgspec.json.decode(body, type=ErrorBody | list[ErrorBody])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Status(code=status, message=_words(status, body), status=_STATUSES.get(status))
    first = decoded if isinstance(decoded, ErrorBody) else decoded[0] if decoded else ErrorBody(error=Status())
    error = first.error
    name = error.status or _STATUSES.get(error.code or status)
    return Status(code=error.code or status, message=error.message, status=name, details=error.details)


def _words(status: int, body: bytes) -> str:
    kind = "an empty body" if not body.strip() else "a body that is not Google's JSON"
    return f"The upstream answered HTTP {status} with {kind}."


def from_stream(payload: bytes) -> UpstreamError:
    """The error of a stream's `{"error": ...}` event or tail."""
    error = status_of(502, payload)
    return UpstreamError(error.code or 502, error)
