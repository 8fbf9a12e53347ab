"""The request of POST /v1/responses (openai-python 3.54.0, `types/responses`), and clients' extra fields.

The sets of items, tools and content parts are open: one Struct with `type` and optional fields stands for each, so
that an unknown type is a note and not a decoding error.
"""

import msgspec

from adapter.wire.base import ABSENT, Wire
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
    """One of the allowed tools."""

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
    """Options of the text: its format and verbosity."""

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
    """Options of a stream."""

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
