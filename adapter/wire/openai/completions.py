"""POST /v1/completions, the endpoint before chat (openai-python 3.57.0)."""

import msgspec

from adapter.wire.base import ABSENT, Wire
from adapter.wire.openai.chat_request import StreamOptions


class CompletionRequest(Wire):
    """`prompt` is a text, tokens, or a list of either; each prompt has `n` choices of its own."""

    model: str
    prompt: str | list[str | int | list[int]] | None = None
    best_of: int | None = None
    echo: bool | None = None
    frequency_penalty: float | None = None
    logit_bias: msgspec.Raw = ABSENT
    logprobs: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None


class CompletionLogprobs(Wire, omit_defaults=False):
    """Log probabilities token by token, in four lists of equal length."""

    text_offset: list[int]
    token_logprobs: list[float]
    tokens: list[str]
    top_logprobs: list[dict[str, float]]


class CompletionChoice(Wire, omit_defaults=False):
    """One text; in a stream a piece of it, whose reason is null but in the last."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: CompletionLogprobs | None = None


class TextUsage(Wire):
    """Tokens; prompt + completion = total."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(Wire):
    """An answer, or one event of a stream, which has the same shape."""

    id: str
    object: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TextUsage | None = None
