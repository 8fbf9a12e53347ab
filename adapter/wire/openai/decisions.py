"""POST /v1/decisions (openai-python 3.57.0)."""

import msgspec

from adapter.wire.base import ABSENT, Wire
from adapter.wire.openai.chat_request import ImageUrl


class DecisionPart(Wire):
    """A piece of the input or of a question: text, an image, JSON, or an assistant's text or refusal."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | ImageUrl | None = None
    detail: str | None = None
    data: msgspec.Raw = ABSENT
    prompt_cache_breakpoint: msgspec.Raw = ABSENT


class DecisionItem(Wire):
    """A message, a call of a tool or its output; `type` may be left out for a message."""

    type: str = "message"
    role: str | None = None
    content: str | list[DecisionPart] | None = None
    phase: str | None = None
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: str | list[DecisionPart] | None = None


class DecisionOption(Wire):
    """One value to choose: `true` and `"true"` are two."""

    value: str | bool
    description: str | None = None


class DecisionLevel(Wire):
    """One step of a scale, the lowest first."""

    label: str
    description: str | None = None


class DecisionQuestion(Wire):
    """A question; its `type` decides the answer: true or false, one of `choices`, or one of `levels`."""

    type: str
    instructions: str | list[DecisionPart]
    name: str | None = None
    choices: list[DecisionOption] | None = None
    levels: list[DecisionLevel] | None = None


class DecisionRequest(Wire):
    """Questions about one input, which is a text or a history."""

    model: str
    input: str | list[DecisionItem]
    questions: list[DecisionQuestion]
    prompt_cache_key: str | None = None
    prompt_cache_options: msgspec.Raw = ABSENT
    safety_identifier: str | None = None


class PredicateAnswer(Wire, omit_defaults=False, tag_field="type", tag="predicate"):
    """The probability of a predicate."""

    name: str | None
    probability: float


class OptionProbability(Wire):
    """The probability of one choice."""

    value: str | bool
    probability: float


class ChoiceAnswer(Wire, omit_defaults=False, tag_field="type", tag="choice"):
    """The likeliest choice, and how likely each one is."""

    name: str | None
    choice: str | bool
    confidence: float
    probabilities: list[OptionProbability]


class LevelProbability(Wire):
    """The probability of one level; `value` is its place on the scale, from 0."""

    label: str
    value: int
    probability: float


class ScoreAnswer(Wire, omit_defaults=False, tag_field="type", tag="score"):
    """The expected place on the scale, and how likely each level is."""

    name: str | None
    score: float
    confidence: float
    probabilities: list[LevelProbability]


class RefusalAnswer(Wire, omit_defaults=False, tag_field="type", tag="refusal"):
    """No answer to a question."""

    name: str | None


class DecisionInputDetails(Wire, omit_defaults=False):
    """Tokens of the input that came from a cache or went to one."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class DecisionOutputDetails(Wire, omit_defaults=False):
    """Tokens of thoughts."""

    reasoning_tokens: int = 0


class DecisionUsage(Wire):
    """Tokens of a request."""

    input_tokens: int
    input_tokens_details: DecisionInputDetails
    output_tokens: int
    output_tokens_details: DecisionOutputDetails
    total_tokens: int


class Decision(Wire):
    """The answers, in the order of the questions."""

    model: str
    answers: list[PredicateAnswer | ChoiceAnswer | ScoreAnswer | RefusalAnswer]
    usage: DecisionUsage
