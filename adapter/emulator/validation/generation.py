"""`generationConfig` and the settings beside it: ranges first, then the model's capabilities."""

from typing import Any

from adapter.emulator.core.conversation import Request, generation_config
from adapter.emulator.core.errors import OPAQUE, bullet
from adapter.emulator.core.models import Model
from adapter.emulator.parsing.field_table import snake
from adapter.emulator.validation.tools import json_schema_violations, schema_violations

RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "topP": (0.0, 1.0),
    "presencePenalty": (-2.0, 2.0),
    "frequencyPenalty": (-2.0, 2.0),
}
MIME_TYPES = (
    "text/plain",
    "application/json",
    "application/xml",
    "application/yaml",
    "text/xml",
    "text/yaml",
    "text/x.enum",
)
BAD_MIME = (
    "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`."
)
AUDIO_FORMATS = ("", "AUDIO_WAV", "AUDIO_L16")
MAX_STOPS = 5
MAX_LOGPROBS = 20
MAX_CANDIDATES = 8
LEGACY_BUDGET = (-1, 65_536)
LEGACY_CATEGORIES = ("DEROGATORY", "TOXICITY", "VIOLENCE", "SEXUAL", "MEDICAL", "DANGEROUS")
SCHEMA_FIELDS = ("responseSchema", "responseJsonSchema", "_responseJsonSchema")
RATIO_TEXT = "1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9"
EXTREME_RATIO_TEXT = "1:4 4:1 1:8 8:1"


def config_violations(request: Request) -> list[str]:
    """Return every bullet about `generation_config` and `safety_settings`."""
    config = generation_config(request)
    faults = [*range_faults(config), *count_faults(config), *format_faults(config)]
    bullets = [bullet(f"generation_config.{snake(field)}", text) for field, text in faults]
    if "responseSchema" in config:
        bullets += schema_violations(config["responseSchema"], "generation_config.response_schema")
    for field in SCHEMA_FIELDS[1:]:
        if field in config:
            bullets += json_schema_violations(config[field], f"generation_config.{snake(field)}")
    return bullets + safety_violations(request)


def range_faults(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Report numbers outside their range."""
    return [
        (field, f"{snake(field)} must be in the range [{low}, {high}].")
        for field, (low, high) in RANGES.items()
        if field in config and not low <= config[field] <= high
    ]


def count_faults(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Report counts that are too small or too large."""
    faults = []
    if not 1 <= config.get("candidateCount", 1) <= MAX_CANDIDATES:
        faults.append(("candidateCount", f"candidate_count must be in the range [1, {MAX_CANDIDATES}]."))
    if config.get("maxOutputTokens", 1) < 1:
        faults.append(("maxOutputTokens", "max_output_tokens must be positive."))
    if config.get("topK", 1) < 1:
        faults.append(("topK", "top_k must be positive."))
    if len(config.get("stopSequences", [])) > MAX_STOPS:
        faults.append(("stopSequences", f"at most {MAX_STOPS} stop sequences are allowed."))
    if not 0 <= config.get("logprobs", 0) <= MAX_LOGPROBS:
        faults.append(("logprobs", f"logprobs must be in the range [0, {MAX_LOGPROBS}]."))
    if "logprobs" in config and not config.get("responseLogprobs"):
        faults.append(("logprobs", "logprobs should only be set when response_logprobs is true."))
    return faults


def format_faults(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Check the MIME type, and that at most one schema goes with it."""
    mime = config.get("responseMimeType") or "text/plain"
    schemas = [field for field in SCHEMA_FIELDS if field in config]
    faults = [] if mime in MIME_TYPES else [("responseMimeType", BAD_MIME)]
    if len(schemas) > 1:
        faults.append((schemas[1], f"only one of {' and '.join(map(snake, schemas))} may be set."))
    if schemas and mime == "text/plain":
        faults.append((schemas[0], f"{snake(schemas[0])} requires a compatible response_mime_type."))
    return faults


def safety_violations(request: Request) -> list[str]:
    """Check for one setting per category, and no PaLM categories (API reference of SafetySetting)."""
    seen: set[str] = set()
    bullets = []
    for index, setting in enumerate(request.get("safetySettings", [])):
        category = setting.get("category", "")
        if category.removeprefix("HARM_CATEGORY_") in LEGACY_CATEGORIES:
            bullets.append(bullet(f"safety_settings[{index}]", "element predicate failed: $.category in (...)"))
        elif category in seen:
            bullets.append(bullet(f"safety_settings[{index}].category", f"duplicate setting for {category}"))
        seen.add(category)
    return bullets


def model_violations(request: Request, model: Model, *, streaming: bool) -> list[str]:
    """List the requested things that this model cannot do."""
    config = generation_config(request)
    violations = []
    if request.get("systemInstruction", {}).get("parts") and not model.system_instruction:
        violations.append(f"Developer instruction is not enabled for models/{model.name}")
    if config.get("candidateCount", 1) > model.max_candidates:
        violations.append("Multiple candidates is not enabled for this model")
    if not model.penalties and ("presencePenalty" in config or "frequencyPenalty" in config):
        violations.append(f"Penalty is not enabled for models/{model.name}")
    if config.get("maxOutputTokens", 1) > model.output_limit:
        violations.append(output_range(config["maxOutputTokens"], model.output_limit))
    return [
        *violations,
        *logprob_faults(config, model, streaming),
        *modality_faults(config, model),
        *transcription_faults(config, model),
        *thinking(config, model),
    ]


def output_range(value: int, limit: int) -> str:
    """Return the message for more tokens than the model gives."""
    return (
        f"Unable to submit request because it has a maxOutputTokens value of {value} but the supported range is from 1 "
        f"(inclusive) to {limit + 1} (exclusive). Update the value and try again."
    )


def logprob_faults(config: dict[str, Any], model: Model, streaming: bool) -> list[str]:
    """Report logprobs; streaming is refused before the model is looked at (github.com/maruel/genai, recorded 2026)."""
    if not config.get("responseLogprobs"):
        return []
    if streaming:
        return ["LogProbs is not supported in streaming mode"]
    return [] if model.logprobs else ["Logprobs is not enabled for this model"]


def modality_faults(config: dict[str, Any], model: Model) -> list[str]:
    """Check that the model has this set of modalities; all but speech models have text alone."""
    modalities = set(config.get("responseModalities", [])) - {"MODALITY_UNSPECIFIED"}
    combinations = [set(model.outputs), *([{"IMAGE"}] if model.makes_images else [])]
    if model.outputs != ("AUDIO",):
        combinations.append({"TEXT"})
    if modalities and modalities not in combinations:
        listed = "".join(f"* {', '.join(sorted(combination, reverse=True))}\n" for combination in combinations)
        return [
            f"The requested combination of response modalities ({', '.join(config['responseModalities'])}) is not "
            f"supported by the model. models/{model.name} accepts the following combination of response modalities:\n"
            f"{listed}"
        ]
    return audio_faults(config, model) or image_faults(config.get("imageConfig", {}), model)


def audio_faults(config: dict[str, Any], model: Model) -> list[str]:
    """Check the form of speech, for models from 3.8 on (@ai-sdk/google 4.0.121); two forms are implemented."""
    formats = [entry["audio"].get("mimeType", "") for entry in config.get("responseFormat", []) if "audio" in entry]
    if formats and not model.speaks_wav:
        return [f"Audio response format is not supported for models/{model.name}"]
    return [f"Unsupported audio mime type: {one}" for one in formats if one not in AUDIO_FORMATS]


def image_faults(config: dict[str, Any], model: Model) -> list[str]:
    """Check the ratio and size for image models."""
    ratios = f"{RATIO_TEXT} {EXTREME_RATIO_TEXT if model.extreme_ratios else ''}".split()
    known_size = config.get("imageSize") in (None, "", *model.image_sizes)
    return [] if known_size and config.get("aspectRatio") in (None, "", *ratios) else [OPAQUE]


def transcription_faults(config: dict[str, Any], model: Model) -> list[str]:
    """Report transcription for all models but the one kind that does it."""
    if "audioTranscriptionConfig" not in config or model.transcribes:
        return []
    return [f"Audio transcription is not enabled for models/{model.name}"]


def thinking(config: dict[str, Any], model: Model) -> list[str]:
    """Check thinking: budgets for 2.5, levels for 3 and later, never both (ai.google.dev thinking page, 2026-09)."""
    wanted = config.get("thinkingConfig", {})
    level, budget = wanted.get("thinkingLevel"), wanted.get("thinkingBudget")
    if level and budget is not None:
        return ["You can only set only one of thinking budget and thinking level."]
    if model.thinking == "none":
        wants_thinking = level or budget or wanted.get("includeThoughts")
        return [f"Thinking is not enabled for models/{model.name}"] if wants_thinking else []
    if level:
        return level_faults(level, model)
    return budget_faults(budget, model) if budget is not None else []


def level_faults(level: str, model: Model) -> list[str]:
    """Report a level that the model does not have."""
    if model.thinking != "level":
        return ["Thinking level is not supported for this model."]
    if level in (*model.levels, "THINKING_LEVEL_UNSPECIFIED"):
        return []
    return [f"Thinking level {level} is not supported for this model. Please retry with other thinking level."]


def budget_faults(budget: int, model: Model) -> list[str]:
    """Check a budget: -1 is dynamic, 0 is off where that is possible; 3.x still takes budgets."""
    low, high = model.budget if model.thinking == "budget" else LEGACY_BUDGET
    if budget == 0 and not model.thinking_off:
        return ["Budget 0 is invalid. This model only works in thinking mode."]
    if budget in (-1, 0) or low <= budget <= high:
        return []
    return [f"The thinking budget ({budget}) is invalid. Please choose a value between {low} and {high}."]
