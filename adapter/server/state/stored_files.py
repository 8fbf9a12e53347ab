"""Files and uploads of clients: contents in a directory, all else in the document store.

    the document `files`       the parent of all files of a client, in the order in which they came
    the document FILE_ID       a `StoredFile`
    the document UPLOAD_ID     a `StoredUpload`, with no parent, for a day after it has expired
    the document PART_ID       the size and MD5 of a part, a child of its upload

These documents have a store of their own, which evicts none of them to make room. A content is on the disk before its
document is written, and the document is deleted before the content: so there may be a content without a document, which
`FileDirectory.sweep` removes when it expires, and no document without a content.
"""

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from adapter.server.state.not_stored import NotStored
from adapter.store import UNREADABLE, Document, DocumentStore
from adapter.store.documents.base import Selection
from adapter.store.files.directory import MAX_FILES, FileDirectory, FileWriter, QuotaExceeded, read_at
from adapter.translate.files import MAX_PART, UPLOAD_LIFE, NewFile
from adapter.wire.base import encode
from adapter.wire.openai.files import FileObject, StoredFile, StoredUpload, Upload, UploadPart

log = logging.getLogger("adapter")

FILES = "files"
"""The document that is the parent of a client's files."""

SWEEP_EVERY = 600.0
"""Seconds between two searches for expired files."""

_FILE_ID = re.compile(r"file-[0-9a-f]{32}")
_UPLOAD_ID = re.compile(r"upload_[0-9a-f]{32}")
_PART_ID = re.compile(r"part_[0-9a-f]{32}")

_UPLOAD_RECORD_LIFE = UPLOAD_LIFE + 86_400.0
"""Seconds for which the document of an upload is stored."""

_AT_ONCE = 200
"""The number of documents that are read together for a list."""


class StoredPart(msgspec.Struct, kw_only=True):
    """A part as the document store has it; its content is on the disk."""

    part: UploadPart
    bytes: int


class StoredFiles:
    """Stores and finds files; each method is about one client's, named by its id.

    `directory` is None where contents cannot be kept; `why_not` then says why. `records` has all documents about files
    and batches. `max_age` is in seconds.
    """

    def __init__(
        self,
        directory: FileDirectory | None,
        records: DocumentStore,
        max_age: float,
        *,
        why_not: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.why_not = why_not
        self._directory = directory
        self.records = records
        self.max_life = int(max_age)
        self._clock = clock

    @property
    def directory(self) -> FileDirectory:
        """Return the directory of contents. Raises `NotStored` if there is none."""
        if self._directory is None:
            text = f"Files cannot be stored here: {self.why_not} (the setting files_dir)"
            raise NotStored(text, status=503, code="not_stored")
        return self._directory

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz."""
        if self._directory is None:
            return {"kind": "none", "warning": f"files cannot be stored: {self.why_not}"}
        facts: dict[str, object] = {"kind": "directory", "path": str(self._directory.root)}
        warning = self.records.describe().get("warning")
        return {**facts, "warning": warning} if warning else facts

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """Remove expired files while the `with` block runs."""
        task = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            task.cancel()

    async def _sweep(self) -> None:
        while self._directory is not None:
            try:
                now = self._clock()
                for name, client in await asyncio.to_thread(self._directory.find_expired, now):
                    await self.records.delete(name, client)
                await asyncio.to_thread(self._directory.sweep, now)
            except OSError as error:
                log.warning("cannot remove expired files: %s", error)
            await asyncio.sleep(SWEEP_EVERY)

    def close(self) -> None:
        """Close the directory."""
        if self._directory is not None:
            self._directory.close()

    async def begin_file(self, client: str) -> "UnfinishedFile":
        """Begin a file under a new id. Raises `NotStored`."""
        file_id = f"file-{secrets.token_hex(16)}"
        return UnfinishedFile(file_id, await self.create(file_id, client))

    async def create(self, name: str, client: str, *, has_quota: bool = True) -> FileWriter:
        """Begin a content under a name. Raises `NotStored`."""
        with _raise_not_stored():
            return await self.directory.create(name, client, has_quota=has_quota)

    async def keep(self, new: NewFile, writing: "UnfinishedFile", client: str) -> FileObject:
        """Store a file whose content is complete. Raises `NotStored`."""
        created = int(self._clock())
        file = FileObject(
            id=writing.file_id,
            object="file",
            bytes=writing.writer.size,
            created_at=created,
            filename=new.name,
            purpose=new.purpose,
            status="processed",
            expires_at=created + new.life,
        )
        await commit(writing.writer, created + new.life)
        record = StoredFile(file=file, mime_type=new.mime_type)
        if not await self.records.put([Document(FILES, b"1"), Document(file.id, encode(record), FILES)], client):
            await self.directory.delete(file.id, client)
            raise _cannot_keep()
        return file

    async def find(self, file_id: str, client: str) -> StoredFile | None:
        """Return the record of a file; None if it is missing or has expired."""
        if not _FILE_ID.fullmatch(file_id):
            return None
        body = (await self.records.get([file_id], client)).get(file_id)
        return None if body is None else self._living(body)

    async def file(self, file_id: str, client: str, param: str | None = None) -> StoredFile:
        """Return the record of a file. Raises `NotStored`."""
        stored = await self.find(file_id, client)
        if stored is None:
            raise NotStored(f"No such File object: {file_id[:100]}", param=param or "id", code="file_not_found")
        return stored

    def _living(self, body: bytes) -> StoredFile | None:
        try:
            record = msgspec.json.decode(body, type=StoredFile)
        except UNREADABLE:
            return None
        expires = record.file.expires_at
        return record if expires is None or expires > self._clock() else None

    async def page(
        self, client: str, *, after: str, limit: int, newest_first: bool, purpose: str | None
    ) -> tuple[list[FileObject], bool]:
        """List files behind the one with the id `after`, and tell whether there are more."""
        files: list[FileObject] = []
        while len(files) <= limit:
            bodies = await self.records.children(FILES, client, Selection(after, _AT_ONCE, newest_first))
            records = [msgspec.json.decode(body, type=StoredFile) for body in bodies]
            now = self._clock()
            files += [
                record.file
                for record in records
                if (record.file.expires_at or now + 1) > now and purpose in (None, record.file.purpose)
            ]
            if len(bodies) < _AT_ONCE:
                break
            after = records[-1].file.id
        return files[:limit], len(files) > limit

    async def content(self, file_id: str, client: str) -> AsyncIterator[bytes]:
        """Read a file's content piece by piece. Raises `NotStored` with the first one."""
        pieces = self.directory.read(file_id, client)
        try:
            async for piece in pieces:
                yield piece
        except FileNotFoundError:
            raise NotStored(f"The content of {file_id} is missing.", param="id", code="file_not_found") from None

    def now(self) -> float:
        """Return the time (Unix seconds)."""
        return self._clock()

    def reader(self, file_id: str, client: str) -> Callable[[int, int], Awaitable[bytes]]:
        """Return a function that reads bytes of a content from an offset on; it raises `NotStored`."""
        path = self.directory.path(file_id, client)

        async def read(offset: int, size: int) -> bytes:
            try:
                return await asyncio.to_thread(read_at, path, offset, size)
            except FileNotFoundError:
                raise NotStored(f"The content of {file_id} is missing.", code="file_not_found") from None

        return read

    async def delete(self, file_id: str, client: str) -> None:
        """Delete a file. Raises `NotStored`."""
        await self.file(file_id, client)
        await self.records.delete(file_id, client)
        await self.directory.delete(file_id, client)

    async def begin_upload(self, new: NewFile, size: int, client: str) -> Upload:
        """Begin an upload of `size` bytes. Raises `NotStored`."""
        _ = self.directory
        created = int(self._clock())
        upload = Upload(
            id=f"upload_{secrets.token_hex(16)}",
            object="upload",
            bytes=size,
            created_at=created,
            filename=new.name,
            purpose=new.purpose,
            status="pending",
            expires_at=created + UPLOAD_LIFE,
        )
        await self._keep_upload(StoredUpload(upload=upload, mime_type=new.mime_type, expires_after=new.life), client)
        return upload

    async def upload(self, upload_id: str, client: str) -> StoredUpload:
        """Return an upload as it is now. Raises `NotStored`."""
        keys = [upload_id] if _UPLOAD_ID.fullmatch(upload_id) else []
        body = (await self.records.get(keys, client)).get(upload_id)
        if body is None:
            raise NotStored(f"No such Upload object: {upload_id[:100]}", param="upload_id")
        record = msgspec.json.decode(body, type=StoredUpload)
        if record.upload.status == "pending" and record.upload.expires_at <= self._clock():
            record.upload.status = "expired"
        return record

    async def pending_upload(self, upload_id: str, client: str) -> StoredUpload:
        """Return an upload that still takes parts. Raises `NotStored`."""
        record = await self.upload(upload_id, client)
        if record.upload.status != "pending":
            text = f"Upload {upload_id} is {record.upload.status}."
            raise NotStored(text, status=400, param="upload_id", code="invalid_upload_state")
        return record

    async def _keep_upload(self, record: StoredUpload, client: str) -> None:
        document = Document(record.upload.id, encode(record))
        if not await self.records.put([document], client, _UPLOAD_RECORD_LIFE):
            raise _cannot_keep()

    async def begin_part(self, client: str) -> "UnfinishedFile":
        """Begin a part under a new id. Raises `NotStored`."""
        part_id = f"part_{secrets.token_hex(16)}"
        return UnfinishedFile(part_id, await self.create(part_id, client))

    async def keep_part(self, record: StoredUpload, writing: "UnfinishedFile", client: str) -> UploadPart:
        """Store a part whose content is complete. Raises `NotStored`."""
        upload = record.upload
        if writing.writer.size > MAX_PART:
            raise _too_large(f"A part has at most {MAX_PART} bytes.", "data")
        part = UploadPart(id=writing.file_id, object="upload.part", created_at=int(self._clock()), upload_id=upload.id)
        await commit(writing.writer, upload.expires_at)
        stored = StoredPart(part=part, bytes=writing.writer.size)
        document = Document(part.id, encode(stored), upload.id)
        if not await self.records.put([document], client, _UPLOAD_RECORD_LIFE):
            await self.directory.delete(part.id, client)
            raise _cannot_keep()
        return part

    async def complete_upload(
        self, record: StoredUpload, part_ids: Sequence[str], md5: str | None, client: str
    ) -> Upload:
        """Put the parts together in this order. Raises `NotStored`.

        The file's id comes from the upload's: if the process dies on the way, completing again makes the same file.
        """
        upload = record.upload
        await self._check_parts(upload, part_ids, client)
        file_id = f"file-{hashlib.blake2b(upload.id.encode(), digest_size=16).hexdigest()}"
        new = NewFile(upload.filename, upload.purpose, record.expires_after, record.mime_type, [])
        # Its bytes count already, as those of its parts, which go when it is complete.
        writing = UnfinishedFile(file_id, await self.create(file_id, client, has_quota=False))
        try:
            for part_id in part_ids:
                async for piece in self.content(part_id, client):
                    await write(writing.writer, piece)
            if md5 is not None and md5.lower() != await writing.writer.md5():
                raise NotStored("The MD5 sum of the parts is different.", status=400, param="md5", code="md5_mismatch")
            upload.file = await self.keep(new, writing, client)
        finally:
            await writing.writer.discard()
        upload.status = "completed"
        await self._keep_upload(record, client)
        await self._forget_parts(upload.id, client)
        return upload

    async def _check_parts(self, upload: Upload, part_ids: Sequence[str], client: str) -> None:
        """Raise `NotStored` unless these are parts of the upload and have the promised number of bytes together."""
        valid_ids = [part_id for part_id in part_ids if _PART_ID.fullmatch(part_id)]
        bodies = await self.records.get(valid_ids, client)
        parts = {part_id: msgspec.json.decode(body, type=StoredPart) for part_id, body in bodies.items()}
        for index, part_id in enumerate(part_ids):
            if part_id not in parts or parts[part_id].part.upload_id != upload.id or part_id in part_ids[:index]:
                text = f"{part_id[:100]} is not a part of this upload, or is listed twice."
                raise NotStored(text, status=400, param=f"part_ids[{index}]", code="invalid_part")
        total = sum(one.bytes for one in parts.values())
        if total != upload.bytes:
            text = f"The upload should have {upload.bytes} bytes; its parts have {total}."
            raise NotStored(text, status=400, param="part_ids", code="size_mismatch")

    async def cancel_upload(self, record: StoredUpload, client: str) -> Upload:
        """Cancel an upload and delete its parts. Raises `NotStored`."""
        record.upload.status = "cancelled"
        await self._keep_upload(record, client)
        await self._forget_parts(record.upload.id, client)
        return record.upload

    async def _forget_parts(self, upload_id: str, client: str) -> None:
        """Delete the contents of parts; their records stay as long as their upload's."""
        for body in await self.records.children(upload_id, client):
            part_id = msgspec.json.decode(body, type=StoredPart).part.id
            await self.directory.delete(part_id, client)


class UnfinishedFile(msgspec.Struct, frozen=True):
    """A file that is being written, and the id that it will have."""

    file_id: str
    writer: FileWriter


async def write(writer: FileWriter, data: bytes) -> None:
    """Write bytes. Raises `NotStored` for more than a client may store, or a full disk."""
    with _raise_not_stored():
        await writer.write(data)


async def commit(writer: FileWriter, expires_at: float) -> None:
    """Finish a content, so that it can be read; it expires at a Unix time. Raises `NotStored` as `write` does."""
    with _raise_not_stored():
        await writer.commit(expires_at)


@contextmanager
def _raise_not_stored() -> Iterator[None]:
    """Turn errors of writing a content into `NotStored`: a full disk, a quota."""
    try:
        yield
    except QuotaExceeded:
        text = f"Your files would exceed the limits: files_max_bytes in all, and {MAX_FILES} files."
        raise _too_large(text, None) from None
    except OSError as error:
        raise _cannot_write(error) from error


def _too_large(text: str, param: str | None) -> NotStored:
    return NotStored(text, status=413, param=param, code="storage_limit_exceeded")


def _cannot_write(error: OSError) -> NotStored:
    return NotStored(f"The file cannot be written: {error.strerror}.", status=503, code="not_stored")


def _cannot_keep() -> NotStored:
    return NotStored("The store cannot keep this.", status=503, code="not_stored")
