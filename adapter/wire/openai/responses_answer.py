"""The answer of POST /v1/responses (openai-python 3.54.0, `types/responses`): a Struct for each type of item."""

from typing import Any

import msgspec

from adapter.wire.base import Wire
from adapter.wire.openai.chat_answer import Extra, TokenLogprob
from adapter.wire.openai.responses_request import ConversationReference, ResponsesToolChoice, TextOptions


class SummaryText(Wire, tag_field="type", tag="summary_text"):
    """A piece of a summary of thoughts."""

    text: str


class ReasoningItem(Wire, tag_field="type", tag="reasoning"):
    """Thoughts; `encrypted_content` holds the data that Gemini needs back."""

    id: str
    summary: list[SummaryText]
    status: str
    encrypted_content: str | None = None


class UrlCitationAnnotation(Wire, tag_field="type", tag="url_citation"):
    """A source of a span of the text; indexes count characters."""

    start_index: int
    end_index: int
    url: str
    title: str


class OutputText(Wire, tag_field="type", tag="output_text"):
    """Visible text."""

    text: str
    annotations: list[UrlCitationAnnotation]
    logprobs: list[TokenLogprob]


class OutputRefusal(Wire, tag_field="type", tag="refusal"):
    """A refusal in words."""

    refusal: str


class MessageItem(Wire, tag_field="type", tag="message"):
    """A message of the model."""

    id: str
    role: str
    status: str
    content: list[OutputText | OutputRefusal]


class FunctionCallItem(Wire, tag_field="type", tag="function_call"):
    """A call of a function; `arguments` is a string of JSON."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: str
    namespace: str | None = None


class CustomToolCallItem(Wire, tag_field="type", tag="custom_tool_call"):
    """A call of a custom tool."""

    id: str
    call_id: str
    name: str
    input: str
    status: str
    namespace: str | None = None


class LocalShellCallItem(Wire, tag_field="type", tag="local_shell_call"):
    """A command for the client's own shell."""

    id: str
    call_id: str
    action: dict[str, Any]
    status: str


class ShellCallItem(Wire, tag_field="type", tag="shell_call"):
    """Commands for the client's own shell."""

    id: str
    call_id: str
    action: dict[str, Any]
    status: str


class ApplyPatchCallItem(Wire, tag_field="type", tag="apply_patch_call"):
    """A change of one of the client's files."""

    id: str
    call_id: str
    operation: dict[str, Any]
    status: str


class ToolSearchCallItem(Wire, tag_field="type", tag="tool_search_call"):
    """A search among tools that the client has not declared yet."""

    id: str
    call_id: str
    arguments: dict[str, Any]
    execution: str
    status: str


class WebSearchCallItem(Wire, tag_field="type", tag="web_search_call"):
    """A search that Gemini ran."""

    id: str
    action: dict[str, Any]
    status: str


class CodeInterpreterCallItem(Wire, tag_field="type", tag="code_interpreter_call"):
    """Code that Gemini ran; `outputs` are logs, once there are some."""

    id: str
    code: str | None
    container_id: str
    outputs: list[dict[str, Any]] | None
    status: str


class ImageGenerationCallItem(Wire, tag_field="type", tag="image_generation_call"):
    """An image; `result` is base64. The other members describe the drawn image, by the file's own header."""

    id: str
    result: str | None
    status: str
    output_format: str | None = None
    size: str | None = None
    background: str | None = None
    quality: str | None = None


OutputItem = (
    ReasoningItem
    | MessageItem
    | FunctionCallItem
    | CustomToolCallItem
    | LocalShellCallItem
    | ShellCallItem
    | ApplyPatchCallItem
    | ToolSearchCallItem
    | WebSearchCallItem
    | CodeInterpreterCallItem
    | ImageGenerationCallItem
)


class IncompleteDetails(Wire):
    """The reason why an answer ended early: max_output_tokens or content_filter."""

    reason: str


class ResponseError(Wire):
    """The error with which an answer failed."""

    code: str
    message: str
    type: str
    param: str | None = None


class InputTokensDetails(Wire):
    """Tokens of the input by kind; both are always sent."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(Wire):
    """`reasoning_tokens` are part of `output_tokens`."""

    reasoning_tokens: int


class ResponseUsage(Wire):
    """Tokens; input + output = total."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ReasoningEcho(Wire):
    """The request's reasoning options, both keys always."""

    effort: str | None
    summary: str | None


class Response(Wire):
    """The answer, with every key that OpenAI and the Open Responses specification (2026-01) require."""

    id: str
    object: str
    created_at: int
    completed_at: int | None
    status: str
    incomplete_details: IncompleteDetails | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[OutputItem]
    error: ResponseError | None
    tools: msgspec.Raw
    tool_choice: str | ResponsesToolChoice
    truncation: str
    parallel_tool_calls: bool
    text: TextOptions
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    temperature: float
    reasoning: ReasoningEcho | None
    user: str | None
    usage: ResponseUsage | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    store: bool
    background: bool
    service_tier: str
    metadata: msgspec.Raw
    safety_identifier: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None = None
    conversation: ConversationReference | None = None
    extra_content: Extra | None = None
