"""Answers of POST /v1/chat/completions, whole and in chunks (openai-python 3.54.0, `types/chat`)."""

from typing import Any

from adapter.wire.base import Wire
from adapter.wire.openai.chat_request import ImageOutput

Extra = dict[str, dict[str, Any]]
"""An answer's `extra_content`: vendor, then field."""


class UrlCitation(Wire):
    """A source of a span of the text; indexes count characters."""

    start_index: int
    end_index: int
    url: str
    title: str


class Annotation(Wire):
    """A citation."""

    type: str
    url_citation: UrlCitation


class TopLogprob(Wire):
    """An alternative token."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(Wire):
    """A token of the answer, with its UTF-8 bytes."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(Wire):
    """Log probabilities of an answer."""

    content: list[TokenLogprob] | None
    refusal: list[TokenLogprob] | None


class AnswerFunction(Wire):
    """`arguments` is a string of JSON."""

    name: str
    arguments: str


class AnswerCustom(Wire):
    """A call of a custom tool."""

    name: str
    input: str


class AnswerToolCall(Wire):
    """A call in an answer; `extra_content.google.thought_signature` as Google's own endpoint sends it."""

    id: str
    type: str
    function: AnswerFunction | None = None
    custom: AnswerCustom | None = None
    extra_content: Extra | None = None


class AnswerAudio(Wire):
    """Spoken output; `data` is base64."""

    id: str
    data: str
    expires_at: int
    transcript: str


class AnswerMessage(Wire):
    """An answer. `content` is a string, or null when there are only tool calls."""

    role: str
    content: str | None
    refusal: str | None
    reasoning_content: str | None = None
    tool_calls: list[AnswerToolCall] | None = None
    function_call: AnswerFunction | None = None
    annotations: list[Annotation] | None = None
    audio: AnswerAudio | None = None
    images: list[ImageOutput] | None = None
    extra_content: Extra | None = None


class Choice(Wire):
    """`finish_reason`: stop, length, tool_calls, content_filter or function_call."""

    index: int
    message: AnswerMessage
    logprobs: ChoiceLogprobs | None
    finish_reason: str


class PromptTokensDetails(Wire):
    """Tokens of the prompt by kind; OpenAI always sends `cached_tokens`, `audio_tokens` and `cache_write_tokens`."""

    cached_tokens: int
    audio_tokens: int
    cache_write_tokens: int
    text_tokens: int | None = None
    image_tokens: int | None = None


class CompletionTokensDetails(Wire):
    """`reasoning_tokens` are part of `completion_tokens`."""

    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int
    text_tokens: int | None = None


class CompletionUsage(Wire):
    """Tokens; prompt + completion = total."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class ChatCompletion(Wire):
    """The whole answer."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None
    service_tier: str | None
    system_fingerprint: str | None
    extra_content: Extra | None = None


class DeltaFunction(Wire):
    """A piece of a call: the name comes once, `arguments` is always a string."""

    arguments: str
    name: str | None = None


class DeltaCustom(Wire):
    """A piece of a custom tool's call."""

    input: str
    name: str | None = None


class DeltaToolCall(Wire):
    """A piece of a call; `id`, `type` and `extra_content` come once, in the first."""

    index: int
    id: str | None = None
    type: str | None = None
    function: DeltaFunction | None = None
    custom: DeltaCustom | None = None
    extra_content: Extra | None = None


class DeltaAudio(Wire):
    """A piece of spoken output; `expires_at` comes last."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class Delta(Wire):
    """The payload that a chunk adds to a choice: one kind at a time (Continue reads them with else-if)."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[DeltaToolCall] | None = None
    function_call: DeltaFunction | None = None
    annotations: list[Annotation] | None = None
    audio: DeltaAudio | None = None
    images: list[ImageOutput] | None = None
    extra_content: Extra | None = None


class ChunkChoice(Wire):
    """A piece of one choice."""

    index: int
    delta: Delta
    finish_reason: str | None
    logprobs: ChoiceLogprobs | None = None


class ChatCompletionChunk(Wire):
    """One event of a stream; `id`, `created` and `model` are equal in all of them."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None = None
    service_tier: str | None = None
    extra_content: Extra | None = None
