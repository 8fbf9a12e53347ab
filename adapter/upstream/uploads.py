"""Resumable uploads to Gemini's Files API (google-genai 3.6.1, `_api_client.py`; ai.google.dev/api/files, 2026).

States of an upload, as `x-goog-upload-status` tells them:

    (none)    nothing was sent, or `start` was not answered
    active    `start` was answered with an address; bytes are taken from the offset where they stopped
    final     the last bytes came; the answer is the file

    from      command               to
    (none)    start                 active      409 if the name is taken: then the file is there, or another process
                                                uploads it
    active    upload                active
    active    upload, finalize      final
    active    query                 as it is: after an error it tells from where to go on

The name of a file is chosen here. So whoever does not know whether an upload came to its end asks for the file by its
name, and no second one is made.
"""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from adapter.upstream.client import Caller, Forwarded, Upstream
from adapter.upstream.errors import UpstreamError, UpstreamProtocolError
from adapter.upstream.transport.base import Response
from adapter.wire.base import decode, encode
from adapter.wire.gemini.files import File, NewFileMetadata, StartUploadRequest, UploadedFile

CHUNK = 4 * 1024 * 1024
"""Bytes that go in one request: a multiple of 256 KiB, as Google wants it."""

ATTEMPTS = 4
"""The most attempts to send the bytes at one offset."""

POLL = 1.0
"""Seconds between two looks at a file that Gemini works on."""

PROCESSING_POLLS = 300
"""The most looks at such a file, which is five minutes."""

_MAX_ANSWER = 256 * 1024
_HEADER = "x-goog-upload-"

ReadBytes = Callable[[int, int], Awaitable[bytes]]
"""Reads so many bytes from an offset on."""


class FileFailed(UpstreamProtocolError):
    """Gemini cannot process a file."""

    code = "file_processing_failed"


class FileUploads:
    """Uploads files to one upstream, and looks after them."""

    def __init__(self, upstream: Upstream, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._upstream = upstream
        self._sleep = sleep

    async def find(self, name: str, caller: Caller) -> File | None:
        """Return a file by its name; None if there is none, or if it is not this key's. Raises `UpstreamError`."""
        try:
            return await self._upstream.ask(Forwarded(verb="GET", path=name, body=None, method="getFile"), File, caller)
        except UpstreamError as error:
            # An unknown file is forbidden, not missing (recorded, 2026).
            if error.status in (403, 404):
                return None
            raise

    async def delete(self, name: str, caller: Caller) -> None:
        """Delete a file. Raises `UpstreamError`."""
        deleting = Forwarded(verb="DELETE", path=name, body=None, method="deleteFile")
        await (await self._upstream.forward(deleting, caller)).aclose()

    async def upload(self, name: str, mime_type: str, size: int, read: ReadBytes, caller: Caller) -> File:
        """Upload a file under a name, and wait until it can be used. If it is there already, it is that one.

        Raises `UpstreamError`.
        """
        file = await self.find(name, caller)
        if file is None:
            try:
                address = await self._start(name, mime_type, size, caller)
            except UpstreamError as error:
                if error.status != 409:
                    raise
                file = await self._await_other(name, caller)
            else:
                file = await self._send(address, size, read, caller)
        return await self._wait_until_usable(file, caller)

    async def _start(self, name: str, mime_type: str, size: int, caller: Caller) -> str:
        """Begin; return the query of the address where the bytes go. Its host is always this upstream's."""
        request = StartUploadRequest(file=NewFileMetadata(name=name, mime_type=mime_type, size_bytes=str(size)))
        headers = {
            f"{_HEADER}protocol": "resumable",
            f"{_HEADER}command": "start",
            f"{_HEADER}header-content-length": str(size),
            f"{_HEADER}header-content-type": mime_type,
        }
        response = await self._ask("files", "startUpload", encode(request), headers, caller)
        address = urlsplit(response.headers.get(f"{_HEADER}url", "")).query
        await response.aclose()
        if not address:
            raise UpstreamProtocolError("Gemini's answer to the start of an upload has no URL to send the file to.")
        return address

    async def _send(self, address: str, size: int, read: ReadBytes, caller: Caller) -> File:
        """Send the bytes, chunk by chunk; after an error go on from where Gemini has got to."""
        offset, failures = 0, 0
        while True:
            data = await read(offset, min(CHUNK, size - offset))
            is_last = offset + len(data) >= size
            headers = {
                f"{_HEADER}offset": str(offset),
                f"{_HEADER}command": "upload, finalize" if is_last else "upload",
                "content-type": "application/octet-stream",
            }
            try:
                response = await self._ask(f"files?{address}", "upload", data, headers, caller)
                body = await _read(response)
            except UpstreamError as error:
                failures += 1
                if failures >= ATTEMPTS or error.status in (400, 401, 404):
                    raise
                await self._sleep(0.5 * 2**failures)
                offset, file = await self._query(address, offset, caller)
                if file is not None:
                    return file
                continue
            failures, offset = 0, offset + len(data)
            if is_last:
                return decode(body, UploadedFile)[0].file

    async def _query(self, address: str, offset: int, caller: Caller) -> tuple[int, File | None]:
        """Ask how far an upload has got: the offset to go on from, or the file if it is complete."""
        headers = {f"{_HEADER}command": "query"}
        response = await self._ask(f"files?{address}", "queryUpload", b"", headers, caller)
        body = await _read(response)
        if response.headers.get(f"{_HEADER}status") == "final" and body:
            return offset, decode(body, UploadedFile)[0].file
        received = response.headers.get(f"{_HEADER}size-received", "")
        return (int(received) if received.isdecimal() else offset), None

    async def _ask(self, path: str, method: str, body: bytes, headers: dict[str, str], caller: Caller) -> Response:
        forwarded = Forwarded(verb="POST", path=path, body=body, method=method, headers=headers, is_upload=True)
        return await self._upstream.forward(forwarded, caller)

    async def _await_other(self, name: str, caller: Caller) -> File:
        """Wait for the file that another process uploads. Raises `UpstreamProtocolError`."""
        for _ in range(PROCESSING_POLLS):
            if (file := await self.find(name, caller)) is not None:
                return file
            await self._sleep(POLL)
        raise UpstreamProtocolError(f"Gemini says that the file {name} exists already, but does not return it.")

    async def _wait_until_usable(self, file: File, caller: Caller) -> File:
        """Wait until Gemini has processed a file (films and sounds). Raises `UpstreamError`."""
        for _ in range(PROCESSING_POLLS):
            if file.state == "FAILED":
                raise FileFailed((file.error.message if file.error else None) or "Gemini cannot process the file.")
            if file.state != "PROCESSING":
                return file
            await self._sleep(POLL)
            processed = await self.find(file.name, caller)
            if processed is None:
                break
            file = processed
        raise FileFailed("Gemini did not finish processing the file.")


async def _read(response: Response) -> bytes:
    """Read a short answer."""
    body = b""
    try:
        while piece := await response.read():
            body += piece
            if len(body) > _MAX_ANSWER:
                raise UpstreamProtocolError("Gemini's answer to an upload is too large.")
    finally:
        await response.aclose()
    return body
