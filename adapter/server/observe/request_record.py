"""The record of a request in its ASGI scope, since middlewares share nothing else."""

from dataclasses import dataclass

from starlette.types import Scope

from adapter.server.observe.exchange_log import Exchange

KEY = "adapter.request"
"""The key of the record in the scope. It is missing if no middleware wraps the application."""


@dataclass(slots=True)
class RequestRecord:
    """The trace that a request belongs to ("" where none are kept), and its exchange once the application has begun."""

    trace_id: str = ""
    exchange: Exchange | None = None


def record_of(scope: Scope) -> RequestRecord:
    """Return the record of a request; a new one if there is none yet."""
    record: RequestRecord | None = scope.get(KEY)
    if record is None:
        record = scope[KEY] = RequestRecord()
    return record
