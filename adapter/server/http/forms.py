"""Forms (multipart/form-data, RFC 7578), read as they come: the bytes of files go to sinks, never into memory whole."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive, Scope

from adapter.server.http.asgi import BodyTooLarge, ClientGone, CompressedBody, fields_of
from adapter.upstream.transport.base import content_codings

MAX_FIELDS = 1_200
"""The most parts of a form: OpenAI takes a thousand keywords, each a part."""

MAX_FIELD = 256 * 1024
"""The most bytes of one field that is no file."""

_MAX_BOUNDARY = 70
"""The most characters of a boundary (RFC 2046, 5.1.1)."""

_OVERHEAD = 8 * 1024 * 1024
"""The most bytes of a form without its files, and of all its fields that are no files. Such fields are held in memory:
by `MAX_FIELDS` and `MAX_FIELD` alone one form could fill 300 MB."""


class NotAForm(Exception):
    """The request's content type is not multipart/form-data."""


class MalformedForm(Exception):
    """The body is not the form that its content type promises; `param` is the field."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class FilePart(NamedTuple):
    """A file in a form: the field's name, and the client's description of it. Neither can be trusted."""

    field: str
    filename: str
    mime_type: str


class Sink(Protocol):
    """A receiver of the bytes of a file."""

    async def write(self, data: bytes) -> None:
        """Take bytes."""
        ...


OpenSink = Callable[[FilePart], Awaitable[Sink]]
"""Opens the sink for a file; raises for a file that is not wanted."""


class FormReader:
    """Reads one form, piece by piece.

    The parser tells what it found by callbacks, which cannot wait for a disk; so they are noted, and done in
    their order after each piece of the body:

        begin      headers of a part have begun
        header     one header: its name in lower case, a colon, its value
        headers    they are complete: the part is a field, or a file whose sink is opened
        data       bytes of the part
        end        the part is complete
        complete   so is the form
    """

    def __init__(self, boundary: bytes, open_sink: OpenSink) -> None:
        self.fields: dict[str, list[str]] = {}
        self.is_complete = False
        self._open_sink = open_sink
        self._found: list[tuple[str, bytes]] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._field = ""
        self._held: list[bytes] = []
        self._held_bytes = self._all_bytes = 0
        self._sink: Sink | None = None
        self._parts = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: self._found.append(("begin", b"")),
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": lambda: self._found.append(("headers", b"")),
                "on_part_data": lambda data, start, end: self._found.append(("data", data[start:end])),
                "on_part_end": lambda: self._found.append(("end", b"")),
                "on_end": lambda: self._found.append(("complete", b"")),
            },
        )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._found.append(("header", self._name.lower() + b":" + self._value))
        self._name = self._value = b""

    async def feed(self, piece: bytes) -> None:
        """Read a piece of the body. Raises `MalformedForm`, `BodyTooLarge`, and what sinks raise."""
        try:
            self._parser.write(piece)
        except MultipartParseError as error:
            raise MalformedForm(f"The form cannot be read: {error}") from None
        events, self._found = self._found, []
        for event, data in events:
            await self._take(event, data)

    async def _take(self, event: str, data: bytes) -> None:
        if event == "begin":
            self._parts += 1
            if self._parts > MAX_FIELDS:
                raise BodyTooLarge
            self._headers, self._held, self._held_bytes, self._sink = {}, [], 0, None
        elif event == "header":
            name, _, value = data.partition(b":")
            self._headers[name] = value
        elif event == "headers":
            await self._begin_part()
        elif event == "data":
            await self._add(data)
        elif event == "end" and self._sink is None:
            self.fields.setdefault(self._field, []).append(_text(b"".join(self._held), self._field))
        self.is_complete = event == "complete"

    async def _begin_part(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise MalformedForm("A part of the form has no name.")
        self._field = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options:
            name = options[b"filename"].decode("utf-8", "replace")
            type_ = self._headers.get(b"content-type", b"").decode("latin-1").strip()
            self._sink = await self._open_sink(FilePart(self._field, name, type_))

    async def _add(self, data: bytes) -> None:
        if self._sink is not None:
            await self._sink.write(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        self._all_bytes += len(data)
        if self._held_bytes > MAX_FIELD or self._all_bytes > _OVERHEAD:
            raise BodyTooLarge


def _text(data: bytes, field: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedForm(f"The field {field[:100]!r} is not UTF-8.", field[:100]) from None


async def read_form(scope: Scope, receive: Receive, max_bytes: int, open_sink: OpenSink) -> dict[str, list[str]]:
    """Read a form whose files have at most `max_bytes` together; return its fields that are no files.

    Raises `NotAForm`, `MalformedForm`, `BodyTooLarge`, `CompressedBody`, `ClientGone`, and what sinks raise.
    """
    fields = fields_of(scope)
    if content_codings(fields.get(b"content-encoding", b"").decode("latin-1")):
        raise CompressedBody
    kind, options = parse_options_header(fields.get(b"content-type", b"").decode("latin-1"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise NotAForm
    reader = FormReader(boundary, open_sink)
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > max_bytes + _OVERHEAD:
            raise BodyTooLarge
        await reader.feed(piece)
        more = message.get("more_body", False)
    # The parser reports no error for a body that is cut, and a file would be stored without its end.
    if not reader.is_complete:
        raise MalformedForm("The form ends before its last boundary.")
    return reader.fields
