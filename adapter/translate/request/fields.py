"""/v1/chat/completions: the rules of its fields."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from adapter.translate import image_options
from adapter.translate.core.context import Context
from adapter.translate.core.notes import (
    EXACT,
    Fate,
    Note,
    Outcome,
    Rejected,
    approximate,
    drop,
    exact,
    own_notes,
    reject,
    unknown_notes,
)
from adapter.translate.core.rules import Rules, Sum, apply, config
from adapter.translate.request import google_extension as google
from adapter.translate.request import messages, sampling, thinking
from adapter.translate.schema.json_schema import ConvertedSchema, UnusableSchema, add_words
from adapter.translate.tools import fields as tool_fields
from adapter.translate.tools import tool_choice
from adapter.translate.tools.declarations import convert_schema, set_schema
from adapter.translate.tools.json_tool import json_tool_name, needs_json_tool
from adapter.translate.voices import gemini_voice
from adapter.wire.base import present
from adapter.wire.gemini.generate import (
    FunctionDeclaration,
    GenerateContentRequest,
    GenerationConfig,
    PrebuiltVoiceConfig,
    SafetySetting,
    SpeechConfig,
    VoiceConfig,
)
from adapter.wire.gemini.generate import Tool as GeminiTool
from adapter.wire.openai.chat_request import (
    AudioOptions,
    JsonSchemaFormat,
    Reasoning,
    ResponseFormat,
    StreamOptions,
    Thinking,
)

__all__ = ["RULES", "to_gemini", "translate"]


def model(_value: str, _context: Context) -> Outcome:
    """The model is in the URL."""
    return EXACT


def response_format(value: ResponseFormat, context: Context) -> Outcome:
    """JSON mode and structured output; a function stands in where the model refuses JSON mode beside functions."""
    if value.type == "text":
        return exact()
    if value.type not in ("json_object", "json_schema"):
        return reject("unknown-value", f"{value.type!r} is not a response format", "type")
    if value.type == "json_schema" and value.json_schema is None and not present(value.schema):
        return reject("value-missing", "a format of this type needs its schema", "json_schema")
    schema = value.json_schema.schema if value.json_schema else value.schema
    is_json_tool = needs_json_tool(context)
    if not present(schema) and not is_json_tool:
        return exact(config(response_mime_type="application/json"), _lost_words(value.json_schema))
    converted = _answer_schema(schema, value.json_schema, context)
    notes = [note.at(f"json_schema.{note.path}") for note in converted.notes]
    if is_json_tool:
        return _json_tool(converted.schema, context, notes)
    place = "response_json_schema" if context.options.schema == "json" else "response_schema"
    return exact(config(response_mime_type="application/json", **{place: converted.schema}), notes)


def _lost_words(format_: JsonSchemaFormat | None) -> list[Note]:
    """Return notes on the name and the description of a missing schema."""
    names = [name for name in ("name", "description") if format_ is not None and getattr(format_, name)]
    return [
        Note(f"json_schema.{name}", Fate.DROPPED, f"schema-{name}-dropped", "there is no schema that it describes")
        for name in names
    ]


def _answer_schema(schema: msgspec.Raw, format_: JsonSchemaFormat | None, context: Context) -> ConvertedSchema:
    """Return the answer's schema in the upstream's dialect, with its description; without one, any object.

    Notes have paths that start at `json_schema`.
    """
    words = format_ or JsonSchemaFormat()
    path = "response_format.json_schema.schema"
    raw = schema if present(schema) else msgspec.Raw(b'{"type":"object"}')
    try:
        raw, is_name_lost = add_words(raw, words.name, words.description)
    except UnusableSchema as error:
        raise Rejected(path, "schema-unusable", error.reason) from None
    lost = (
        [Note("name", Fate.DROPPED, "schema-name-dropped", "the schema has a title of its own")] if is_name_lost else []
    )
    converted = convert_schema(raw, path, context.options.schema, restored=False)
    return ConvertedSchema(converted.schema, (*lost, *(note.below("schema") for note in converted.notes)))


def _json_tool(schema: msgspec.Raw, context: Context, notes: list[Note]) -> Outcome:
    declaration = FunctionDeclaration(
        name=json_tool_name(context), description="Give the final answer with this function."
    )
    set_schema(declaration, schema, context.options.schema)
    fragment = GenerateContentRequest(tools=[GeminiTool(function_declarations=[declaration])])
    reason = "the model takes no JSON mode beside functions: a function takes the answer"
    return approximate(fragment, "json-by-function", reason, notes)


def reasoning_effort(value: str, context: Context) -> Outcome:
    """How hard to think."""
    overruled = thinking.drop_unless_deciding("reasoning_effort", context, google.thinking_extension(context.request))
    return overruled or thinking.by_effort(value, context)


def reasoning(value: Reasoning, context: Context) -> Outcome:
    """How hard to think, as OpenRouter spells it."""
    overruled = thinking.drop_unless_deciding("reasoning", context, google.thinking_extension(context.request))
    return overruled or thinking.translate_reasoning(value, context)


def thinking_(value: Thinking, context: Context) -> Outcome:
    """How hard to think, as Anthropic spells it."""
    overruled = thinking.drop_unless_deciding("thinking", context, google.thinking_extension(context.request))
    return overruled or thinking.translate_thinking(value, context)


def enable_thinking(value: bool, context: Context) -> Outcome:
    """Thinking on or off, as Qwen and vLLM spell it."""
    overruled = thinking.drop_unless_deciding("enable_thinking", context, google.thinking_extension(context.request))
    return overruled or thinking.translate_flag(value, context)


def modalities(value: list[str], context: Context) -> Outcome:
    """What the answer is made of."""
    wanted = list(dict.fromkeys(item.upper() for item in value))
    unknown = [item for item in wanted if item not in ("TEXT", "IMAGE", "AUDIO")]
    if unknown:
        return reject("unknown-value", f"{unknown[0].lower()!r} is not a modality")
    possible = [item for item in wanted if item in context.capabilities.output]
    # Text alone is what Gemini answers without the field.
    if wanted in ([], ["TEXT"]):
        return exact()
    if possible == wanted:
        return exact(config(response_modalities=wanted))
    missing = ", ".join(item.lower() for item in wanted if item not in possible)
    fragment = config(response_modalities=possible) if possible not in ([], ["TEXT"]) else None
    return approximate(fragment, "modality-unavailable", f"the model gives no {missing}")


def audio(value: AudioOptions, context: Context) -> Outcome:
    """The voice; Gemini speaks raw PCM, which goes into a WAV file where the client wants one."""
    if "AUDIO" not in context.capabilities.output:
        return drop("modality-unavailable", "the model does not speak")
    name = value.voice if isinstance(value.voice, str) or value.voice is None else value.voice.id
    notes = []
    if value.format not in (None, "wav", "pcm16"):
        notes.append(
            Note("format", Fate.APPROXIMATED, "audio-format-changed", "Gemini speaks PCM: the answer is a WAV file")
        )
    if name is None:
        return exact(None, notes)
    voice = gemini_voice(name)
    prebuilt = PrebuiltVoiceConfig(voice_name=voice)
    fragment = config(speech_config=SpeechConfig(voice_config=VoiceConfig(prebuilt_voice_config=prebuilt)))
    if voice == name:
        return exact(fragment, notes)
    return approximate(fragment, "voice-replaced", f"Gemini has other voices: {voice} stands for {name}", notes)


_SERVICE_TIERS = {"default": "standard", "flex": "flex", "priority": "priority", "fast": "priority"}


def service_tier(value: str, _context: Context) -> Outcome:
    """`auto` stays open (ai.google.dev, service tiers)."""
    if value == "auto":
        return exact()
    tier = _SERVICE_TIERS.get(value)
    return (
        exact(GenerateContentRequest(service_tier=tier))
        if tier
        else drop("service-tier-unknown", f"Gemini has no tier like {value!r}")
    )


def stream(_value: bool, _context: Context) -> Outcome:
    """Chooses streamGenerateContent."""
    return EXACT


def stream_options(value: StreamOptions, _context: Context) -> Outcome:
    """`include_usage` is honoured here; obfuscation is not needed."""
    lost = (
        [Note("include_obfuscation", Fate.DROPPED, "obfuscation-absent", "chunks are not padded")]
        if value.include_obfuscation
        else []
    )
    return exact(None, lost)


def verbosity(value: str, _context: Context) -> Outcome:
    """Gemini has no such setting; `medium` is the default."""
    return (
        exact()
        if value == "medium"
        else drop("verbosity-ignored", "Gemini has no setting for how much to say: ask for it in words")
    )


def prediction(_value: msgspec.Raw, _context: Context) -> Outcome:
    """Predicted outputs only speed an answer up."""
    return drop("prediction-unused", "Gemini does not speculate on a predicted output")


def store(value: bool, _context: Context) -> Outcome:
    """Never Gemini's own `store`, which means logging."""
    return drop("completion-not-stored", "answers are not stored: there is nothing to list later") if value else exact()


def metadata(value: msgspec.Raw, _context: Context) -> Outcome:
    """Tags for stored answers."""
    return (
        exact()
        if bytes(value) == b"{}"
        else drop("tags-not-stored", "answers are not stored, and so their tags are not")
    )


def moderation(_value: msgspec.Raw, _context: Context) -> Outcome:
    """OpenAI's moderation beside the answer."""
    return drop("moderation-absent", "Gemini's own safety filters decide: see safety_settings")


def end_user(_value: str, _context: Context) -> Outcome:
    """Who the end user is."""
    return drop("user-not-sent", "Gemini is not told who the end user is")


def prompt_cache(_value: Any, _context: Context) -> Outcome:
    """How OpenAI's prompt cache is to be used."""
    return drop("cache-hint-ignored", "Gemini finds reusable prefixes itself (implicit caching)")


def include_server_side_tool_invocations(value: bool, _context: Context) -> Outcome:
    """LiteLLM's spelling: the flag is set wherever Gemini wants it."""
    return exact() if value else drop("field-overruled", "Gemini wants the flag with some tools: there it is set")


RULES = Rules(
    {
        "model": model,
        "messages": messages.messages,
        "tools": tool_fields.tools,
        "tool_choice": tool_choice.tool_choice,
        "parallel_tool_calls": tool_fields.parallel_tool_calls,
        "functions": tool_fields.functions,
        "function_call": tool_choice.function_call,
        "web_search_options": tool_fields.web_search_options,
        "response_format": response_format,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "n": sampling.n,
        "max_completion_tokens": sampling.max_completion_tokens,
        "max_tokens": sampling.max_tokens,
        "stop": sampling.stop,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "seed": sampling.seed,
        "logprobs": sampling.logprobs,
        "top_logprobs": sampling.top_logprobs,
        "logit_bias": sampling.logit_bias,
        "reasoning_effort": reasoning_effort,
        "reasoning": reasoning,
        "thinking": thinking_,
        "enable_thinking": enable_thinking,
        "modalities": modalities,
        "audio": audio,
        "image_config": image_options.image_config,
        "service_tier": service_tier,
        "safety_settings": google.safety_settings,
        "google": google.google,
        "extra_body": google.extra_body,
        "stream": stream,
        "stream_options": stream_options,
        "verbosity": verbosity,
        "prediction": prediction,
        "store": store,
        "metadata": metadata,
        "moderation": moderation,
        "user": end_user,
        "safety_identifier": end_user,
        "prompt_cache_key": prompt_cache,
        "prompt_cache_options": prompt_cache,
        "prompt_cache_retention": prompt_cache,
        "include_server_side_tool_invocations": include_server_side_tool_invocations,
    }
)
"""One rule per field of ChatCompletionRequest, in the order of its fields.

The order is that in which fragments add up: of two fields that add to one list of Gemini's, the first row's values come
first, and of two that set one value, the second row's field is told to contradict the first's (`core/rules.py`).
"""


def to_gemini(context: Context, unknown: Mapping[str, msgspec.Raw] = {}) -> tuple[GenerateContentRequest, list[Note]]:
    """Return Gemini's request for `context.request`, and what became of each field of it.

    `unknown` are the fields that no Struct names, as `wire.base.decode` found them. Raises `Rejected`.
    """
    body, notes, _ = translate(context, unknown)
    return body, notes


def translate(context: Context, unknown: Mapping[str, msgspec.Raw] = {}) -> Sum:
    """Do the same as `to_gemini`, and also return the translation of the first messages, for the next request."""
    body, notes, earlier = apply(RULES, context)
    if unknown:
        notes += unknown_notes(unknown)
    # Shared notes are those on tools, of which one that is refused raises instead.
    own = own_notes(notes) if notes.shared else notes
    fates = list(map(_FATE, own))
    if Fate.REJECTED in fates:
        first = own[fates.index(Fate.REJECTED)]
        raise Rejected(first.path, first.code, first.reason, notes)
    if body.cached_content is not None:
        notes += _without_cached(body)
    if body.safety_settings is not None or context.options.safety_settings:
        notes += _one_setting_per_category(body, context)
    if body.tools is not None and len(body.tools) > 1:
        body.tools = _one_list_of_declarations(body.tools)
    if context.capabilities.audio_formats:
        notes += _speech_as_samples(body, context)
    return body, notes, earlier


_FATE = attrgetter("fate")

_SAMPLES = msgspec.Raw(b'{"audio":{"mimeType":"AUDIO_L16"}}')


def _speech_as_samples(body: GenerateContentRequest, context: Context) -> list[Note]:
    """Ask Gemini 3.8 for samples instead of WAV files: streams and a file of several sounds need them."""
    config = body.generation_config or GenerationConfig()
    fields = context.options.fields
    possible = fields is None or not fields.isdisjoint(("generationConfig", "generationConfig.responseFormat"))
    if not possible or present(config.response_format):
        return []
    config.response_format = _SAMPLES
    body.generation_config = config
    return [Note("audio.format", Fate.INJECTED, "audio-repackaged", "asked for as samples: the file is made here")]


def _without_cached(body: GenerateContentRequest) -> list[Note]:
    """Remove the fields that cached content brings itself: sending system instruction or tools again is a 400."""
    fields = {"system_instruction": "messages", "tools": "tools", "tool_config": "tool_choice"}
    notes = []
    for name, field in fields.items():
        if getattr(body, name) is not None:
            setattr(body, name, None)
            reason = "the cached content has its own: Gemini takes none beside it"
            notes.append(Note(field, Fate.DROPPED, "cached-content-overrides", f"{_words(name)}: {reason}"))
    return notes


def _words(name: str) -> str:
    return name.replace("_", " ")


def _one_setting_per_category(body: GenerateContentRequest, context: Context) -> list[Note]:
    """Add the operator's safety settings that the request lacks; of two for one category the later one counts."""
    sent = body.safety_settings or []
    last_sent = {setting.category: setting for setting in sent}
    added = [setting for setting in context.options.safety_settings if setting.category not in last_sent]
    settings: list[SafetySetting] = [*added, *last_sent.values()]
    body.safety_settings = settings or None
    notes = [
        Note(
            "safety_settings",
            Fate.INJECTED,
            "safety-setting-added",
            f"{setting.category}: {setting.threshold}, by the operator's setting",
        )
        for setting in added
    ]
    if len(last_sent) < len({(one.category, one.threshold) for one in sent}):
        reason = "one category has two settings: the last one counts"
        notes.append(Note("safety_settings", Fate.DROPPED, "field-overruled", reason))
    return notes


def _one_list_of_declarations(tools: list[GeminiTool]) -> list[GeminiTool]:
    """Put all function declarations into one tool, ahead of the built-in ones."""
    lists = [tool.function_declarations for tool in tools if tool.function_declarations]
    if len(lists) < 2:
        return tools
    others = [tool for tool in tools if not tool.function_declarations]
    return [GeminiTool(function_declarations=[one for each in lists for one in each]), *others]
