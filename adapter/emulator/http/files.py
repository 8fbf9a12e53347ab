"""The Files API, as far as chats need it: files are uploaded, read, listed, deleted, and named in requests."""

import base64
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from adapter.emulator.core.errors import Refusal, invalid
from adapter.emulator.http.wire_form import pretty

JSON = "application/json; charset=UTF-8"
ADDRESS = "https://generativelanguage.googleapis.com/v1beta/"
PIECE = 256 * 1024
LIFETIME = 48 * 3600
"""Files are kept for two days (ai.google.dev, Files API, 2026)."""

DEFAULT_PAGE = 10
LARGEST_PAGE = 100

VERSIONS = ("v1beta", "v1")
_ADDRESSES = re.compile(r"https://generativelanguage\.googleapis\.com/v1(?:beta)?/(files/.+)")
_NAME = re.compile(r"files/[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class Content:
    """Bytes on the disk, in a file without a name: it goes with the last who uses it."""

    def __init__(self) -> None:
        self._descriptor, path = mkstemp()
        Path(path).unlink()
        self.size = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        while data:
            written = os.pwrite(self._descriptor, data, self.size)
            self.size += written
            data = data[written:]

    def read(self, offset: int, size: int) -> bytes:
        """Read some bytes from an offset on."""
        return os.pread(self._descriptor, size, offset)

    def lines(self) -> Iterator[bytes]:
        """Read line by line."""
        left, offset = b"", 0
        while piece := self.read(offset, PIECE):
            offset += len(piece)
            *complete, left = (left + piece).split(b"\n")
            yield from complete
        if left:
            yield left

    def __del__(self) -> None:
        os.close(self._descriptor)


@dataclass
class Upload:
    """An upload that has begun: the client's description of the file, the bytes so far, their digest."""

    name: str
    metadata: dict[str, Any]
    mime_type: str
    key: str
    data: Content = field(default_factory=Content)
    digest: Any = field(default_factory=hashlib.sha256)


class Files:
    """All files of one emulator: facts in memory, contents in unnamed temporary files."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._files: dict[str, dict[str, Any]] = {}
        self._contents: dict[str, Content] = {}
        self._keys: dict[str, str] = {}
        self._uploads: dict[str, Upload] = {}

    def begin(self, metadata: dict[str, Any], mime_type: str, key: str = "") -> str:
        """Begin an upload; return its id."""
        name = metadata.get("name") or f"files/{secrets.token_hex(6)}"
        if not _NAME.fullmatch(name):
            raise invalid("The file name may hold lowercase letters, digits and dashes, 40 at most.")
        self._forget_expired()
        if name in self._files:
            raise Refusal(409, f"File {name} already exists.")
        upload_id = secrets.token_hex(16)
        type_ = metadata.get("mimeType") or mime_type or "application/octet-stream"
        self._uploads[upload_id] = Upload(name, metadata, type_, key)
        return upload_id

    def receive(self, upload_id: str, offset: int, data: bytes, *, last: bool) -> dict[str, Any] | None:
        """Add bytes to an upload; the file, when these were the last."""
        upload = self._uploads.get(upload_id)
        if upload is None or upload.name in self._files or offset != upload.data.size:
            raise invalid("The upload is unknown, or the offset is not where it stopped.")
        upload.data.append(data)
        upload.digest.update(data)
        if not last:
            return None
        self._keys[upload.name] = upload.key
        self._contents[upload.name] = upload.data
        self._files[upload.name] = self._resource(upload)
        return self._files[upload.name]

    def get_progress(self, upload_id: str) -> tuple[int, dict[str, Any] | None]:
        """Return how many bytes of an upload have come, and the file if those were all."""
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise invalid("The upload is unknown, or the offset is not where it stopped.")
        return upload.data.size, self._files.get(upload.name)

    def generate(self, data: Content, mime_type: str, key: str) -> dict[str, Any]:
        """Keep a file that the server has made, which alone can be downloaded."""
        name = f"files/batch-{secrets.token_hex(8)}"
        file = self._resource(Upload(name, {}, mime_type, key, data)) | {
            "source": "GENERATED",
            "downloadUri": f"{ADDRESS}{name}:download?alt=media",
        }
        self._keys[name], self._contents[name], self._files[name] = key, data, file
        return file

    def content(self, name: str, key: str = "") -> Content:
        """Return the content of a file."""
        self.get(name, key)
        return self._contents[name]

    def _forget_expired(self) -> None:
        """Delete files 48 hours after they came."""
        now = timestamp(self._clock())
        for name in [name for name, file in self._files.items() if file["expirationTime"] <= now]:
            del self._files[name]

    def _resource(self, upload: Upload) -> dict[str, Any]:
        now = self._clock()
        digest = upload.digest.hexdigest().encode()
        return {
            "name": upload.name,
            **({"displayName": upload.metadata["displayName"]} if "displayName" in upload.metadata else {}),
            "mimeType": upload.mime_type,
            "sizeBytes": str(upload.data.size),
            "createTime": timestamp(now),
            "updateTime": timestamp(now),
            "expirationTime": timestamp(now + LIFETIME),
            "sha256Hash": base64.b64encode(digest).decode(),
            "uri": ADDRESS + upload.name,
            "state": "ACTIVE",
            "source": "UPLOADED",
        }

    def get(self, name: str, key: str = "") -> dict[str, Any]:
        """Return a file of this key. Unknown files and other keys' are forbidden, not missing, as at Gemini."""
        self._forget_expired()
        if name not in self._files or (key and self._keys[name] not in ("", key)):
            short = name.removeprefix("files/")
            raise Refusal(403, f"You do not have permission to access the File {short} or it may not exist.")
        return self._files[name]

    def delete(self, name: str, key: str = "") -> None:
        """Forget a file."""
        self.get(name, key)
        del self._files[name]

    def page(self, size: int, start: int, key: str = "") -> dict[str, Any]:
        """Return some files of this key; the token is the number of the next one."""
        self._forget_expired()
        rows = [file for name, file in self._files.items() if not key or self._keys[name] in ("", key)]
        listing: dict[str, Any] = {"files": rows[start : start + size]} if rows else {}
        if start + size < len(rows):
            listing["nextPageToken"] = str(start + size)
        return listing

    def check(self, request: dict[str, Any], key: str = "") -> None:
        """Check that every file that a request names is there and belongs to this key."""
        for uri in file_uris(request.get("contents", [])):
            if found := _ADDRESSES.fullmatch(uri):
                self.get(found[1], key)


def file_uris(contents: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the addresses of all files that contents name."""
    for content in contents:
        for part in content.get("parts", []):
            if "fileData" in part:
                yield part["fileData"].get("fileUri", "")


def camel(name: str) -> str:
    """Return a field's JSON name; both spellings are taken (protobuf.dev, ProtoJSON)."""
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def timestamp(seconds: float) -> str:
    """Return a time as RFC 3339, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"


class FileEndpoints:
    """The Files API over HTTP: a resumable upload in one or more pieces, and the files themselves."""

    def __init__(self, files: Files, authorise: Callable[[Request], None], largest: int) -> None:
        self._files = files
        self._authorise = authorise
        self._largest = largest

    def routes(self) -> list[Route]:
        """Return the routes of files, under both versions: google-genai asks v1 (3.4.0)."""
        return [route for version in VERSIONS for route in self._routes(version)]

    def _routes(self, version: str) -> Iterator[Route]:
        yield Route(f"/upload/{version}/files", self.upload, methods=["POST"])
        yield Route(f"/{version}/files", self.list, methods=["GET"])
        yield Route(f"/{version}/files/{{name}}:download", self.download, methods=["GET"])
        yield Route(f"/download/{version}/files/{{name}}:download", self.download, methods=["GET"])
        yield Route(f"/{version}/files/{{name}}", self.get_or_delete, methods=["GET", "DELETE"])

    async def upload(self, request: Request) -> Response:
        """Answer one step of an upload: `start` gets a URL, `upload` and `upload, finalize` send bytes there.

        The address is a secret of its own: no key comes with the bytes.
        """
        commands = {word.strip() for word in request.headers.get("x-goog-upload-command", "").split(",")}
        if commands == {"start"}:
            return await self._start(request)
        if commands == {"query"}:
            return self._query(request)
        if not commands <= {"upload", "finalize"} or "upload_id" not in request.query_params:
            raise invalid("Only resumable uploads are served: start; upload; finalize.")
        data = await self._read(request)
        offset = request.headers.get("x-goog-upload-offset", "0")
        last = "finalize" in commands
        upload_id = request.query_params["upload_id"]
        file = self._files.receive(upload_id, int(offset) if offset.isdigit() else -1, data, last=last)
        headers = {"x-goog-upload-status": "final" if last else "active"}
        return Response(pretty({"file": file}) if file else b"", media_type=JSON, headers=headers)

    def _query(self, request: Request) -> Response:
        """Answer how many bytes of an upload have arrived, for a client whose connection broke."""
        size, file = self._files.get_progress(request.query_params.get("upload_id", ""))
        headers = {
            "x-goog-upload-status": "final" if file else "active",
            "x-goog-upload-size-received": str(size),
        }
        return Response(pretty({"file": file}) if file else b"", media_type=JSON, headers=headers)

    async def _start(self, request: Request) -> Response:
        self._authorise(request)
        metadata = await request.json() if await request.body() else {}
        mime_type = request.headers.get("x-goog-upload-header-content-type", "")
        file = {camel(name): value for name, value in (metadata.get("file") or {}).items()}
        upload_id = self._files.begin(file, mime_type, key_of(request))
        url = request.url.include_query_params(upload_id=upload_id)
        return Response(headers={"x-goog-upload-status": "active", "x-goog-upload-url": str(url)})

    async def _read(self, request: Request) -> bytes:
        data = bytearray()
        async for piece in request.stream():
            data += piece
            if len(data) > self._largest:
                raise invalid(f"Request payload size exceeds the limit: {self._largest} bytes.")
        return bytes(data)

    async def list(self, request: Request) -> Response:
        """Answer `files.list`."""
        self._authorise(request)
        size, token = request.query_params.get("pageSize", ""), request.query_params.get("pageToken", "")
        if not all(text.isdigit() for text in (size, token) if text):
            raise invalid("Request contains an invalid argument.")
        page = self._files.page(min(int(size or 0) or DEFAULT_PAGE, LARGEST_PAGE), int(token or 0), key_of(request))
        return Response(pretty(page), media_type=JSON)

    async def get_or_delete(self, request: Request) -> Response:
        """Answer `files.get` and `files.delete`."""
        self._authorise(request)
        name = f"files/{request.path_params['name']}"
        if request.method == "DELETE":
            self._files.delete(name, key_of(request))
            return Response(pretty({}), media_type=JSON)
        return Response(pretty(self._files.get(name, key_of(request))), media_type=JSON)

    async def download(self, request: Request) -> Response:
        """Answer with the content of a generated file: a user's own cannot be downloaded (google-genai, `files.py`)."""
        self._authorise(request)
        name = f"files/{request.path_params['name']}"
        if self._files.get(name, key_of(request))["source"] != "GENERATED":
            raise invalid(f"File {name} is not downloadable: only files that were generated are.")
        if request.query_params.get("alt") != "media":
            raise invalid("Only alt=media is served.")
        return StreamingResponse(pieces(self._files.content(name)), media_type="application/octet-stream")


async def pieces(content: Content) -> AsyncIterator[bytes]:
    """Read a content piece by piece."""
    offset = 0
    while piece := content.read(offset, PIECE):
        offset += len(piece)
        yield piece


def key_of(request: Request) -> str:
    """Return the key of a request, whose project its files belong to."""
    bearer = request.headers.get("authorization", "").partition(" ")[2]
    key: str = request.headers.get("x-goog-api-key") or request.query_params.get("key") or bearer.strip()
    return key
