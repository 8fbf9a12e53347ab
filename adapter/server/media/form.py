"""Forms with files for Gemini: read as they arrive, so that a large file lies in memory once.

A file goes to Gemini as base64 inside JSON. So each piece becomes base64 as it comes, and the pieces are never joined:
the request's JSON is made with a short name in place of each file's data, and is cut at these names when it is sent.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

import msgspec
import orjson
from starlette.types import Receive, Scope

from adapter.server.http.asgi import BodyTooLarge, fields_of
from adapter.server.http.byte_budget import ByteBudget
from adapter.server.http.forms import FilePart, MalformedForm, read_form
from adapter.translate.content.media_types import AUDIO_FORMATS, correct_type
from adapter.translate.core.context import Media

MULTIPART = b"multipart/form-data"
UPLOAD = "upload:"
"""The beginning of a file's name in a request; its number follows."""

_FILMS = ("video/webm", "video/mp4", "video/mpeg")

_OVERHEAD = 1 << 20
"""Bytes that a form may have beside its files before its length alone tells that it is too large."""

_NESTED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")
_DIGITS = 20


class FormFile:
    """A file of a form: `pieces` are base64 that can be joined, `size` is the file's bytes."""

    def __init__(self, part: FilePart, budget: ByteBudget) -> None:
        self.field = _bare(part.field)
        self.name = part.filename
        self.pieces: list[bytes] = []
        self.size = 0
        self.held_bytes = 0
        self._declared_type = part.mime_type
        self._budget = budget
        self._rest = b""

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises `Overloaded`."""
        self.size += len(data)
        data = self._rest + data
        whole = len(data) - len(data) % 3
        self._rest = data[whole:]
        if whole:
            self._budget.reserve(whole // 3 * 4)
            self.held_bytes += whole // 3 * 4
            self.pieces.append(b64encode(memoryview(data)[:whole]))

    def close(self) -> None:
        """Encode the last bytes."""
        if self._rest:
            self.pieces.append(b64encode(self._rest))
            self._rest = b""

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes from a place on; fewer where the file ends."""
        data = bytearray()
        at = 0
        for piece in self.pieces:
            length = len(piece) // 4 * 3
            if at + length > offset:
                data += b64decode(piece)[max(0, offset - at) :]
            at += length
            if len(data) >= size:
                break
        return bytes(data[:size])

    @property
    def mime_type(self) -> str:
        """Return the file's type under the registered name, else the type by its file name or its first bytes."""
        extension = self.name.rpartition(".")[2].lower()
        declared = self._declared_type.partition(";")[0].strip().lower()
        if self.field == "file":
            # A file to transcribe is a sound, although its container may also hold a film.
            if declared in ("", "application/octet-stream") and extension in AUDIO_FORMATS:
                return AUDIO_FORMATS[extension]
            if declared in _FILMS:
                return declared.replace("video/", "audio/")
        return correct_type(declared, self.name, b64encode(self.read(0, 30)).decode()) or "application/octet-stream"


class Form:
    """A form: its fields by name, where a file's value is its name (`upload:0`), and its files.

    What the files hold is reserved in the byte budget until `release`.
    """

    def __init__(self, budget: ByteBudget) -> None:
        self.fields: dict[str, list[str]] = {}
        self.uploads: list[FormFile] = []
        self._budget = budget
        self._names: list[str] = []
        self._cut: list[Sequence[bytes]] = []

    async def open_file(self, part: FilePart) -> FormFile:
        """Begin a file."""
        self._names.append(part.field)
        self.uploads.append(FormFile(part, self._budget))
        return self.uploads[-1]

    def finish(self, fields: Mapping[str, list[str]]) -> None:
        """Add the fields that are no files, when all files are complete."""
        self.fields = {name: list(values) for name, values in fields.items()}
        for number, (name, upload) in enumerate(zip(self._names, self.uploads, strict=True)):
            upload.close()
            self.fields.setdefault(name, []).append(f"{UPLOAD}{number}")

    def release(self) -> None:
        """Give back what the files hold."""
        self._budget.release(sum(upload.held_bytes for upload in self.uploads))

    @property
    def contents(self) -> list[Sequence[bytes]]:
        """Return the contents that are sent in place of names, by number: the files, then pieces cut out of them."""
        return [*(upload.pieces for upload in self.uploads), *self._cut]

    def add_piece(self, data: Sequence[bytes]) -> str:
        """Take a piece of a file, as base64, and return its name."""
        self._cut.append(data)
        return f"{UPLOAD}{len(self.uploads) + len(self._cut) - 1}"

    def media(self) -> dict[str, Media]:
        """Return the files by their names, each with its name in place of its data."""
        names = [f"{UPLOAD}{number}" for number in range(len(self.uploads))]
        return {name: Media(one.mime_type, name) for name, one in zip(names, self.uploads, strict=True)}

    def body(self, type_: type[msgspec.Struct]) -> bytes:
        """Return the form as the JSON that a request of this type is read from. Raises `MalformedForm`."""
        return orjson.dumps(members_of(self.fields, type_))

    def describe(self) -> bytes:
        """Describe the form for the page: files by type and size; all else is text."""
        files = {
            f"{UPLOAD}{number}": {"filename": one.name, "type": one.mime_type, "bytes": one.size}
            for number, one in enumerate(self.uploads)
        }
        shown: dict[str, list[Any]] = {
            name: [files.get(value, value) for value in values] for name, values in self.fields.items()
        }
        return orjson.dumps({name: values if len(values) > 1 else values[0] for name, values in shown.items()})


def is_form(scope: Scope) -> bool:
    """Return whether the content type is that of a form with files."""
    return fields_of(scope).get(b"content-type", b"").lower().startswith(MULTIPART)


async def read_upload(scope: Scope, receive: Receive, limit: int, budget: ByteBudget) -> Form:
    """Read a form whose files have at most `limit` bytes, and reserve what they hold in `budget`.

    Raises `NotAForm`, `MalformedForm`, `BodyTooLarge`, `CompressedBody`, `Overloaded`, `ClientGone`.
    """
    declared = fields_of(scope).get(b"content-length", b"")
    if declared.isdigit() and int(declared[:_DIGITS]) > limit + _OVERHEAD:
        raise BodyTooLarge
    form = Form(budget)
    try:
        form.finish(await read_form(scope, receive, limit, form.open_file))
    except BaseException:
        form.release()
        raise
    return form


def _bare(name: str) -> str:
    """Return a field's name without brackets: `image[]` is `image`."""
    found = _NESTED.fullmatch(name)
    return found[1] if found else name


def members_of(fields: Mapping[str, Sequence[str]], type_: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a request's members: `x[]` and repeated names are lists, `x[y]` is a member of an object.

    Raises `MalformedForm`.
    """
    lists = {one.encode_name for one in msgspec.structs.fields(type_) if _is_list_only(one.type)}
    members: dict[str, Any] = {}
    for written, values in fields.items():
        match = _NESTED.fullmatch(written)
        name, inner = (match[1], match[2]) if match else (written, None)
        is_member = bool(inner) and not (inner or "").isdigit()
        if isinstance(members.get(name), dict) != is_member and name in members:
            raise MalformedForm(f"The field {name} is both an object and another value.", name)
        if is_member:
            members.setdefault(name, {})[inner] = values[-1]
        elif inner is not None or name in lists or name in members or len(values) > 1:
            before = members.get(name, [])
            members[name] = [*(before if isinstance(before, list) else [before]), *values]
        else:
            members[name] = values[0]
    return members


def _is_list_only(type_: Any) -> bool:
    """Return whether a field takes a list and no text."""
    kinds = get_args(type_) if get_origin(type_) in (Union, type(int | str)) else (type_,)
    return any(get_origin(kind) is list for kind in kinds) and str not in kinds


def insert_uploads(body: bytes, contents: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Return a request's JSON in pieces, with the files' data in place of their names.

    Inside a JSON text a quotation mark is escaped, so that no text of the client's looks like such a member.
    """
    pieces: list[bytes] = []
    at = 0
    for match in re.finditer(rb'"data":"upload:(\d+)"', body):
        pieces += [body[at : match.start(1) - len(UPLOAD)], *contents[int(match[1])]]
        at = match.end(1)
    return [*pieces, body[at:]]
