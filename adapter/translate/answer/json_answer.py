"""JSON mode by a function: which parts of an answer are the JSON text.

Where a model refuses JSON mode beside functions, the answer comes as the arguments of a function (`tools.JSON_TOOL`).
The client must get one JSON text or its own calls, whatever Gemini says around it:

| came                         | is told                                            |
|------------------------------|----------------------------------------------------|
| text, then the JSON          | the JSON alone; the text is left out, with a note  |
| the JSON, then text          | the same                                           |
| the JSON twice               | the first one, with a note                         |
| text, then a client's call   | both                                               |
| text alone                   | the text, at the end                               |
"""

from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.part_kinds import kind_of
from adapter.translate.tools.json_tool import json_tool_name
from adapter.wire.gemini.content import Part

_ALONE = "the answer is one JSON text: what was said beside it is left out"
NOTE = Note("content.parts[]", Fate.DROPPED, "json-answer-alone", _ALONE)


class JsonAnswer:
    """`feed` it each part; both methods return the parts that count, with their numbers."""

    def __init__(self, context: Context) -> None:
        self.has_lost = False
        self._name = json_tool_name(context)
        self._held: list[tuple[int, Part]] = []
        self._given = False

    def feed(self, number: int, part: Part) -> list[tuple[int, Part]]:
        """The parts that are sure to count."""
        call = part.function_call
        if call is not None and call.name == self._name:
            self.has_lost |= self._given or bool(self._held)
            given, self._given, self._held = self._given, True, []
            return [] if given else [(number, part)]
        if kind_of(part) == "text":
            self.has_lost |= self._given
            self._held += [] if self._given else [(number, part)]
            return []
        return [*(self.close() if call is not None else ()), (number, part)]

    def close(self) -> list[tuple[int, Part]]:
        """The texts that were held: no JSON came."""
        held, self._held = self._held, []
        return held
