"""The methods of Gemini that embed: builds the body of a call, and reads its answer.

| platform, model                      | method             | inputs of a call |
|--------------------------------------|--------------------|------------------|
| AI Studio and relays                 | batchEmbedContents | 100              |
| Vertex AI, gemini-embedding-001      | predict            | 1                |
| Vertex AI, later models, one input   | embedContent       | 1                |
| Vertex AI, later models, more inputs | batchEmbedContents | 100              |
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from adapter.translate.core.capabilities import ModelCapabilities, Platform
from adapter.translate.embeddings.vectors import OUT, cut_vectors, paste_vectors
from adapter.wire.gemini.content import Content
from adapter.wire.gemini.embed import (
    BatchEmbedContentsRequest,
    BatchEmbedContentsResponse,
    EmbedContentConfig,
    EmbedContentRequest,
    EmbedContentResponse,
    EmbeddingInstance,
    EmbedUsage,
    PredictedEmbedding,
    PredictParameters,
    PredictRequest,
    PredictResponse,
    VertexBatchEmbedContentsRequest,
    VertexEmbedContentRequest,
)

BATCH = 100
"""The most inputs of one call (ai.google.dev, embeddings; github.com/vercel/ai, bd8d172)."""


class Task(msgspec.Struct, frozen=True):
    """The options of every input; `sources` are the client's paths of these fields, by Gemini's names."""

    task_type: str | None
    title: str | None
    dimensions: int | None
    sources: Mapping[str, str]


class Vectors(NamedTuple):
    """The vectors of an answer, as JSON, and the number of tokens; None if Gemini did not count them."""

    values: list[bytes]
    tokens: int | None


class _Members(NamedTuple):
    """The `values` members of a decoded answer, in their order, and the number of tokens."""

    values: list[msgspec.Raw]
    tokens: int | None


class BodyPointers(NamedTuple):
    """Templates of JSON pointers into a call's body: to an input, from there to a part, and to an input's fields."""

    input: str
    part: str
    fields: Mapping[str, str]
    has_model: bool = False


_FIELDS = ("taskType", "title", "outputDimensionality")


Decode = Callable[[bytes, type[Any]], tuple[Any, object]]
"""Decodes an answer; returns an object of the type, and the unknown fields."""


class EmbeddingMethod(NamedTuple):
    """A method of Gemini that embeds.

    `most` is the largest number of inputs in a call. `build` makes its body, `answer` is the type of its answer, and
    `members` gets the vectors out of that.
    """

    name: str
    most: int
    pointers: BodyPointers
    build: Callable[[str, Sequence[Content], Task], msgspec.Struct]
    answer: type[msgspec.Struct]
    members: Callable[[Any], _Members]

    def read(self, answer: bytes, decode: Decode) -> Vectors:
        """Read the vectors of an answer. They are cut out first: the decoder reads only the few bytes around them."""
        around, vectors = cut_vectors(answer)
        members = self.members(decode(around, self.answer)[0])
        if members.values.count(OUT) != len(vectors):
            # Another member is named `values` too: what was cut out may be its value. So the whole answer is decoded.
            members, vectors = self.members(decode(answer, self.answer)[0]), []
        return Vectors(paste_vectors(members.values, vectors), members.tokens)


def method_of(row: ModelCapabilities, platform: Platform, inputs: int) -> EmbeddingMethod:
    """Return the method that embeds this number of inputs with a model on a platform."""
    if platform != "vertex":
        return STUDIO
    if row.predicts:
        return PREDICT
    return VERTEX_ONE if inputs == 1 else VERTEX_BATCH


def _build_batch(model: str, contents: Sequence[Content], task: Task) -> BatchEmbedContentsRequest:
    name = f"models/{model.removeprefix('models/')}"
    return BatchEmbedContentsRequest(
        requests=[
            EmbedContentRequest(
                model=name,
                content=content,
                task_type=task.task_type,
                title=task.title,
                output_dimensionality=task.dimensions,
            )
            for content in contents
        ]
    )


def _build_vertex(content: Content, task: Task) -> VertexEmbedContentRequest:
    config = EmbedContentConfig(task_type=task.task_type, title=task.title, output_dimensionality=task.dimensions)
    is_empty = config == EmbedContentConfig()
    return VertexEmbedContentRequest(content=content, embed_content_config=None if is_empty else config)


def _build_vertex_one(_model: str, contents: Sequence[Content], task: Task) -> VertexEmbedContentRequest:
    return _build_vertex(contents[0], task)


def _build_vertex_batch(_model: str, contents: Sequence[Content], task: Task) -> VertexBatchEmbedContentsRequest:
    return VertexBatchEmbedContentsRequest(requests=[_build_vertex(content, task) for content in contents])


def _build_predict(_model: str, contents: Sequence[Content], task: Task) -> PredictRequest:
    """Build a `predict` request, whose models embed texts alone."""
    texts = ["".join(part.text or "" for part in content.parts or ()) for content in contents]
    parameters = None if task.dimensions is None else PredictParameters(output_dimensionality=task.dimensions)
    return PredictRequest(
        instances=[EmbeddingInstance(content=text, task_type=task.task_type, title=task.title) for text in texts],
        parameters=parameters,
    )


def _count(usage: EmbedUsage | None) -> int | None:
    return usage.prompt_token_count if usage is not None else None


def _read_batch(answer: BatchEmbedContentsResponse) -> _Members:
    return _Members([one.values for one in answer.embeddings or ()], _count(answer.usage_metadata))


def _read_one(answer: EmbedContentResponse) -> _Members:
    return _Members([] if answer.embedding is None else [answer.embedding.values], _count(answer.usage_metadata))


def _read_predictions(answer: PredictResponse) -> _Members:
    found = [one.embeddings or PredictedEmbedding() for one in answer.predictions or ()]
    counts = [one.statistics.token_count for one in found if one.statistics is not None]
    known = [int(count) for count in counts if count is not None]
    return _Members([one.values for one in found], sum(known) if len(known) == len(found) else None)


_PART = "/content/parts/{}"
_CONFIG = "/embedContentConfig/"
STUDIO = EmbeddingMethod(
    "batchEmbedContents",
    BATCH,
    BodyPointers("/requests/{}", _PART, {name: f"/requests/{{}}/{name}" for name in _FIELDS}, has_model=True),
    _build_batch,
    BatchEmbedContentsResponse,
    _read_batch,
)
VERTEX_BATCH = EmbeddingMethod(
    "batchEmbedContents",
    BATCH,
    BodyPointers("/requests/{}", _PART, {name: f"/requests/{{}}{_CONFIG}{name}" for name in _FIELDS}),
    _build_vertex_batch,
    BatchEmbedContentsResponse,
    _read_batch,
)
VERTEX_ONE = EmbeddingMethod(
    "embedContent",
    1,
    BodyPointers("", _PART, {name: f"{_CONFIG}{name}" for name in _FIELDS}),
    _build_vertex_one,
    EmbedContentResponse,
    _read_one,
)
_PREDICTED = {
    "taskType": "/instances/{}/task_type",
    "title": "/instances/{}/title",
    "outputDimensionality": "/parameters/outputDimensionality",
}
PREDICT = EmbeddingMethod(
    "predict",
    1,
    BodyPointers("/instances/{}", "/content", _PREDICTED),
    _build_predict,
    PredictResponse,
    _read_predictions,
)
