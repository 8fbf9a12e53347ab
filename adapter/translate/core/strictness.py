"""Strictness: the losses for which a request is refused, by a level, and by exceptions for single codes."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal

from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Severity
from adapter.translate.core.notes import Fate, Ledger, Note, SharedNotes, own_notes

Policy = Mapping[str, Literal["allow", "reject"]]
"""The operator's choice for single codes, whatever the level; the spellings of version 0.1 count too."""

LOSSES = (Fate.APPROXIMATED, Fate.INJECTED, Fate.DROPPED)


class Strictness(StrEnum):
    """The least severity that is refused; each level also refuses the losses of the levels before it."""

    OFF = "off"
    BREAKS = "breaks"
    ANSWERS = "answers"
    COSTS = "costs"
    ALL = "all"


_GRAVEST_FIRST = tuple(Severity)

_REFUSED = {level: frozenset(_GRAVEST_FIRST[:number]) for number, level in enumerate(Strictness)}

_WORDS = {
    **{level.value: level for level in Strictness},
    **dict.fromkeys(("true", "1", "yes", "on"), Strictness.ANSWERS),
    **dict.fromkeys(("false", "0", "no"), Strictness.OFF),
}


def strictness_of(word: str) -> Strictness | None:
    """Return the level for a word; `true` means `answers`. None for any other word."""
    return _WORDS.get(word.strip().lower())


def refused_losses(notes: Sequence[Note], level: Strictness, policy: Policy) -> list[Note]:
    """Return the losses that the level or the policy refuses, the gravest first."""
    if level is Strictness.OFF and "reject" not in policy.values():
        return []
    losses = [note for note in notes if note.fate in LOSSES and _is_refused(note, level, policy)]
    return sorted(losses, key=_gravity)


def _is_refused(note: Note, level: Strictness, policy: Policy) -> bool:
    decision = policy.get(note.code) or policy.get(note.old_code)
    return note.severity in _REFUSED[level] if decision is None else decision == "reject"


def _gravity(note: Note) -> int:
    return _GRAVITY[note.code]


_GRAVITY = {code: _GRAVEST_FIRST.index(one.severity) for code, one in CODES.items()}
_EXACT, _REJECTED = Fate.EXACT, Fate.REJECTED
"""Tools and long histories have hundreds of notes, and to read a member of an enumeration takes longer than all else
that is asked of one (Python 3.11)."""


def gravest_first(notes: Sequence[Note]) -> list[Note]:
    """Return the losses among notes, the gravest first, else in their order."""
    return sorted([note for note in notes if note.fate in LOSSES], key=_gravity)


def count_losses(notes: Sequence[Note], more: Sequence[Note] = ()) -> dict[str, int]:
    """Return how many losses there are with each code, the gravest first; else in the order in which they come."""
    counts: dict[str, int] = {}
    pieces: Sequence[Sequence[Note]] = notes.pieces() if type(notes) is Ledger and notes.shared else (notes,)
    for piece in (*pieces, more):
        if type(piece) is SharedNotes:
            for code, number in piece.losses.items():
                counts[code] = counts.get(code, 0) + number
        else:
            for note in piece:
                if note.fate is not _EXACT and note.fate is not _REJECTED:
                    counts[note.code] = counts.get(note.code, 0) + 1
    return {code: counts[code] for code in sorted(counts, key=_GRAVITY.__getitem__)} if counts else counts


def counts_by_severity(notes: Sequence[Note], more: Sequence[Note] = ()) -> dict[str, int]:
    """Return how many losses there are of each severity, the gravest first; without those that do not occur."""
    counts: dict[Severity, int] = {}
    for code, number in count_losses(notes, more).items():
        severity = CODES[code].severity
        counts[severity] = counts.get(severity, 0) + number
    for note in (*own_notes(notes), *more):
        if note.fate is _REJECTED:
            counts[Severity.BREAKS] = counts.get(Severity.BREAKS, 0) + 1
    return {severity.value: counts[severity] for severity in _GRAVEST_FIRST if severity in counts} if counts else {}


def how_to_allow(note: Note, level: Strictness) -> str:
    """Return the setting or header that allows a loss, for the error message."""
    milder = next((one for one in reversed(Strictness) if note.severity not in _REFUSED[one]), Strictness.OFF)
    by_level = f"x-adapter-strict: {milder.value}, or " if level is not Strictness.OFF else ""
    return f"{by_level}--notes {note.code}=allow"
