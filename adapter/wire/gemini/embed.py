"""Embeddings: batchEmbedContents of AI Studio (discovery revision 20260325; recorded answers of 2025 and 2026).

Vertex AI has forms of its own: gemini-embedding-001 is asked with `predict` (recorded by github.com/crewAIInc/crewAI,
f4731f5), later models with embedContent and batchEmbedContents, whose options stand in `embedContentConfig`
(google-genai 3.6.1, models.py).
"""

import msgspec

from adapter.wire.base import ABSENT
from adapter.wire.gemini.content import Content, Gemini


class EmbedContentRequest(Gemini):
    """One input; `model` is that of the address, with `models/` in front."""

    model: str
    content: Content
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None


class BatchEmbedContentsRequest(Gemini):
    """At most a hundred inputs."""

    requests: list[EmbedContentRequest]


class EmbedContentConfig(Gemini):
    """The options of one input on Vertex AI."""

    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None


class VertexEmbedContentRequest(Gemini):
    """One input on Vertex AI."""

    content: Content
    embed_content_config: EmbedContentConfig | None = None


class VertexBatchEmbedContentsRequest(Gemini):
    """Several inputs on Vertex AI."""

    requests: list[VertexEmbedContentRequest]


class EmbeddingInstance(Gemini):
    """A text for `predict`; its names are in snake_case, those beside it are not."""

    content: str
    task_type: str | None = msgspec.field(default=None, name="task_type")
    title: str | None = None


class PredictParameters(Gemini):
    """The options of `predict`."""

    output_dimensionality: int | None = None


class PredictRequest(Gemini):
    """Vertex AI's `predict`: gemini-embedding-001 takes one text at a time."""

    instances: list[EmbeddingInstance]
    parameters: PredictParameters | None = None


class ContentEmbedding(Gemini, forbid_unknown_fields=False):
    """One vector, as JSON: its numbers are often passed on without being read."""

    values: msgspec.Raw = ABSENT


class EmbedUsage(Gemini, forbid_unknown_fields=False):
    """Tokens, as gemini-embedding-2 counts them; gemini-embedding-001 counts none."""

    prompt_token_count: int | None = None


class BatchEmbedContentsResponse(Gemini, forbid_unknown_fields=False):
    """The vectors, in the order of the inputs."""

    embeddings: list[ContentEmbedding] | None = None
    usage_metadata: EmbedUsage | None = None


class EmbedContentResponse(Gemini, forbid_unknown_fields=False):
    """One vector of Vertex AI's embedContent."""

    embedding: ContentEmbedding | None = None
    usage_metadata: EmbedUsage | None = None


class EmbeddingStatistics(Gemini, forbid_unknown_fields=False):
    """Tokens, as `predict` counts them."""

    token_count: int | float | None = msgspec.field(default=None, name="token_count")


class PredictedEmbedding(ContentEmbedding, forbid_unknown_fields=False):
    """A vector with its figures."""

    statistics: EmbeddingStatistics | None = None


class Prediction(Gemini, forbid_unknown_fields=False):
    """The result of `predict` for one text."""

    embeddings: PredictedEmbedding | None = None


class PredictResponse(Gemini, forbid_unknown_fields=False):
    """The answer of `predict`."""

    predictions: list[Prediction] | None = None
