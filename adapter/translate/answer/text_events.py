"""Most events of a stream bring a piece of text more, and say again what the one before said beside it.

To know that is one comparison; to look at each of an event's fields takes three times as long.
"""

from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse


class TextEvents:
    """`remember` each event that was looked at whole; `text` tells which ones need not be."""

    __slots__ = ("_before", "_part")

    def __init__(self) -> None:
        self._before: GenerateContentResponse | None = None
        self._part = Part()

    @property
    def thoughts(self) -> bool:
        """Whether the texts are thoughts."""
        return self._part.thought is True

    def text(self, response: GenerateContentResponse) -> str | None:
        """The text of an event that says nothing new but that and its usage; there is one."""
        before = self._before
        if before is None or (part := _only_part(response)) is None or not part.text:
            return None
        self._part.text = part.text
        before.usage_metadata = response.usage_metadata
        return part.text if response == before else None

    def remember(self, response: GenerateContentResponse) -> None:
        """An event was told. What comes next is compared with it if it, too, is one piece of text of one choice."""
        self._before = None
        part = _only_part(response)
        if part is None or not part.text:
            return
        said = Candidate() if not response.candidates else response.candidates[0]
        role = None if said.content is None else said.content.role
        self._part = Part(text=part.text, thought=part.thought)
        before = GenerateContentResponse(
            candidates=[Candidate(index=said.index, content=Content(role=role, parts=[self._part]))],
            usage_metadata=response.usage_metadata,
            model_version=response.model_version,
            response_id=response.response_id,
            create_time=response.create_time,
        )
        if response == before and not said.index:
            self._before = before


def _only_part(response: GenerateContentResponse) -> Part | None:
    """The one part of the one candidate."""
    candidates = response.candidates
    if not candidates or len(candidates) > 1:
        return None
    content = candidates[0].content
    return content.parts[0] if content is not None and content.parts and len(content.parts) == 1 else None
