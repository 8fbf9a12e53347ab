"""Reading requests on bare ASGI: headers, body, and whether the client is still connected.

Starlette's `Request` would cost more than the translation of a small request.
"""

import re
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from starlette.types import Message, Receive, Scope

from adapter.server.http.byte_budget import ByteBudget
from adapter.server.http.interrupt import Interruptible, Until
from adapter.server.http.uvicorn_classes import cycle_of
from adapter.upstream.transport.base import content_codings

CONNECTION = "adapter.connection"

ABORT = "adapter.abort"
"""Key in the state of a websocket's scope, under our own server: a function that closes the connection at once."""

Fields = list[tuple[bytes, bytes]]
"""Header fields as ASGI has them: pairs of bytes, names in lower case."""

_FIELDS = "adapter.fields"
_JSON_TYPE = re.compile(r"application/(?:[\w.-]+\+)?json", re.ASCII)
_UNPRINTABLE = re.compile(r"[^ -~]")
_DIGITS = 19
"""A content-length with more digits is refused: parsing a number of any length takes long."""


class BodyTooLarge(Exception):
    """The body of the request exceeds the limit."""


class CompressedBody(Exception):
    """The body of the request is compressed."""


class UnexpectedContentType(Exception):
    """The request's content type is not JSON."""


class ClientGone(Exception):
    """The client closed its connection."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return the value of a request header, the first one if there are several; `name` is in lower case."""
    value = fields_of(scope).get(name)
    # In latin-1 each byte is a character, so nothing that a client sends can raise.
    return None if value is None else value.decode("latin-1")


def fields_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the request's headers by name (lower case); of several with one name the first."""
    fields: dict[bytes, bytes] | None = scope.get(_FIELDS)
    if fields is None:
        fields = scope[_FIELDS] = dict(reversed(scope["headers"]))
    return fields


def host_name(scope: Scope) -> str:
    """Return the name or address in the `Host` header, without the port; "" if there is none or it is malformed."""
    try:
        return urlsplit(f"//{header(scope, b'host') or ''}").hostname or ""
    except ValueError:
        return ""


def encode_headers(headers: Mapping[str, str]) -> Fields:
    """Encode response headers for ASGI."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def to_printable(text: str) -> str:
    """Make text fit for a header: control characters and characters beyond ASCII become `?`."""
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub("?", text)


def to_printable_values(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Make the values of headers printable; returns the same mapping if they are."""
    together = "".join(headers.values())
    if together.isascii() and together.isprintable():
        return headers
    return {name: to_printable(value) for name, value in headers.items()}


async def read_body(
    scope: Scope, receive: Receive, limit: int, budget: ByteBudget, *, takes_any_type: bool = False
) -> bytes:
    """Read the whole body and reserve its bytes in `budget`; the caller releases them.

    `limit` is in bytes. Raises `BodyTooLarge`, `CompressedBody`, `UnexpectedContentType`, `Overloaded`, `ClientGone`.
    """
    fields = fields_of(scope)
    if b"content-encoding" in fields and content_codings(fields[b"content-encoding"].decode("latin-1")):
        raise CompressedBody
    if not takes_any_type and fields.get(b"content-type") != b"application/json":
        _check_type(scope)
    # Before the first `receive()`: a client that asks first (`Expect: 100-continue`) then sends nothing of the body.
    declared = fields.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > _DIGITS or int(declared) > limit):
        raise BodyTooLarge
    if (whole := _take_arrived_body(receive)) is not None:
        if len(whole) > limit:
            raise BodyTooLarge
        budget.reserve(len(whole))
        return whole
    pieces: list[bytes] = []
    size = 0
    more = True
    try:
        while more:
            message = await receive()
            piece = _read_piece(message)
            if size + len(piece) > limit:
                raise BodyTooLarge
            budget.reserve(len(piece))
            size += len(piece)
            pieces.append(piece)
            more = message.get("more_body", False)
    except BaseException:
        # Also for a cancellation: the caller releases only what this call returns.
        budget.release(size)
        raise
    return b"".join(pieces)


def _take_arrived_body(receive: Receive) -> bytes | None:
    """Return the body, if all of it arrived with the head. Under our own server no `receive()` is needed then."""
    cycle = cycle_of(receive)
    if cycle is None or cycle.more_body or cycle.disconnected:
        return None
    # If the next request has arrived, too, uvicorn has paused reading, and a disconnect would go unnoticed.
    cycle.flow.resume_reading()
    # Taken away from uvicorn, which would hold it for as long as the request runs.
    body, cycle.body = bytes(cycle.body), bytearray()
    return body


def _check_type(scope: Scope) -> None:
    """Raise `UnexpectedContentType` unless the body is said to be JSON.

    This protects against cross-site requests: a web page may send text, forms or untyped bodies to any server, but for
    JSON its browser asks first (a CORS preflight, see the setting `allow_origins`).
    """
    sent = header(scope, b"content-type") or ""
    # Browsers name the origin of each cross-site POST. So a body without a type and without an origin is a program's.
    if not sent and header(scope, b"origin") is None:
        return
    kind, _, parameters = sent.lower().partition(";")
    # JSON is UTF-8 and nothing else (RFC 8259, 8.1); ASCII is a part of it, and some programs name it.
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if not _JSON_TYPE.fullmatch(kind.strip()) or charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnexpectedContentType


def _read_piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    return body


class ClientConnection(Protocol):
    """A client's connection, which our own server puts into the scope's extensions under `CONNECTION`.

    `when_gone` is called on a disconnect; it belongs to the request that was read last.
    """

    is_gone: bool
    when_gone: Callable[[], None] | None
    loop: AbstractEventLoop


def while_connected(scope: Scope, receive: Receive) -> Interruptible:
    """Run the body of the `with` until the client disconnects, then raise `ClientGone` in it.

    Starlette cancels nothing on a disconnect, and uvicorn's `send` silently drops data for a client that is gone. So
    without this the call to Gemini would go on, and be billed, for nobody. Other servers report a disconnect only
    through `receive`, which then takes a task of its own.
    """
    connection: ClientConnection | None = scope.get("extensions", {}).get(CONNECTION)
    if connection is None:
        return until(_wait_for_disconnect(receive))
    # `when_gone` would never be called: the disconnect came before anybody asked for it.
    if connection.is_gone:
        raise ClientGone
    body = Interruptible(None, connection.loop)
    connection.when_gone = lambda: body.interrupt(ClientGone())
    return body


def until(watch: Coroutine[object, object, None]) -> Until:
    """Run the body of the `with` until the coroutine `watch` returns, then raise `ClientGone` in it."""
    return Until(watch=watch, reason=ClientGone())


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
