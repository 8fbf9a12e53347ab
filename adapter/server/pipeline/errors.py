"""The error that a client gets for an exception: OpenAI's, or Google's on Gemini's own paths.

One table maps exceptions to errors. An exception that is not in it is a bug, and is logged with its traceback.
"""

import logging
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import orjson
from starlette.exceptions import HTTPException

from adapter.server.http.asgi import BodyTooLarge, CompressedBody, UnexpectedContentType
from adapter.server.http.byte_budget import Overloaded
from adapter.server.http.forms import MalformedForm, NotAForm
from adapter.server.lifecycle.shutdown import ShuttingDown
from adapter.server.limits.access import Access, AccessDenied, Client, ForeignPage, KeyInUrl, ModelDenied
from adapter.server.limits.admission import RateLimitExceeded
from adapter.server.observe.exchange_log import Exchange
from adapter.server.state.not_stored import NotStored
from adapter.settings import Catalogue
from adapter.translate.core.errors import AnswerError, Failure, failure, of_answer, to_openai
from adapter.translate.core.notes import Fate, Rejected
from adapter.upstream.errors import UpstreamError, UpstreamTimeout
from adapter.upstream.media import FetchError
from adapter.wire.gemini.errors import ErrorBody as GoogleErrorBody
from adapter.wire.gemini.errors import ErrorDetail, Status, status_name
from adapter.wire.limits import LimitExceeded, TooDeep
from adapter.wire.openai.errors import ErrorBody

log = logging.getLogger("adapter")

_MISSING = re.compile(r"missing required field `([^`]+)`")


class Malformed(Exception):
    """The body is not JSON, or not the shape; `param` is the path."""

    def __init__(self, message: str, param: str | None = None, code: str = "invalid_json") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class NoSuchPath(HTTPException):
    """A path that no endpoint has; `meant` is a similar path of an endpoint."""

    def __init__(self, meant: str | None) -> None:
        super().__init__(404)
        self.meant = meant


class NotServed(Exception):
    """An endpoint of OpenAI's that this server does not have; the text says why, and what to use."""


class Busy(Exception):
    """The limit of background responses is reached."""


class ErrorContext(NamedTuple):
    """The key and the upstream of a failed call: whether the client's own key was used, and the upstream's name."""

    own_key: bool
    upstream: str


class StrictLoss(Exception):
    """Strict mode: the request would lose something; the text lists every loss."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


def to_malformed(error: Exception) -> Malformed:
    """Return OpenAI's error for a decoder's error, with the JSON path as `param`."""
    if isinstance(error, msgspec.ValidationError):
        # msgspec tells the path only in its text.
        return _wrong_shape(*str(error).partition(" - at `$")[::2])
    if isinstance(error, UnicodeDecodeError):
        return Malformed("The body is not UTF-8.")
    if isinstance(error, (RecursionError, TooDeep)):
        return Malformed("The body is nested too deeply.")
    if isinstance(error, LimitExceeded):
        return Malformed(str(error), error.path or None, "unsupported_value")
    return Malformed(f"The body is not JSON: {error}")


def _wrong_shape(text: str, path: str) -> Malformed:
    """Return the error for a wrong shape; msgspec names a missing field in its message, not in its path."""
    path = path.rstrip("`").lstrip(".")
    missing = _MISSING.search(text)
    if missing:
        return Malformed(text, f"{path}.{missing.group(1)}".lstrip("."), "missing_required_parameter")
    return Malformed(text, path, "invalid_type") if path else Malformed(text)


def _rejections(error: Rejected, _asked: ErrorContext) -> Failure:
    """Return one error for everything in the request that cannot be served."""
    refused = [note for note in error.notes if note.fate == Fate.REJECTED]
    message = refused[0].reason if len(refused) == 1 else "\n".join(f"{note.path}: {note.reason}" for note in refused)
    return failure(400, message, "unsupported_value", param=error.note.path)


def _upstream(error: UpstreamError, asked: ErrorContext) -> Failure:
    """Return the error for a failed call: Gemini's own by the translation's table, others by their own codes.

    After the total time limit no retry is advised: another try would take as long.
    """
    if error.code is None:
        return to_openai(error.status, error.error, **asked._asdict(), retry_after=error.retry_after)
    retry = False if isinstance(error, UpstreamTimeout) and error.phase == "total" else None
    return failure(error.status, str(error), error.code, retry=retry, wait=error.retry_after)


_NOT_SERVED = {404: "There is no such URL here", 405: "This URL does not take this method"}


def add_path(error: HTTPException | NotServed, method: str, path: str) -> HTTPException | NotServed:
    """Return the router's error with the path that was asked for, which shows a wrong base URL."""
    if isinstance(error, NotServed):
        return NotServed(f"{error} Asked for: {method} {path}")
    # An endpoint's own 404 (no such file, no such response) says more than its path would.
    if error.status_code not in _NOT_SERVED or error.detail != HTTPStatus(error.status_code).phrase:
        return error
    text = f"{_NOT_SERVED[error.status_code]}: {method} {path}"
    if isinstance(error, NoSuchPath) and error.meant is not None:
        text += f" (did you mean {error.meant}?)"
    return HTTPException(error.status_code, text, error.headers)


def _http(error: HTTPException, _asked: ErrorContext) -> Failure:
    made = failure(error.status_code, error.detail, None)
    return made._replace(
        headers={**made.headers, **{name.lower(): text for name, text in (error.headers or {}).items()}}
    )


def _access_denied(_error: AccessDenied, _asked: ErrorContext) -> Failure:
    made = failure(401, "Incorrect API key provided.", "invalid_api_key")
    # A 401 must name a scheme (RFC 9110, 15.5.2).
    return made._replace(headers={"www-authenticate": "Bearer"})


def _too_much(_error: Exception) -> Failure:
    """Return the error for a free-form field that cannot be decoded: msgspec leaves such a field raw at first."""
    return failure(400, "The body is nested too deeply, or holds a number beyond a double's range.", "invalid_json")


_ROWS: tuple[tuple[type[Exception], Callable[[Any, ErrorContext], Failure]], ...] = (
    (Malformed, lambda error, _: failure(400, str(error), error.code, param=error.param)),
    (Rejected, _rejections),
    (StrictLoss, lambda error, _: failure(400, str(error), "would_lose", param=error.param)),
    (AccessDenied, _access_denied),
    (KeyInUrl, lambda error, _: failure(400, str(error), "key_in_url")),
    (ForeignPage, lambda error, _: failure(403, str(error), "foreign_page")),
    (ModelDenied, lambda error, _: failure(404, str(error), "model_not_found", param="model")),
    (Overloaded, lambda _, __: failure(503, "The server is busy: try again.", "overloaded", wait=1)),
    (RateLimitExceeded, lambda error, _: failure(429, str(error), "rate_limit_exceeded", wait=error.wait)),
    (NotStored, lambda error, _: failure(error.status, str(error), error.code, param=error.param)),
    (NotServed, lambda error, _: failure(404, str(error), "unsupported_endpoint")),
    (Busy, lambda error, _: failure(429, str(error), "rate_limit_exceeded", wait=5)),
    (ShuttingDown, lambda _, __: failure(503, "The server is shutting down.", "shutting_down", wait=1)),
    (CompressedBody, lambda _, __: failure(415, "Send the body without Content-Encoding.", "unsupported_media_type")),
    (
        UnexpectedContentType,
        lambda _, __: failure(415, "Send content-type: application/json.", "unsupported_media_type"),
    ),
    (NotAForm, lambda _, __: failure(415, "Send content-type: multipart/form-data.", "unsupported_media_type")),
    (MalformedForm, lambda error, _: failure(400, str(error), "invalid_form", param=error.param)),
    (BodyTooLarge, lambda _, __: failure(413, "The body is too large.", "request_too_large")),
    (FetchError, lambda error, _: failure(400, str(error), "failed_to_download_image", param="messages")),
    (AnswerError, lambda error, _: of_answer(error)),
    (LimitExceeded, lambda error, _: failure_of(to_malformed(error), "")),
    (RecursionError, lambda error, _: _too_much(error)),
    (orjson.JSONDecodeError, lambda error, _: _too_much(error)),
    (UpstreamError, _upstream),
    (HTTPException, _http),
)

TABLE = tuple(kind for kind, _ in _ROWS)
"""Every exception that is an OpenAI error; others are bugs."""


SHORTEST_SECRET = 8
"""Characters below which a key may be a word of a message."""


def hide_secrets(made: Failure, secrets: Iterable[str]) -> Failure:
    """Remove these keys from an error's message, whatever form they have: relays repeat what they were sent."""
    error, message = made.body.error, made.body.error.message
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            # Relays also quote the URL that they called, which has a key in its encoded form.
            message = message.replace(secret, "[hidden]").replace(quote(secret, safe=""), "[hidden]")
    if message == error.message:
        return made
    return made._replace(body=ErrorBody(error=msgspec.structs.replace(error, message=message)))


def failure_of(error: Exception, request_id: str, *, own_key: bool = False, upstream: str = "the upstream") -> Failure:
    """Return OpenAI's error for an exception; `own_key`: Gemini gets the client's own key, here at `upstream`."""
    for kind, make in _ROWS:
        if isinstance(error, kind):
            return make(error, ErrorContext(own_key, upstream))
    log.error("request %s failed by a bug in the adapter: please report this traceback", request_id, exc_info=error)
    return failure(500, f"The adapter failed; its log has the request id {request_id}.", "internal_error")


_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def google_error(failure: Failure, error: Exception) -> GoogleErrorBody:
    """Return the google.rpc.Status of a failure; of Gemini's own errors with their details."""
    openai_error = failure.body.error
    if isinstance(error, UpstreamError) and error.code is None:
        name = error.error.status or status_name(error.status)
        details, code = error.error.details, error.status
    else:
        name, code = status_name(failure.status), failure.status
        details = [ErrorDetail(type=_INFO, reason=openai_error.code.upper())] if openai_error.code else None
    return GoogleErrorBody(error=Status(code=code, message=openai_error.message, status=name, details=details))


LEAST_SIMILARITY = 0.75
"""The least similarity of a model's name that is suggested for a misspelt one (`difflib`)."""


class Failures:
    """Makes errors of exceptions. `label` names the first upstream; `catalogue` returns today's models.

    `known_models` are those that the upstream listed when it was last asked.
    """

    def __init__(self, label: str, access: Access, catalogue: Callable[[], Catalogue]) -> None:
        self.known_models: frozenset[str] = frozenset()
        self._label = label
        self._access = access
        self._catalogue = catalogue

    def build(self, error: Exception, request_id: str, client: Client | None) -> Failure:
        """Make OpenAI's error for an exception."""
        own_key = client is not None and client.key is not None
        made = failure_of(error, request_id, own_key=own_key, upstream=self._label)
        return hide_secrets(made, self._access.secrets)

    def record(self, error: Exception, exchange: Exchange, client: Client | None) -> Failure:
        """Make the same for an exchange, and record it there."""
        failure = self._with_hint(self.build(error, exchange.id, client), exchange.model_asked, client)
        exchange.error = failure.body.error.code or failure.body.error.type
        return failure

    def _with_hint(self, failure: Failure, model: str, client: Client | None) -> Failure:
        """Add the name that was likely meant to an error about an unknown model, if this client may have it."""
        error = failure.body.error
        # Whoever has not been authenticated learns no names of models.
        if error.code != "model_not_found" or not model or client is None:
            return failure
        names = self.known_models | {alias.model for alias in self._catalogue().alias}
        like = [
            name
            for name in get_close_matches(model, names, 3, LEAST_SIMILARITY)
            if name != model and client.may_use(name)
        ]
        if not like:
            return failure
        message = f"{error.message} Did you mean {like[0]}?"
        return failure._replace(body=ErrorBody(error=msgspec.structs.replace(error, message=message)))
