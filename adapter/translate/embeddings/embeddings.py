"""/v1/embeddings: translates a request to calls of Gemini, and their answers to one list of vectors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from adapter.translate.content.content_parts import parts_of, sources_of
from adapter.translate.core.context import EndpointContext
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.core.rules import camel
from adapter.translate.core.token_arrays import Detokenize, text_of_tokens
from adapter.translate.embeddings.calls import EmbeddingMethod, Task, Vectors, method_of
from adapter.translate.embeddings.vectors import write_vectors
from adapter.translate.ledger import Anchor
from adapter.wire.base import present
from adapter.wire.gemini.content import Content, Part
from adapter.wire.openai.chat_request import ContentPart
from adapter.wire.openai.embeddings import Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage

MAX_INPUTS = 2_048
"""Inputs of one request (OpenAI's API reference)."""

BATCH_TOKENS = 300_000
"""Tokens of one call: the limit that OpenAI has for one request."""

OPENAI_DIMENSIONS = {"text-embedding-3-small": 1_536, "text-embedding-ada-002": 1_536}
"""Vector lengths of OpenAI's models, injected for these names: a program's database has columns of this length."""

_TOKENS_OF_MEDIA = 258
_DOCUMENT = "RETRIEVAL_DOCUMENT"
_BASE64 = "base64"
_ENCODINGS = ("float", _BASE64)
InputItem = str | int | list[int | ContentPart] | ContentPart


class EmbeddingContext(EndpointContext, frozen=True, kw_only=True):
    """The context of one request. `detokenize` turns OpenAI's token numbers into text."""

    request: EmbeddingRequest
    detokenize: Detokenize | None = None


class EmbeddingPlan(msgspec.Struct, frozen=True):
    """The calls to Gemini that embed the inputs, and the notes on the fields.

    `batches` has the body of each call, `inputs` the number of inputs in each. `tokens` is an estimate for all inputs.
    `renormalise` is whether vectors must be scaled to length 1. `sources` maps Gemini's fields that every input has to
    the client's paths.
    """

    method: EmbeddingMethod
    batches: list[msgspec.Struct]
    notes: list[Note]
    inputs: list[int]
    dimensions: int
    renormalise: bool
    tokens: int
    sources: Mapping[str, str]


def to_gemini(context: EmbeddingContext, unknown: Mapping[str, msgspec.Raw] = {}) -> EmbeddingPlan:
    """Return calls for all inputs, and notes on each field. Raises `Rejected`."""
    row = context.capabilities
    if "EMBEDDING" not in row.output:
        raise Rejected("model", "wrong-endpoint", f"{context.model} is not an embedding model")
    notes = [*unknown_notes(unknown), *_model(context)]
    contents = _contents(context, notes)
    task = _task(context, notes)
    _other_fields(context.request, notes)
    dimensions = task.dimensions or row.dimensions
    sizes = [_tokens(content) for content in contents]
    method = method_of(row, context.options.platform, len(contents))
    parts = list(_parts(sizes, method.most))
    return EmbeddingPlan(
        method=method,
        batches=[method.build(context.model, contents[part], task) for part in parts],
        notes=notes,
        inputs=[part.stop - part.start for part in parts],
        dimensions=dimensions,
        renormalise=not row.short_vectors_are_unit and dimensions < row.dimensions,
        tokens=sum(sizes),
        sources=task.sources,
    )


def _model(context: EmbeddingContext) -> list[Note]:
    """Return a note if another model than the named one embeds: vectors of two models cannot be compared."""
    model = context.request.model
    if context.served.name in (model, model.rsplit("/", 1)[-1]):
        return []
    reason = f"{context.model} stands for {model}: their vectors cannot be compared"
    return [Note("model", Fate.APPROXIMATED, "embedding-space", reason)]


def _parts(sizes: Sequence[int], most: int) -> Iterator[slice]:
    """Split a list of inputs, by their tokens, into calls of at most `most` inputs."""
    start, tokens = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == most or tokens + size > BATCH_TOKENS):
            yield slice(start, index)
            start, tokens = index, 0
        tokens += size
    yield slice(start, len(sizes))


def _tokens(content: Content) -> int:
    """Estimate an input's tokens: about four bytes of UTF-8 each, and a fixed number for each file."""
    return sum(
        _TOKENS_OF_MEDIA if part.text is None else len(part.text.encode("utf-8", "replace")) // 4 + 1
        for part in content.parts or ()
    )


def _contents(context: EmbeddingContext, notes: list[Note]) -> list[Content]:
    """Return one content for each input; Gemini gives one vector for each content."""
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
    if isinstance(item, ContentPart):
        return Content(parts=_only_part(item, path, context, notes))
    if not isinstance(item, list) or not item or not all(isinstance(one, ContentPart) for one in item):
        raise Rejected(path, "malformed-value", "an input is a text, a list of tokens, or a list of content parts")
    return Content(parts=_media(item, path, context, notes))


def _only_part(part: ContentPart, path: str, context: EmbeddingContext, notes: list[Note]) -> list[Part]:
    """Return the parts of an input that is one content part: its path has no index, unlike that of a part in a list."""
    numbered, inner = f"{path}[0]", list[Note]()
    try:
        media = _media([part], path, context, inner)
    except Rejected as error:
        raise Rejected(error.note.path.replace(numbered, path, 1), error.note.code, error.note.reason) from None
    notes.extend(note.at(note.path.replace(numbered, path, 1)) for note in inner)
    return media


def _media(parts: list[ContentPart], path: str, context: EmbeddingContext, notes: list[Note]) -> list[Part]:
    """Return the parts of one input, which get one vector together (ai.google.dev, embeddings: gemini-embedding-2)."""
    if not context.capabilities.embeds_media:
        raise Rejected(
            path, "content-unsupported", f"{context.model} embeds texts alone: gemini-embedding-2 takes media"
        )
    media = parts_of(parts, path, context.as_chat(), notes)
    if not media:
        raise Rejected(path, "value-missing", "an empty text has no vector")
    return media


def _task(context: EmbeddingContext, notes: list[Note]) -> Task:
    """Return the task, the title and the number of dimensions that OpenAI's fields or Google's set."""
    settings, sources = _settings(context.request, notes)
    task_type, title = settings.get("taskType"), settings.get("title")
    if title is not None and task_type not in (None, _DOCUMENT):
        raise Rejected(sources["title"], "fields-contradict", f"a title goes with the task type {_DOCUMENT} alone")
    if title is not None and task_type is None:
        task_type = _DOCUMENT
        notes.append(Note("task_type", Fate.INJECTED, "embedding-task-added", f"a title needs {_DOCUMENT}"))
    dimensions = _dimensions(settings.get("outputDimensionality"), sources, context, notes)
    return Task(task_type, title, dimensions, {**_STANDARD, **sources})


def _dimensions(
    wanted: int | None, sources: Mapping[str, str], context: EmbeddingContext, notes: list[Note]
) -> int | None:
    most = context.capabilities.dimensions
    if wanted is not None:
        if not 1 <= wanted <= most:
            path = sources["outputDimensionality"]
            raise Rejected(path, "out-of-range", f"{context.model} gives 1 to {most} dimensions")
        return wanted
    usual = OPENAI_DIMENSIONS.get(context.request.model)
    if usual is None or usual == most:
        return None
    reason = f"{context.request.model} gives {usual} dimensions, {context.model} {most}"
    notes.append(Note("dimensions", Fate.INJECTED, "dimensions-added", reason))
    return usual


_TASK_FIELDS = {"taskType": str, "title": str, "outputDimensionality": int}
_STANDARD = {"taskType": "task_type", "title": "title", "outputDimensionality": "dimensions"}


def _settings(request: EmbeddingRequest, notes: list[Note]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return Gemini's fields for all inputs, and the client's path of each. Raises `Rejected`.

    If a field is set twice, `extra_body` wins over `google`, and both over the standard fields, as in a chat.
    """
    settings: dict[str, Any] = {}
    sources: dict[str, str] = {}
    standard = ((path, field, getattr(request, path)) for field, path in _STANDARD.items())
    for path, field, value in (*_extension(request, notes), *standard):
        if value is None:
            continue
        if field not in settings:
            settings[field], sources[field] = value, path
        elif settings[field] != value:
            notes.append(Note(path, Fate.DROPPED, "field-overruled", f"{sources[field]} says otherwise"))
    return settings, sources


def _extension(request: EmbeddingRequest, notes: list[Note]) -> Iterator[tuple[str, str, Any]]:
    """Yield path, field and value of Google's fields, from `google` or `extra_body.google`. Raises `Rejected`."""
    for path, raw in (("extra_body", request.extra_body), ("google", request.google)):
        members = _members(raw, path)
        if path == "extra_body" and "google" in members:
            reason = "beside google nothing of it is read"
            others = (key for key in members if key != "google")
            notes.extend(Note(f"{path}.{key}", Fate.DROPPED, "extra-body-ignored", reason) for key in others)
            path, members = "extra_body.google", members["google"]
        for key, value in members.items():
            kind = _TASK_FIELDS.get(camel(key))
            if kind is None:
                notes.append(Note(f"{path}.{key}", Fate.DROPPED, "unknown-field", "not a field of an embedding"))
            elif (value is not None and not isinstance(value, kind)) or isinstance(value, bool):
                raise Rejected(f"{path}.{key}", "malformed-value", "not a value that the field has")
            else:
                yield f"{path}.{key}", camel(key), value


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


def anchors_of(context: EmbeddingContext, plan: EmbeddingPlan) -> Iterator[Anchor]:
    """Return where each input and each field is in Gemini's calls: a pointer begins with the number of the call."""
    sources, pointers = iter(_sources_of_inputs(context)), plan.method.pointers
    for call, inputs in enumerate(plan.inputs):
        for number in range(inputs):
            at = f"/{call}{pointers.input.format(number)}"
            if pointers.has_model:
                yield Anchor("model", f"{at}/model")
            yield from (Anchor(path, f"{at}{pointers.part.format(part)}") for part, path in enumerate(next(sources)))
            for field, path in plan.sources.items():
                yield Anchor(path, f"/{call}{pointers.fields[field].format(number)}")


def _sources_of_inputs(context: EmbeddingContext) -> list[list[str]]:
    """Return the paths of each input's parts."""
    value = context.request.input
    if isinstance(value, str) or all(isinstance(item, int) for item in value):
        return [["input"]]
    sources = []
    for index, item in enumerate(value):
        path = f"input[{index}]"
        parts = [one for one in item if isinstance(one, ContentPart)] if isinstance(item, list) else []
        sources.append(sources_of(parts, path, context.as_chat()) if parts else [path])
    return sources


def from_gemini(
    answers: Sequence[Vectors], plan: EmbeddingPlan, request: EmbeddingRequest, model: str
) -> tuple[EmbeddingList, list[Note]]:
    """Return OpenAI's answer made of the answers of all calls, and notes.

    Raises `AnswerError` if a call has not one vector for each input, or a vector has the wrong length.
    """
    notes: list[Note] = []
    vectors = [vector for one, inputs in zip(answers, plan.inputs, strict=True) for vector in _rows(one, inputs)]
    embeddings = write_vectors(
        vectors,
        plan.dimensions,
        renormalise=plan.renormalise,
        as_base64=request.encoding_format == _BASE64,
    )
    data = [Embedding(object="embedding", index=index, embedding=one) for index, one in enumerate(embeddings)]
    counts = [answer.tokens for answer in answers if answer.tokens is not None]
    tokens = sum(counts) if len(counts) == len(answers) else plan.tokens
    if len(counts) != len(answers):
        notes.append(Note("usage", Fate.APPROXIMATED, "usage-estimated", f"{model} counts no tokens: about {tokens}"))
    usage = EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
    return EmbeddingList(object="list", data=data, model=model, usage=usage), notes


def _rows(vectors: Vectors, inputs: int) -> list[bytes]:
    """Return the vectors of one call. Raises `AnswerError` unless there is one for each input."""
    if len(vectors.values) != inputs:
        text = f"Gemini gave {len(vectors.values)} vectors for {inputs} inputs."
        raise AnswerError(502, "malformed_response", text)
    return vectors.values
