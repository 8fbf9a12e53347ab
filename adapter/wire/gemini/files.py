"""Gemini's Files API (discovery revision 20260325)."""

from adapter.wire.gemini.content import Gemini
from adapter.wire.gemini.errors import Status


class File(Gemini, forbid_unknown_fields=False):
    """One file; `name` starts with `files/`. Its uri is what requests name."""

    name: str = ""
    uri: str = ""
    mime_type: str | None = None
    state: str | None = None
    expiration_time: str | None = None
    error: Status | None = None


class UploadedFile(Gemini, forbid_unknown_fields=False):
    """The answer to the last bytes of an upload."""

    file: File


class NewFileMetadata(Gemini):
    """The fields of a file that are sent before its content."""

    name: str
    mime_type: str
    size_bytes: str


class StartUploadRequest(Gemini):
    """The request that begins an upload."""

    file: NewFileMetadata
