"""/v1/files and /v1/uploads: the meaning of a new file's fields here."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.wire.openai.files import ExpiresAfter, UploadRequest

MIN_LIFE, MAX_LIFE = 3_600, 2_592_000
"""Seconds after which a client may have a file expire (openai-python 3.57.0, `file_create_params.py`)."""

READ = ("batch", "user_data", "vision", "assistants")
"""Purposes whose files something here reads: batches, and requests that name a file."""

STORED = ("fine-tune", "evals")
"""Purposes of endpoints that are not served: their files are stored, and can be downloaded."""

_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"
_DIGITS = 12

FORM = ("purpose", _ANCHOR, _SECONDS)
"""The fields of a form beside the file."""

MAX_NAME = 512
"""Characters of a file's name (Gemini's limit of a display name; ai.google.dev/api/files, 2026)."""

UPLOAD_LIFE = 3_600
"""Seconds after which an upload that was not completed expires (platform.openai.com, Uploads, 2026)."""

MAX_PART = 64 * 1024 * 1024
"""Bytes of one part of an upload (the same)."""


class NewFile(NamedTuple):
    """A file to store. `life` is in seconds; `mime_type` is the client's, or empty."""

    name: str
    purpose: str
    life: int
    mime_type: str
    notes: list[Note]


def of_form(form: Mapping[str, str], name: str, mime_type: str, max_life: int) -> NewFile:
    """Read the fields of a form. `max_life`: seconds for which this server keeps anything. Raises `Rejected`."""
    if not form.get("purpose"):
        raise Rejected("purpose", "value-missing", "the form has no purpose")
    seconds, anchor = form.get(_SECONDS), form.get(_ANCHOR)
    if seconds is not None and not (seconds.isascii() and seconds.isdecimal() and len(seconds) < _DIGITS):
        raise Rejected("expires_after.seconds", "malformed-value", "must be a whole number")
    expires = ExpiresAfter(anchor=anchor, seconds=None if seconds is None else int(seconds))
    new = _new_file(name, form["purpose"], expires if expires != ExpiresAfter() else None, mime_type, max_life)
    return new._replace(notes=[*_note_unknown(name for name in form if name not in FORM), *new.notes])


def _note_unknown(paths: Iterable[str]) -> list[Note]:
    reason = "not a field that this adapter knows"
    return [Note(path[:100], Fate.DROPPED, "unknown-field", reason) for path in paths]


def of_upload(request: UploadRequest, unknown: Iterable[str], max_bytes: int, max_life: int) -> NewFile:
    """Read the fields of an upload, whose file may have at most `max_bytes`. Raises `Rejected`."""
    if request.bytes < 1:
        raise Rejected("bytes", "out-of-range", "must be at least 1")
    if request.bytes > max_bytes:
        raise Rejected("bytes", "limit-exceeded", f"at most {max_bytes} bytes are taken (the setting file_max_bytes)")
    new = _new_file(request.filename, request.purpose, request.expires_after, request.mime_type, max_life)
    return new._replace(notes=[*_note_unknown(unknown), *new.notes])


def _new_file(name: str, purpose: str, expires: ExpiresAfter | None, mime_type: str, max_life: int) -> NewFile:
    if purpose not in (*READ, *STORED):
        raise Rejected("purpose", "unknown-value", f"one of {', '.join((*READ, *STORED))}")
    notes = []
    if purpose in STORED:
        reason = "the file is stored and can be downloaded; nothing on this server reads it"
        notes.append(Note("purpose", Fate.APPROXIMATED, "purpose-not-served", reason))
    life = seconds_of(expires, "expires_after", max_life, notes)
    readable = "".join(character if character.isprintable() else " " for character in name)
    return NewFile(readable[:MAX_NAME] or "file", purpose, life, mime_type, notes)


def seconds_of(expires: ExpiresAfter | None, path: str, max_life: int, notes: list[Note]) -> int:
    """Return for how many seconds a file is stored, with a note if that is shorter than asked. Raises `Rejected`."""
    if expires is None:
        return max_life
    if expires.anchor != "created_at":
        raise Rejected(f"{path}.anchor", "unknown-value", "must be created_at")
    if expires.seconds is None or not MIN_LIFE <= expires.seconds <= MAX_LIFE:
        raise Rejected(f"{path}.seconds", "out-of-range", f"from {MIN_LIFE} to {MAX_LIFE}")
    if expires.seconds > max_life:
        reason = f"this server keeps nothing longer than {max_life} s (the setting responses_max_age)"
        notes.append(Note(f"{path}.seconds", Fate.APPROXIMATED, "life-shortened", reason))
    return min(expires.seconds, max_life)
