"""POST /v1/chat/completions (openai-python 3.54.0, `types/chat`), and other clients' extra fields."""

from collections.abc import Sequence

import msgspec

from adapter.wire.base import ABSENT, Wire


class ImageUrl(Wire):
    """`url` is a data URL or a remote one; `detail` is auto, low, high or original."""

    url: str
    detail: str | None = None


class InputAudio(Wire):
    """`data` is base64; `format` is wav or mp3."""

    data: str
    format: str | None = None


class MediaUrl(Wire):
    """A video or a document by URL, as OpenRouter's, vLLM's and Mistral's clients send it."""

    url: str


class File(Wire):
    """A file by content (base64 or data URL), by id, or by URL."""

    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    format: str | None = None


THOUGHTS = (
    "thinking", "reasoning", "redacted_thinking", "redacted-reasoning", "think", "reasoning_text", "summary_text",
    "thought",
)  # fmt: skip
"""Content parts in which clients keep thoughts (github.com/agentgateway/agentgateway/issues/3363, LibreChat, 2026)."""

TEXTS = ("text", "input_text", "output_text", "refusal")
"""Content parts that are words."""


class ContentPart(Wire):
    """One part of a message's content; which field counts depends on `type`.

    One Struct, not a tagged union, since the set is open: an unknown `type` must become a note, not a decoding error.
    """

    type: str = "text"
    text: str | None = None
    image_url: str | ImageUrl | None = None
    input_audio: InputAudio | None = None
    file: File | None = None
    video_url: MediaUrl | None = None
    refusal: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_url: str | MediaUrl | None = None
    file_data: str | None = None
    filename: str | None = None
    document_url: str | MediaUrl | None = None
    document_name: str | None = None
    thinking: msgspec.Raw = ABSENT
    reasoning: msgspec.Raw = ABSENT
    signature: msgspec.Raw = ABSENT
    annotations: msgspec.Raw = ABSENT
    logprobs: msgspec.Raw = ABSENT
    prompt_cache_breakpoint: msgspec.Raw = ABSENT
    cache_control: msgspec.Raw = ABSENT
    extra_content: msgspec.Raw = ABSENT


class GoogleExtra(Wire, forbid_unknown_fields=False):
    """`extra_content.google`: Google's own carrier (ai.google.dev, OpenAI compatibility)."""

    thought_signature: str | None = None
    thought_signature_: str | None = msgspec.field(default=None, name="thoughtSignature")
    parts: msgspec.Raw = ABSENT


class ExtraContent(Wire, forbid_unknown_fields=False):
    """`extra_content`, keyed by vendor."""

    google: GoogleExtra | None = None


class ProviderFields(Wire, forbid_unknown_fields=False):
    """LiteLLM's carrier."""

    thought_signature: str | None = None


class FunctionCall(Wire):
    """`arguments` is a string of JSON; the extra fields are what clients and proxies leave in histories."""

    name: str | None = None
    arguments: str | None = None
    thought_signature: str | None = None
    thought_signature_: str | None = msgspec.field(default=None, name="thoughtSignature")
    parsed_arguments: msgspec.Raw = ABSENT
    provider_specific_fields: ProviderFields | None = None


class CustomCall(Wire):
    """A call of a custom tool: free text in place of JSON arguments."""

    name: str | None = None
    input: str | None = None


class ToolCall(Wire):
    """One call in a replayed assistant message."""

    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    index: int | None = None
    extra_content: ExtraContent | None = None
    provider_specific_fields: ProviderFields | None = None
    thought_signature: str | None = None
    thought_signature_: str | None = msgspec.field(default=None, name="thoughtSignature")
    provider_options: msgspec.Raw = ABSENT
    provider_options_: msgspec.Raw = msgspec.field(default=ABSENT, name="providerOptions")


class AudioReference(Wire):
    """Audio of an earlier answer, by id; a client may send the whole object back."""

    id: str | None = None
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None


class ImageOutput(Wire):
    """An image of an answer, in OpenRouter's place for it (`message.images`)."""

    type: str
    image_url: ImageUrl | None = None
    index: int | None = None
    extra_content: ExtraContent | None = None


class Message(Wire):
    """A message of any role; which fields count depends on `role`."""

    role: str
    content: str | list[ContentPart] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    audio: AudioReference | None = None
    images: list[ImageOutput] | None = None
    is_error: bool | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    extra_content: ExtraContent | None = None
    thought_signature: str | None = None
    thought_signature_: str | None = msgspec.field(default=None, name="thoughtSignature")
    annotations: msgspec.Raw = ABSENT
    reasoning_details: msgspec.Raw = ABSENT
    provider_specific_fields: msgspec.Raw = ABSENT
    thinking_blocks: msgspec.Raw = ABSENT
    parsed: msgspec.Raw = ABSENT
    cache_control: msgspec.Raw = ABSENT


class FunctionDefinition(Wire):
    """`parameters` is a JSON Schema; absent means no parameters."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    strict: bool | None = None


class Grammar(Wire):
    """A grammar that a custom tool's input must follow; `syntax` is lark or regex."""

    definition: str
    syntax: str


class CustomFormat(Wire):
    """`type` is text or grammar."""

    type: str
    grammar: Grammar | None = None


class CustomDefinition(Wire):
    """A custom tool."""

    name: str
    description: str | None = None
    format: CustomFormat | None = None


class Tool(Wire):
    """A tool of any type; Google's built-in ones come as types of their own, with free-form settings."""

    type: str = "function"
    function: FunctionDefinition | None = None
    custom: CustomDefinition | None = None
    google_search: msgspec.Raw = ABSENT
    url_context: msgspec.Raw = ABSENT
    code_execution: msgspec.Raw = ABSENT
    google_maps: msgspec.Raw = ABSENT
    file_search: msgspec.Raw = ABSENT
    cache_control: msgspec.Raw = ABSENT
    search_context_size: str | None = None
    user_location: msgspec.Raw = ABSENT
    filters: msgspec.Raw = ABSENT


class Named(Wire):
    """A tool by name."""

    name: str


class AllowedTools(Wire):
    """The tools that may be used; `mode` is auto or required."""

    mode: str
    tools: list["ToolChoice"]


class ToolChoice(Wire):
    """A tool choice that is not a word."""

    type: str
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None
    name: str | None = None


class FunctionName(Wire):
    """The deprecated `function_call` of a request."""

    name: str


class JsonSchemaFormat(Wire):
    """The schema that an answer must follow."""

    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class ResponseFormat(Wire):
    """`type` is text, json_object or json_schema."""

    type: str
    json_schema: JsonSchemaFormat | None = None
    schema: msgspec.Raw = ABSENT


class Voice(Wire):
    """A voice by id."""

    id: str


class AudioOptions(Wire):
    """Voice and format of spoken output; needed with the audio modality."""

    voice: str | Voice | None = None
    format: str | None = None


class ImageSettings(Wire):
    """Settings of images: those of OpenAI's tool `image_generation`, and OpenRouter's `image_config`."""

    size: str | None = None
    aspect_ratio: str | None = None
    image_size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    partial_images: int | None = None
    moderation: str | None = None
    complexity: str | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    svg: msgspec.Raw = ABSENT
    input_fidelity: str | None = None
    action: str | None = None
    model: str | None = None
    input_image_mask: msgspec.Raw = ABSENT


class Approximate(Wire):
    """The user's place, roughly."""

    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class UserLocation(Wire):
    """`type` is approximate."""

    type: str | None = None
    approximate: Approximate | None = None


class WebSearchOptions(Wire):
    """Asks for a web search."""

    search_context_size: str | None = None
    user_location: UserLocation | None = None


class StreamOptions(Wire):
    """Options of a stream."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Reasoning(Wire):
    """Reasoning in OpenRouter's form."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: str | None = None


class Thinking(Wire):
    """Thinking in Anthropic's form; `type` is enabled, disabled or adaptive."""

    type: str | None = None
    budget_tokens: int | None = None


class ChatCompletionRequest(Wire):
    """The request. The order of the fields is the order in which their translations add up."""

    model: str
    messages: Sequence[Message]
    tools: msgspec.Raw = ABSENT
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: msgspec.Raw = ABSENT
    function_call: str | FunctionName | None = None
    web_search_options: WebSearchOptions | None = None
    response_format: ResponseFormat | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    n: int | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: msgspec.Raw = ABSENT
    reasoning_effort: str | None = None
    reasoning: Reasoning | None = None
    thinking: Thinking | None = None
    enable_thinking: bool | None = None
    modalities: list[str] | None = None
    audio: AudioOptions | None = None
    image_config: ImageSettings | None = None
    service_tier: str | None = None
    safety_settings: msgspec.Raw = ABSENT
    google: msgspec.Raw = ABSENT
    extra_body: msgspec.Raw = ABSENT
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    verbosity: str | None = None
    prediction: msgspec.Raw = ABSENT
    store: bool | None = None
    metadata: msgspec.Raw = ABSENT
    moderation: msgspec.Raw = ABSENT
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: msgspec.Raw = ABSENT
    prompt_cache_retention: str | None = None
    include_server_side_tool_invocations: bool | None = None
