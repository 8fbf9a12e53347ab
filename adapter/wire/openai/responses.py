"""POST /v1/responses (openai-python 3.54.0, `types/responses`), and what clients send beside it.

The sets of items, tools and content parts are open: one Struct with `type` and optional fields stands for each, so
that an unknown type is a note and not a decoding error. Answers have a Struct for each type of item and event.
"""

from typing import Any

import msgspec

from adapter.wire.base import ABSENT, Wire
from adapter.wire.openai.chat_answer import Extra, TokenLogprob
from adapter.wire.openai.chat_request import ContentPart, ExtraContent


class InputItem(Wire):
    """An item of the conversation; which fields count depends on `type`.

    Without a `type` it is a message (it has a role) or a reference to a stored item (it has only an id).
    """

    type: str | None = None
    id: str | None = None
    role: str | None = None
    content: str | list[ContentPart] | None = None
    status: str | None = None
    phase: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: msgspec.Raw = ABSENT
    input: str | None = None
    output: msgspec.Raw = ABSENT
    summary: list[ContentPart] | None = None
    encrypted_content: str | None = None
    result: str | None = None
    action: msgspec.Raw = ABSENT
    actions: msgspec.Raw = ABSENT
    operation: msgspec.Raw = ABSENT
    code: str | None = None
    outputs: msgspec.Raw = ABSENT
    queries: msgspec.Raw = ABSENT
    results: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    execution: str | None = None
    error: msgspec.Raw = ABSENT
    output_format: str | None = None
    server_label: str | None = None
    container_id: str | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None
    fingerprint: str | None = None
    max_output_length: int | None = None
    environment: msgspec.Raw = ABSENT
    pending_safety_checks: msgspec.Raw = ABSENT
    acknowledged_safety_checks: msgspec.Raw = ABSENT
    reasoning: msgspec.Raw = ABSENT
    text: msgspec.Raw = ABSENT
    caller: msgspec.Raw = ABSENT
    async_: bool | None = msgspec.field(default=None, name="async")
    background: str | None = None
    quality: str | None = None
    size: str | None = None
    extra_content: ExtraContent | None = None
    revised_prompt: str | None = None
    svg_usage: msgspec.Raw = ABSENT
    created_by: str | None = None


class CustomToolFormat(Wire):
    """`type` is text or grammar; `syntax` of a grammar is lark or regex."""

    type: str = "text"
    syntax: str | None = None
    definition: str | None = None


class ResponsesTool(Wire):
    """A tool of any type; which fields count depends on `type`. Tools in Google's own form have none."""

    type: str = ""
    name: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    strict: bool | None = None
    format: CustomToolFormat | None = None
    tools: "list[ResponsesTool] | None" = None
    defer_loading: bool | None = None
    allowed_callers: msgspec.Raw = ABSENT
    output_schema: msgspec.Raw = ABSENT
    async_: bool | None = msgspec.field(default=None, name="async")
    cache_control: msgspec.Raw = ABSENT
    filters: msgspec.Raw = ABSENT
    search_context_size: str | None = None
    user_location: msgspec.Raw = ABSENT
    external_web_access: bool | None = None
    search_content_types: msgspec.Raw = ABSENT
    vector_store_ids: list[str] | None = None
    max_num_results: int | None = None
    ranking_options: msgspec.Raw = ABSENT
    container: msgspec.Raw = ABSENT
    environment: msgspec.Raw = ABSENT
    execution: str | None = None
    display_height: int | None = None
    display_width: int | None = None
    server_label: str | None = None
    server_url: str | None = None
    server_description: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    authorization: str | None = None
    headers: dict[str, str] | None = None
    allowed_tools: msgspec.Raw = ABSENT
    require_approval: msgspec.Raw = ABSENT
    action: str | None = None
    background: str | None = None
    complexity: str | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    input_fidelity: str | None = None
    input_image_mask: msgspec.Raw = ABSENT
    model: str | None = None
    moderation: str | None = None
    output_compression: int | None = None
    output_format: str | None = None
    partial_images: int | None = None
    quality: str | None = None
    size: str | None = None
    svg: msgspec.Raw = ABSENT


class ChosenTool(Wire):
    """A tool among those that are allowed."""

    type: str
    name: str | None = None
    namespace: str | None = None
    server_label: str | None = None


class ResponsesToolChoice(Wire):
    """A tool choice that is not a word: one tool, or `allowed_tools` with `mode` auto or required."""

    type: str
    name: str | None = None
    namespace: str | None = None
    server_label: str | None = None
    mode: str | None = None
    tools: list[ChosenTool] | None = None


class TextFormat(Wire):
    """`type` is text, json_object or json_schema; a schema stands beside its name."""

    type: str
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class TextOptions(Wire):
    """How the text should be."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ReasoningOptions(Wire):
    """`effort` is none to max; `summary` is auto, concise or detailed."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class ConversationReference(Wire):
    """A stored conversation."""

    id: str


class ResponsesStreamOptions(Wire):
    """What a stream carries beside its events."""

    include_obfuscation: bool | None = None


class ResponsesRequest(Wire):
    """The request. The server resolves `previous_response_id`, `conversation` and `prompt` before translation."""

    model: str
    input: str | list[InputItem] | None = None
    instructions: str | None = None
    tools: msgspec.Raw = ABSENT
    tool_choice: str | ResponsesToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    text: TextOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    reasoning: ReasoningOptions | None = None
    truncation: str | None = None
    context_management: msgspec.Raw = ABSENT
    service_tier: str | None = None
    stream: bool | None = None
    stream_options: ResponsesStreamOptions | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationReference | None = None
    background: bool | None = None
    background_options: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT
    moderation: msgspec.Raw = ABSENT
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: msgspec.Raw = ABSENT
    prompt_cache_retention: str | None = None
    access_programs: msgspec.Raw = ABSENT
    image: msgspec.Raw = ABSENT
    client_metadata: msgspec.Raw = ABSENT
    reasoning_effort: str | None = None
    safety_settings: msgspec.Raw = ABSENT
    google: msgspec.Raw = ABSENT
    extra_body: msgspec.Raw = ABSENT


class SummaryText(Wire, tag_field="type", tag="summary_text"):
    """A piece of a summary of thoughts."""

    text: str


class ReasoningItem(Wire, tag_field="type", tag="reasoning"):
    """Thoughts; `encrypted_content` holds what Gemini wants back."""

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
    """What the model says."""

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
    """An image; `result` is base64."""

    id: str
    result: str | None
    status: str
    output_format: str | None = None


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
    """Why an answer ended early: max_output_tokens or content_filter."""

    reason: str


class ResponseError(Wire):
    """Why an answer failed."""

    code: str
    message: str
    type: str
    param: str | None = None


class InputTokensDetails(Wire):
    """Always both."""

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
    """What was asked for, both keys always."""

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
