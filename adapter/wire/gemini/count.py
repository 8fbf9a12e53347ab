"""countTokens (discovery revision 20260325)."""

from adapter.wire.gemini.content import Gemini
from adapter.wire.gemini.generate import GenerateContentRequest


class CountedRequest(GenerateContentRequest):
    """A request that is only counted names its model, with `models/` in front."""

    model: str = ""


class CountTokensRequest(Gemini):
    """A whole request, or contents alone."""

    generate_content_request: CountedRequest


class CountTokensResponse(Gemini, forbid_unknown_fields=False):
    """The answer: numbers of tokens."""

    total_tokens: int = 0
