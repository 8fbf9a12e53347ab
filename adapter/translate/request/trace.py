"""Translates messages a second time, and records which of the client's paths each part came from."""

from typing import ClassVar

import msgspec

from adapter.translate.content import content_parts
from adapter.translate.core.context import Context
from adapter.translate.request.messages import read_messages
from adapter.translate.turns.turn_builder import Turns
from adapter.wire.gemini.content import Content, Part
from adapter.wire.openai.chat_request import ContentPart


class TracedTurns(Turns, eq=False):
    """Turns that record the path of each part by its `id`; the first path of a part is the most exact one.

    They hold all traced parts, also those that do not become part of a turn: else a later part could get the same `id`.
    """

    paths: dict[int, str] = msgspec.field(default_factory=dict)
    traced: list[Part] = msgspec.field(default_factory=list)

    is_traced: ClassVar[bool] = True

    def trace(self, place: int | str, parts: list[Part]) -> None:
        """Remember which of the client's paths these parts came from."""
        self.traced += parts
        if isinstance(place, int):
            content = self.context.request.messages[place].content
            if isinstance(content, list):
                self._trace_content(content, f"[{place}].content", parts)
            place = f"[{place}]"
        for part in parts:
            self.paths.setdefault(id(part), place)

    def _trace_content(self, content: list[ContentPart], path: str, parts: list[Part]) -> None:
        """Trace parts in the order of their content parts, if these make as many parts."""
        owners = content_parts.sources_of(content, path, self.context)
        if len(owners) == len(parts):
            for part, owner in zip(parts, owners, strict=True):
                self.paths.setdefault(id(part), owner)


def trace_messages(context: Context) -> list[tuple[str, str]]:
    """Return paths in the chat request, each with its pointer in Gemini's request. Raises `Rejected`."""
    turns = TracedTurns(context, context.known_history())
    read_messages(context.request.messages, turns)
    calls = {id(call.part): call.path for call in turns.calls}
    anchors = [(turns.paths[id(part)], f"/systemInstruction/parts/{i}") for i, part in enumerate(turns.system)]
    for at, content in enumerate(one for one in turns.contents if isinstance(one, Content)):
        paths = [calls.get(id(part.function_call), turns.paths[id(part)]) for part in content.parts or ()]
        anchors.append((paths[0].partition("]")[0] + "].role", f"/contents/{at}/role"))
        anchors += [(path, f"/contents/{at}/parts/{i}") for i, path in enumerate(paths)]
    return [(f"messages{path}", pointer) for path, pointer in anchors]
