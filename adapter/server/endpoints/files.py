"""/v1/files: contents that requests and batches name by an id."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import quote

from adapter.server.endpoints.stored_responses import whole_number
from adapter.server.http.asgi import ClientGone
from adapter.server.http.forms import FilePart, MalformedForm, Sink, read_form
from adapter.server.http.response_writer import writer_for
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.errors import Malformed
from adapter.server.state.stored_files import UnfinishedFile, write
from adapter.translate import files
from adapter.translate.core.notes import Note
from adapter.wire.openai.files import FileList
from adapter.wire.openai.stored import Deleted

MAX_PAGE = 10_000
"""The most files of one page, as at OpenAI (API reference, "List files", 2026)."""


class IncomingFile:
    """The one file of a form, written to the disk as it comes; `begin` begins it for a client.

    It ends with `discard`, which removes a file that was not stored.
    """

    def __init__(
        self, begin: Callable[[str], Awaitable[UnfinishedFile]], client: str, field: str, max_bytes: int
    ) -> None:
        self.writing: UnfinishedFile | None = None
        self.part: FilePart | None = None
        self._begin = begin
        self._client = client
        self._field = field
        self._max_bytes = max_bytes

    async def open(self, part: FilePart) -> Sink:
        """Begin the file. Raises `MalformedForm` for a second one, and for one of another name."""
        if part.field != self._field or self.writing is not None:
            raise MalformedForm(f"The form has one file, in the field {self._field}.", self._field)
        self.part = part
        self.writing = await self._begin(self._client)
        return self

    async def write(self, data: bytes) -> None:
        """Take bytes of it. Raises `NotStored`, `Malformed`."""
        assert self.writing is not None
        if self.writing.writer.size + len(data) > self._max_bytes:
            raise Malformed(f"The file has more than {self._max_bytes} bytes.", self._field, "file_too_large")
        await write(self.writing.writer, data)

    def take_file(self) -> tuple[UnfinishedFile, FilePart]:
        """Return the file of the form. Raises `MalformedForm` if there is none, or an empty one."""
        if self.writing is None or self.part is None:
            raise MalformedForm(f"The form has no file in the field {self._field}.", self._field)
        if not self.writing.writer.size:
            raise MalformedForm("The file is empty.", self._field)
        return self.writing, self.part

    async def discard(self) -> None:
        """Remove the file, unless it was stored."""
        if self.writing is not None:
            await self.writing.writer.discard()


def single_values(fields: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the fields of a form that has each of them once; empty ones count as absent. Raises `MalformedForm`."""
    for name, values in fields.items():
        if len(values) > 1:
            raise MalformedForm(f"The form has {name[:100]} more than once.", name[:100])
    return {name: values[0] for name, values in fields.items() if values[0]}


async def create_file(call: Call) -> None:
    """Store a file that comes in a form."""
    service, client = call.service, call.client
    service.access.check_origin(call.scope)
    incoming = IncomingFile(service.files.begin_file, client.id, "file", service.file_settings.file_max_bytes)
    try:
        fields = await read_form(call.scope, call.receive, service.file_settings.file_max_bytes, incoming.open)
        writing, part = incoming.take_file()
        new = files.of_form(single_values(fields), part.filename, part.mime_type, service.files.max_life)
        check_ledger(call, new.notes)
        await call.send(await service.files.keep(new, writing, client.id), ledger_headers(new.notes))
    finally:
        await incoming.discard()


def check_ledger(call: Call, ledger: list[Note]) -> None:
    """Record the ledger. Raises `StrictLoss`."""
    call.exchange.notes = ledger
    losses = call.service.losses
    notes.check(ledger, notes.strictness(call.fields, losses), losses.notes)


def ledger_headers(ledger: list[Note]) -> dict[str, str]:
    """Return the header with the ledger, for an answer that no model gave."""
    return {notes.HEADER: notes.summary(ledger)}


async def list_files(call: Call) -> None:
    """List a client's files, the newest first unless the query has another order."""
    query = call.query
    limit = whole_number(query.get("limit", str(MAX_PAGE)), "limit", 1, MAX_PAGE)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise Malformed("order must be asc or desc", "order", "invalid_value")
    files, has_more = await call.service.files.page(
        call.client.id,
        after=query.get("after", ""),
        limit=limit,
        newest_first=order == "desc",
        purpose=query.get("purpose") or None,
    )
    ends = (files[0].id, files[-1].id) if files else (None, None)
    await call.send(FileList(object="list", data=files, first_id=ends[0], last_id=ends[1], has_more=has_more))


async def get_file(call: Call) -> None:
    """Return a file without its content."""
    await call.send((await call.service.files.file(call.parameters["file_id"], call.client.id)).file)


async def delete_file(call: Call) -> None:
    """Delete a file."""
    file_id = call.parameters["file_id"]
    await call.service.files.delete(file_id, call.client.id)
    await call.service.gemini_files.forget(file_id, call.client)
    await call.send(Deleted(id=file_id, object="file", deleted=True))


async def get_file_content(call: Call) -> None:
    """Send the content of a file, piece by piece as the client takes it."""
    stored = await call.service.files.file(call.parameters["file_id"], call.client.id)
    # No browser may show the content as a page of this server. Names may hold any character, so they are encoded.
    headers = {
        "content-type": "application/octet-stream",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(stored.file.filename, safe='')}",
    }
    await send_pieces(call, call.service.files.content(stored.file.id, call.client.id), headers)


async def send_pieces(call: Call, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> None:
    """Send pieces with backpressure; a client that takes none for long is gone. Raises `ClientGone`."""
    writer, patience = writer_for(call.send_message), call.service.streams.write_timeout
    call.exchange.status = 200
    async for piece in pieces:
        try:
            async with asyncio.timeout(patience):
                await writer.send_piece(piece, headers)
        except TimeoutError:
            raise ClientGone from None
    await writer.finish()
