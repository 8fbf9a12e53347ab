"""POST /v1beta/decisions (google-genai 3.6.1, announced 2026-11-11). Its names are written with underscores."""

from adapter.wire.base import Wire


class DecisionContent(Wire):
    """A piece of the input or of a question's instructions, which take text alone. `data` is base64."""

    type: str
    text: str | None = None
    data: str | None = None
    uri: str | None = None
    mime_type: str | None = None


class AskedQuestion(Wire):
    """`noul`: is it so; `choice`: `criteria` are the options, by id; `score`: `criteria` are the levels."""

    type: str
    instructions: str | list[DecisionContent]
    criteria: dict[str, str] | list[str] | None = None


class CreateDecisionRequest(Wire):
    """1 to 1,000 questions about one input, by ids that the answers have too."""

    model: str
    input: str | list[DecisionContent]
    questions: dict[str, AskedQuestion]


class GivenAnswer(Wire, forbid_unknown_fields=False):
    """An answer: `noul` is the probability, from 0.01 to 0.99; `probabilities` are those of option ids or levels."""

    type: str = ""
    noul: float | None = None
    choice: str | None = None
    score: float | None = None
    confidence: float | None = None
    probabilities: dict[str, float] | None = None


class DecisionFeedback(Wire, forbid_unknown_fields=False):
    """The reason why the input was blocked; then there are no answers."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class DecisionTokens(Wire, forbid_unknown_fields=False):
    """Tokens, as the Interactions API counts them."""

    total_input_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_output_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_tokens: int | None = None


class CreateDecisionResponse(Wire, forbid_unknown_fields=False):
    """The answers by the ids of their questions."""

    answers: dict[str, GivenAnswer] | None = None
    prompt_feedback: DecisionFeedback | None = None
    usage: DecisionTokens | None = None
