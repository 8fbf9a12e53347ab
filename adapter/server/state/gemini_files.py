"""Stored files as Gemini reads them: in line where they are small, else as copies in Gemini's Files API.

A copy lives 48 hours and belongs to the key that uploaded it. What is known of it is the document `copy:FILE_ID`:

    (none)       there is no copy
    intended     written before an upload begins: its name, its key, no address. After a crash the file is asked for by
                 that name, so no second upload is made of one that came to its end
    uploaded     with its address, until shortly before it expires; then it is uploaded again under the next name

Where a request names several files, all must be of one key: those of another one are uploaded again with the first's.

Gemini may lose a copy before its time, or somebody may delete it there. The request that finds out uploads it again
(`renew`).
"""

import asyncio
import logging
from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec

from adapter.server.limits.access import Client
from adapter.server.state.name_owners import NameOwners
from adapter.server.state.stored_files import StoredFiles
from adapter.store import UNREADABLE, Changed, Document
from adapter.translate.content.content_parts import FILE_ID, FILES_API
from adapter.translate.content.media_types import correct_type
from adapter.translate.core.context import Media
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.upstream.client import Caller, Upstream
from adapter.upstream.errors import UpstreamError
from adapter.upstream.uploads import FileUploads
from adapter.wire.base import encode
from adapter.wire.gemini.files import File
from adapter.wire.openai.files import StoredFile

log = logging.getLogger("adapter")

MAX_INLINE = 1024 * 1024
"""The most bytes of a file that is sent inside each request, if Gemini could store a copy."""

MAX_INLINE_ALONE = 20 * 1024 * 1024
"""The most bytes of all files of a request whose upstream stores none: Vertex AI and relays."""

LIFE = 48 * 3600.0
"""Seconds for which Gemini stores a file (ai.google.dev/gemini-api/docs/files, 2026)."""

MARGIN = 1800.0
"""Seconds before a copy expires from which it is uploaded again: a request may run as long."""

_LOST = (403, 404)
"""Statuses with which Gemini refuses a file that it does not have, or that belongs to another key."""

UPLOADED_AGAIN = Note(
    "messages",
    Fate.APPROXIMATED,
    "file-uploaded-again",
    "Gemini had lost its copy of a stored file: it was uploaded again, and the request was repeated",
)

_HEAD = 48
"""Bytes at the start of a file that show its type."""


class _Copy(msgspec.Struct, kw_only=True):
    """A file's copy at Gemini, without `uri` until it is uploaded. `pin` names the key, times are Unix seconds."""

    name: str
    pin: str
    generation: int
    mime_type: str
    uri: str = ""
    expires_at: float = 0.0


class FileNeeds(NamedTuple):
    """The needs of a request for the files that it names.

    `known`: what they are, where that is known already; `is_dry`: nothing is uploaded; `life`: seconds for which Gemini
    must have them from now on.
    """

    known: Mapping[str, Media] | None = None
    is_dry: bool = False
    life: float = MARGIN


class Need(NamedTuple):
    """The needs of a request for a copy: the key that owns it ("" for any), and how many seconds it must live."""

    pin: str
    life: float


class GeminiFiles:
    """Makes stored files readable for one upstream. `keeps_files`: whether that has Gemini's Files API."""

    def __init__(
        self,
        files: StoredFiles,
        owners: NameOwners,
        upstream: Upstream,
        *,
        keeps_files: bool,
    ) -> None:
        self._files = files
        self._owners = owners
        self._documents = files.records
        self._upstream = upstream
        self._uploads = FileUploads(upstream)
        self._keeps_files = keeps_files
        # Each lock stays as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def media(
        self, file_ids: Iterable[str], client: Client, *, dry: bool = False, life: float = MARGIN
    ) -> Mapping[str, Media]:
        """Make files readable, by their ids; those that name none are left out. `dry`: nothing is uploaded.

        `life`: seconds for which Gemini must have them from now on. Raises `Rejected`, `NotStored`, `UpstreamError`.
        """
        media: dict[str, Media] = {}
        pin = ""
        left = MAX_INLINE_ALONE
        for file_id in file_ids:
            stored = await self._files.find(file_id, client.id)
            if stored is None:
                continue
            size = stored.file.bytes
            if self._keeps_files and size > MAX_INLINE:
                copy = await self._copy(stored, client, Need(pin, life), dry=dry)
                media[file_id], pin = Media(copy.mime_type, uri=copy.uri), pin or copy.pin
                continue
            left -= size
            if left < 0:
                reason = f"the upstream stores no files; a request may have at most {MAX_INLINE_ALONE} bytes"
                raise Rejected("messages", "limit-exceeded", reason)
            media[file_id] = await self._inline(stored, client)
        return media

    async def renew(
        self, media: Mapping[str, Media], error: UpstreamError, client: Client, *, life: float = MARGIN
    ) -> Mapping[str, Media] | None:
        """Upload again what Gemini has lost of `media`; return all stored files among them, as they are read now.

        None where `error` has another cause. Raises what `media` raises.
        """
        copies = {file_id: one.uri for file_id, one in media.items() if one.uri and file_id.startswith(FILE_ID)}
        if error.status not in _LOST or not copies:
            return None
        lost = [file_id for file_id, uri in copies.items() if await self._is_lost(file_id, uri, error, client)]
        if not lost:
            return None
        log.warning("Gemini has lost its copies of %s: they are uploaded again", ", ".join(lost))
        return await self.media([one for one in media if one.startswith(FILE_ID)], client, life=life)

    async def _is_lost(self, file_id: str, uri: str, error: UpstreamError, client: Client) -> bool:
        """Return whether Gemini has lost the copy at `uri`; if so, remember that the copy has ended."""
        body = await self._read(file_id, client)
        copy = _decode(body)
        if copy is None or copy.uri != uri:
            # Another request has found out before.
            return True
        is_named = copy.name.removeprefix("files/") in (error.error.message or "")
        if not is_named and await self._uploads.find(copy.name, Caller(client.key, copy.pin)) is not None:
            return False
        ended = Document(_key(file_id), encode(msgspec.structs.replace(copy, expires_at=0.0)))
        # Another request may have found out meanwhile, and may be uploading the next copy.
        with suppress(Changed):
            await self._documents.put([ended], client.id, LIFE, {ended.key: body})
        return True

    async def _inline(self, stored: StoredFile, client: Client) -> Media:
        content = b"".join([piece async for piece in self._files.content(stored.file.id, client.id)])
        return Media(_type_of(stored, content), b64encode(content).decode())

    async def _copy(self, stored: StoredFile, client: Client, need: Need, *, dry: bool) -> _Copy:
        """Return a file's copy; upload it if there is no usable one."""
        file_id = stored.file.id
        async with self._locks.setdefault(file_id, asyncio.Lock()):
            before = await self._read_copy(file_id, client)
            if before is not None and before.uri and self._is_usable(before, need):
                return before
            intended = await self._copy_to_upload(stored, before, client, need)
            if dry:
                return _with_address(intended)
            copy = await self._upload(stored, intended, client)
            if not self._is_usable(copy, need):
                # It was there already, from before its document was lost, and ends soon.
                copy = await self._upload(stored, await self._copy_to_upload(stored, copy, client, need), client)
            return copy

    async def _read_copy(self, file_id: str, client: Client) -> _Copy | None:
        return _decode(await self._read(file_id, client))

    async def _read(self, file_id: str, client: Client) -> bytes | None:
        return (await self._documents.get([_key(file_id)], client.id)).get(_key(file_id))

    def _is_usable(self, copy: _Copy, need: Need) -> bool:
        has_time = not copy.uri or copy.expires_at - need.life > self._files.now()
        return has_time and need.pin in ("", copy.pin) and self._upstream.has_key(copy.pin)

    async def _copy_to_upload(self, stored: StoredFile, before: _Copy | None, client: Client, need: Need) -> _Copy:
        """Return the copy to upload: one whose upload has begun, here or in a process that died, or the next one."""
        if before is not None and self._is_usable(before, need):
            return before
        head = b""
        async for piece in self._files.content(stored.file.id, client.id):
            head = piece[:_HEAD]
            break
        generation = 0 if before is None else before.generation + 1
        identity = f"{client.id} {stored.file.id} {generation}".encode()
        return _Copy(
            name=f"files/{blake2b(identity, digest_size=16).hexdigest()}",
            pin=need.pin or self._upstream.choose_key(client.id),
            generation=generation,
            mime_type=_type_of(stored, head),
        )

    async def _upload(self, stored: StoredFile, intended: _Copy, client: Client) -> _Copy:
        await self._put(stored.file.id, intended, client)
        reader = self._files.reader(stored.file.id, client.id)
        caller = Caller(client.key, intended.pin)
        file = await self._uploads.upload(intended.name, intended.mime_type, stored.file.bytes, reader, caller)
        expires = _seconds(file) or self._files.now() + LIFE
        copy = msgspec.structs.replace(intended, uri=file.uri, expires_at=expires)
        await self._owners.record([copy.name], client.id, copy.pin)
        await self._put(stored.file.id, copy, client)
        return copy

    async def _put(self, file_id: str, copy: _Copy, client: Client) -> None:
        await self._documents.put([Document(_key(file_id), encode(copy))], client.id, LIFE)

    async def forget(self, file_id: str, client: Client) -> None:
        """Delete a file's copy. If Gemini does not delete it, it expires within two days."""
        copy = await self._read_copy(file_id, client)
        if copy is None:
            return
        await self._documents.delete(_key(file_id), client.id)
        try:
            await self._uploads.delete(copy.name, Caller(client.key, copy.pin))
        except UpstreamError as error:
            log.info("cannot delete the copy of %s at Gemini: %s", file_id, error)


def _key(file_id: str) -> str:
    return f"copy:{file_id}"


def _decode(body: bytes | None) -> _Copy | None:
    """Decode the document of a copy; None if it is missing or damaged."""
    try:
        return None if body is None else msgspec.json.decode(body, type=_Copy)
    except UNREADABLE:
        return None


def _with_address(copy: _Copy) -> _Copy:
    """Return a copy with the address that follows from its name."""
    return msgspec.structs.replace(copy, uri=FILES_API + copy.name)


def _type_of(stored: StoredFile, head: bytes) -> str:
    """Return the registered name of a file's media type."""
    declared = stored.mime_type.partition(";")[0].strip().lower()
    found = correct_type(declared, stored.file.filename, b64encode(head[:_HEAD]).decode())
    return found or "application/octet-stream"


def _seconds(file: File) -> float:
    """Return the time at which a copy expires, in Unix seconds; 0 if Gemini does not say."""
    text = (file.expiration_time or "").partition(".")[0].rstrip("Z")
    try:
        return datetime.fromisoformat(f"{text}+00:00").timestamp()
    except ValueError:
        return 0.0
