"""The parts of an answer that Gemini needs back: signatures, and whole parts that OpenAI's format would lose."""

from collections.abc import Iterable, Sequence

import msgspec

from adapter.translate.answer.events import AnsweredCall
from adapter.translate.core.context import Context
from adapter.translate.core.part_kinds import PartKind, image_url, is_plain, kind_of
from adapter.translate.signatures.keys import call_key
from adapter.translate.signatures.prefix_digest import answer_form, call_digest, call_spelling, digest
from adapter.wire.base import ABSENT, encode
from adapter.wire.gemini.content import Part
from adapter.wire.signatures import NOTHING, Issued, Signature

_ORDER = {"text": 0, "image": 1, "call": 2}
_SILENT = ("empty", "audio", "thought")


def needs_carrier(parts: Iterable[Part]) -> bool:
    """Return whether OpenAI's format would lose something of these parts.

    It keeps texts, then images, then calls, and one signature: of the last text where there are no calls. Sounds and
    unsigned thoughts are not sent back (ai.google.dev, thinking, 2026-09).
    """
    highest = 0
    signed = False
    for part in parts:
        kind = kind_of(part)
        if _leaves_nothing(part, kind):
            continue
        if kind == "empty" and part.thought_signature:
            kind = "text"
        rank = _ORDER.get(kind)
        if rank is None or rank < highest or (signed and kind != "image") or not is_plain(part):
            return True
        highest = rank
        signed = signed or is_signed_text(part)
    return False


def carrier(parts: Iterable[Part]) -> msgspec.Raw:
    """Return an answer's own parts, without unsigned thoughts, sounds and empty parts."""
    replay_parts = [part for part in parts if not _leaves_nothing(part, kind_of(part))]
    return msgspec.Raw(msgspec.json.format(encode(replay_parts), indent=-1))


def _leaves_nothing(part: Part, kind: PartKind) -> bool:
    return kind in _SILENT and not part.thought_signature and is_plain(part)


def issue(
    parts: Sequence[Part], calls: Sequence[AnsweredCall], text: str, context: Context
) -> tuple[list[Issued], msgspec.Raw | None, str | None]:
    """Return what to store for one answer, its carrier, and the signature of its text."""
    if not calls and all(
        part.text is not None and part == Part(text=part.text, thought=part.thought) for part in parts
    ):
        # It must not be taken for another answer with the same words, of which something is stored.
        return [_by_words(NOTHING, answer_form(text, (), ()), context)] if text else [], None, None
    replay_parts = carrier(parts) if needs_carrier(parts) else None
    signed = next((part.thought_signature for part in reversed(parts) if is_signed_text(part)), None)
    issued = _by_ids(calls, replay_parts, context)
    if calls and context.known_history().keeps_call_ids:
        return issued, replay_parts, signed
    images = [part for part in parts if kind_of(part) == "image"]
    whole = _record_of_answer(calls, images, replay_parts, signed, context)
    digests = [_digest_of(call) for call in calls]
    shown = answer_form(text, list(map(image_url, images)), digests)
    # `NOTHING` is one object for all answers.
    if whole is not NOTHING:
        whole.digest = digest(shown)
    forms = [shown]
    if images:
        forms.append(answer_form(text, (), digests))
    if calls and text:
        forms.append(answer_form("", (), digests))
    return [*issued, *(_by_words(whole, form, context) for form in forms)], replay_parts, signed


def _by_words(record: Signature, form: bytes, context: Context) -> Issued:
    """Return an answer's record by its text, for clients that keep no id of it.

    There is one for each form in which clients keep an answer: many leave images out, or the text beside calls. So an
    answer that looks like another one in such a form makes that one ambiguous.
    """
    return Issued(context.known_history().prefix_digest().key_of_next(form), record, by_words=True)


def _record_of_answer(
    calls: Sequence[AnsweredCall],
    images: Sequence[Part],
    replay_parts: msgspec.Raw | None,
    signed: str | None,
    context: Context,
) -> Signature:
    """Return all parts and signatures of an answer that Gemini wants back."""
    signatures = [part.thought_signature or "" for part in images]
    numbered = [(number, call) for number, call in enumerate(calls) if _has_record(call)]
    if replay_parts is None and not (signed or numbered or any(signatures)):
        return NOTHING
    return Signature(
        value=signed or "",
        origin=context.options.upstream,
        parts=replay_parts if replay_parts is not None else ABSENT,
        calls=[_record_of_call(call, number, context) for number, call in numbered],
        images=signatures if any(signatures) else [],
    )


def _by_ids(calls: Sequence[AnsweredCall], replay_parts: msgspec.Raw | None, context: Context) -> list[Issued]:
    """Return the calls' records by their ids; the answer's carrier is with the first call."""
    issued = []
    for number, call in enumerate(calls):
        if _has_record(call) or (replay_parts is not None and number == 0):
            record = _record_of_call(call, number, context)
            record.parts = replay_parts if replay_parts is not None and number == 0 else ABSENT
            issued.append(Issued(call_key(call.id), record))
    return issued


def _record_of_call(call: AnsweredCall, position: int, context: Context) -> Signature:
    return Signature(
        value=call.signature or "",
        id=call.gemini_id or "",
        origin=context.options.upstream,
        digest=_digest_of(call),
        spelling=call_spelling(call.name, call.arguments),
        position=position,
    )


def _digest_of(call: AnsweredCall) -> str:
    return call_digest(call.name, call.arguments)


def _has_record(call: AnsweredCall) -> bool:
    return bool(call.signature or call.gemini_id)


def issue_by_id(call: AnsweredCall, number: int, context: Context) -> list[Issued]:
    """Return what to store before a streamed call is sent; the rest follows at the end."""
    return [Issued(call_key(call.id), _record_of_call(call, number, context))] if _has_record(call) else []


def is_signed_text(part: Part) -> bool:
    """Return whether this is visible text with a signature; the text may be empty."""
    return part.text is not None and bool(part.thought_signature) and not part.thought


class ReplayParts(msgspec.Struct, eq=False):
    """Gemini's own parts of one choice, and each part's visible text; a whole answer's parts stay unchanged.

    A whole answer has an empty text for each part before the first is kept. `position` is the number of the part that
    was kept last, as paths of notes name it.
    """

    texts: list[str] = []
    parts: list[Part] = []
    position: int = 0

    def keep(self, part: Part, kind: PartKind, number: int) -> None:
        """Remember a part, which is (a piece of) the answer's part of this number."""
        self.parts.append(part)
        self.position = number
        if kind == "text":
            self.texts[number] += part.text or ""

    def end(self) -> None:
        """Record that the last part is complete."""


MAX_PIECES = 16
"""The number of pieces of one text that are kept apart: a short text takes many times the memory of its characters."""


class JoinedParts(ReplayParts, eq=False):
    """The parts of a stream: pieces of one text are joined, and numbers count the joined parts."""

    pieces: list[str] = []
    _open: PartKind = "empty"

    def keep(self, part: Part, kind: PartKind, _number: int) -> None:
        """Remember a part. A signature ends the text that it comes with; a part without content is not remembered."""
        if kind in ("text", "thought") and is_plain(part):
            if self._open != kind:
                if self._open != "empty":
                    self.end()
                self._open = kind
            self.pieces.append(part.text or "")
            if len(self.pieces) > MAX_PIECES:
                self.join_pieces()
            if part.thought_signature:
                self.end(part.thought_signature)
        elif kind != "empty" or part.thought_signature or not is_plain(part):
            self.end()
            self._add(part, kind)
        self.position = len(self.parts) - (self._open == "empty")

    def join_pieces(self) -> None:
        """Join the pieces of the open text."""
        self.pieces = ["".join(self.pieces)]

    def end(self, signature: str | None = None) -> None:
        """End the text that is open."""
        if self._open != "empty":
            thought = True if self._open == "thought" else None
            self._add(Part(text="".join(self.pieces), thought=thought, thought_signature=signature), self._open)
            self.pieces.clear()
            self._open = "empty"

    def _add(self, part: Part, kind: PartKind) -> None:
        self.parts.append(part)
        self.texts.append((part.text or "") if kind == "text" else "")
