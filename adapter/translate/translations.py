"""What requests become, endpoint by endpoint: the bodies that go to Gemini, and what is lost.

The one list of what can be translated without a call: `adapter translate`, `POST /translate` and reports read it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from adapter.translate import completions, decisions, embeddings, moderations
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.decisions import DecisionContext
from adapter.translate.embeddings import EmbeddingContext
from adapter.translate.moderations import ModerationContext
from adapter.translate.plan import PLANNERS, Plan, plan
from adapter.translate.token_arrays import Detokenize
from adapter.wire.base import decode
from adapter.wire.openai.completions import CompletionRequest
from adapter.wire.openai.decisions import DecisionRequest
from adapter.wire.openai.embeddings import EmbeddingRequest
from adapter.wire.openai.moderations import ModerationRequest

Unknown = Mapping[str, msgspec.Raw]


class Translation(NamedTuple):
    """The calls that one request becomes. `plan` leads from the notes to places in the first body; None: there is none.

    `served` is the model with its limits.
    """

    served: ServedModel
    method: str
    bodies: list[msgspec.Struct]
    notes: list[Note]
    plan: Plan | None = None


Translate = Callable[[msgspec.Struct, Unknown, ServedModel, Options], Translation]


class Endpoint(NamedTuple):
    """How requests to one of OpenAI's endpoints are translated. `default_model` is for those that name none."""

    request: type[msgspec.Struct]
    translate: Translate
    default_model: str = ""

    def decode(self, body: bytes) -> tuple[msgspec.Struct, Unknown]:
        """The request and its unknown fields.

        Raises:
            msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded: It has another shape.

        """
        return decode(body, self.request)


def _generate(
    make: Callable[..., Plan], request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options
) -> Translation:
    made = make(request, unknown, served, options)
    return Translation(served, made.method, [made.body], made.notes, made)


def _complete(
    detokenize: Detokenize | None,
    request: msgspec.Struct,
    unknown: Unknown,
    served: ServedModel,
    options: Options,
) -> Translation:
    """Each prompt is a call of its own; losses that all of them share count once."""
    assert isinstance(request, CompletionRequest)
    try:
        view = completions.to_chat(request, served.row, detokenize, unknown)
        plans = [plan(one, {}, served, options) for one in view.requests]
    except Rejected as error:
        raise Rejected(completions.path_of(error.note.path), error.note.code, error.note.reason) from None
    notes = dict.fromkeys(note for one in plans for note in view.ledger(one.notes))
    return Translation(served, plans[0].method, [one.body for one in plans], list(notes))


def _embed(
    detokenize: Detokenize | None,
    request: msgspec.Struct,
    unknown: Unknown,
    served: ServedModel,
    options: Options,
) -> Translation:
    assert isinstance(request, EmbeddingRequest)
    context = EmbeddingContext(request=request, served=served, options=options, detokenize=detokenize)
    made = embeddings.to_gemini(context, unknown)
    return Translation(served, "batchEmbedContents", list(made.batches), made.notes)


def _decide(request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options) -> Translation:
    assert isinstance(request, DecisionRequest)
    made = decisions.to_gemini(DecisionContext(request=request, served=served, options=options), unknown)
    return Translation(served, "decisions", [made.body], made.notes)


def _moderate(request: msgspec.Struct, unknown: Unknown, served: ServedModel, options: Options) -> Translation:
    """Questions about contents, or where there is no Decisions API a call for each content whose ratings judge it."""
    assert isinstance(request, ModerationRequest)
    context = ModerationContext(request=request, served=served, options=options)
    made = moderations.to_gemini(context, unknown)
    if context.has_decisions:
        asked = [moderations.questions_about(made, batch, served.model) for batch in made.batches]
        return Translation(served, "decisions", list(asked), made.notes)
    rated = [moderations.rating_of(made, index) for index in range(len(made.contents))]
    return Translation(served, "generateContent", list(rated), made.notes)


def endpoints(detokenize: Detokenize | None) -> Mapping[str, Endpoint]:
    """The endpoints whose requests are translated, by path. `detokenize` reads prompts that are token numbers."""
    return {
        "/v1/completions": Endpoint(CompletionRequest, partial(_complete, detokenize)),
        "/v1/decisions": Endpoint(DecisionRequest, _decide),
        "/v1/moderations": Endpoint(ModerationRequest, _moderate, moderations.DEFAULT_MODEL),
        "/v1/embeddings": Endpoint(EmbeddingRequest, partial(_embed, detokenize)),
    } | {path: Endpoint(planner.request, partial(_generate, planner.plan)) for path, planner in PLANNERS.items()}
