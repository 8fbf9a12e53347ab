"""/v1/decisions on Gemini's Decisions API: questions by number there and back, histories as one text.

Gemini knows a question by an id that the caller makes, and an option by a text: here the ids are numbers, so names may
repeat, and a table leads back from an option's id to the value that the client gave, `true` or `"true"`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from adapter.translate.answer.reply import policy_error, refusal_text
from adapter.translate.core.capabilities import ServedModel, alias_notes
from adapter.translate.core.context import EndpointContext, Options
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.kinds import Kinds
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.decisions.decision_input import TEXTS, as_chat_part, evidence_of
from adapter.translate.ledger import Anchor, escape
from adapter.wire.base import present
from adapter.wire.gemini.decisions import (
    AskedQuestion,
    CreateDecisionRequest,
    CreateDecisionResponse,
    DecisionContent,
    DecisionTokens,
    GivenAnswer,
)
from adapter.wire.gemini.generate import UsageMetadata
from adapter.wire.openai.decisions import (
    ChoiceAnswer,
    Decision,
    DecisionInputDetails,
    DecisionOption,
    DecisionOutputDetails,
    DecisionPart,
    DecisionQuestion,
    DecisionRequest,
    DecisionUsage,
    LevelProbability,
    OptionProbability,
    PredicateAnswer,
    RefusalAnswer,
    ScoreAnswer,
)

MAX_QUESTIONS = 1_000
"""Questions of one call of Gemini's (ai.google.dev, 2026-11-11); OpenAI takes 400."""

FEWEST, MOST = 2, 255
"""Choices or levels of a question, on both sides."""

LEAST_SURE, MOST_SURE = 0.01, 0.99
"""Gemini's bounds of the probability of a statement (google-genai 3.6.1, NoulAnswer)."""


class DecisionContext(EndpointContext, frozen=True, kw_only=True):
    """The context of one request."""

    request: DecisionRequest


class DecisionPlan(msgspec.Struct, frozen=True):
    """The call of Gemini's Decisions API, and the notes on the fields.

    `choices` are the values of each question's options by id, `sources` the client's paths of the evidence's blocks.
    """

    body: CreateDecisionRequest
    notes: list[Note]
    choices: list[dict[str, str | bool]]
    sources: list[str]


def id_of(index: int) -> str:
    """Return the id of a question by its number."""
    return f"q{index}"


def to_gemini(context: DecisionContext, unknown: Mapping[str, msgspec.Raw] = {}) -> DecisionPlan:
    """Return questions for Gemini, and notes on each field. Raises `Rejected`."""
    check_model(context.served, context.options)
    request = context.request
    notes = [*alias_notes(request.model, context.served), *unknown_notes(unknown)]
    _other_fields(request, notes)
    value = evidence_of(request.input, context.as_chat(), notes)
    if not 1 <= len(request.questions) <= MAX_QUESTIONS:
        raise Rejected("questions", "limit-exceeded", f"1 to {MAX_QUESTIONS} questions are answered in one request")
    questions = [_question(one, f"questions[{index}]", notes) for index, one in enumerate(request.questions)]
    body = CreateDecisionRequest(
        model=f"models/{context.model.removeprefix('models/')}",
        input=value if isinstance(value, str) else [block.content for block in value],
        questions={id_of(index): one.question for index, one in enumerate(questions)},
    )
    sources = [] if isinstance(value, str) else [block.path for block in value]
    return DecisionPlan(body=body, notes=notes, choices=[one.choices for one in questions], sources=sources)


def anchors_of(request: DecisionRequest, plan: DecisionPlan) -> Iterator[Anchor]:
    """Return where the model, the evidence and the questions arrived, in the one call that there is."""
    yield Anchor("model", "/0/model")
    if isinstance(plan.body.input, str):
        yield Anchor("input", "/0/input")
    yield from (Anchor(path, f"/0/input/{place}") for place, path in enumerate(plan.sources))
    for index, question in enumerate(request.questions):
        path, at = f"questions[{index}]", f"/0/questions/{id_of(index)}"
        yield Anchor(f"{path}.type", f"{at}/type")
        yield Anchor(f"{path}.instructions", f"{at}/instructions")
        choices = enumerate(plan.choices[index])
        yield from (Anchor(f"{path}.choices[{place}]", f"{at}/criteria/{escape(id_)}") for place, id_ in choices)
        levels = range(len(question.levels or ()))
        yield from (Anchor(f"{path}.levels[{place}]", f"{at}/criteria/{place}") for place in levels)


def check_model(served: ServedModel, options: Options) -> None:
    """Raise `Rejected` for a model, or a platform, without the Decisions API."""
    if "DECISION" not in served.row.output:
        raise Rejected("model", "wrong-endpoint", f"{served.model} makes no decisions: use gemini-decision-1")
    if options.platform == "vertex":
        raise Rejected("model", "wrong-endpoint", "Vertex AI has no Decisions API: use Google AI Studio")


def _other_fields(request: DecisionRequest, notes: list[Note]) -> None:
    reason = "Gemini finds reusable prefixes itself (implicit caching)"
    if request.prompt_cache_key is not None:
        notes.append(Note("prompt_cache_key", Fate.DROPPED, "cache-hint-ignored", reason))
    if present(request.prompt_cache_options):
        notes.append(Note("prompt_cache_options", Fate.DROPPED, "cache-hint-ignored", reason))
    if request.safety_identifier is not None:
        reason = "Gemini is not told who the end user is"
        notes.append(Note("safety_identifier", Fate.DROPPED, "user-not-sent", reason))


class _NumberedQuestion(NamedTuple):
    """A question as Gemini has it, and the values that its options' ids stand for."""

    question: AskedQuestion
    choices: dict[str, str | bool]


_QUESTIONS = Kinds(DecisionQuestion, "type", {"predicate": (), "choice": ("choices",), "score": ("levels",)})


def _question(question: DecisionQuestion, path: str, notes: list[Note]) -> _NumberedQuestion:
    if question.type not in _QUESTIONS.fields:
        raise Rejected(f"{path}.type", "unknown-value", "one of predicate, choice, score")
    notes.extend(_QUESTIONS.notes(question, path))
    instructions = _instructions(question.instructions, f"{path}.instructions", notes)
    if question.type == "predicate":
        return _NumberedQuestion(AskedQuestion(type="noul", instructions=instructions), {})
    if question.type == "score":
        return _NumberedQuestion(
            AskedQuestion(type="score", instructions=instructions, criteria=_levels(question, path)), {}
        )
    options = question.choices or []
    _check_number(options, f"{path}.choices")
    if len({(isinstance(option.value, bool), option.value) for option in options}) < len(options):
        raise Rejected(f"{path}.choices", "malformed-value", "one value stands there twice")
    criteria, values = _criteria(options, f"{path}.choices", notes)
    return _NumberedQuestion(AskedQuestion(type="choice", instructions=instructions, criteria=criteria), values)


def _instructions(value: str | list[DecisionPart], path: str, notes: list[Note]) -> str | list[DecisionContent]:
    """Return the question's instructions, which at Gemini are text alone. Raises `Rejected`."""
    if isinstance(value, str):
        texts: Sequence[str | None] = [value]
    else:
        parts = [as_chat_part(one, f"{path}[{index}]", TEXTS, notes) for index, one in enumerate(value)]
        texts = [part.text or part.refusal for part in parts]
    if not any(texts):
        raise Rejected(path, "value-missing", "the question asks nothing")
    return value if isinstance(value, str) else [DecisionContent(type="text", text=text) for text in texts if text]


def _check_number(values: Sequence[Any], path: str) -> None:
    if not FEWEST <= len(values) <= MOST:
        raise Rejected(path, "limit-exceeded", f"{FEWEST} to {MOST} are asked about")


def _levels(question: DecisionQuestion, path: str) -> list[str]:
    """Return the levels as texts, which may not be empty."""
    levels = question.levels or []
    _check_number(levels, f"{path}.levels")
    labels: list[str] = []
    for index, level in enumerate(levels):
        text = ": ".join(filter(None, (level.label, level.description)))
        if not text:
            raise Rejected(f"{path}.levels[{index}].label", "value-missing", "a level has a name")
        labels.append(text)
    return labels


_ID = re.compile(r"[^\s\x00-\x1f\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?")
"""An option's id as Gemini takes it: not empty, no control characters, no white space around (google-genai 3.6.1)."""


def _criteria(
    options: Sequence[DecisionOption], path: str, notes: list[Note]
) -> tuple[dict[str, str], dict[str, str | bool]]:
    """Return the description of each option by its id, and the value of each option by its id.

    The id is the value, where Gemini takes that and no other option has it.
    """
    texts = {option.value for option in options if isinstance(option.value, str)}
    criteria: dict[str, str] = {}
    values: dict[str, str | bool] = {}
    for index, option in enumerate(options):
        id_ = spelled = option.value if isinstance(option.value, str) else str(option.value).lower()
        described = option.description or ""
        if not _ID.fullmatch(spelled) or (isinstance(option.value, bool) and spelled in texts):
            id_ = f"option {index + 1}"
            while id_ in texts:
                id_ += "_"
            described = ": ".join(filter(None, (spelled, described)))
            reason = f"Gemini does not take the value as a name here: it stands under {id_!r}"
            notes.append(Note(f"{path}[{index}].value", Fate.APPROXIMATED, "choice-renamed", reason))
        criteria[id_], values[id_] = described, option.value
    return criteria, values


def from_gemini(
    response: CreateDecisionResponse, plan: DecisionPlan, context: DecisionContext
) -> tuple[Decision, list[Note]]:
    """Return OpenAI's answer for Gemini's, and notes. Raises `AnswerError` for answers that do not fit."""
    notes: list[Note] = []
    questions = context.request.questions
    reason = response.prompt_feedback.block_reason if response.prompt_feedback is not None else None
    answers: list[PredicateAnswer | ChoiceAnswer | ScoreAnswer | RefusalAnswer]
    if reason and response.prompt_feedback is not None:
        message = response.prompt_feedback.block_reason_message
        if context.options.blocked_prompt == "error":
            raise policy_error(reason, message)
        notes.append(Note("prompt_feedback", Fate.APPROXIMATED, "block-as-refusal", refusal_text(reason, message)))
        answers = [RefusalAnswer(name=question.name) for question in questions]
    else:
        given = response.answers or {}
        answers = [
            _answer(given.get(id_of(index)), one, index, plan.choices[index], notes)
            for index, one in enumerate(questions)
        ]
    usage = _usage(response.usage, notes)
    return Decision(model=context.model, answers=answers, usage=usage), notes


def _answer(
    given: GivenAnswer | None,
    question: DecisionQuestion,
    index: int,
    choices: Mapping[str, str | bool],
    notes: list[Note],
) -> PredicateAnswer | ChoiceAnswer | ScoreAnswer:
    """Return one answer in OpenAI's form. Raises `AnswerError`."""
    if given is None:
        raise AnswerError(502, "malformed_response", f"Gemini gave no answer to question {index}.")
    if question.type == "predicate":
        return PredicateAnswer(name=question.name, probability=sureness(given, index, notes))
    probabilities = given.probabilities or {}
    if question.type == "choice":
        if given.choice is None or given.choice not in choices or given.confidence is None or not probabilities:
            raise _misfit(index)
        return ChoiceAnswer(
            name=question.name,
            choice=choices[given.choice],
            confidence=given.confidence,
            probabilities=[
                OptionProbability(value=value, probability=probabilities.get(id_, 0.0))
                for id_, value in choices.items()
            ],
        )
    if given.score is None or given.confidence is None or not probabilities:
        raise _misfit(index)
    return ScoreAnswer(
        name=question.name,
        score=given.score,
        confidence=given.confidence,
        probabilities=[
            LevelProbability(label=level.label, value=place, probability=probabilities.get(str(place), 0.0))
            for place, level in enumerate(question.levels or ())
        ],
    )


def sureness(given: GivenAnswer, index: int, notes: list[Note]) -> float:
    """Return the probability of a predicate, and note that Gemini answers nothing beyond 0.01 and 0.99.

    A client whose threshold is higher must know that. Raises `AnswerError`.
    """
    if given.noul is None or not 0 <= given.noul <= 1:
        raise _misfit(index)
    if not LEAST_SURE < given.noul < MOST_SURE:
        reason = f"Gemini says nothing beyond {LEAST_SURE} and {MOST_SURE}"
        notes.append(Note(f"answers[{index}].probability", Fate.APPROXIMATED, "probability-clipped", reason))
    return given.noul


def _misfit(index: int) -> AnswerError:
    return AnswerError(502, "malformed_response", f"Gemini's answer to question {index} does not fit the question.")


def tokens_of(response: CreateDecisionResponse) -> UsageMetadata | None:
    """Return the tokens of an answer as generations count them, for logs and figures."""
    counts = response.usage
    if counts is None:
        return None
    return UsageMetadata(
        prompt_token_count=counts.total_input_tokens,
        cached_content_token_count=counts.total_cached_tokens,
        candidates_token_count=counts.total_output_tokens,
        thoughts_token_count=counts.total_thought_tokens,
        total_token_count=counts.total_tokens,
    )


def _usage(counts: DecisionTokens | None, notes: list[Note]) -> DecisionUsage:
    if counts is None:
        notes.append(Note("usage", Fate.APPROXIMATED, "usage-estimated", "Gemini told no tokens: none are counted"))
        counts = DecisionTokens()
    read, thought = counts.total_input_tokens or 0, counts.total_thought_tokens or 0
    written = (counts.total_output_tokens or 0) + thought
    return DecisionUsage(
        input_tokens=read,
        input_tokens_details=DecisionInputDetails(cached_tokens=counts.total_cached_tokens or 0),
        output_tokens=written,
        output_tokens_details=DecisionOutputDetails(reasoning_tokens=thought),
        total_tokens=read + written,
    )
