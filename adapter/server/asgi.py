"""The little of HTTP that the hot path needs, on bare ASGI."""

import re
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from starlette.types import Message, Receive, Scope

from adapter.server.interrupt import Interruptible, Until
from adapter.server.load import Room

CONNECTION = "adapter.connection"

Fields = list[tuple[bytes, bytes]]
"""Header fields as ASGI has them; names in lower case."""

_FIELDS = "adapter.fields"
_JSON_TYPE = re.compile(r"application/(?:[\w.-]+\+)?json", re.ASCII)
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
    """Response headers as ASGI wants them; whatever is not printable ASCII becomes `?`."""
    return [(name.encode(), printable(value).encode()) for name, value in headers.items()]


def printable(text: str) -> str:
    """Text that can stand in a header: no control characters, no characters beyond ASCII."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if " " <= character <= "~" else "?" for character in text)


async def read_body(scope: Scope, receive: Receive, limit: int, room: Room) -> bytes:
    """The whole body, which takes room until it is given back.

    Raises `BodyTooLarge`, `PackedBody`, `ForeignBody`, `Overloaded`, `ClientGone`.
    """
    if header(scope, b"content-encoding") not in (None, "identity"):
        raise PackedBody
    _check_type(scope)
    declared = header(scope, b"content-length") or ""
    if declared.isdecimal() and (len(declared) > _DIGITS or int(declared) > limit):
        raise BodyTooLarge
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


def _check_type(scope: Scope) -> None:
    """Raises `ForeignBody`: any page in a browser may send texts and forms anywhere, and without a type at all.

    JSON it sends only where it is allowed to, see `allow_origins`.
    """
    sent = header(scope, b"content-type")
    if sent == "application/json" or (not sent and header(scope, b"origin") is None):
        return
    kind, _, parameters = (sent or "").lower().partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if not _JSON_TYPE.fullmatch(kind.strip()) or charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise ForeignBody


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    return body


class Connection(Protocol):
    """A client's connection, as our own server shows it under `CONNECTION` in the scope's extensions."""

    gone: bool
    when_gone: Callable[[], None] | None


class WhileOpen(Interruptible):
    """The body of a `with` that ends with `ClientGone` when a connection closes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def __enter__(self) -> Self:
        if self._connection.gone:
            raise ClientGone
        self._connection.when_gone = self._leave
        return super().__enter__()

    def _leave(self) -> None:
        self.interrupt(ClientGone())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.when_gone = None
        super().__exit__(kind, error, trace)


def while_connected(scope: Scope, receive: Receive) -> Interruptible:
    """Run the body of the `with` until the client leaves, then raise `ClientGone`.

    Starlette cancels nothing by itself, and uvicorn's `send` drops in silence what a client no longer takes; so the
    connection to Gemini would stay open, and be billed, for nobody. Other servers tell it only to who asks `receive`.
    """
    connection = scope.get("extensions", {}).get(CONNECTION)
    return until(_disconnected(receive)) if connection is None else WhileOpen(connection)


def until(left: Coroutine[object, object, None]) -> Until:
    """Run the body of the `with` until `left` returns, then raise `ClientGone`."""
    return Until(left, ClientGone())


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
