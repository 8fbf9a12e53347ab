"""The state of translating messages: turns, system texts, calls and notes."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import msgspec

from adapter.translate.content import content_parts as media
from adapter.translate.core.context import Context
from adapter.translate.core.earlier_turns import EarlierTurns, Speaker, StandIns
from adapter.translate.core.kinds import MESSAGES
from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.rules import Fields
from adapter.translate.signatures.history import History
from adapter.translate.signatures.sources import SignatureSource
from adapter.translate.turns.plain_turns import PlainTurns
from adapter.wire.gemini.content import Content, FunctionCall, Part
from adapter.wire.openai.chat_request import Message


class HistoryCall(msgspec.Struct, frozen=True, gc=False):
    """A function call in the history: its id as the client knows it, its path in the request, and Gemini's part."""

    id: str
    path: str
    part: FunctionCall


SENT_BACK = "its thought signature is sent back"


Turn = Content | PlainTurns | EarlierTurns
"""One turn, or several that are written already."""


class Cut(NamedTuple):
    """The sizes of all lists at the message before which a history is cut."""

    contents: int
    system: int
    notes: int
    placed: int
    is_unsigned: bool


class Turns(msgspec.Struct, eq=False):
    """The contents so far, and the notes on them.

    `shared_roles`: several names speak in them. `unsigned`: calls may be among them without a signature. `placed` are
    notes whose paths start at the request, and not below `messages`. They may go on from `earlier` ones.
    `sizes_at_cut` is how long the lists were where the history is cut; `stand_ins_before_cut` are the stand-ins before
    it, if the current turn began there.
    """

    context: Context
    history: History
    earlier: EarlierTurns | None = None
    contents: list[Turn] = []
    system: list[Part] = []
    calls: list[HistoryCall] = []
    unsigned: bool = False
    shared_roles: frozenset[str | None] = frozenset()
    notes: list[Note] = []
    placed: list[Note] = []
    sizes_at_cut: Cut | None = None
    stand_ins_before_cut: StandIns | None = None

    is_traced: ClassVar[bool] = False
    """True if `trace` records anything. Code that makes many parts may skip the calls otherwise."""

    def mark_cut(self) -> None:
        """Take note that the message is reached before which the history is cut."""
        self.sizes_at_cut = Cut(len(self.contents), len(self.system), len(self.notes), len(self.placed), self.unsigned)

    def note(self, path: str, fate: Fate, code: str, reason: str) -> None:
        """Write a note; paths start below `messages`."""
        self.notes.append(Note(path, fate, code, reason))

    def note_signature(self, path: str, source: SignatureSource) -> None:
        """Note the source of a part's thought signature."""
        self.notes.append(Note(path, Fate.EXACT, reason=SENT_BACK, signature=source))

    def trace(self, place: int | str, parts: list[Part]) -> None:
        """Take note of the parts that come from a message, by its index, or from a path; see `trace.TracedTurns`."""

    def say(self, role: str, parts: list[Part]) -> None:
        """Add a turn; a turn without parts is left out, and two of the model's in a row are one."""
        last = self.contents[-1] if self.contents else None
        if isinstance(last, Content) and last.role == role == "model":
            last.parts = last.parts or []
            last.parts.extend(parts)
        elif parts:
            # A list of its own, which grows: to copy it for each message would be quadratic.
            self.contents.append(Content(role=role, parts=list(parts)))


def parts_of(message: Message, index: int, turns: Turns) -> list[Part]:
    """Return a message's content as parts, and notes on what any message may carry beside it."""
    note_losses(message, index, turns)
    content = message.content
    if content is None or isinstance(content, str):
        parts = [Part(text=content)] if content else []
    else:
        parts = media.parts_of(content, f"[{index}].content", turns.context, turns.notes)
    if turns.is_traced:
        turns.trace(index, parts)
    return parts


def note_losses(message: Message, index: int, turns: Turns) -> None:
    """Note a message's fields beside its content, and fields that its role does not have."""
    if foreign := MESSAGES.foreign(message):
        reason = f"{message.role} messages have no such field"
        turns.notes += [media.loss_note(f"[{index}].{name}", "unknown-field", reason) for name in foreign]
    if message.name and message.role not in ("function", "tool"):
        turns.notes.append(name_note(f"[{index}]", message.role, turns.shared_roles))
    for name, value in _WITHOUT_PLACE.list_sent(message):
        # Many clients send an empty reasoning text in each message, and then nothing is lost.
        if value != "":
            turns.notes.append(media.loss_note(f"[{index}].{name}", *_LOSSES[name]))


_THOUGHTS = ("thoughts-not-replayed", "thoughts are not sent back: the signatures stand for them")
_LOSSES = {
    "reasoning_content": _THOUGHTS,
    "reasoning": _THOUGHTS,
    "reasoning_details": _THOUGHTS,
    "annotations": ("answer-echo-dropped", "has no place in Gemini's contents"),
    "thinking_blocks": _THOUGHTS,
    "parsed": ("answer-echo-dropped", "has no place in Gemini's contents"),
    "cache_control": ("cache-hint-ignored", "Gemini finds reusable prefixes itself (implicit caching)"),
}
"""Fields that have no place in Gemini's contents: the code and the reason of their notes."""
_WITHOUT_PLACE = Fields(Message, tuple(_LOSSES))


def speakers_of(messages: Iterable[Message]) -> frozenset[Speaker]:
    """Return the roles and names of messages that have a name."""
    return frozenset((message.role, message.name) for message in messages if message.name)


def shared_roles(speakers: Iterable[Speaker]) -> frozenset[str | None]:
    """Return the roles in which several names speak; `speakers` has the role and name of each named message."""
    names: dict[str | None, set[str]] = {}
    for role, name in speakers:
        names.setdefault(role, set()).add(name)
    return frozenset(role for role, several in names.items() if len(several) > 1)


def name_note(path: str, role: str | None, shared: frozenset[str | None]) -> Note:
    """Return the note on a message's name; where a role has one name alone, it is clear who speaks."""
    if role in shared:
        reason = f"Gemini knows no names: it cannot tell the participants of the role {role!r} apart"
        return Note(f"{path}.name", Fate.DROPPED, "participants-merged", reason)
    return Note(f"{path}.name", Fate.DROPPED, "participant-name-dropped", "Gemini knows no participants' names")
