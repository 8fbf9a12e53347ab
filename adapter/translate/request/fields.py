"""/v1/chat/completions: the rules of its fields."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from adapter.translate.core.context import Context
from adapter.translate.core.notes import (
    Fate,
    Note,
    Outcome,
    Rejected,
    approximated,
    dropped,
    exact,
    rejected,
    unknown_notes,
)
from adapter.translate.core.rules import Rules, apply
from adapter.translate.request import google_extension as google
from adapter.translate.request import messages, thinking
from adapter.translate.schema.json_schema import ConvertedSchema, UnusableSchema, described
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

__all__ = ["RULES", "to_gemini"]

INT32 = 2**31


def config(**fields: Any) -> GenerateContentRequest:
    """A fragment that sets fields of generationConfig."""
    return GenerateContentRequest(generation_config=GenerationConfig(**fields))


def model(_value: str, _context: Context) -> Outcome:
    """The model is in the URL."""
    return exact()


def response_format(value: ResponseFormat, context: Context) -> Outcome:
    """JSON mode and structured output; a function stands in where the model refuses JSON mode beside functions."""
    if value.type == "text":
        return exact()
    if value.type not in ("json_object", "json_schema"):
        return rejected("unknown-value", f"{value.type!r} is not a response format", "type")
    if value.type == "json_schema" and value.json_schema is None and not present(value.schema):
        return rejected("value-missing", "a format of this type needs its schema", "json_schema")
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


def _lost_words(asked: JsonSchemaFormat | None) -> list[Note]:
    """The words about a schema that is not there."""
    names = [name for name in ("name", "description") if asked is not None and getattr(asked, name)]
    return [
        Note(f"json_schema.{name}", Fate.DROPPED, f"schema-{name}-dropped", "there is no schema that it describes")
        for name in names
    ]


def _answer_schema(schema: msgspec.Raw, asked: JsonSchemaFormat | None, context: Context) -> ConvertedSchema:
    """The schema of the answer in the upstream's dialect, with the words that stand beside it; any object without one.

    Notes have paths that start at `json_schema`.
    """
    words = asked or JsonSchemaFormat()
    path = "response_format.json_schema.schema"
    raw = schema if present(schema) else msgspec.Raw(b'{"type":"object"}')
    try:
        raw, is_name_lost = described(raw, words.name, words.description)
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
    return approximated(fragment, "json-by-function", reason, notes)


def temperature(value: float, context: Context) -> Outcome:
    """0 to 2 on both sides; models from gemini-3.6-flash on ignore it (ai.google.dev, 2026-07-30)."""
    if not 0 <= value <= 2:
        return rejected("out-of-range", "must be between 0 and 2")
    return _sampling(config(temperature=value), value, context)


def top_p(value: float, context: Context) -> Outcome:
    """0 to 1 on both sides."""
    if not 0 <= value <= 1:
        return rejected("out-of-range", "must be between 0 and 1")
    return _sampling(config(top_p=value), value, context)


def top_k(value: float, context: Context) -> Outcome:
    """Not OpenAI's, but many clients send it; 0 and -1 are their words for no limit."""
    if value in (0, -1):
        return dropped("sampling-ignored", "Gemini's own top_k cannot be lifted")
    if not 1 <= value < INT32 or value % 1:
        return rejected("out-of-range", f"must be a whole number from 1 to {INT32 - 1}")
    return _sampling(config(top_k=value), None, context)


def _sampling(fragment: GenerateContentRequest, value: float | None, context: Context) -> Outcome:
    """A parameter of sampling. 1 is OpenAI's default for two of them: who sends it asks for nothing in particular."""
    if context.capabilities.sampling:
        return exact(fragment)
    return exact() if value == 1 else dropped("sampling-ignored", "the model ignores sampling parameters")


def n(value: int, context: Context) -> Outcome:
    """Candidates, as far as the model gives several in one call; the server calls again for the rest."""
    if value < 1:
        return rejected("out-of-range", "must be at least 1")
    if value == 1:
        return exact()
    if value <= context.capabilities.candidates:
        return exact(config(candidate_count=value))
    return approximated(
        None, "choices-by-calls", f"the model gives one candidate: {value} parallel calls, which bill the prompt each"
    )


def max_completion_tokens(value: int, context: Context) -> Outcome:
    """Both count the thoughts."""
    if value == -1:
        return approximated(None, "no-output-limit", "no limit: the model's own holds")
    if value < 1:
        return rejected("out-of-range", "must be at least 1")
    row = context.capabilities
    extra = context.options.thoughts_headroom if row.thinking != "none" else 0
    if value + extra > row.output_limit:
        return approximated(
            config(max_output_tokens=row.output_limit),
            "output-limit-lowered",
            f"the model's limit is {row.output_limit}",
        )
    fragment = config(max_output_tokens=value + extra)
    return (
        approximated(fragment, "output-limit-raised", f"{extra} more for thoughts, by the operator's setting")
        if extra
        else exact(fragment)
    )


def max_tokens(value: int, context: Context) -> Outcome:
    """The deprecated name of max_completion_tokens."""
    return max_completion_tokens(value, context)


MAX_STOP_SEQUENCES = 5


def stop(value: str | list[str], _context: Context) -> Outcome:
    """At most five sequences (Generative Language API, GenerationConfig)."""
    sequences = [value] if isinstance(value, str) else value
    used = [sequence for sequence in sequences if sequence]
    empty = (
        [Note("", Fate.DROPPED, "empty-stop-dropped", "an empty stop sequence never stops")]
        if len(used) < len(sequences)
        else []
    )
    if not used:
        return exact(None, empty)
    if len(used) > MAX_STOP_SEQUENCES:
        reason = f"Gemini takes {MAX_STOP_SEQUENCES} stop sequences: the others are left out"
        return approximated(config(stop_sequences=used[:MAX_STOP_SEQUENCES]), "stop-sequences-cut", reason, empty)
    return exact(config(stop_sequences=used), empty)


def presence_penalty(value: float, context: Context) -> Outcome:
    """Refused by all models from 2.5 on (github.com/BerriAI/litellm/issues/4333)."""
    return _penalty(config(presence_penalty=value), value, context)


def frequency_penalty(value: float, context: Context) -> Outcome:
    """Refused by all models from 2.5 on (github.com/BerriAI/litellm/issues/4333)."""
    return _penalty(config(frequency_penalty=value), value, context)


def _penalty(fragment: GenerateContentRequest, value: float, context: Context) -> Outcome:
    if not -2 <= value <= 2:
        return rejected("out-of-range", "must be between -2 and 2")
    if context.capabilities.penalties:
        return exact(fragment)
    return dropped("penalty-unsupported", "the model takes no penalties") if value else exact()


def seed(value: int, _context: Context) -> Outcome:
    """Gemini's seeds are 32-bit integers."""
    if -INT32 <= value < INT32:
        return exact(config(seed=value))
    folded = value % INT32
    return approximated(config(seed=folded), "seed-folded", f"Gemini's seeds have 32 bits: {folded} stands for it")


def logprobs(value: bool, context: Context) -> Outcome:
    """Log probabilities of the chosen tokens."""
    if not value:
        return exact()
    reason = _without_logprobs(context)
    return exact(config(response_logprobs=True)) if reason is None else dropped("logprobs-unavailable", reason)


def _without_logprobs(context: Context) -> str | None:
    """Why there are no log probabilities, if there are none."""
    if not context.capabilities.logprobs:
        return "the model gives no log probabilities"
    return "Gemini gives no log probabilities in a stream" if context.request.stream else None


def top_logprobs(value: int, context: Context) -> Outcome:
    """How many alternatives for each token."""
    if not 0 <= value <= 20:
        return rejected("out-of-range", "must be between 0 and 20")
    if not context.request.logprobs:
        return dropped("top-logprobs-alone", "only with logprobs") if value else exact()
    reason = _without_logprobs(context)
    return exact(config(logprobs=value)) if reason is None else dropped("logprobs-unavailable", reason)


def logit_bias(value: msgspec.Raw, _context: Context) -> Outcome:
    """Gemini has no biases for tokens."""
    return exact() if bytes(value) == b"{}" else dropped("logit-bias-unsupported", "Gemini has no biases for tokens")


def reasoning_effort(value: str, context: Context) -> Outcome:
    """How hard to think."""
    other = thinking.decides("reasoning_effort", context, google.thinking_extension(context.request))
    return other or thinking.by_effort(value, context)


def reasoning(value: Reasoning, context: Context) -> Outcome:
    """How hard to think, as OpenRouter spells it."""
    other = thinking.decides("reasoning", context, google.thinking_extension(context.request))
    return other or thinking.of_reasoning(value, context)


def thinking_(value: Thinking, context: Context) -> Outcome:
    """How hard to think, as Anthropic spells it."""
    other = thinking.decides("thinking", context, google.thinking_extension(context.request))
    return other or thinking.of_thinking(value, context)


def enable_thinking(value: bool, context: Context) -> Outcome:
    """Whether to think, as Qwen and vLLM spell it."""
    other = thinking.decides("enable_thinking", context, google.thinking_extension(context.request))
    return other or thinking.of_flag(value, context)


def modalities(value: list[str], context: Context) -> Outcome:
    """What the answer is made of."""
    wanted = list(dict.fromkeys(item.upper() for item in value))
    unknown = [item for item in wanted if item not in ("TEXT", "IMAGE", "AUDIO")]
    if unknown:
        return rejected("unknown-value", f"{unknown[0].lower()!r} is not a modality")
    possible = [item for item in wanted if item in context.capabilities.output]
    if wanted in ([], ["TEXT"]):
        return exact()
    if possible == wanted:
        return exact(config(response_modalities=wanted))
    missing = ", ".join(item.lower() for item in wanted if item not in possible)
    fragment = config(response_modalities=possible) if possible not in ([], ["TEXT"]) else None
    return approximated(fragment, "modality-unavailable", f"the model gives no {missing}")


def audio(value: AudioOptions, context: Context) -> Outcome:
    """The voice; Gemini speaks raw PCM, which goes into a WAV file where the client wants one."""
    if "AUDIO" not in context.capabilities.output:
        return dropped("modality-unavailable", "the model does not speak")
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
    return approximated(fragment, "voice-replaced", f"Gemini has other voices: {voice} stands for {name}", notes)


_SERVICE_TIERS = {"default": "standard", "flex": "flex", "priority": "priority", "fast": "priority"}


def service_tier(value: str, _context: Context) -> Outcome:
    """`auto` stays open (ai.google.dev, service tiers)."""
    if value == "auto":
        return exact()
    tier = _SERVICE_TIERS.get(value)
    return (
        exact(GenerateContentRequest(service_tier=tier))
        if tier
        else dropped("service-tier-unknown", f"Gemini has no tier like {value!r}")
    )


def stream(_value: bool, _context: Context) -> Outcome:
    """Chooses streamGenerateContent."""
    return exact()


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
        else dropped("verbosity-ignored", "Gemini has no setting for how much to say: ask for it in words")
    )


def prediction(_value: msgspec.Raw, _context: Context) -> Outcome:
    """Predicted outputs only speed an answer up."""
    return dropped("prediction-unused", "Gemini does not speculate on a predicted output")


def store(value: bool, _context: Context) -> Outcome:
    """Never Gemini's own `store`, which means logging."""
    return (
        dropped("completion-not-stored", "answers are not stored: there is nothing to list later") if value else exact()
    )


def metadata(value: msgspec.Raw, _context: Context) -> Outcome:
    """Tags for stored answers."""
    return (
        exact()
        if bytes(value) == b"{}"
        else dropped("tags-not-stored", "answers are not stored, and so their tags are not")
    )


def moderation(_value: msgspec.Raw, _context: Context) -> Outcome:
    """OpenAI's moderation beside the answer."""
    return dropped("moderation-absent", "Gemini's own safety filters decide: see safety_settings")


def end_user(_value: str, _context: Context) -> Outcome:
    """Who the end user is."""
    return dropped("user-not-sent", "Gemini is not told who the end user is")


def prompt_cache(_value: Any, _context: Context) -> Outcome:
    """How OpenAI's prompt cache is to be used."""
    return dropped("cache-hint-ignored", "Gemini finds reusable prefixes itself (implicit caching)")


def include_server_side_tool_invocations(value: bool, _context: Context) -> Outcome:
    """LiteLLM's spelling: the flag is set wherever Gemini wants it."""
    return exact() if value else dropped("field-overruled", "Gemini wants the flag with some tools: there it is set")


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
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "n": n,
        "max_completion_tokens": max_completion_tokens,
        "max_tokens": max_tokens,
        "stop": stop,
        "presence_penalty": presence_penalty,
        "frequency_penalty": frequency_penalty,
        "seed": seed,
        "logprobs": logprobs,
        "top_logprobs": top_logprobs,
        "logit_bias": logit_bias,
        "reasoning_effort": reasoning_effort,
        "reasoning": reasoning,
        "thinking": thinking_,
        "enable_thinking": enable_thinking,
        "modalities": modalities,
        "audio": audio,
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
"""One rule per field of ChatCompletionRequest, in the order of its fields."""


def to_gemini(context: Context, unknown: Mapping[str, msgspec.Raw] = {}) -> tuple[GenerateContentRequest, list[Note]]:
    """Gemini's request for `context.request`, and what became of each field of it.

    `unknown` are the fields that no Struct names, as `wire.base.decode` found them. Raises `Rejected`.
    """
    body, notes = apply(RULES, context)
    if unknown:
        notes += unknown_notes(unknown)
    fates = list(map(_FATE, notes))
    if Fate.REJECTED in fates:
        first = notes[fates.index(Fate.REJECTED)]
        raise Rejected(first.path, first.code, first.reason, notes)
    notes += _without_cached(body) + _one_setting_per_category(body, context)
    _one_list_of_declarations(body)
    notes += _speech_as_samples(body, context)
    return body, notes


_FATE = attrgetter("fate")
_SAMPLES = msgspec.Raw(b'{"audio":{"mimeType":"AUDIO_L16"}}')


def _speech_as_samples(body: GenerateContentRequest, context: Context) -> list[Note]:
    """Gemini 3.8 speaks WAV files unless asked; samples are what a stream and one file of several sounds need."""
    config = body.generation_config or GenerationConfig()
    fields = context.options.fields
    possible = fields is None or not fields.isdisjoint(("generationConfig", "generationConfig.responseFormat"))
    if not context.capabilities.audio_formats or not possible or present(config.response_format):
        return []
    config.response_format = _SAMPLES
    body.generation_config = config
    return [Note("audio.format", Fate.INJECTED, "audio-repackaged", "asked for as samples: the file is made here")]


def _without_cached(body: GenerateContentRequest) -> list[Note]:
    """Cached content brings its own system instruction and tools: sending them again is a 400."""
    if body.cached_content is None:
        return []
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
    """The operator's safety settings where the request has none; of two for one category the later one."""
    if not context.options.safety_settings and not body.safety_settings:
        body.safety_settings = None
        return []
    given = body.safety_settings or []
    asked = {setting.category: setting for setting in given}
    added = [setting for setting in context.options.safety_settings if setting.category not in asked]
    settings: list[SafetySetting] = [*added, *asked.values()]
    body.safety_settings = settings
    notes = [
        Note(
            "safety_settings",
            Fate.INJECTED,
            "safety-setting-added",
            f"{setting.category}: {setting.threshold}, by the operator's setting",
        )
        for setting in added
    ]
    if len(asked) < len({(one.category, one.threshold) for one in given}):
        reason = "one category has two settings: the last one counts"
        notes.append(Note("safety_settings", Fate.DROPPED, "field-overruled", reason))
    return notes


def _one_list_of_declarations(body: GenerateContentRequest) -> None:
    """All function declarations in one tool, ahead of the built-in ones."""
    asked = body.tools
    if asked is None or len(asked) == 1:
        return
    lists = [tool.function_declarations for tool in asked if tool.function_declarations]
    if len(lists) > 1:
        others = [tool for tool in asked if not tool.function_declarations]
        body.tools = [GeminiTool(function_declarations=[one for each in lists for one in each]), *others]
