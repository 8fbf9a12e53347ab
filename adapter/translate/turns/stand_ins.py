"""The documented stand-in for thought signatures that were lost, in the current turn alone.

A turn begins with what a user says, and goes on over calls and their results. Gemini wants a signature on the first
call of each of its steps, and looks at no earlier turn.
"""

from itertools import takewhile
from operator import attrgetter

from adapter.translate.core.earlier_turns import EarlierTurns, StaleTurns, StandIns
from adapter.translate.core.notes import Fate, Note
from adapter.translate.signatures import keys as signatures
from adapter.translate.signatures.sources import SignatureSource
from adapter.translate.turns.plain_turns import PlainTurns
from adapter.translate.turns.turn_builder import Turn, Turns
from adapter.wire.gemini.content import Content, Part


def stand_in(turns: Turns) -> None:
    """Sign the first call of each step of the current turn, if it is `unsigned`, and note it. Raises `StaleTurns`."""
    if not turns.context.capabilities.signatures:
        return
    added = _Added(turns)
    for content in takewhile(_goes_on, reversed(turns.contents)):
        added.sign(content)
    if turns.earlier is not None and turns.earlier.turn == "open" and not added.has_reached_earlier:
        # The turn has ended since.
        raise StaleTurns
    if added.counts_after_cut is not None:
        notes, placed = added.counts_after_cut
        turns.stand_ins_before_cut = StandIns(tuple(added.notes[notes:]), tuple(added.placed[placed:]))
    turns.notes += added.notes
    turns.placed += added.placed


class _Added:
    """The stand-ins of the current turn, from its end on.

    `counts_after_cut` are the numbers of `notes` and `placed` behind the cut: those that follow stand before it.
    """

    def __init__(self, turns: Turns) -> None:
        self.notes: list[Note] = []
        self.placed: list[Note] = []
        self.has_reached_earlier = False
        self.counts_after_cut: tuple[int, int] | None = None
        self._turns = turns
        self._paths: dict[int, str] | None = None
        self._left = len(turns.contents)

    def sign(self, content: Turn) -> None:
        """Sign what these turns lack; the last ones come first. Raises `StaleTurns`."""
        if (sizes_at_cut := self._turns.sizes_at_cut) is not None and self._left == sizes_at_cut.contents:
            self.counts_after_cut = len(self.notes), len(self.placed)
        self._left -= 1
        if isinstance(content, EarlierTurns):
            self.has_reached_earlier = True
            if content.turn == "closed":
                raise StaleTurns
            self.notes += content.stand_ins.notes
            self.placed += content.stand_ins.placed
        elif isinstance(content, PlainTurns):
            self.placed += [_note(path) for path in reversed(content.stand_in())]
        elif (part := _unsigned_call(content)) is not None:
            part.thought_signature = signatures.SENTINEL
            self.notes.append(_note(self._path(part)))

    def _path(self, part: Part) -> str:
        if self._paths is None:
            self._paths = {id(call.part): call.path for call in self._turns.calls}
        return self._paths[id(part.function_call)]


def lack_signatures(contents: list[Turn]) -> bool:
    """Return whether stand-ins would be missed in these turns if theirs went on."""
    return any(
        content.turn == "closed"
        if isinstance(content, EarlierTurns)
        else content.lacks_signatures
        if isinstance(content, PlainTurns)
        else _unsigned_call(content) is not None
        for content in takewhile(_goes_on, reversed(contents))
    )


def _unsigned_call(content: Content) -> Part | None:
    """Return the first call of a turn of the model's, if it has no signature."""
    if content.role != "model":
        return None
    first = next(filter(_CALL, content.parts or ()), None)
    return first if first is not None and not first.thought_signature else None


def _goes_on(content: Turn) -> bool:
    """Return whether a turn goes on with it: one begins with what a user says, not with results."""
    return not isinstance(content, Content) or content.role == "model" or all(map(_RESULT, content.parts or ()))


def _note(path: str) -> Note:
    return Note(path, Fate.INJECTED, "signature-stand-in", _STAND_IN, SignatureSource.STAND_IN)


_STAND_IN = "no thought signature is known for this call: the documented stand-in is sent"
_CALL, _RESULT = attrgetter("function_call"), attrgetter("function_response")
