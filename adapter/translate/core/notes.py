"""Notes, which are the ledger's entries, and outcomes, by which rules write them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Severity
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.base import WHOLE
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.surrogates import REPLACED

_INDEX = re.compile(r"\[[^][]*\]?")


class Fate(StrEnum):
    """The possible fates of a field."""

    EXACT = "exact"
    APPROXIMATED = "approximated"
    INJECTED = "injected"
    DROPPED = "dropped"
    REJECTED = "rejected"


class Note(msgspec.Struct, frozen=True, gc=False):
    """One entry of the ledger: the path of a field, its fate, and where it is not `exact` the loss's code, and why.

    An entry about a part's thought signature names its source: the client's own message, the store by the call's id
    or by what the part says, or Gemini's documented stand-in.
    """

    path: str
    fate: Fate
    code: str = ""
    reason: str = ""
    signature: SignatureSource | None = None

    def at(self, path: str) -> "Note":
        """Return the same entry under another path."""
        return Note(path, self.fate, self.code, self.reason, self.signature)

    def below(self, path: str) -> "Note":
        """Return the same entry with `path` in front of its own path."""
        return self.at(f"{path}.{self.path}" if self.path else path)

    @property
    def severity(self) -> Severity | None:
        """The severity of the loss; None without a loss."""
        return severity_of(self.fate, self.code)

    @property
    def advice(self) -> str:
        """The advice about the loss; "" if there is none."""
        return CODES[self.code].advice if self.code else ""

    @property
    def old_code(self) -> str:
        """The spelling of version 0.1 for this kind of note: the path without indexes, and the fate."""
        return _INDEX.sub("", self.path) + "." + self.fate


def severity_of(fate: Fate, code: str) -> Severity | None:
    """Return the severity of a loss; None without a loss. A rejection breaks the answer, whatever its code."""
    if fate is Fate.EXACT:
        return None
    return Severity.BREAKS if fate is Fate.REJECTED else CODES[code].severity


class SharedNotes(tuple[Note, ...]):
    """Notes that many requests have alike, with the number of losses of each code, counted once for all of these.

    None of them refuses a field or names the source of a signature.
    """

    losses: Mapping[str, int]

    @classmethod
    def of(cls, notes: Iterable[Note]) -> "SharedNotes":
        """Return the notes with their numbers."""
        shared = cls(notes)
        shared.losses = Counter([note.code for note in shared if note.fate is not Fate.EXACT])
        return shared


class Ledger(list[Note]):
    """The notes on a request. It knows which of them are shared, so that only its own have to be looked at.

    Notes may be added behind the shared ones, and never in front.
    """

    shared: tuple[tuple[int, SharedNotes], ...] = ()
    """Where shared notes begin, and these."""

    def add_shared(self, notes: SharedNotes) -> None:
        """Add shared notes."""
        self.shared = (*self.shared, (len(self), notes))
        self.extend(notes)

    def pieces(self) -> list[Sequence[Note]]:
        """Return the notes in their order: its own, then shared ones, then its own again, and so on."""
        pieces: list[Sequence[Note]] = []
        start = 0
        for at, notes in self.shared:
            pieces += (self[start:at], notes)
            start = at + len(notes)
        return [*pieces, self[start:]]


def own_notes(notes: Sequence[Note]) -> Sequence[Note]:
    """Return the notes that are not shared."""
    if type(notes) is not Ledger or not notes.shared:
        return notes
    return [note for piece in notes.pieces() if type(piece) is not SharedNotes for note in piece]


class Rejected(Exception):
    """The request is understood, but Gemini cannot do it and a guess would do harm.

    `note` says what and why; `notes` is the ledger as far as it was written.
    """

    def __init__(self, path: str, code: str, reason: str, notes: "list[Note] | None" = None) -> None:
        super().__init__(reason)
        self.note = Note(path, Fate.REJECTED, code, reason)
        self.notes = [self.note] if notes is None else notes


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of a rule: a fragment of Gemini's request (None: it adds nothing) and notes.

    A note with the path "" is about the field itself; `rules.apply` puts the field's name in front of every path, but
    not of those of `placed`, which come last.
    """

    fragment: GenerateContentRequest | None
    notes: tuple[Note, ...]
    placed: tuple[Note, ...] = ()


ARRIVED = (Note("", Fate.EXACT),)
"""The notes of a field that arrives unchanged in meaning."""

EXACT = Outcome(None, ARRIVED)
"""The outcome of a field that arrives unchanged in meaning and adds nothing to the request."""


def exact(
    fragment: GenerateContentRequest | None = None, nested: Iterable[Note] = (), placed: Iterable[Note] = ()
) -> Outcome:
    """Return the outcome of a field that arrives unchanged; `nested` and `placed` are notes on losses inside it."""
    notes, others = tuple(nested), placed if isinstance(placed, tuple) else tuple(placed)
    if not notes and not others:
        return EXACT if fragment is None else Outcome(fragment, ARRIVED)
    return Outcome(fragment, notes, others)


def approximate(
    fragment: GenerateContentRequest | None, code: str, reason: str, nested: Iterable[Note] = ()
) -> Outcome:
    """Return the outcome of a field in whose place something similar is sent."""
    return Outcome(fragment, (Note("", Fate.APPROXIMATED, code, reason), *nested))


def drop(code: str, reason: str) -> Outcome:
    """Return the outcome of a field that is not sent."""
    return Outcome(None, (Note("", Fate.DROPPED, code, reason),))


def reject(code: str, reason: str, path: str = "") -> Outcome:
    """Return the outcome of a field because of which the request is refused."""
    return Outcome(None, (Note(path, Fate.REJECTED, code, reason),))


def unknown_notes(unknown: Mapping[str, msgspec.Raw]) -> list[Note]:
    """Return the notes on oddities found while decoding a request: unknown fields and halves of characters."""
    return [_unknown_note(path, value) for path, value in unknown.items()]


def _unknown_note(path: str, value: msgspec.Raw) -> Note:
    if value is REPLACED:
        return Note(path, Fate.APPROXIMATED, "character-replaced", HALF)
    if value is WHOLE:
        return Note(path, Fate.APPROXIMATED, "number-spelling", "a whole number, written with a point")
    return Note(path, Fate.DROPPED, "unknown-field", "not a field that this adapter knows")


HALF = "half of a character became U+FFFD"
