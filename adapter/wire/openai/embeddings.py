"""POST /v1/embeddings (openai-python 3.57.0)."""

import msgspec

from adapter.wire.base import ABSENT, Wire
from adapter.wire.openai.chat_request import ContentPart


class EmbeddingRequest(Wire):
    """`input` is a text, tokens, or a list of either; by extension an input may be content parts, as a chat has them.

    `task_type` and `title` are Gemini's, and may also stand in `google` or `extra_body.google`.
    """

    input: str | list[str | int | list[int | ContentPart] | ContentPart]
    model: str
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None
    task_type: str | None = None
    title: str | None = None
    google: msgspec.Raw = ABSENT
    extra_body: msgspec.Raw = ABSENT


class Embedding(Wire):
    """One vector: numbers as JSON, or little-endian 32-bit floats, which are written as base64."""

    object: str
    index: int
    embedding: msgspec.Raw | bytes


class EmbeddingUsage(Wire):
    """Tokens of all inputs."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Wire):
    """The vectors, in the order of the inputs."""

    object: str
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
