"""/v1/files and /v1/uploads (openai-python 3.57.0, `file_object.py`, `upload.py`)."""

from typing import Annotated

import msgspec

from adapter.wire.base import Wire


class FileObject(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A stored file. `bytes` is its size, times are Unix seconds."""

    id: str
    object: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str
    expires_at: int | None = None
    status_details: str | None = None


class FileList(Wire):
    """A page of files."""

    object: str
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ExpiresAfter(Wire):
    """The life of a file: seconds after an anchor."""

    anchor: str | None = None
    seconds: int | None = None


_CONTENT = msgspec.Meta(extra_json_schema={"format": "binary"})


class FileForm(Wire, rename={"anchor": "expires_after[anchor]", "seconds": "expires_after[seconds]"}):
    """The form that uploads a file. Nested fields are written with brackets, as openai-python writes them."""

    file: Annotated[str, _CONTENT]
    purpose: str
    anchor: str | None = None
    seconds: int | None = None


class UploadRequest(Wire):
    """An upload that is to come in parts."""

    bytes: int
    filename: str
    mime_type: str
    purpose: str
    expires_after: ExpiresAfter | None = None


class Upload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An upload in parts, and the file that it became."""

    id: str
    object: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str
    expires_at: int
    file: FileObject | None = None


class UploadPart(msgspec.Struct, kw_only=True):
    """One part of an upload."""

    id: str
    object: str
    created_at: int
    upload_id: str


class UploadPartForm(Wire):
    """The form that brings a part; its content is the part `data`."""

    data: Annotated[str, _CONTENT]


class CompleteUploadRequest(Wire):
    """The parts of a file in their order, and perhaps its MD5 sum in hexadecimal digits."""

    part_ids: list[str]
    md5: str | None = None


class StoredFile(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The stored record of a file, without its content."""

    file: FileObject
    mime_type: str = ""


class StoredUpload(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The stored record of an upload. `expires_after` is the life of its file in seconds."""

    upload: Upload
    mime_type: str
    expires_after: int
