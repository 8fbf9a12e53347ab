"""What one choice of a stream has said so far."""

from adapter.translate.answer.audio import Sound
from adapter.translate.answer.json_answer import JsonAnswer
from adapter.translate.answer.leaked_thoughts import LeakedThoughts
from adapter.translate.answer.partial_arguments import CallAssembly, WholeCall
from adapter.translate.answer.reply import AnsweredCall
from adapter.translate.core.part_kinds import PartKind, is_plain, kind_of
from adapter.wire.gemini.content import Part
from adapter.wire.gemini.generate import Candidate

MAX_PIECES = 64
"""Pieces of one text that are kept apart: a short text takes many times the memory of its characters."""


class ChoiceState:
    """`parts` are Gemini's own, pieces of one text joined again; `said` is what came beside them.

    `calls` are the client's; those in `held` wait for the end of the stream.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.said = Candidate()
        self.calls: list[AnsweredCall] = []
        self.held: list[WholeCall] = []
        self.run_by_gemini: set[str] = set()
        self.assembly = CallAssembly()
        self.leaks = LeakedThoughts()
        self.json: JsonAnswer | None = None
        self.images = 0
        self.sound: Sound | None = None
        self.refused = False
        self._parts: list[Part] = []
        self._pieces: list[str] = []
        self._open: PartKind = "empty"

    @property
    def finished(self) -> bool:
        """Whether its end was told."""
        return self.refused or self.said.finish_reason is not None

    @property
    def parts(self) -> list[Part]:
        """All parts; ends the text that is open."""
        self._join()
        return self._parts

    def part_at(self, position: int) -> Part:
        """A part that was kept."""
        return self._parts[position]

    @property
    def position(self) -> int:
        """The number of the part that was kept last."""
        return len(self._parts) - (self._open == "empty")

    def keep(self, part: Part, kind: PartKind) -> None:
        """Remember a part. A signature ends the text it comes with; what says nothing at all is not kept."""
        if kind in ("text", "thought") and is_plain(part):
            if self._open != kind:
                self._join()
                self._open = kind
            self.append_text(part.text or "")
            if part.thought_signature:
                self._join(part.thought_signature)
        elif kind != "empty" or part.thought_signature or not is_plain(part):
            self._join()
            self._parts.append(part)

    def append_text(self, text: str) -> None:
        """Remember more of the text that is open."""
        self._pieces.append(text)
        if len(self._pieces) > MAX_PIECES:
            self._pieces = ["".join(self._pieces)]

    def _join(self, signature: str | None = None) -> None:
        if self._open != "empty":
            thought = True if self._open == "thought" else None
            self._parts.append(Part(text="".join(self._pieces), thought=thought, thought_signature=signature))
            self._pieces.clear()
            self._open = "empty"

    def answered_by_gemini(self, name: str) -> list[int]:
        """Gemini itself answered the calls of a function: the client must not see them. The numbers of their parts."""
        answered = [part for part, call in self.held if call.name == name]
        self.held = [one for one in self.held if one[1].name != name]
        self.run_by_gemini.add(name)
        return [number for number, part in enumerate(self._parts) if any(part is one for one in answered)]

    def said_something(self) -> bool:
        """Whether there is content of any kind."""
        return any(kind_of(part) != "empty" for part in self.parts)

    def texts(self) -> list[str]:
        """The parts' visible texts; "" for parts that have none."""
        return [(part.text or "") if kind_of(part) == "text" else "" for part in self.parts]

    def text(self) -> str:
        """The whole visible text."""
        return "".join(self.texts())
