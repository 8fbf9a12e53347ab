"""The little of HTTP that the hot path needs, on bare ASGI."""

import re
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from starlette.types import Message, Receive, Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from adapter.server.http.byte_budget import ByteBudget
from adapter.server.http.interrupt import Interruptible, Until
from adapter.upstream.transport.base import content_codings

CONNECTION = "adapter.connection"

ABORT = "adapter.abort"
"""In the state of a websocket's scope, under our own server: closes the connection at once, whatever was not taken."""

Fields = list[tuple[bytes, bytes]]
"""Header fields as ASGI has them; names in lower case."""

_FIELDS = "adapter.fields"
_JSON_TYPE = re.compile(r"application/(?:[\w.-]+\+)?json", re.ASCII)
_UNPRINTABLE = re.compile(r"[^ -~]")
_DIGITS = 19
"""More of them are no length that any body has."""


class BodyTooLarge(Exception):
    """The request's body exceeds the limit."""


class PackedBody(Exception):
    """The request's body is compressed."""


class ForeignBody(Exception):
    """The request's body is not said to be JSON."""


class ClientGone(Exception):
    """The client closed its connection."""


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a request header, the first if there are several; `name` in lower case."""
    value = fields_of(scope).get(name)
    return None if value is None else value.decode("latin-1")


def fields_of(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers, names in lower case; the first of several with one name."""
    fields: dict[bytes, bytes] | None = scope.get(_FIELDS)
    if fields is None:
        fields = scope[_FIELDS] = dict(reversed(scope["headers"]))
    return fields


def host_of(scope: Scope) -> str:
    """The name or address under which the client reached this server, without its port."""
    try:
        return urlsplit(f"//{header(scope, b'host') or ''}").hostname or ""
    except ValueError:
        return ""


def encoded(headers: Mapping[str, str]) -> Fields:
    """Response headers as ASGI wants them."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def printable(text: str) -> str:
    """Text that can stand in a header: what is a control character or beyond ASCII becomes `?`."""
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub("?", text)


def printable_values(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers with printable values."""
    together = "".join(headers.values())
    if together.isascii() and together.isprintable():
        return headers
    return {name: printable(value) for name, value in headers.items()}


async def read_body(scope: Scope, receive: Receive, limit: int, room: ByteBudget) -> bytes:
    """The whole body, which takes room until it is given back.

    Raises `BodyTooLarge`, `PackedBody`, `ForeignBody`, `Overloaded`, `ClientGone`.
    """
    fields = fields_of(scope)
    if b"content-encoding" in fields and content_codings(fields[b"content-encoding"].decode("latin-1")):
        raise PackedBody
    if fields.get(b"content-type") != b"application/json":
        _check_type(scope)
    declared = fields.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > _DIGITS or int(declared) > limit):
        raise BodyTooLarge
    if (whole := _come(receive)) is not None:
        if len(whole) > limit:
            raise BodyTooLarge
        room.take(len(whole))
        return whole
    pieces: list[bytes] = []
    size = 0
    more = True
    try:
        while more:
            message = await receive()
            piece = _piece(message)
            if size + len(piece) > limit:
                raise BodyTooLarge
            room.take(len(piece))
            size += len(piece)
            pieces.append(piece)
            more = message.get("more_body", False)
    except BaseException:
        room.give(size)
        raise
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _come(receive: Receive) -> bytes | None:
    """The body, if all of it came with the head: under our own server it need not be asked for."""
    cycle = getattr(receive, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or cycle.more_body or cycle.disconnected:
        return None
    # Where the next request is here too, reading has paused, and the end of the connection would not be seen.
    cycle.flow.resume_reading()
    body, cycle.body = bytes(cycle.body), bytearray()
    return body


def _check_type(scope: Scope) -> None:
    """Raises `ForeignBody`: any page in a browser may send texts and forms anywhere, and without a type at all.

    JSON it sends only where it is allowed to, see `allow_origins`.
    """
    sent = header(scope, b"content-type") or ""
    if not sent and header(scope, b"origin") is None:
        return
    kind, _, parameters = sent.lower().partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if not _JSON_TYPE.fullmatch(kind.strip()) or charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise ForeignBody


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    return body


class Connection(Protocol):
    """A client's connection, as our own server shows it under `CONNECTION` in the scope's extensions.

    `when_gone` is for the request that was read last.
    """

    gone: bool
    when_gone: Callable[[], None] | None
    loop: AbstractEventLoop


def while_connected(scope: Scope, receive: Receive) -> Interruptible:
    """Run the body of the `with` until the client leaves, then raise `ClientGone`: at once if it has left.

    Starlette cancels nothing by itself, and uvicorn's `send` drops in silence what a client no longer takes; so the
    connection to Gemini would stay open, and be billed, for nobody. Other servers tell it only to who asks `receive`.
    """
    connection: Connection | None = scope.get("extensions", {}).get(CONNECTION)
    if connection is None:
        return until(_disconnected(receive))
    if connection.gone:
        raise ClientGone
    body = Interruptible(loop=connection.loop)
    connection.when_gone = lambda: body.interrupt(ClientGone())
    return body


def until(left: Coroutine[object, object, None]) -> Until:
    """Run the body of the `with` until `left` returns, then raise `ClientGone`."""
    return Until(left, ClientGone())


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
