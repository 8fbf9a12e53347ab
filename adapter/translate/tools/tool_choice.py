"""Rules of `tool_choice` and `function_call`: Gemini's calling mode, and the functions that may be called."""

from adapter.translate.core.context import Context
from adapter.translate.core.kinds import CHOICES
from adapter.translate.core.notes import Fate, Note, Outcome, approximate, drop, exact, reject
from adapter.translate.tools.built_in import BUILT_IN
from adapter.translate.tools.json_tool import needs_json_tool, wants_json
from adapter.translate.tools.names import upstream_name
from adapter.translate.tools.toolbox import NO_TOOLS, Toolbox, toolbox
from adapter.wire.gemini.generate import FunctionCallingConfig, GenerateContentRequest, ToolConfig
from adapter.wire.openai.chat_request import FunctionName, ToolChoice

_SPELLINGS = ("tool", "any", "auto", "none")

_OTHERS = "a tool choice as Anthropic's API spells it"

_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY", "any": "ANY"}


def tool_choice(value: str | ToolChoice, context: Context) -> Outcome:
    """Which tools may or must be called."""
    if isinstance(value, ToolChoice):
        meant: str | ToolChoice = _respell(value)
        outcome = _choice(meant, context)
        notes = list(CHOICES.notes(value, ""))
        if meant is not value:
            notes.append(Note("type", Fate.APPROXIMATED, "tool-choice-spelling", _OTHERS))
        return Outcome(outcome.fragment, (*outcome.notes, *notes)) if notes else outcome
    return _choice(value, context)


def function_call(value: str | FunctionName, context: Context) -> Outcome:
    """The deprecated form of `tool_choice`."""
    if context.request.tool_choice is not None:
        return drop("field-overruled", "tool_choice replaces function_call")
    if isinstance(value, str):
        return tool_choice(value, context)
    return tool_choice(ToolChoice(type="function", name=value.name), context)


def _choice(value: str | ToolChoice, context: Context) -> Outcome:
    box = toolbox(context)
    if not _understood(value):
        return reject(
            "unknown-value",
            "one of none, auto, required, or an object naming a function, a custom tool or allowed tools",
        )
    if not context.capabilities.tools:
        return drop("tools-unsupported", NO_TOOLS)
    if not box.by_name and (value == "auto" or (box.built_in and value == "none")):
        return exact()
    if not box.by_name:
        return drop("tool-choice-moot", "there are no functions to choose from")
    names = allowed_names(value)
    unknown = [name for name in names or () if name not in box.declared]
    if unknown:
        return reject("unknown-value", f"{unknown[0]!r} is not among the tools")
    return _choose(value, names, box, context)


def _respell(value: ToolChoice) -> str | ToolChoice:
    """Return OpenAI's spelling of a tool choice of Anthropic's."""
    if value.type not in _SPELLINGS:
        return value
    return ToolChoice(type="function", name=value.name) if value.type == "tool" else value.type


def _choose(value: str | ToolChoice, names: list[str] | None, box: Toolbox, context: Context) -> Outcome:
    mode = calling_mode(value)
    if names == []:
        # Gemini reads an empty list of allowed functions as none at all: every function would be allowed.
        fragment = _config("NONE", None, box, context)
        reason = "no function is among the allowed tools, and Gemini cannot be told to use a built-in one"
        return exact(fragment) if mode == "AUTO" else approximate(fragment, "tool-choice-inexact", reason)
    if mode == "AUTO":
        mode = usual_mode(box, context) if names is None else "VALIDATED"
    if not isinstance(value, str) and value.type not in ("function", "custom", "allowed_tools"):
        return approximate(
            _config(usual_mode(box, context), None, box, context),
            "tool-choice-inexact",
            "Gemini cannot be told to use one built-in tool",
        )
    if mode == "NONE" and wants_json(context.request.response_format) and not context.capabilities.tools_with_json:
        return exact()
    if mode == "VALIDATED" and not context.capabilities.validated:
        return approximate(
            _config("AUTO", None, box, context), "allowed-tools-declared", "only the allowed tools are declared"
        )
    if mode == "ANY" and value != "auto" and needs_json_tool(context):
        # A call was asked for: the function that stands for JSON mode is none.
        names = names or [declaration.name or "" for declaration in box.declarations]
    return exact(_config(mode, names, box, context))


def _config(mode: str, names: list[str] | None, box: Toolbox, context: Context) -> GenerateContentRequest:
    calling = FunctionCallingConfig(mode=mode, allowed_function_names=names)
    flag = server_side_flag(box, context)
    config = ToolConfig(function_calling_config=calling, include_server_side_tool_invocations=flag)
    return GenerateContentRequest(tool_config=config)


def _understood(value: str | ToolChoice) -> bool:
    if isinstance(value, str):
        return value in _MODES
    named = value.function or value.custom or value.name
    if value.type in ("function", "custom"):
        return named is not None
    if value.type == "allowed_tools":
        return value.allowed_tools is not None and value.allowed_tools.mode in ("auto", "required")
    return value.type in BUILT_IN


def calling_mode(value: str | ToolChoice) -> str:
    """Return Gemini's calling mode for a choice; AUTO for allowed tools of which none must be called."""
    if isinstance(value, str):
        return _MODES[value]
    return _MODES.get(value.allowed_tools.mode, "AUTO") if value.allowed_tools else "ANY"


def allowed_names(value: str | ToolChoice | None) -> list[str] | None:
    """Return Gemini's names of the functions that a choice is limited to; None where it is limited to none."""
    if value is None or isinstance(value, str):
        return None
    if value.allowed_tools:
        return [name for choice in value.allowed_tools.tools for name in allowed_names(choice) or ()]
    name = value.function.name if value.function else value.custom.name if value.custom else value.name
    return [upstream_name(name)] if name and value.type in ("function", "custom") else None


def usual_mode(box: Toolbox, context: Context) -> str:
    """Return the calling mode where the client leaves the choice to the model."""
    if needs_json_tool(context):
        return "ANY"
    checked = box.strict or server_side_flag(box, context)
    return "VALIDATED" if checked and box.by_name and context.capabilities.validated else "AUTO"


def server_side_flag(box: Toolbox, context: Context) -> bool | None:
    """Return true where Gemini wants the flag, else None.

    Gemini 3 wants it where built-in tools and functions meet (ai.google.dev, tool combination, 2026-08).
    """
    searches = context.request.web_search_options is not None or bool(box.built_in)
    return True if box.by_name and searches and context.capabilities.tools_with_builtin else None
