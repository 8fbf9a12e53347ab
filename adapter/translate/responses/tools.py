"""Tools and the tool choice of a Responses request as those of a chat request."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import msgspec

from adapter.translate.core.byte_cache import ByteCache, JsonKey
from adapter.translate.core.kinds import DECLARATIONS
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.core.rules import absent, camel, decode_field
from adapter.translate.responses.chat_view import CallName
from adapter.translate.responses.tool_calls import SPECIAL, chat_name
from adapter.wire.base import encode, present
from adapter.wire.openai.chat_request import (
    AllowedTools,
    CustomDefinition,
    CustomFormat,
    FunctionDefinition,
    Grammar,
    ImageSettings,
    Named,
    Tool,
    ToolChoice,
)
from adapter.wire.openai.responses_request import ChosenTool, ResponsesTool, ResponsesToolChoice

SEARCHES = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")

MAX_CACHED, MAX_CACHES = 256 * 1024, 16 * 1024 * 1024
"""Bytes of tools that are converted once for equal bytes, and of all that are kept so."""


GOOGLES = ("google_search", "url_context", "google_maps", "code_execution")
"""Types of Gemini's own tools that OpenAI does not have."""

_OWN_NAMES = {spelled: name for name in (*GOOGLES, "file_search") for spelled in (name, camel(name))}
_OWN_FIELD = re.compile(r"\[(\d+)\]\.(\w+)")

_CHATS = re.compile(r"\[\d+\]\.function")


class Toolset:
    """The result of `tools`: the chat request's tools, names of their calls, wanted images (by path).

    Most requests of a client have the same tools, so what was asked of them is kept with them: `asked_paths`.
    """

    def __init__(self) -> None:
        self.tools: list[Tool] = []
        self.names: dict[str, CallName] = {}
        self.paths = {"tools": "tools"}
        self.notes: list[Note] = []
        self.images: list[tuple[str, ImageSettings]] = []
        self.asked_paths: dict[str, str] = {}

    def add(self, tool: Tool, path: str, name: CallName | None = None) -> None:
        """Add a tool of the chat request, under the client's path."""
        at = f"tools[{len(self.tools)}]"
        self.tools.append(tool)
        grammar = f"{at}.custom.format.grammar"
        self.paths.update({at: path, f"{at}.function": path, f"{at}.custom": path, grammar: f"{path}.format"})
        declared = tool.function or tool.custom
        if declared is not None and name is not None:
            self.names[declared.name] = name

    def drop(self, path: str, code: str, reason: str) -> None:
        """Write a note that something does not arrive."""
        self.notes.append(Note(path, Fate.DROPPED, code, reason))

    def join(self, more: "Toolset") -> None:
        """Add the tools that are declared later; of two with one name the first holds."""
        self.notes.extend(more.notes)
        self.images.extend(more.images)
        before = set(self.names)
        for index, tool in enumerate(more.tools):
            declared = tool.function or tool.custom
            path = more.paths[f"tools[{index}]"]
            if declared is not None and declared.name in before:
                self.drop(path, "tool-name-taken", f"{declared.name!r} is declared before")
            else:
                self.add(tool, path, more.names.get(declared.name) if declared else None)

    @cached_property
    def raw(self) -> msgspec.Raw:
        """The `tools` of the chat request."""
        return msgspec.Raw(encode(self.tools))


def read(fields: Iterable[tuple[str, msgspec.Raw]], allowed: frozenset[str] | None = None) -> Toolset:
    """Read all tools of a request: its own, and those declared inside its conversation. Raises `Rejected`.

    `allowed` is what `allowed_kinds` says of the tool choice.
    """
    declared = [_convert_once(field, JsonKey(raw), allowed) for field, raw in fields]
    if len(declared) == 1:
        return declared[0]
    whole = Toolset()
    for more in declared:
        whole.join(more)
    return whole


_CONVERTED: ByteCache[tuple[str, JsonKey, frozenset[str] | None], Toolset] = ByteCache(MAX_CACHES, MAX_CACHED)
_ECHOED: ByteCache[JsonKey, msgspec.Raw] = ByteCache(MAX_CACHES, MAX_CACHED)


def _convert_once(field: str, key: JsonKey, allowed: frozenset[str] | None) -> Toolset:
    return _CONVERTED.get((field, key, allowed), key.size_bytes, lambda: _convert(field, key.detach(), allowed))


def _convert(field: str, raw: msgspec.Raw, allowed: frozenset[str] | None) -> Toolset:
    decode_field(field, raw, list[dict[str, Any]])
    tools, unknown = decode_field(field, raw, list[ResponsesTool])
    box = Toolset()
    own = {path: raw for path, raw in unknown.items() if _is_own(path, tools)}
    for path in [path for path in unknown if path not in own]:
        if _CHATS.fullmatch(path) and tools[int(path[1 : path.index("]")])].name is None:
            reason = "a tool as chat completions have it: here name, description and parameters stand beside type"
            raise Rejected(f"{field}{path}", "wrong-endpoint", reason)
        box.drop(f"{field}{path}", "unknown-field", "not a field that this adapter knows")
    for index, tool in enumerate(tools):
        settings = {path.partition(".")[2]: raw for path, raw in own.items() if path.startswith(f"[{index}].")}
        if settings or tool.type in GOOGLES:
            _google(tool, settings, f"{field}[{index}]", allowed, box)
        elif allowed is None or _kind(tool.type) in allowed:
            _add(tool, f"{field}[{index}]", None, box)
        else:
            box.drop(f"{field}[{index}]", "allowed-tools-declared", "not among the allowed tools")
    return box


def _is_own(path: str, tools: list[ResponsesTool]) -> bool:
    """Return whether an unknown field is a tool in Google's own form."""
    match = _OWN_FIELD.fullmatch(path)
    return match is not None and match[2] in _OWN_NAMES and tools[int(match[1])].type in ("", *GOOGLES)


def _google(
    tool: ResponsesTool, settings: dict[str, msgspec.Raw], path: str, allowed: frozenset[str] | None, box: Toolset
) -> None:
    """Read a tool of Gemini's own, by type or in Google's form: `{"googleSearch": {}}`."""
    fields = {_OWN_NAMES[name]: raw for name, raw in settings.items()}
    if allowed is None or not allowed.isdisjoint([tool.type, *fields]):
        own_tool = Tool(type=tool.type or "own")
        for name, raw in fields.items():
            setattr(own_tool, name, raw)
        box.add(own_tool, path)
        box.notes.extend(DECLARATIONS.notes(tool, path, "own"))
    else:
        box.drop(path, "allowed-tools-declared", "not among the allowed tools")


def _kind(type_: str) -> str:
    """Return the kind of a tool at Gemini: a built-in tool by its name, or "function"."""
    if type_ in SEARCHES:
        return SEARCHES[0]
    return type_ if type_ in ("code_interpreter", "file_search", "image_generation", *GOOGLES) else "function"


def allowed_kinds(value: str | ResponsesToolChoice | None) -> frozenset[str] | None:
    """Return the kinds of tools that a choice allows; None: every kind. Gemini's mode limits the functions."""
    if isinstance(value, ResponsesToolChoice) and value.type == "allowed_tools":
        return frozenset(_kind(chosen.type) for chosen in value.tools or ())
    return None


def _add(tool: ResponsesTool, path: str, namespace: str | None, box: Toolset) -> None:
    """Read one tool, of any type."""
    if not tool.type:
        raise Rejected(path, "value-missing", "a tool needs a type")
    if tool.type in SPECIAL:
        special = SPECIAL[tool.type]
        definition = Tool(type="function", function=special.definition())
        box.add(definition, path, CallName(special.kind, special.name))
        reason = f"Gemini has no such tool: a function {special.name!r} stands for it"
        box.notes.append(Note(path, Fate.APPROXIMATED, "hosted-tool-as-function", reason))
    elif (add := _ADD.get(tool.type)) is not None:
        add(tool, path, namespace, box)
    else:
        box.drop(path, "tool-type-unsupported", _WITHOUT.get(tool.type, f"Gemini has no tool of type {tool.type!r}"))
    _losses(tool, path, box)
    box.notes.extend(DECLARATIONS.notes(tool, path))


def _function(tool: ResponsesTool, path: str, namespace: str | None, box: Toolset) -> None:
    if not tool.name:
        raise Rejected(f"{path}.name", "value-missing", "a function needs a name")
    definition = FunctionDefinition(
        name=chat_name(tool.name, namespace),
        description=tool.description,
        parameters=tool.parameters,
        strict=tool.strict,
    )
    chat_tool = Tool(type="function", function=definition, cache_control=tool.cache_control)
    box.add(chat_tool, path, CallName("function", tool.name, namespace))


def _custom(tool: ResponsesTool, path: str, namespace: str | None, box: Toolset) -> None:
    if not tool.name:
        raise Rejected(f"{path}.name", "value-missing", "a custom tool needs a name")
    definition = CustomDefinition(name=chat_name(tool.name, namespace), description=tool.description)
    form = tool.format
    if form is not None and form.type == "grammar":
        grammar = Grammar(definition=form.definition or "", syntax=form.syntax or "lark")
        definition.format = CustomFormat(type="grammar", grammar=grammar)
    box.add(Tool(type="custom", custom=definition), path, CallName("custom", tool.name, namespace))


def _namespace(tool: ResponsesTool, path: str, _namespace: str | None, box: Toolset) -> None:
    """Add a group of tools; Gemini has no groups, so their names begin with the group's."""
    for index, inner in enumerate(tool.tools or ()):
        _add(inner, f"{path}.tools[{index}]", tool.name, box)
    reason = f"Gemini knows no groups of functions: their names begin with {chat_name('', tool.name or '')!r}"
    box.notes.append(Note(path, Fate.APPROXIMATED, "tool-group-flattened", reason))


def _search(tool: ResponsesTool, path: str, _namespace: str | None, box: Toolset) -> None:
    chat_tool = Tool(
        type=tool.type,
        search_context_size=tool.search_context_size,
        user_location=tool.user_location,
        filters=tool.filters,
    )
    box.add(chat_tool, path)
    if tool.external_web_access is False:
        box.drop(
            f"{path}.external_web_access",
            "tool-option-ignored",
            "Gemini's search has no cache to search instead of the web",
        )
    if present(tool.search_content_types):
        box.drop(f"{path}.search_content_types", "tool-option-ignored", "Gemini's search takes no such setting")


def _code(tool: ResponsesTool, path: str, _namespace: str | None, box: Toolset) -> None:
    box.add(Tool(type="code_interpreter"), path)
    if present(tool.container) and bytes(tool.container) not in (b'{"type":"auto"}', b'"auto"'):
        box.drop(f"{path}.container", "tool-option-ignored", "Gemini runs code in its own sandbox")


def _file_search(tool: ResponsesTool, path: str, _namespace: str | None, box: Toolset) -> None:
    stores = [name for name in tool.vector_store_ids or () if name.startswith("fileSearchStores/")]
    for index, name in enumerate(tool.vector_store_ids or ()):
        if name not in stores:
            box.drop(
                f"{path}.vector_store_ids[{index}]",
                "file-store-unknown",
                "not a store of Gemini's (fileSearchStores/...)",
            )
    if not stores:
        box.drop(path, "file-store-unknown", "there is no store of Gemini's to search")
        return
    settings: dict[str, Any] = {"fileSearchStoreNames": stores}
    if tool.max_num_results is not None:
        settings["topK"] = tool.max_num_results
    box.add(Tool(type="file_search", file_search=msgspec.Raw(encode(settings))), path)
    for name in ("filters", "ranking_options"):
        if present(getattr(tool, name)):
            box.drop(f"{path}.{name}", "tool-option-ignored", "Gemini's file search takes no such setting")


def _image(tool: ResponsesTool, path: str, _namespace: str | None, box: Toolset) -> None:
    settings = {name: value for name in _OF_IMAGES if not absent(value := getattr(tool, name))}
    box.images.append((path, ImageSettings(**settings)))


_OF_IMAGES = [name for name in ImageSettings.__struct_fields__ if name in ResponsesTool.__struct_fields__]


def _tool_search(tool: ResponsesTool, path: str, _namespace: str | None, box: Toolset) -> None:
    """Read a tool search: one that the client runs is a function; else all tools are declared anyway."""
    if tool.execution != "client":
        box.drop(
            path, "tools-declared-at-once", "all tools are declared to Gemini at once: none need to be searched for"
        )
        return
    definition = FunctionDefinition(name="tool_search", description=tool.description, parameters=tool.parameters)
    box.add(Tool(type="function", function=definition), path, CallName("tool_search", "tool_search"))
    reason = "Gemini has no such tool: a function 'tool_search' stands for it"
    box.notes.append(Note(path, Fate.APPROXIMATED, "hosted-tool-as-function", reason))


_ADD: dict[str, Callable[[ResponsesTool, str, str | None, Toolset], None]] = {
    "function": _function,
    "custom": _custom,
    "namespace": _namespace,
    **dict.fromkeys(SEARCHES, _search),
    "code_interpreter": _code,
    "file_search": _file_search,
    "image_generation": _image,
    "tool_search": _tool_search,
}

_WITHOUT = {
    "mcp": "this adapter calls no MCP servers: let the client do it",
    "computer": "Gemini's computer use has other actions",
    "computer_use_preview": "Gemini's computer use has other actions",
    "programmatic_tool_calling": "Gemini writes no programs that call tools",
}
"""Tools that do not arrive, and why."""


def _losses(tool: ResponsesTool, path: str, box: Toolset) -> None:
    """Note the fields that any tool may have and Gemini has no place for."""
    if tool.defer_loading:
        box.drop(f"{path}.defer_loading", "tools-declared-at-once", "all tools are declared to Gemini at once")
    if tool.async_:
        box.drop(f"{path}.async", "tool-option-ignored", "Gemini waits for the results of its calls")
    for name, reason in _SIDE.items():
        if present(getattr(tool, name)):
            box.drop(f"{path}.{name}", "tool-option-ignored", reason)


_SIDE = {
    "allowed_callers": "only the model calls tools",
    "output_schema": "Gemini's declarations have no place for it",
}


_REQUIRED: dict[str, dict[str, Any]] = {
    "function": {"description": None, "parameters": None, "strict": None},
    "code_interpreter": {"container": {"type": "auto"}},
}
_KNOWN = {*_ADD, *_WITHOUT, *SPECIAL}


def repeat_tools(raw: msgspec.Raw) -> msgspec.Raw:
    """Return the tools as the answer repeats them: those that OpenAI has, with every key that it requires."""
    key = JsonKey(raw)
    return _ECHOED.get(key, key.size_bytes, lambda: _read_echo(key.detach()))


def _read_echo(raw: msgspec.Raw) -> msgspec.Raw:
    tools = [_REQUIRED.get(tool["type"], {}) | tool for tool in msgspec.json.decode(raw) if tool.get("type") in _KNOWN]
    return msgspec.Raw(encode(tools))


def choice(value: str | ResponsesToolChoice, box: Toolset) -> str | ToolChoice:
    """Return the tool choice of the chat request. Raises `Rejected`."""
    if isinstance(value, str):
        return value
    if value.type == "allowed_tools":
        tools = [one for chosen in value.tools or () if (one := _name_choice(chosen, box)) is not None]
        return ToolChoice(type="allowed_tools", allowed_tools=AllowedTools(mode=value.mode or "auto", tools=tools))
    return _name_choice(value, box) or "auto"


def _name_choice(value: ChosenTool | ResponsesToolChoice, box: Toolset) -> ToolChoice | None:
    """Return one tool; None where there is nothing to choose."""
    named = Named(chat_name(value.name, value.namespace)) if value.name else None
    if value.type == "function":
        return ToolChoice(type="function", function=named)
    if value.type == "custom":
        return ToolChoice(type="custom", custom=named)
    special = next((name for name, known in box.names.items() if known.kind == value.type), None)
    if special is not None:
        return ToolChoice(type="function", function=Named(special))
    built_in = (*SEARCHES, *GOOGLES, "code_interpreter", "file_search")
    return ToolChoice(type=value.type) if value.type in built_in else None
