"""/v1/embeddings: inputs as batches for batchEmbedContents, and vectors back, in the order of the inputs."""

import math
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.core.context import Context, Options
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.core.rules import camel
from adapter.translate.request.content_parts import parts_of
from adapter.translate.token_arrays import Detokenize, text_of_tokens
from adapter.wire.base import encode, present
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.embed import (
    BatchEmbedContentsRequest,
    BatchEmbedContentsResponse,
    ContentEmbedding,
    EmbedContentRequest,
    NumericEmbedding,
    NumericEmbeddingsResponse,
)
from adapter.wire.openai.chat_request import ChatCompletionRequest, ContentPart
from adapter.wire.openai.embeddings import Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage

MAX_INPUTS = 2_048
"""Inputs of one request (OpenAI's API reference)."""

BATCH = 100
"""Inputs of one call (ai.google.dev, embeddings; github.com/vercel/ai, bd8d172)."""

BATCH_TOKENS = 300_000
"""Tokens of one call, as OpenAI bounds a request."""

OPENAI_DIMENSIONS = {"text-embedding-3-small": 1_536, "text-embedding-ada-002": 1_536}
"""How long vectors are that programs made for these models expect: columns of databases have a length."""

_PARTS_PER_TOKEN_OF_MEDIA = 258
_DOCUMENT = "RETRIEVAL_DOCUMENT"
_BASE64 = "base64"
_ENCODINGS = ("float", _BASE64)
_UNIT = 1e-3
"""How far a vector's length may be from 1: a database that compares by inner product sees no difference."""

InputItem = str | int | list[int | ContentPart] | ContentPart


class EmbeddingContext(msgspec.Struct, frozen=True, kw_only=True):
    """One request's world. `served` is the model that its name stands for; `detokenize` reads OpenAI's tokens."""

    request: EmbeddingRequest
    served: ServedModel
    options: Options = Options()
    detokenize: Detokenize | None = None

    @property
    def model(self) -> str:
        """Gemini's model."""
        return self.served.model

    @property
    def capabilities(self) -> ModelCapabilities:
        """What it can do."""
        return self.served.row


class EmbeddingPlan(msgspec.Struct, frozen=True):
    """What goes to Gemini, call by call, and what became of the fields. `answer` is how the answers are read."""

    batches: list[BatchEmbedContentsRequest]
    notes: list[Note]
    dimensions: int
    renormalise: bool
    tokens: int
    answer: type[BatchEmbedContentsResponse] | type[NumericEmbeddingsResponse] = BatchEmbedContentsResponse


class Task(msgspec.Struct, frozen=True):
    """What Gemini is told of every input."""

    task_type: str | None
    title: str | None
    dimensions: int | None


def to_gemini(context: EmbeddingContext, unknown: Mapping[str, msgspec.Raw] = {}) -> EmbeddingPlan:
    """Batches of inputs, and what became of each field. Raises `Rejected`."""
    row = context.capabilities
    if "EMBEDDING" not in row.output:
        raise Rejected("model", "wrong-endpoint", f"{context.model} is not an embedding model")
    notes = [Note(path, Fate.DROPPED, "unknown-field", "not a field that this adapter knows") for path in unknown]
    notes += _model(context)
    contents = _contents(context, notes)
    task = _task(context, notes)
    _other_fields(context.request, notes)
    name = f"models/{context.model.removeprefix('models/')}"
    asked = [
        EmbedContentRequest(
            model=name,
            content=content,
            task_type=task.task_type,
            title=task.title,
            output_dimensionality=task.dimensions,
        )
        for content in contents
    ]
    dimensions = task.dimensions or row.dimensions
    sizes = [_tokens(content) for content in contents]
    renormalise = not row.short_vectors_are_unit and dimensions < row.dimensions
    needs_numbers = renormalise or context.request.encoding_format == _BASE64
    return EmbeddingPlan(
        batches=[BatchEmbedContentsRequest(requests=asked[part]) for part in _parts(sizes)],
        notes=notes,
        dimensions=dimensions,
        renormalise=renormalise,
        tokens=sum(sizes),
        answer=NumericEmbeddingsResponse if needs_numbers else BatchEmbedContentsResponse,
    )


def _model(context: EmbeddingContext) -> list[Note]:
    """Vectors of two models have nothing in common, so a name that stands for another model is worth a word."""
    asked = context.request.model
    if context.served.name in (asked, asked.rsplit("/", 1)[-1]):
        return []
    reason = f"{context.model} stands for {asked}: their vectors cannot be compared"
    return [Note("model", Fate.APPROXIMATED, "embedding-space", reason)]


def _parts(sizes: Sequence[int]) -> Iterator[slice]:
    """Where to cut a list of inputs with these numbers of tokens."""
    start, tokens = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == BATCH or tokens + size > BATCH_TOKENS):
            yield slice(start, index)
            start, tokens = index, 0
        tokens += size
    yield slice(start, len(sizes))


def _tokens(content: Content) -> int:
    """About how many tokens an input has: an English word has four letters and a space to each, other scripts less."""
    return sum(
        _PARTS_PER_TOKEN_OF_MEDIA if part.text is None else len(part.text.encode("utf-8", "replace")) // 4 + 1
        for part in content.parts or ()
    )


def _contents(context: EmbeddingContext, notes: list[Note]) -> list[Content]:
    """One content for each input, which gives one vector for each."""
    value = context.request.input
    if isinstance(value, str):
        return [_content(value, "input", context, notes)]
    if not value:
        raise Rejected("input", "value-missing", "there is nothing to embed")
    if all(isinstance(item, int) for item in value):
        return [_content(value, "input", context, notes)]
    if len(value) > MAX_INPUTS:
        raise Rejected("input", "limit-exceeded", f"at most {MAX_INPUTS} inputs are embedded in one request")
    return [_content(item, f"input[{index}]", context, notes) for index, item in enumerate(value)]


def _content(item: Any, path: str, context: EmbeddingContext, notes: list[Note]) -> Content:
    if isinstance(item, list) and item and all(isinstance(one, int) for one in item):
        item = text_of_tokens(item, path, context.detokenize)
    if isinstance(item, str):
        if not item:
            raise Rejected(path, "value-missing", "an empty text has no vector")
        return Content(parts=[Part(text=item)])
    parts = [item] if isinstance(item, ContentPart) else item
    if not isinstance(parts, list) or not parts or not all(isinstance(one, ContentPart) for one in parts):
        raise Rejected(path, "malformed-value", "an input is a text, a list of tokens, or a list of content parts")
    return Content(parts=_media(parts, path, context, notes))


def _media(parts: list[ContentPart], path: str, context: EmbeddingContext, notes: list[Note]) -> list[Part]:
    """Several parts of one input have one vector together (ai.google.dev, embeddings: gemini-embedding-2)."""
    if not context.capabilities.embeds_media:
        raise Rejected(
            path, "content-unsupported", f"{context.model} embeds texts alone: gemini-embedding-2 takes media"
        )
    chat = Context(
        request=ChatCompletionRequest(model=context.model, messages=[]),
        capabilities=context.capabilities,
        options=context.options,
    )
    found = parts_of(parts, path, chat, notes)
    if not found:
        raise Rejected(path, "value-missing", "an empty text has no vector")
    return found


def _task(context: EmbeddingContext, notes: list[Note]) -> Task:
    """The task, the title and the number of dimensions, by OpenAI's fields and Google's."""
    request = context.request
    extension = _extension(request, notes)
    task_type = extension.get("taskType", request.task_type)
    title = extension.get("title", request.title)
    if title is not None and task_type not in (None, _DOCUMENT):
        raise Rejected("title", "fields-contradict", f"a title goes with the task type {_DOCUMENT} alone")
    if title is not None and task_type is None:
        task_type = _DOCUMENT
        notes.append(Note("task_type", Fate.INJECTED, "embedding-task-added", f"a title needs {_DOCUMENT}"))
    wanted = extension.get("outputDimensionality", request.dimensions)
    return Task(task_type, title, _dimensions(wanted, context, notes))


def _dimensions(wanted: int | None, context: EmbeddingContext, notes: list[Note]) -> int | None:
    most = context.capabilities.dimensions
    if wanted is not None:
        if not 1 <= wanted <= most:
            raise Rejected("dimensions", "out-of-range", f"{context.model} gives 1 to {most} dimensions")
        return wanted
    usual = OPENAI_DIMENSIONS.get(context.request.model)
    if usual is None or usual == most:
        return None
    reason = f"{context.request.model} gives {usual} dimensions, {context.model} {most}"
    notes.append(Note("dimensions", Fate.INJECTED, "dimensions-added", reason))
    return usual


_TASK_FIELDS = {"taskType": str, "title": str, "outputDimensionality": int}


def _extension(request: EmbeddingRequest, notes: list[Note]) -> dict[str, Any]:
    """Google's fields beside OpenAI's, from `google` or `extra_body.google`. Raises `Rejected`."""
    found: dict[str, Any] = {}
    for path, raw in (("extra_body", request.extra_body), ("google", request.google)):
        members = _members(raw, path)
        if path == "extra_body" and members:
            path, members = "extra_body.google", members.get("google", members)
        for key, value in members.items():
            kind = _TASK_FIELDS.get(camel(key))
            if kind is None:
                notes.append(Note(f"{path}.{key}", Fate.DROPPED, "unknown-field", "not a field of an embedding"))
            elif not isinstance(value, kind) or isinstance(value, bool):
                raise Rejected(f"{path}.{key}", "malformed-value", "not a value that the field has")
            else:
                found.setdefault(camel(key), value)
    return found


def _members(raw: msgspec.Raw, path: str) -> dict[str, Any]:
    if not present(raw):
        return {}
    members = orjson.loads(bytes(raw))
    if not isinstance(members, dict) or not isinstance(members.get("google", {}), dict):
        raise Rejected(path, "malformed-value", "not an object")
    return members


def _other_fields(request: EmbeddingRequest, notes: list[Note]) -> None:
    if request.encoding_format not in (None, *_ENCODINGS):
        raise Rejected("encoding_format", "unknown-value", f"one of {', '.join(_ENCODINGS)}")
    if request.user is not None:
        notes.append(Note("user", Fate.DROPPED, "user-not-sent", "Gemini is not told who the end user is"))


def from_gemini(
    answers: Sequence[BatchEmbedContentsResponse | NumericEmbeddingsResponse],
    plan: EmbeddingPlan,
    request: EmbeddingRequest,
    model: str,
) -> tuple[EmbeddingList, list[Note]]:
    """OpenAI's answer for the answers to all batches, and notes. Raises `AnswerError` for vectors that do not fit."""
    notes: list[Note] = []
    vectors = [one for answer, batch in zip(answers, plan.batches, strict=True) for one in _rows(answer, batch)]
    as_text = request.encoding_format == _BASE64
    data = [
        Embedding(object="embedding", index=index, embedding=_embedding(one, index, plan, as_text=as_text))
        for index, one in enumerate(vectors)
    ]
    counts = [answer.usage_metadata.prompt_token_count for answer in answers if answer.usage_metadata is not None]
    known = [count for count in counts if count is not None]
    tokens = sum(known) if len(known) == len(answers) else plan.tokens
    if len(known) != len(answers):
        notes.append(Note("usage", Fate.APPROXIMATED, "usage-estimated", f"{model} counts no tokens: about {tokens}"))
    usage = EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
    return EmbeddingList(object="list", data=data, model=model, usage=usage), notes


def _rows(
    answer: BatchEmbedContentsResponse | NumericEmbeddingsResponse, batch: BatchEmbedContentsRequest
) -> Sequence[ContentEmbedding | NumericEmbedding]:
    """The vectors of one batch: each input has one, or none can be told from another's."""
    vectors: Sequence[ContentEmbedding | NumericEmbedding] = answer.embeddings or []
    if len(vectors) != len(batch.requests):
        text = f"Gemini gave {len(vectors)} vectors for {len(batch.requests)} inputs."
        raise AnswerError(502, "malformed_response", text)
    return vectors


def _embedding(
    one: ContentEmbedding | NumericEmbedding, index: int, plan: EmbeddingPlan, *, as_text: bool
) -> msgspec.Raw | str:
    """A vector as the client wants it. Numbers that stay as they are are not read."""
    if isinstance(one, ContentEmbedding):
        raw = bytes(one.values) if present(one.values) else b"[]"
        if raw.count(b",") + 1 != plan.dimensions or raw[:1] != b"[":
            _check_length(_values(raw, index), index, plan)
        return msgspec.Raw(msgspec.json.format(raw, indent=-1))
    values = one.values or []
    _check_length(values, index, plan)
    if plan.renormalise:
        length = math.sqrt(math.fsum(value * value for value in values))
        if length and abs(length - 1) > _UNIT:
            values = [value / length for value in values]
    return _base64(values) if as_text else msgspec.Raw(encode(values))


def _values(raw: bytes, index: int) -> list[float]:
    try:
        return msgspec.json.decode(raw, type=list[float])
    except msgspec.DecodeError as error:
        raise AnswerError(502, "malformed_response", f"Vector {index} is no list of numbers: {error}") from None


def _check_length(values: Sequence[float], index: int, plan: EmbeddingPlan) -> None:
    if len(values) != plan.dimensions:
        text = f"Vector {index} has {len(values)} dimensions, not {plan.dimensions}."
        raise AnswerError(502, "malformed_response", text)


def _base64(values: list[float]) -> str:
    """Little-endian 32-bit floats, as the SDKs read them."""
    return b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
