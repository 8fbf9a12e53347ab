"""Errors as Google's own clients read them, for Gemini's own paths."""

from adapter.translate.core.errors import Failure
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.errors import ErrorBody, ErrorDetail, Status, status_name

_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def google_error(failure: Failure, error: Exception) -> ErrorBody:
    """The google.rpc.Status of a failure; of Gemini's own errors with their details."""
    told = failure.body.error
    if isinstance(error, UpstreamError) and error.code is None:
        name = error.error.status or status_name(error.status)
        details, code = error.error.details, error.status
    else:
        name, code = status_name(failure.status), failure.status
        details = [ErrorDetail(type=_INFO, reason=told.code.upper())] if told.code else None
    return ErrorBody(error=Status(code=code, message=told.message, status=name, details=details))
