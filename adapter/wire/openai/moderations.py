"""POST /v1/moderations (openai-python 3.57.0)."""

from adapter.wire.base import Wire
from adapter.wire.openai.chat_request import ImageUrl


class ModerationPart(Wire):
    """A text or an image; all parts of a request are one content."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class ModerationRequest(Wire):
    """`input` is a text, several, which are judged one by one, or the parts of one content."""

    input: str | list[str | ModerationPart]
    model: str | None = None


class ModerationResult(Wire):
    """The verdict on one content: for each category whether it is flagged, its score, and the inspected parts."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]


class Moderation(Wire):
    """The verdicts, in the order of the contents."""

    id: str
    model: str
    results: list[ModerationResult]
