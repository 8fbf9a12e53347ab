"""The place where a history is cut, and the memory of the messages before the cut (`earlier_turns`)."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from adapter.translate.core.earlier_turns import EarlierTurns, StandIns
from adapter.translate.turns.plain_turns import PlainTurns
from adapter.translate.turns.stand_ins import lack_signatures
from adapter.translate.turns.turn_builder import Turn, Turns, speakers_of
from adapter.wire.base import encode
from adapter.wire.gemini.content import Content
from adapter.wire.openai.chat_request import Message


def last_block(value: Sequence[Message], start: int) -> int:
    """Return the index of the message with which the last block begins, behind `start`; 0: there is none."""
    for index in range(len(value) - 1, start, -1):
        if value[index].role == "assistant" and value[index - 1].role != "assistant":
            return index
    return 0


def turns_before_cut(turns: Turns) -> EarlierTurns | None:
    """Return the turns before the cut as JSON, to be remembered; this JSON also replaces them among the turns.

    None if what follows may change them: if the last one is the model's, the next one would join it. None also if they
    name files, since each request is asked anew which files it names.
    """
    cut = turns.sizes_at_cut
    assert cut is not None, "the caller has asked"
    contents = turns.contents[: cut.contents]
    if not contents or contents[-1].role == "model" or any(map(_has_file, contents)):
        return None
    earlier = turns.earlier
    value, start = turns.context.request.messages, 0 if earlier is None else earlier.count
    stood_in = turns.stand_ins_before_cut
    remembered = EarlierTurns(
        count=turns.context.cut,
        contents=_join(contents),
        system=tuple(turns.system[: cut.system]),
        notes=tuple(turns.notes[: cut.notes]),
        placed=tuple(turns.placed[: cut.placed]),
        stand_ins=stood_in or StandIns(),
        is_unsigned=cut.is_unsigned,
        turn=_turn_of(contents, turns),
        speakers=speakers_of(value[start : turns.context.cut]) | (earlier.speakers if earlier else frozenset()),
        shared_roles=turns.shared_roles,
    )
    turns.contents[: cut.contents] = [remembered]
    return remembered


def _turn_of(contents: list[Turn], turns: Turns) -> Literal["", "open", "closed"]:
    """Return "open" if the turns before the cut have stand-ins, "closed" if they would need some in an open turn."""
    if turns.stand_ins_before_cut is not None:
        return "open" if turns.stand_ins_before_cut != StandIns() else ""
    return "closed" if turns.context.capabilities.signatures and lack_signatures(contents) else ""


def _has_file(content: Turn) -> bool:
    return isinstance(content, Content) and any(part.file_data is not None for part in content.parts or ())


def _join(contents: list[Turn]) -> msgspec.Raw:
    """Return turns as JSON with commas between them; hundreds of turns are a megabyte, which is copied only once."""
    pieces: list[bytes | memoryview] = []
    for content in contents:
        if pieces:
            pieces.append(b",")
        if isinstance(content, PlainTurns):
            pieces += content.encode_pieces()
        else:
            pieces.append(encode(content) if isinstance(content, Content) else memoryview(content.encode_turn()))
    return msgspec.Raw(b"".join(pieces))
