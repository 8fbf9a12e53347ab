"""Notes of the ledger as JSON, for answers, the dry run and the page."""

from collections.abc import Sequence

from adapter.translate.core.notes import Note


def notes_as_json(notes: Sequence[Note]) -> list[dict[str, str]]:
    """Convert notes to JSON objects."""
    return [note_as_json(note) for note in notes]


def note_as_json(note: Note) -> dict[str, str]:
    """Convert a note to a JSON object: path, fate and reason, and for a loss its code, severity and advice."""
    shown = {"path": note.path, "fate": note.fate.value, "reason": note.reason}
    if note.severity is not None:
        shown |= {"code": note.code, "severity": note.severity.value, "advice": note.advice}
    return shown if note.signature is None else {**shown, "signature": note.signature.value}
