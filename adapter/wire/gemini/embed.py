"""batchEmbedContents (discovery revision 20260325; recorded answers of 2025 and 2026)."""

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


class ContentEmbedding(Gemini, forbid_unknown_fields=False):
    """One vector, as JSON: it is often passed on without being read."""

    values: msgspec.Raw = ABSENT


class EmbedUsage(Gemini, forbid_unknown_fields=False):
    """What gemini-embedding-2 counts; gemini-embedding-001 counts nothing."""

    prompt_token_count: int | None = None


class BatchEmbedContentsResponse(Gemini, forbid_unknown_fields=False):
    """The vectors, in the order of the inputs."""

    embeddings: list[ContentEmbedding] | None = None
    usage_metadata: EmbedUsage | None = None


class NumericEmbedding(Gemini, forbid_unknown_fields=False):
    """One vector as numbers, where they are needed: to read them at once costs half of reading them later."""

    values: list[float] | None = None


class NumericEmbeddingsResponse(Gemini, forbid_unknown_fields=False):
    """The vectors as numbers, in the order of the inputs."""

    embeddings: list[NumericEmbedding] | None = None
    usage_metadata: EmbedUsage | None = None
