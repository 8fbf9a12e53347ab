"""Rules of the fields that declare tools or say how to use them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note, Outcome, drop, exact
from adapter.translate.tools.built_in import BUILT_IN, EMPTY, NO_SETTING, context_size_note
from adapter.translate.tools.json_tool import forbids_calls, wants_json
from adapter.translate.tools.tool_choice import allowed_names, calling_mode, server_side_flag, usual_mode
from adapter.translate.tools.toolbox import NO_TOOLS, Toolbox, toolbox
from adapter.wire.base import present
from adapter.wire.gemini.generate import FunctionCallingConfig, GenerateContentRequest, ToolConfig
from adapter.wire.gemini.generate import Tool as GeminiTool
from adapter.wire.openai.chat_request import ChatCompletionRequest, ToolChoice, WebSearchOptions


def tools(_value: msgspec.Raw, context: Context) -> Outcome:
    """Function declarations; Gemini's built-in tools by type."""
    box = toolbox(context)
    if not context.capabilities.tools:
        return drop("tools-unsupported", NO_TOOLS) if box.by_name or box.built_in else exact()
    declarations = _usable_declarations(box, context)
    built_in, notes = _usable_built_in(box, context)
    if box.by_name and _makes_room(context):
        notes = [Note("", Fate.DROPPED, "allowed-tools-declared", _NOT_CALLED), *notes]
    fragment = GenerateContentRequest(tools=_tools(declarations, built_in))
    fragment.tool_config = _default_config(box, context) if fragment.tools else None
    own = [note.at(box.field) for note in notes]
    return exact(fragment, placed=(*box.notes, *own) if own else box.notes)


def functions(value: msgspec.Raw, context: Context) -> Outcome:
    """The deprecated form of `tools`."""
    return (
        drop("field-overruled", "tools replace functions") if present(context.request.tools) else tools(value, context)
    )


def parallel_tool_calls(value: bool, context: Context) -> Outcome:
    """Gemini calls in parallel as it sees fit."""
    if value or not toolbox(context).by_name:
        return exact()
    return drop("parallel-calls-unlimited", "Gemini cannot be kept from calling several functions at once")


def web_search_options(value: WebSearchOptions, context: Context) -> Outcome:
    """A web search is Gemini's googleSearch."""
    box = toolbox(context)
    if (conflict := conflict_of_built_in(box, context)) is not None:
        return drop(*conflict)
    notes = list(_lost_options(value))
    present_already = any(present(tool.google_search) for tool in box.built_in)
    fragment = None if present_already else GenerateContentRequest(tools=[GeminiTool(google_search=EMPTY)])
    return exact(fragment, notes)


def _lost_options(value: WebSearchOptions) -> Iterable[Note]:
    if (size := context_size_note("search_context_size", value.search_context_size)) is not None:
        yield size
    if value.user_location is not None:
        yield Note("user_location", Fate.DROPPED, "tool-option-ignored", NO_SETTING)


def _tools(declarations: list[Any], built_in: list[GeminiTool]) -> list[GeminiTool] | None:
    functions = [GeminiTool(function_declarations=declarations)] if declarations else []
    return functions + built_in or None


def _usable_declarations(box: Toolbox, context: Context) -> list[Any]:
    """Return the functions to declare: all, written as JSON, or the allowed ones where no mode limits the calls."""
    request, capabilities = context.request, context.capabilities
    if _makes_room(context):
        return []
    choice = request.tool_choice
    if capabilities.validated or not isinstance(choice, ToolChoice) or calling_mode(choice) != "AUTO":
        # Fields that an upstream does not take are removed before a declaration is written.
        return [box.joined] if box.by_name and context.options.fields is None else box.declarations
    allowed = allowed_names(choice) or []
    return [declaration for declaration in box.declarations if declaration.name in allowed]


def _makes_room(context: Context) -> bool:
    """Return whether functions that must not be called are left out, since JSON mode does not work beside them."""
    request = context.request
    return wants_json(request.response_format) and not context.capabilities.tools_with_json and forbids_calls(request)


_NOT_CALLED = "none of the functions may be called, and JSON mode does not work beside them"

_NOT_CHOSEN = "the tool choice does not allow a built-in tool: it is left out"


def _usable_built_in(box: Toolbox, context: Context) -> tuple[list[GeminiTool], list[Note]]:
    """Drop built-in tools that cannot work: up to Gemini 2.5 not beside functions, nor beside JSON mode.

    Gemini's calling mode is about functions alone: a built-in tool that must not run is left out.
    """
    chosen = [one for one in box.built_in if _may_run(one, context.request)]
    notes = [Note("", Fate.DROPPED, "allowed-tools-declared", _NOT_CHOSEN)] if len(chosen) < len(box.built_in) else []
    conflict = conflict_of_built_in(box, context)
    if not chosen or conflict is None:
        return chosen, notes
    return [], [*notes, Note("", Fate.DROPPED, *conflict)]


def _may_run(tool: GeminiTool, request: ChatCompletionRequest) -> bool:
    """Return whether the tool choice lets a built-in tool run."""
    if forbids_calls(request):
        return False
    choice = request.tool_choice
    if not isinstance(choice, ToolChoice) or choice.allowed_tools is None:
        return True
    fields = {BUILT_IN.get(one.type) for one in choice.allowed_tools.tools}
    return any(field is not None and present(getattr(tool, field)) for field in fields)


def conflict_of_built_in(box: Toolbox, context: Context) -> tuple[str, str] | None:
    """Return why the model takes no built-in tool in this request: the code of the loss, and a reason."""
    if not context.capabilities.tools:
        return "tools-unsupported", NO_TOOLS
    if box.by_name and not context.capabilities.tools_with_builtin:
        return "tool-conflict", "the model takes no built-in tools beside functions: the functions stay"
    if wants_json(context.request.response_format) and not context.capabilities.tools_with_json:
        return "tool-conflict", "the model takes no built-in tools beside JSON mode"
    return None


def _default_config(box: Toolbox, context: Context) -> ToolConfig | None:
    """Return the config for a tool choice that the client leaves open; None where Gemini's default is right."""
    if context.request.tool_choice is not None or context.request.function_call is not None:
        return None
    mode = usual_mode(box, context)
    calling = FunctionCallingConfig(mode=mode) if mode != "AUTO" else None
    flag = server_side_flag(box, context)
    return (
        ToolConfig(function_calling_config=calling, include_server_side_tool_invocations=flag)
        if calling or flag
        else None
    )
