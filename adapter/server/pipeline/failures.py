"""The error that a client gets for an exception: OpenAI's, or Google's on Gemini's own paths."""

from collections.abc import Callable
from difflib import get_close_matches

import msgspec

from adapter.server.limits.access import Access, Client
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline.errors import failure_of, hide_secrets
from adapter.settings import Catalogue
from adapter.translate.core.errors import Failure
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.errors import ErrorBody as GoogleErrorBody
from adapter.wire.gemini.errors import ErrorDetail, Status, status_name
from adapter.wire.openai.errors import ErrorBody

_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def google_error(failure: Failure, error: Exception) -> GoogleErrorBody:
    """The google.rpc.Status of a failure; of Gemini's own errors with their details."""
    told = failure.body.error
    if isinstance(error, UpstreamError) and error.code is None:
        name = error.error.status or status_name(error.status)
        details, code = error.error.details, error.status
    else:
        name, code = status_name(failure.status), failure.status
        details = [ErrorDetail(type=_INFO, reason=told.code.upper())] if told.code else None
    return GoogleErrorBody(error=Status(code=code, message=told.message, status=name, details=details))


LIKE = 0.75
"""How alike a model's name must be to be the one that was meant (`difflib`)."""


class Failures:
    """Makes errors of exceptions. `label` names the first upstream; `catalogue` returns today's models.

    `known_models` are those that the upstream listed when it was last asked.
    """

    def __init__(self, label: str, access: Access, catalogue: Callable[[], Catalogue]) -> None:
        self.known_models: frozenset[str] = frozenset()
        self._label = label
        self._access = access
        self._catalogue = catalogue

    def of(self, error: Exception, request_id: str, client: Client | None) -> Failure:
        """Make OpenAI's error for an exception."""
        own_key = client is not None and client.key is not None
        made = failure_of(error, request_id, own_key=own_key, upstream=self._label)
        return hide_secrets(made, self._access.secrets)

    def record(self, error: Exception, exchange: Exchange, client: Client | None) -> Failure:
        """Make the same for an exchange, and record it there."""
        failure = self._with_hint(self.of(error, exchange.id, client), exchange.model_asked, client)
        exchange.error = failure.body.error.code or failure.body.error.type
        return failure

    def _with_hint(self, failure: Failure, asked: str, client: Client | None) -> Failure:
        """Add the name that was likely meant to an error about an unknown model, if this client may have it."""
        told = failure.body.error
        if told.code != "model_not_found" or not asked or client is None:
            return failure
        known = self.known_models | {alias.model for alias in self._catalogue().alias}
        like = [name for name in get_close_matches(asked, known, 3, LIKE) if name != asked and client.may_use(name)]
        if not like:
            return failure
        message = f"{told.message} Did you mean {like[0]}?"
        return failure._replace(body=ErrorBody(error=msgspec.structs.replace(told, message=message)))
