"""Translates how hard to think: OpenAI's effort, and other vendors' spellings, to Gemini's thinkingConfig.

Exactly one field decides, in the order of `SOURCES`; the others get a dropped note. Levels go to Gemini 3 and later,
budgets to 2.5 (ai.google.dev, thinking, 2026-09-28; OpenAI compatibility, 2026-09-12).
"""

from collections.abc import Iterator
from typing import Any, assert_never

from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note, Outcome, approximate, drop, exact, reject
from adapter.wire.gemini.generate import GenerateContentRequest, GenerationConfig, ThinkingConfig
from adapter.wire.openai.chat_request import ChatCompletionRequest, Reasoning, Thinking

SOURCES = ("extra_body", "google", "reasoning_effort", "reasoning", "thinking", "enable_thinking")
"""The fields that may ask for thinking, most specific first. Each but the extensions stands in `source`, too."""

_ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
"""Google's own table for 2.5 models (ai.google.dev, OpenAI compatibility, 2026-09-12)."""


def source(request: ChatCompletionRequest, extension: str | None) -> str | None:
    """Return the field that decides; `extension` is the Google extension that sets a level or a budget, if any."""
    asks = {
        extension: extension is not None,
        "reasoning_effort": request.reasoning_effort is not None,
        "reasoning": request.reasoning is not None and _reasoning_effort(request.reasoning) is not None,
        "thinking": request.thinking is not None and request.thinking.type is not None,
        "enable_thinking": request.enable_thinking is not None,
    }
    return next((name for name in SOURCES if asks.get(name)), None)


def _fragment(thinking: ThinkingConfig) -> GenerateContentRequest:
    return GenerateContentRequest(generation_config=GenerationConfig(thinking_config=thinking))


def by_effort(effort: str, context: Context, include: bool = False) -> Outcome:
    """The thinkingConfig for one of OpenAI's efforts, or the nearest that the model takes.

    `include` asks for thought summaries, the answer's `reasoning_content`; the operator can ask for them always.
    `default` is Groq's word for the model's own choice (console.groq.com/docs/reasoning, 2026).
    """
    if effort == "default":
        return exact()
    if effort not in _ORDER:
        return reject("unknown-value", f"{effort!r} is not an effort: one of {', '.join(_ORDER)}")
    match context.capabilities.thinking:
        case "none":
            return drop("thinking-unsupported", "the model does not think") if effort != "none" else exact()
        case "budget":
            return _budget_by_effort(effort, context.capabilities, _thoughts(effort, context, include))
        case "levels":
            return _level_by_effort(effort, context.capabilities, _thoughts(effort, context, include))
        case never:
            assert_never(never)


def _thoughts(effort: str, context: Context, include: bool) -> bool | None:
    return True if effort != "none" and (include or context.options.include_thoughts) else None


def _level_by_effort(effort: str, capabilities: ModelCapabilities, include: bool | None) -> Outcome:
    level = nearest(effort, capabilities.levels)
    fragment = _fragment(ThinkingConfig(thinking_level=level, include_thoughts=include))
    if level == effort:
        return exact(fragment)
    return approximate(fragment, "effort-nearest", f"the model's nearest level to {effort} is {level}")


def nearest(effort: str, levels: tuple[str, ...]) -> str:
    """Return the closest level the model takes; of two equally close ones the cheaper."""
    wanted = _ORDER.index(effort)
    return min(levels, key=lambda level: (abs(_ORDER.index(level) - wanted), _ORDER.index(level)))


def _budget_by_effort(effort: str, capabilities: ModelCapabilities, include: bool | None) -> Outcome:
    if effort == "none":
        return _off(capabilities)
    budget = min(_BUDGETS[effort], capabilities.budget_maximum)
    fragment = _fragment(ThinkingConfig(thinking_budget=budget, include_thoughts=include))
    if effort in ("minimal", "xhigh", "max"):
        return approximate(
            fragment, "effort-nearest", f"{effort} is a budget of {budget} tokens, as for the effort next to it"
        )
    return exact(fragment)


def _off(capabilities: ModelCapabilities) -> Outcome:
    minimum = 0 if capabilities.budget_off else capabilities.budget_minimum
    fragment = _fragment(ThinkingConfig(thinking_budget=minimum))
    if minimum == 0:
        return exact(fragment)
    return approximate(
        fragment, "effort-nearest", f"the model cannot stop thinking: the smallest budget is {minimum} tokens"
    )


def by_budget(budget: int, context: Context) -> Outcome:
    """The thinkingConfig for a budget in tokens, thought summaries included; -1 is Gemini's word for its own choice."""
    capabilities = context.capabilities
    if budget < -1:
        return reject("out-of-range", "a budget is a number of tokens")
    match capabilities.thinking:
        case "none":
            return drop("thinking-unsupported", "the model does not think") if budget else exact()
        case "levels" if budget == -1:
            return exact(_fragment(ThinkingConfig(include_thoughts=True)))
        case "budget" if budget == -1:
            return exact(_fragment(ThinkingConfig(thinking_budget=-1, include_thoughts=True)))
        case "levels":
            effort = next((name for name in ("low", "medium", "high") if budget <= _BUDGETS[name]), "high")
            level = nearest("none" if budget == 0 else effort, capabilities.levels)
            config = ThinkingConfig(thinking_level=level, include_thoughts=True)
            return approximate(_fragment(config), "effort-nearest", f"a level in place of a budget: {level}")
        case "budget":
            return _nearest_budget(budget, capabilities) if budget else _off(capabilities)
        case never:
            assert_never(never)


def _nearest_budget(budget: int, capabilities: ModelCapabilities) -> Outcome:
    taken = max(capabilities.budget_minimum, min(budget, capabilities.budget_maximum))
    fragment = _fragment(ThinkingConfig(thinking_budget=taken, include_thoughts=True))
    if taken == budget:
        return exact(fragment)
    return approximate(fragment, "effort-nearest", f"the model's nearest budget is {taken} tokens")


def drop_unless_deciding(field: str, context: Context, extension: str | None) -> Outcome | None:
    """Return a dropped outcome if another field decides how hard to think; None if this one does.

    Several fields may ask for thinking, and Gemini takes one setting: without this, two that differ would be an error.
    `extension` is the Google extension that sets a level or a budget, if any.
    """
    winner = source(context.request, extension)
    return None if winner in (field, None) else drop("field-overruled", f"{winner} decides how hard to think")


def _reasoning_effort(value: Reasoning) -> str | int | None:
    if value.enabled is False:
        return "none"
    if value.effort is not None:
        return value.effort
    return value.max_tokens


def translate_reasoning(value: Reasoning, context: Context) -> Outcome:
    """OpenRouter's form: an effort, or a budget, or off."""
    effort = _reasoning_effort(value)
    if effort is None and value.enabled and value.summary is None:
        return _on(context)
    if effort is None:
        return _summary(context) if value.summary is not None else exact()
    if isinstance(effort, int):
        return by_budget(effort, context)
    outcome = by_effort(effort, context, include=not value.exclude)
    return Outcome(outcome.fragment, (*outcome.notes, *_note_overruled(value)))


def _note_overruled(value: Reasoning) -> Iterator[Note]:
    """Yield notes on the fields of OpenRouter's form that another one leaves without effect."""
    if value.enabled is False and value.effort is not None:
        yield Note("effort", Fate.DROPPED, "field-overruled", "enabled: false decides that nothing is thought")
    if value.max_tokens is not None:
        yield Note("max_tokens", Fate.DROPPED, "field-overruled", "the effort decides how hard to think")


def _on(context: Context) -> Outcome:
    """Thinking, as much as the model likes: what most models do unasked."""
    capabilities = context.capabilities
    if capabilities.thinking == "none":
        return drop("thinking-unsupported", "the model does not think")
    if capabilities.thinks_unasked:
        return exact()
    return exact(_fragment(ThinkingConfig(thinking_budget=-1, include_thoughts=True)))


def _summary(context: Context) -> Outcome:
    """Thought summaries at the model's own effort."""
    if context.capabilities.thinking == "none":
        return drop("thinking-unsupported", "the model does not think")
    return exact(_fragment(ThinkingConfig(include_thoughts=True)))


def translate_thinking(value: Thinking, context: Context) -> Outcome:
    """Anthropic's form: disabled, adaptive, or enabled with a budget."""
    if value.type == "disabled":
        disabled = by_effort("none", context)
        if value.budget_tokens is None:
            return disabled
        overruled = Note("budget_tokens", Fate.DROPPED, "field-overruled", "thinking is disabled")
        return Outcome(disabled.fragment, (*disabled.notes, overruled))
    if value.type not in (None, "enabled", "adaptive"):
        words = f"{value.type!r} is none of enabled, disabled and adaptive"
        return Outcome(None, (Note("type", Fate.DROPPED, "unknown-value", words),))
    if value.budget_tokens is not None:
        return by_budget(value.budget_tokens, context)
    return _on(context) if value.type is not None else exact()


def translate_flag(value: bool, context: Context) -> Outcome:
    """Qwen's and vLLM's form: on is the model's default, off is no thinking."""
    return _on(context) if value else by_effort("none", context)


def includes(config: Any) -> bool:
    """Return whether a thinkingConfig sets how hard to think, beyond asking for summaries."""
    return config is not None and (config.thinking_level is not None or config.thinking_budget is not None)
