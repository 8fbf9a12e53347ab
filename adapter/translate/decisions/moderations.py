"""/v1/moderations by Gemini's Decisions API: one question for each category of each content.

Without a Decisions API (Vertex AI, relays, a chat model that the operator chose) the scores come from the safety
ratings of a generation, which have only four categories and four grades.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapter.translate.content.content_parts import parts_of, sources_of
from adapter.translate.core.capabilities import alias_notes
from adapter.translate.core.context import EndpointContext
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.decisions.decision_input import block_of
from adapter.translate.decisions.decisions import MAX_QUESTIONS, MOST_SURE, sureness
from adapter.translate.ledger import Anchor, escape
from adapter.wire.base import decoder, present
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.decisions import AskedQuestion, CreateDecisionRequest, CreateDecisionResponse, DecisionContent
from adapter.wire.gemini.generate import (
    GenerateContentRequest,
    GenerateContentResponse,
    GenerationConfig,
    SafetyRating,
    SafetySetting,
)
from adapter.wire.openai.chat_request import ContentPart
from adapter.wire.openai.moderations import Moderation, ModerationPart, ModerationRequest, ModerationResult

DEFAULT_MODEL = "omni-moderation-latest"
"""OpenAI's default."""

RATED_BY = "gemini-3.5-flash-lite"
"""The chat model whose safety ratings judge where there is no Decisions API."""

FLAGGED = 0.5
"""The least score of a category that is flagged: it is more likely than not."""

CALL_TOKENS = 200_000
"""Estimated tokens of one call. The model's limit is 262,144; the margin is for errors of the estimate."""

TEXT, IMAGE = "text", "image"
_IMAGE_TOKENS = 1_120
_QUESTION_TOKENS = 30


class Category(NamedTuple):
    """One of OpenAI's categories: what it means, and whether images have it."""

    asks: str
    has_images: bool = False


CATEGORIES: Mapping[str, Category] = {
    "harassment": Category("express, incite or promote harassing language towards any target"),
    "harassment/threatening": Category("harass a target, and also threaten it with violence or serious harm"),
    "hate": Category(
        "express, incite or promote hate based on race, gender, ethnicity, religion, nationality, sexual orientation, "
        "disability status or caste"
    ),
    "hate/threatening": Category(
        "express hate based on race, gender, ethnicity, religion, nationality, sexual orientation, disability status "
        "or caste, and also include violence or serious harm towards that group"
    ),
    "illicit": Category("give instructions or advice on how to commit illicit acts"),
    "illicit/violent": Category(
        "give instructions or advice on illicit acts that include violence, or on how to procure any weapon"
    ),
    "self-harm": Category(
        "promote, encourage or depict acts of self-harm, such as suicide, cutting and eating disorders", has_images=True
    ),
    "self-harm/intent": Category("come from somebody who engages or intends to engage in self-harm", has_images=True),
    "self-harm/instructions": Category(
        "encourage acts of self-harm, or give instructions or advice on how to commit them", has_images=True
    ),
    "sexual": Category(
        "arouse sexual excitement or promote sexual services, education and wellness excluded", has_images=True
    ),
    "sexual/minors": Category("include sexual content with an individual who is under 18 years old"),
    "violence": Category("depict death, violence or physical injury", has_images=True),
    "violence/graphic": Category("depict death, violence or physical injury in graphic detail", has_images=True),
}
"""OpenAI's 13 categories (openai-python 3.57.0, types/moderation.py)."""

_HARMS = {
    "HARM_CATEGORY_HARASSMENT": "harassment",
    "HARM_CATEGORY_HATE_SPEECH": "hate",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT": "sexual",
    "HARM_CATEGORY_DANGEROUS_CONTENT": "illicit",
}
"""Gemini's harm categories, and the nearest ones of OpenAI's."""

_GRADES = {"NEGLIGIBLE": 0.05, "LOW": 0.25, "MEDIUM": 0.7, "HIGH": 0.95}
_UNNAMED_CATEGORY = "illicit"
"""The category that is flagged if Gemini blocks an input without a reason."""


class ModerationContext(EndpointContext, frozen=True, kw_only=True):
    """The context of one request."""

    request: ModerationRequest

    @property
    def has_decisions(self) -> bool:
        """Return whether the Decisions API judges, and not safety ratings."""
        return "DECISION" in self.capabilities.output and self.options.platform != "vertex"

    @property
    def rater(self) -> str:
        """The chat model whose safety ratings judge where the Decisions API does not."""
        return RATED_BY if "DECISION" in self.capabilities.output else self.model


class Judged(msgspec.Struct, frozen=True):
    """One content to judge: its parts, their kinds (text, image), and the client's path of each."""

    parts: list[Part]
    kinds: list[str]
    sources: list[str]

    @property
    def categories(self) -> list[str]:
        """The names of the categories that apply to its kinds of parts."""
        return [name for name, one in CATEGORIES.items() if TEXT in self.kinds or one.has_images]

    @property
    def tokens(self) -> int:
        """The estimated tokens of the content and its questions."""
        texts = [part.text.encode("utf-8", "replace") for part in self.parts if part.text is not None]
        images = len(self.parts) - len(texts)
        return sum(map(len, texts)) // 4 + _IMAGE_TOKENS * images + _QUESTION_TOKENS * len(self.categories)


class ModerationPlan(msgspec.Struct, frozen=True):
    """The contents, the calls that judge them, and the notes on the fields."""

    contents: list[Judged]
    batches: list[list[int]]
    notes: list[Note]


def to_gemini(context: ModerationContext, unknown: Mapping[str, msgspec.Raw] = {}) -> ModerationPlan:
    """Translate a request into contents to judge, grouped by call, and notes. Raises `Rejected`."""
    row = context.capabilities
    if not ("DECISION" in row.output or ("TEXT" in row.output and not row.served_by)):
        raise Rejected("model", "wrong-endpoint", f"{context.model} judges nothing: use gemini-decision-1")
    model = context.request.model
    notes = [*(alias_notes(model, context.served) if model is not None else ()), *unknown_notes(unknown)]
    contents = _contents(context, notes)
    if not context.has_decisions:
        notes.append(BY_RATINGS)
    return ModerationPlan(contents=contents, batches=list(_batches(contents)), notes=notes)


def _contents(context: ModerationContext, notes: list[Note]) -> list[Judged]:
    value = context.request.input
    if isinstance(value, str):
        return [_text(value, "input")]
    if not value:
        raise Rejected("input", "value-missing", "there is nothing to judge")
    texts = [one for one in value if isinstance(one, str)]
    if len(texts) == len(value):
        return [_text(one, f"input[{index}]") for index, one in enumerate(texts)]
    parts = [one for one in value if not isinstance(one, str)]
    if texts:
        raise Rejected("input", "malformed-value", "a list holds texts, or the parts of one content")
    return [_content(parts, context, notes)]


def _text(value: str, path: str) -> Judged:
    if not value:
        raise Rejected(path, "value-missing", "an empty text cannot be judged")
    return Judged([Part(text=value)], [TEXT], [path])


def _content(parts: list[ModerationPart], context: ModerationContext, notes: list[Note]) -> Judged:
    for index, sent in enumerate(parts):
        if sent.type not in ("text", "image_url"):
            raise Rejected(f"input[{index}].type", "content-unsupported", f"no part of type {sent.type!r} is judged")
    content_parts = [ContentPart(type=part.type, text=part.text, image_url=part.image_url) for part in parts]
    chat = context.as_chat()
    gemini_parts = parts_of(content_parts, "input", chat, notes)
    if not gemini_parts:
        raise Rejected("input", "value-missing", "an empty text cannot be judged")
    kinds = {TEXT if one.text is not None else IMAGE for one in gemini_parts}
    return Judged(gemini_parts, sorted(kinds, reverse=True), sources_of(content_parts, "input", chat))


def _batches(contents: Sequence[Judged]) -> Iterator[list[int]]:
    """Split the contents into calls, within the limits of questions and tokens; yield the indexes of each."""
    batch: list[int] = []
    questions = tokens = 0
    for index, content in enumerate(contents):
        more, size = len(content.categories), content.tokens
        if batch and (questions + more > MAX_QUESTIONS or tokens + size > CALL_TOKENS):
            yield batch
            batch, questions, tokens = [], 0, 0
        batch.append(index)
        questions += more
        tokens += size
    yield batch


def _id(index: int, category: str) -> str:
    return f"{index} {category}"


def questions_about(plan: ModerationPlan, indexes: Sequence[int], model: str) -> CreateDecisionRequest:
    """Return the call that judges these contents; if there are several, its questions name them by number."""
    if len(indexes) == 1:
        content = plan.contents[indexes[0]]
        blocks: str | list[DecisionContent] = [block_of(part) for part in content.parts]
    else:
        blocks = [
            DecisionContent(type="text", text=f"Content {index + 1}:\n{part.text}")
            for index in indexes
            for part in plan.contents[index].parts
        ]
    return CreateDecisionRequest(
        model=f"models/{model.removeprefix('models/')}",
        input=blocks,
        questions={
            _id(index, name): AskedQuestion(
                type="noul",
                instructions=f"Does {'the content' if len(indexes) == 1 else f'content {index + 1}'} "
                f"{CATEGORIES[name].asks}?",
            )
            for index in indexes
            for name in plan.contents[index].categories
        },
    )


def anchors_of(context: ModerationContext, plan: ModerationPlan) -> Iterator[Anchor]:
    """Return where the contents arrived: the first step of a pointer is the number of the call."""
    if not context.has_decisions:
        for call, content in enumerate(plan.contents):
            yield from (Anchor(path, f"/{call}/contents/0/parts/{place}") for place, path in enumerate(content.sources))
            # A request that only asks for ratings.
            rest = ("contents/0/role", "safetySettings", "generationConfig")
            yield from (Anchor(BY_RATINGS.path, f"/{call}/{one}") for one in rest)
        return
    for call, batch in enumerate(plan.batches):
        yield Anchor("model", f"/{call}/model")
        sources = [path for index in batch for path in plan.contents[index].sources]
        yield from (Anchor(path, f"/{call}/input/{place}") for place, path in enumerate(sources))
        for index in batch:
            whole = plan.contents[index].sources[0] if len(plan.contents) > 1 else "input"
            names = plan.contents[index].categories
            yield from (Anchor(whole, f"/{call}/questions/{escape(_id(index, name))}") for name in names)


def is_blocked(response: CreateDecisionResponse) -> bool:
    """Return whether the input was blocked, so that there are no answers."""
    return response.prompt_feedback is not None and bool(response.prompt_feedback.block_reason)


def verdicts(
    response: CreateDecisionResponse, plan: ModerationPlan, indexes: Sequence[int], notes: list[Note]
) -> list[ModerationResult]:
    """Read the results of one call. A content that was blocked is flagged. Raises `AnswerError`."""
    if is_blocked(response):
        reason = f"Gemini blocked the input and told no category: it is told as {_UNNAMED_CATEGORY}"
        notes.append(Note("prompt_feedback", Fate.APPROXIMATED, "moderation-block", reason))
        return [_result({_UNNAMED_CATEGORY: MOST_SURE}, plan.contents[index].kinds) for index in indexes]
    given = response.answers or {}
    results: list[ModerationResult] = []
    for index in indexes:
        content = plan.contents[index]
        scores: dict[str, float] = {}
        for name in content.categories:
            answer = given.get(_id(index, name))
            if answer is None:
                raise AnswerError(502, "malformed_response", f"Gemini gave no answer about {name} of input {index}.")
            scores[name] = sureness(answer, index, [])
        results.append(_result(scores, content.kinds))
    return results


def _result(scores: Mapping[str, float], kinds: Sequence[str]) -> ModerationResult:
    """Return the result for scores; it is flagged if one of its categories is."""
    whole = {name: scores.get(name, 0.0) for name in CATEGORIES}
    categories = {name: score >= FLAGGED for name, score in whole.items()}
    return ModerationResult(
        flagged=any(categories.values()),
        categories=categories,
        category_scores=whole,
        category_applied_input_types={
            name: [kind for kind in kinds if name in scores and (kind == TEXT or one.has_images)]
            for name, one in CATEGORIES.items()
        },
    )


def rating_of(plan: ModerationPlan, index: int) -> GenerateContentRequest:
    """Return the call whose safety ratings judge one content: a MEDIUM or HIGH rating blocks its prompt."""
    return GenerateContentRequest(
        contents=[Content(role="user", parts=plan.contents[index].parts)],
        safety_settings=[SafetySetting(category=name, threshold="BLOCK_MEDIUM_AND_ABOVE") for name in _HARMS],
        generation_config=GenerationConfig(max_output_tokens=1),
    )


def result_of_ratings(
    response: GenerateContentResponse, plan: ModerationPlan, index: int, notes: list[Note]
) -> ModerationResult:
    """Read a result from the safety ratings of a content."""
    feedback = response.prompt_feedback
    ratings = [feedback.safety_ratings] if feedback is not None else []
    ratings += [one.safety_ratings for one in response.candidates or ()]
    scores = dict.fromkeys(_HARMS.values(), 0.0)
    for rating in (one for raw in ratings if present(raw) for one in _ratings(raw)):
        if (name := _HARMS.get(rating.category or "")) is not None:
            scores[name] = max(scores[name], _GRADES.get(rating.probability or "", 0.0))
    if feedback is not None and feedback.block_reason and max(scores.values()) < FLAGGED:
        reason = f"Gemini blocked the input and told no category: it is told as {_UNNAMED_CATEGORY}"
        notes.append(Note("promptFeedback", Fate.APPROXIMATED, "moderation-block", reason))
        scores[_UNNAMED_CATEGORY] = MOST_SURE
    return _result(scores, plan.contents[index].kinds)


def _ratings(raw: msgspec.Raw) -> list[SafetyRating]:
    try:
        ratings: list[SafetyRating] = decoder(list[SafetyRating]).decode(raw)
    except msgspec.MsgspecError as error:
        raise AnswerError(502, "malformed_response", f"Gemini's safety ratings cannot be read: {error}") from None
    return ratings


BY_RATINGS = Note(
    "results",
    Fate.APPROXIMATED,
    "moderation-by-ratings",
    "safety ratings judge: harassment, hate, sexual and illicit in four grades, and no other category",
)
"""The note on every answer that is made of safety ratings."""


def answer_of(results: Sequence[ModerationResult], id_: str, model: str) -> Moderation:
    """Return OpenAI's answer."""
    return Moderation(id=id_, model=model, results=list(results))
