"""generateContent and streamGenerateContent (discovery revision 20260325, google-genai 3.4.0)."""

import msgspec

from adapter.wire.base import ABSENT
from adapter.wire.gemini.content import Content, Gemini


class FunctionDeclaration(Gemini):
    """A function the model may call: `parameters` is an OpenAPI subset, `parametersJsonSchema` is JSON Schema."""

    name: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    parameters_json_schema: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    response_json_schema: msgspec.Raw = ABSENT
    behavior: str | None = None


class Tool(Gemini):
    """Function declarations, or one of Gemini's built-in tools (free-form: carried, never read)."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: msgspec.Raw = ABSENT
    google_search_retrieval: msgspec.Raw = ABSENT
    code_execution: msgspec.Raw = ABSENT
    url_context: msgspec.Raw = ABSENT
    google_maps: msgspec.Raw = ABSENT
    file_search: msgspec.Raw = ABSENT
    computer_use: msgspec.Raw = ABSENT
    mcp_servers: msgspec.Raw = ABSENT
    retrieval: msgspec.Raw = ABSENT
    enterprise_web_search: msgspec.Raw = ABSENT


class FunctionCallingConfig(Gemini):
    """`mode`: AUTO, ANY, NONE or VALIDATED."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None
    stream_function_call_arguments: bool | None = None


class ToolConfig(Gemini):
    """Settings for the use of tools."""

    function_calling_config: FunctionCallingConfig | None = None
    retrieval_config: msgspec.Raw = ABSENT
    include_server_side_tool_invocations: bool | None = None


class SafetySetting(Gemini):
    """One threshold per harm category."""

    category: str | None = None
    threshold: str | None = None
    method: str | None = None


class ThinkingConfig(Gemini):
    """Either a level (Gemini 3) or a budget in tokens (Gemini 2.5)."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class PrebuiltVoiceConfig(Gemini):
    """A voice by name."""

    voice_name: str | None = None


class VoiceConfig(Gemini):
    """The voice of spoken output."""

    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: msgspec.Raw = ABSENT
    voice: str | None = None


class SpeechConfig(Gemini):
    """Spoken output."""

    voice_config: VoiceConfig | None = None
    multi_speaker_voice_config: msgspec.Raw = ABSENT
    language_code: str | None = None


class ImageConfig(Gemini):
    """Image output."""

    aspect_ratio: str | None = None
    image_size: str | None = None
    person_generation: str | None = None
    prominent_people: str | None = None
    image_output_options: msgspec.Raw = ABSENT


class GenerationConfig(Gemini):
    """Sampling, limits and formats."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: msgspec.Raw = ABSENT
    response_json_schema: msgspec.Raw = ABSENT
    response_modalities: list[str] | None = None
    media_resolution: str | None = None
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None
    image_config: ImageConfig | None = None
    response_format: msgspec.Raw = ABSENT
    audio_transcription_config: msgspec.Raw = ABSENT
    enable_enhanced_civic_answers: bool | None = None
    enable_affective_dialog: bool | None = None
    translation_config: msgspec.Raw = ABSENT
    audio_timestamp: bool | None = None
    routing_config: msgspec.Raw = ABSENT
    model_selection_config: msgspec.Raw = ABSENT


class GenerateContentRequest(Gemini):
    """A request. `contents` come last, so that a longer chat is the shorter one plus a tail (implicit caching).

    In what is sent, raw JSON may stand for some of them in a row, with commas between them.
    """

    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: ToolConfig | None = None
    safety_settings: list[SafetySetting] | None = None
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None
    service_tier: str | None = None
    labels: dict[str, str] | None = None
    store: bool | None = None
    continuation_token: str | None = None
    contents: list[Content] | None = None


class ModalityTokenCount(Gemini):
    """Tokens of one modality; `tokenCount` may be missing."""

    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(Gemini):
    """Counts of tokens, cumulative also in a stream. total = prompt + candidates + toolUsePrompt + thoughts."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityTokenCount] | None = None
    cache_tokens_details: list[ModalityTokenCount] | None = None
    candidates_tokens_details: list[ModalityTokenCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityTokenCount] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class LogprobsCandidate(Gemini):
    """One token and its log probability."""

    token: str | None = None
    token_id: int | None = None
    log_probability: float | None = None


class TopCandidates(Gemini):
    """The alternatives at one position, most likely first."""

    candidates: list[LogprobsCandidate] | None = None


class LogprobsResult(Gemini):
    """Log probabilities of the chosen tokens and their alternatives."""

    chosen_candidates: list[LogprobsCandidate] | None = None
    top_candidates: list[TopCandidates] | None = None
    log_probability_sum: float | None = None


class Candidate(Gemini):
    """One answer, or a piece of it in a stream; every field may be missing."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    safety_ratings: msgspec.Raw = ABSENT
    citation_metadata: msgspec.Raw = ABSENT
    token_count: int | None = None
    grounding_metadata: msgspec.Raw = ABSENT
    grounding_attributions: msgspec.Raw = ABSENT
    avg_logprobs: float | None = None
    logprobs_result: LogprobsResult | None = None
    url_context_metadata: msgspec.Raw = ABSENT
    continuation_token: str | None = None


class SafetyRating(Gemini, forbid_unknown_fields=False):
    """The probability that a prompt or an answer is harmful in one way."""

    category: str | None = None
    probability: str | None = None


class PromptFeedback(Gemini):
    """The reason why a prompt was blocked, and its safety ratings."""

    block_reason: str | None = None
    block_reason_message: str | None = None
    safety_ratings: msgspec.Raw = ABSENT


class GenerateContentResponse(Gemini):
    """An answer, or one event of a stream (text is a delta there, usage is not)."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    model_status: msgspec.Raw = ABSENT
    create_time: str | None = None


class GroundingWeb(Gemini, forbid_unknown_fields=False):
    """A source; maps and retrieved contexts have the same two fields."""

    uri: str | None = None
    title: str | None = None


class GroundingChunk(Gemini, forbid_unknown_fields=False):
    """A source of one kind."""

    web: GroundingWeb | None = None
    maps: GroundingWeb | None = None
    retrieved_context: GroundingWeb | None = None


class Segment(Gemini, forbid_unknown_fields=False):
    """A span of one part's text, in UTF-8 bytes; `startIndex` is left out when 0."""

    part_index: int = 0
    start_index: int = 0
    end_index: int = 0
    text: str = ""


class GroundingSupport(Gemini, forbid_unknown_fields=False):
    """A span of the text, and the sources that support it."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(Gemini, forbid_unknown_fields=False):
    """The part of the metadata that citations need; all of it goes to the client as it is."""

    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None
