"""The one importer of uvicorn's private classes.

    HttpToolsProtocol       its callbacks for the parser, timers and `shutdown`, for `ServerProtocol`
    RequestResponseCycle    is behind `receive` and `send`: body, flow control, state of the answer, for `DirectWriter`
    STATUS_LINE             the bytes of a status line

They may change with any minor version, so pyproject.toml has an upper bound, and tests/server/http/
test_uvicorn_classes.py holds the names that are used. Under any other server all of this is left out: answers are
ASGI messages, a disconnect is what `receive` tells, and the limits are the other server's (docs/deployment.md).
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

__all__ = ["STATUS_LINE", "HttpToolsProtocol", "RequestResponseCycle", "cycle_of"]


def cycle_of(function: Any) -> RequestResponseCycle | None:
    """Return the request behind uvicorn's `receive` or `send`; None under another server or behind a middleware."""
    cycle = getattr(function, "__self__", None)
    return cycle if isinstance(cycle, RequestResponseCycle) else None
