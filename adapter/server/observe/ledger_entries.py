"""The ledger as JSON."""

from collections.abc import Sequence

from adapter.translate.core.notes import Note


def listed(notes: Sequence[Note]) -> list[dict[str, str]]:
    """The ledger as JSON."""
    return [entry(note) for note in notes]


def entry(note: Note) -> dict[str, str]:
    """One note as JSON."""
    shown = {"path": note.path, "fate": note.fate.value, "reason": note.reason}
    if note.severity is not None:
        shown |= {"code": note.code, "severity": note.severity.value, "advice": note.advice}
    return shown if note.signature is None else {**shown, "signature": note.signature.value}
