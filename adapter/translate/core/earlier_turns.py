"""The translation of a history's first messages, for the next request that begins with the same ones.

They end where a block of messages begins (`messages`): an assistant's message behind one that is not. So what follows
them adds turns behind theirs and changes none of them, but for two things, which are asked of it (`StaleTurns`):

    stand-ins    are sent in the current turn alone: what is said later takes them away, or asks for them
    names        of messages: whether several participants share a role is asked of the whole history
"""

from typing import Literal

import msgspec

from adapter.translate.core.notes import Note, Outcome
from adapter.wire.gemini.content import Part

Speaker = tuple[str | None, str]
"""The role and the name of a message."""


class StaleTurns(Exception):
    """Later messages change the translation of the first ones: the whole history must be read again."""


class StandIns(msgspec.Struct, frozen=True, gc=False):
    """The notes on stand-ins, the last call's first, as `notes` and `placed` of `EarlierTurns`."""

    notes: tuple[Note, ...] = ()
    placed: tuple[Note, ...] = ()


class EarlierTurns(msgspec.Struct, frozen=True, gc=False):
    """The turns of the first messages, `count` of these, as JSON with commas between them.

    `notes` (whose paths start below `messages`) and `placed` (at the request) are the notes on them, but for those on
    stand-ins. `shared_roles` are those of the whole history, by which the notes on names were written.
    `is_unsigned`: calls may be among them without a signature. `turn`: stand-ins hold for a current turn that began
    in them ("open"), or would be missed in one ("closed"); "": neither, nothing lacks a signature.
    """

    count: int
    contents: msgspec.Raw
    system: tuple[Part, ...]
    notes: tuple[Note, ...]
    placed: tuple[Note, ...]
    stand_ins: StandIns
    is_unsigned: bool
    turn: Literal["", "open", "closed"]
    speakers: frozenset[Speaker]
    shared_roles: frozenset[str | None]

    role = "user"
    """The role of the last turn."""

    def encode_turn(self) -> msgspec.Raw:
        """Return all turns as JSON."""
        return self.contents

    @property
    def size_bytes(self) -> int:
        """Return an estimate of the memory in bytes."""
        texts = sum([len(part.text or "") for part in self.system])
        notes = len(self.notes) + len(self.placed) + len(self.stand_ins.notes) + len(self.stand_ins.placed)
        return len(memoryview(self.contents)) + texts + _NOTE * notes


_NOTE = 200
"""Bytes of memory that a note takes together with its path."""


class TurnsOutcome(Outcome, frozen=True, gc=False):
    """The outcome of the rule of messages whose first ones are to be remembered; None: they cannot be."""

    earlier: EarlierTurns | None = None
