"""The function that stands in for JSON mode, on models that refuse JSON mode beside functions (Gemini 2.5)."""

from itertools import chain, count

from adapter.translate.core.context import Context
from adapter.translate.tools.toolbox import toolbox
from adapter.wire.openai.chat_request import ChatCompletionRequest, ResponseFormat

JSON_TOOL = "json_answer"
"""The function that stands in for JSON mode on models that refuse JSON mode beside functions (Gemini 2.5)."""


def needs_json_tool(context: Context) -> bool:
    """Return whether a function must stand in for JSON mode."""
    return (
        wants_json(context.request.response_format)
        and not context.capabilities.tools_with_json
        and bool(toolbox(context).by_name)
        and not forbids_calls(context.request)
    )


def json_tool_name(context: Context) -> str:
    """Return the name of that function, which none of the client's own has."""
    names = toolbox(context).by_name
    further = (f"{JSON_TOOL}_{number}" for number in count(2))
    return next(name for name in chain((JSON_TOOL,), further) if name not in names)


def wants_json(response_format: ResponseFormat | None) -> bool:
    """Return whether the answer must be JSON."""
    return response_format is not None and response_format.type in ("json_object", "json_schema")


def forbids_calls(request: ChatCompletionRequest) -> bool:
    """Return whether the client forbids calls of functions."""
    return request.tool_choice == "none" or request.function_call == "none"
