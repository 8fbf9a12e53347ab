"""What became of each field: the ledger's entries, and the outcomes of rules that write them."""

import re
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from adapter.wire.gemini.generate import GenerateContentRequest

_INDEX = re.compile(r"\[[^][]*\]?")


class Fidelity(StrEnum):
    """What a field's fate was."""

    EXACT = "exact"
    APPROXIMATED = "approximated"
    INJECTED = "injected"
    DROPPED = "dropped"
    REJECTED = "rejected"


class SignatureSource(StrEnum):
    """Where the thought signature of a part of the history came from."""

    CLIENT = "client"
    ID = "id"
    HASH = "hash"
    STAND_IN = "stand-in"


class Note(msgspec.Struct, frozen=True, gc=False):
    """One entry of the ledger: the path of a field, its fate, and why where it is not `exact`.

    An entry about a part's thought signature names its source: the client's own message, the store by the call's id
    or by what the part says, or Gemini's documented stand-in.
    """

    path: str
    fidelity: Fidelity
    reason: str = ""
    signature: SignatureSource | None = None

    def at(self, path: str) -> "Note":
        """The same entry under another path."""
        return Note(path, self.fidelity, self.reason, self.signature)

    @property
    def code(self) -> str:
        """A stable name for this kind of note: the path without indexes, and the fate."""
        return _INDEX.sub("", self.path) + "." + self.fidelity


class Rejected(Exception):
    """The request is understood, but Gemini cannot do it and a guess would do harm.

    `note` says what and why; `notes` is the ledger as far as it was written.
    """

    def __init__(self, path: str, reason: str, notes: "list[Note] | None" = None) -> None:
        super().__init__(reason)
        self.note = Note(path, Fidelity.REJECTED, reason)
        self.notes = [self.note] if notes is None else notes


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a rule returns: a fragment of Gemini's request (None: it adds nothing) and notes.

    A note with the path "" is about the field itself; `rules.apply` puts the field's name in front of every path.
    """

    fragment: GenerateContentRequest | None
    notes: tuple[Note, ...]


ARRIVED = (Note("", Fidelity.EXACT),)
"""The notes of a field that arrives as it was meant."""

_WITHOUT_FRAGMENT = Outcome(None, ARRIVED)


def exact(fragment: GenerateContentRequest | None = None, nested: Iterable[Note] = ()) -> Outcome:
    """The field arrives as it was meant; `nested` tells what was lost inside it."""
    notes = tuple(nested) or ARRIVED
    return _WITHOUT_FRAGMENT if fragment is None and notes is ARRIVED else Outcome(fragment, notes)


def approximated(fragment: GenerateContentRequest | None, reason: str, nested: Iterable[Note] = ()) -> Outcome:
    """The field arrives as something close to what was meant."""
    return Outcome(fragment, (Note("", Fidelity.APPROXIMATED, reason), *nested))


def dropped(reason: str) -> Outcome:
    """The field does not arrive."""
    return Outcome(None, (Note("", Fidelity.DROPPED, reason),))


def rejected(reason: str, path: str = "") -> Outcome:
    """The request cannot be served with this field."""
    return Outcome(None, (Note(path, Fidelity.REJECTED, reason),))
