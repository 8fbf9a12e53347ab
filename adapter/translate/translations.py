"""Translations of requests by endpoint: the bodies for Gemini, and the losses.

The one list of what can be translated without a call: `adapter translate`, `POST /translate` and reports read it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec
import orjson

from adapter.translate import completions
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.core.token_arrays import Detokenize
from adapter.translate.decisions import decisions, moderations
from adapter.translate.decisions.decisions import DecisionContext
from adapter.translate.decisions.moderations import ModerationContext
from adapter.translate.embeddings import embeddings
from adapter.translate.embeddings.embeddings import EmbeddingContext
from adapter.translate.ledger import Anchor, LedgerEntry, ledger_of
from adapter.translate.media import images, speech, transcriptions
from adapter.translate.media.images import ImageContext
from adapter.translate.media.sound_headers import read_duration_of_url
from adapter.translate.media.speech import SpeechContext
from adapter.translate.media.transcriptions import TranscriptionContext
from adapter.translate.plan import PLANNERS, Plan, endpoint_of, plan
from adapter.translate.targets import anchors_of
from adapter.wire.base import decode, encode
from adapter.wire.openai.completions import CompletionRequest
from adapter.wire.openai.decisions import DecisionRequest
from adapter.wire.openai.embeddings import EmbeddingRequest
from adapter.wire.openai.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from adapter.wire.openai.moderations import ModerationRequest
from adapter.wire.openai.speech import SpeechRequest
from adapter.wire.openai.transcriptions import TranscriptionRequest, TranslationRequest

T = TypeVar("T")
U = TypeVar("U")

Unknown = Mapping[str, msgspec.Raw]


Anchors = Callable[[Sequence[Any]], Iterable[Anchor]]
"""A function from the bodies as JSON to the places of fields; a pointer's first step is the call's number."""


class Translation(NamedTuple):
    """The calls that one request becomes. `served` is the model with its limits.

    `calls` is how many times Gemini is asked: some bodies are sent once for each choice.
    """

    served: ServedModel
    method: str
    bodies: list[msgspec.Struct]
    notes: list[Note]
    anchors: Anchors
    calls: int

    def as_json(self) -> list[Any]:
        """Return the bodies as they are sent."""
        return [orjson.loads(encode(body)) for body in self.bodies]

    def ledger(self, bodies: Sequence[Any]) -> list[LedgerEntry]:
        """Return the full ledger for the bodies as JSON; of several, a target's first step is the call's number."""
        entries = ledger_of(self.notes, self.anchors(bodies), bodies)
        return entries if len(bodies) > 1 else [_in_the_only_call(entry) for entry in entries]


def _in_the_only_call(entry: LedgerEntry) -> LedgerEntry:
    return entry._replace(targets=[target.removeprefix("/0") for target in entry.targets])


Translate = Callable[[msgspec.Struct, Unknown, ServedModel, Options], Translation]


class TranslatedEndpoint(NamedTuple):
    """One of OpenAI's endpoints, and its translation. `default_model` serves requests that name no model."""

    request: type[msgspec.Struct]
    translate: Translate
    default_model: str = ""

    def decode(self, body: bytes) -> tuple[msgspec.Struct, Unknown]:
        """Return the request and its unknown fields.

        Raises:
            msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded: It has another shape.

        """
        return decode(body, self.request)


def _generate(
    make: Callable[..., Plan], request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options
) -> Translation:
    plan = make(request, unknown, served, options)
    path = plan.view.path if plan.view is not None else str
    anchors = partial(_anchors_of_chats, [(plan, path)])
    return Translation(served, plan.method, [plan.body], plan.notes, anchors, plan.calls)


def _anchors_of_chats(chats: Sequence[tuple[Plan, Callable[[str], str]]], bodies: Sequence[Any]) -> Iterator[Anchor]:
    """Yield the anchors of chats, one for each call; beside each chat is a function from its paths to the client's."""
    for call, ((made, path_of), body) in enumerate(zip(chats, bodies, strict=True)):
        for path, pointer in anchors_of(made, body, path_of):
            yield Anchor(path, f"/{call}{pointer}")


def _complete(
    detokenize: Detokenize | None,
    request: msgspec.Struct,
    unknown: Unknown,
    served: ServedModel,
    options: Options,
) -> Translation:
    """Plan a call for each prompt; losses that all share count once."""
    assert isinstance(request, CompletionRequest)
    try:
        view = completions.to_chat(request, served.row, detokenize, unknown)
        plans = [plan(one, {}, served, options) for one in view.requests]
    except Rejected as error:
        raise Rejected(completions.path_of(error.note.path), error.note.code, error.note.reason) from None
    notes = dict.fromkeys(note for one in plans for note in view.ledger(one.notes))
    chats = [(one, partial(completions.source_of, request, number)) for number, one in enumerate(plans)]
    anchors = partial(_anchors_of_chats, chats)
    calls = sum(one.calls for one in plans)
    return Translation(served, plans[0].method, [one.body for one in plans], list(notes), anchors, calls)


def _embed(
    detokenize: Detokenize | None,
    request: msgspec.Struct,
    unknown: Unknown,
    served: ServedModel,
    options: Options,
) -> Translation:
    assert isinstance(request, EmbeddingRequest)
    context = EmbeddingContext(request=request, served=served, options=options, detokenize=detokenize)
    plan = embeddings.to_gemini(context, unknown)
    anchors = partial(_anchors_of_others, embeddings.anchors_of, context, plan)
    return Translation(served, plan.method.name, plan.batches, plan.notes, anchors, len(plan.batches))


def _anchors_of_others(
    anchors_of: Callable[[T, U], Iterable[Anchor]], request: T, made: U, _bodies: Sequence[Any]
) -> Iterable[Anchor]:
    """Return the anchors that a plan has itself."""
    return anchors_of(request, made)


def _decide(request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options) -> Translation:
    assert isinstance(request, DecisionRequest)
    made = decisions.to_gemini(DecisionContext(request=request, served=served, options=options), unknown)
    anchors = partial(_anchors_of_others, decisions.anchors_of, request, made)
    return Translation(served, "decisions", [made.body], made.notes, anchors, 1)


def _moderate(request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options) -> Translation:
    """Plan questions about contents; without a Decisions API a call for each content, whose ratings judge it."""
    assert isinstance(request, ModerationRequest)
    context = ModerationContext(request=request, served=served, options=options)
    plan = moderations.to_gemini(context, unknown)
    bodies: list[msgspec.Struct]
    if context.has_decisions:
        method, bodies = "decisions", [moderations.questions_about(plan, batch, served.model) for batch in plan.batches]
    else:
        served = served._replace(model=context.rater)
        method, bodies = "generateContent", [moderations.rating_of(plan, one) for one in range(len(plan.contents))]
    anchors = partial(_anchors_of_others, moderations.anchors_of, context, plan)
    return Translation(served, method, bodies, plan.notes, anchors, len(bodies))


def _draw(request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options) -> Translation:
    """Plan a call for each image."""
    assert isinstance(request, (ImageRequest, ImageEditRequest, ImageVariationRequest))
    plan = images.to_gemini(ImageContext(request=request, served=served, options=options), unknown)
    anchors = partial(_anchors_of_others, images.anchors_of, request, plan)
    return Translation(served, "generateContent", [plan.body], plan.notes, anchors, plan.calls)


def _speak(request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options) -> Translation:
    """Plan the calls that speak a text; a long one needs several."""
    assert isinstance(request, SpeechRequest)
    plan = speech.to_gemini(SpeechContext(request=request, served=served, options=options), unknown)
    anchors = partial(_anchors_of_others, speech.anchors_of, request, plan)
    return Translation(served, "streamGenerateContent", list(plan.bodies), plan.notes, anchors, len(plan.bodies))


def _hear(request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options) -> Translation:
    assert isinstance(request, (TranscriptionRequest, TranslationRequest))
    duration = read_duration_of_url(request.file)
    context = TranscriptionContext(request=request, served=served, options=options, duration=duration)
    plan = transcriptions.to_gemini(context, unknown)
    anchors = partial(_anchors_of_others, transcriptions.anchors_of, request, plan)
    method = "streamGenerateContent" if plan.stream else "generateContent"
    return Translation(served, method, list(plan.bodies), plan.notes, anchors, 1)


def endpoints(detokenize: Detokenize | None) -> Mapping[str, TranslatedEndpoint]:
    """Return the translated endpoints by path. `detokenize` reads prompts that are token numbers."""
    return {
        "/v1/completions": TranslatedEndpoint(CompletionRequest, partial(_complete, detokenize)),
        "/v1/decisions": TranslatedEndpoint(DecisionRequest, _decide),
        "/v1/moderations": TranslatedEndpoint(ModerationRequest, _moderate, moderations.DEFAULT_MODEL),
        "/v1/embeddings": TranslatedEndpoint(EmbeddingRequest, partial(_embed, detokenize)),
        "/v1/images/generations": TranslatedEndpoint(ImageRequest, _draw, images.DEFAULT_MODEL),
        "/v1/images/edits": TranslatedEndpoint(ImageEditRequest, _draw, images.DEFAULT_MODEL),
        "/v1/images/variations": TranslatedEndpoint(ImageVariationRequest, _draw, images.DEFAULT_MODEL),
        "/v1/audio/speech": TranslatedEndpoint(SpeechRequest, _speak),
        "/v1/audio/transcriptions": TranslatedEndpoint(TranscriptionRequest, _hear),
        "/v1/audio/translations": TranslatedEndpoint(TranslationRequest, _hear),
    } | {
        path: TranslatedEndpoint(planner.request, partial(_generate, planner.plan))
        for path, planner in PLANNERS.items()
    }


PATHS = sorted(endpoints(None), key=len, reverse=True)
"""The endpoints' paths, the longer one first where one ends with another."""


def endpoint_at(url: str) -> str:
    """Return the endpoint's path for a URL of any host (Azure's deployments, a gateway's prefix), else none."""
    path = url.partition("?")[0].rstrip("/")
    return next((one for one in PATHS if path.endswith(one.removeprefix("/v1"))), "")


def endpoint_of_body(body: Mapping[str, Any]) -> str:
    """Return the endpoint's path for a body without a URL, by its fields and, where they are shared, its model."""
    fields, model = set(body), str(body.get("model", ""))
    if "questions" in fields:
        return "/v1/decisions"
    if path := _endpoint_of_media(fields, model):
        return path
    if "prompt" in fields and not isinstance(body["prompt"], dict) and not {"messages", "input"} & fields:
        return "/v1/completions"
    if "input" in fields and "embedding" in model:
        return "/v1/embeddings"
    if fields == {"input"} or (fields == {"input", "model"} and "moderation" in model):
        return "/v1/moderations"
    return endpoint_of(body)


def _endpoint_of_media(fields: set[str], model: str) -> str:
    """Return the endpoint's path for a body about images or sounds, else none."""
    if "file" in fields:
        return "/v1/audio/transcriptions"
    if "input" in fields and {"voice", "speakers", "response_format"} & fields:
        return "/v1/audio/speech"
    if {"image", "images"} & fields:
        return "/v1/images/edits" if "prompt" in fields else "/v1/images/variations"
    if "prompt" in fields and ("image" in model or model.startswith("dall-e")):
        return "/v1/images/generations"
    return ""
