"""Tools, their names and the tool choice, there and back.

Names: Gemini takes at most 64 of `[A-Za-z0-9_.:-]`, starting with a letter or underscore. Others are renamed by a pure
function of the name (no state: a history's calls and results get the same new name), and restored in answers.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, count
from typing import Literal, NamedTuple

import msgspec

from adapter.translate.core.byte_cache import ByteCache
from adapter.translate.core.context import Context
from adapter.translate.core.kinds import CHOICES, TOOLS
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
from adapter.translate.core.rules import add, decode_field
from adapter.translate.schema import json_schema as schema
from adapter.translate.schema import openapi as schema_openapi
from adapter.wire.base import encode, present
from adapter.wire.gemini.generate import (
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateContentRequest,
    ToolConfig,
)
from adapter.wire.gemini.generate import Tool as GeminiTool
from adapter.wire.json_counts import check_depth
from adapter.wire.openai.chat_request import (
    ChatCompletionRequest,
    FunctionDefinition,
    FunctionName,
    ResponseFormat,
    Tool,
    ToolChoice,
    WebSearchOptions,
)

JSON_TOOL = "json_answer"
"""The function that stands in for JSON mode on models that refuse JSON mode beside functions (Gemini 2.5)."""

MAX_CACHED = 256 * 1024
"""Tools of at most this many bytes are converted once for equal bytes."""

MAX_CACHES = 16 * 1024 * 1024
"""Bytes of tools that are kept converted; what they became takes a few times as much."""

MAX_CACHED_NAME = 256
"""Characters of a name above which it is converted anew each time."""

_END = 64

NO_TOOLS = "the model takes no tools"

_VALID_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_INVALID_CHARACTER = re.compile(r"[^A-Za-z0-9_.:-]")
_EMPTY = msgspec.Raw(b"{}")

_OWN = {
    name: field.name
    for field in msgspec.structs.fields(GeminiTool)
    if field.name != "function_declarations"
    for name in (field.name, field.encode_name)
}
"""Gemini's built-in tools under both spellings of their names."""

_OWN_NAMES = ("google_search", "url_context", "code_execution", "google_maps", "file_search")

_OWN_FIELD = re.compile(r"\[(\d+)\]\.(\w+)")

_BUILT_IN = {
    "google_search": "google_search",
    "web_search": "google_search",
    "web_search_preview": "google_search",
    "web_search_preview_2025_03_11": "google_search",
    "web_search_2025_08_26": "google_search",
    "url_context": "url_context",
    "code_execution": "code_execution",
    "code_interpreter": "code_execution",
    "google_maps": "google_maps",
    "file_search": "file_search",
}
"""Tool types, and the built-in tool of Gemini that each asks for."""


class Declared(NamedTuple):
    """One tool that the client declared, as its answers need it."""

    name: str
    kind: Literal["function", "custom", "legacy"]
    parameters: msgspec.Raw


class Toolbox(NamedTuple):
    """All that a `tools` field comes to."""

    by_name: dict[str, FunctionDeclaration]
    built_in: list[GeminiTool]
    notes: list[Note]
    declared: dict[str, Declared]
    strict: bool
    longest_name: int = 0

    @property
    def declarations(self) -> list[FunctionDeclaration]:
        """What goes to Gemini, in the client's order."""
        return list(self.by_name.values())


MAX_TOOLS = 512
"""Function declarations in one request (docs.cloud.google.com, function calling, 2026-10)."""

_NOTHING = Toolbox({}, [], [], {}, strict=False)


def upstream_name(name: str) -> str:
    """The name under which Gemini knows a function."""
    return _short_name(name) if len(name) <= MAX_CACHED_NAME else _renamed(name)


@lru_cache(4_096)
def _short_name(name: str) -> str:
    return _renamed(name)


def _renamed(name: str) -> str:
    if _VALID_NAME.fullmatch(name):
        return name
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    readable = _INVALID_CHARACTER.sub("_", name)[:52]
    return f"{readable if _VALID_NAME.match(readable) else '_' + readable}_{digest}"


def toolbox(context: Context) -> Toolbox:
    """The tools of a request, converted; equal bytes are converted once."""
    request = context.request
    if present(request.tools):
        sent, dialect = _Sent(bytes(request.tools)), context.options.schema
        box = _CONVERTED.get((sent, dialect), len(sent.raw), lambda: _convert(sent, dialect))
    else:
        box = _legacy(request, context) if present(request.functions) else _NOTHING
    check_name_length(box.longest_name, "tools", context)
    return box


def check_name_length(length: int, path: str, context: Context) -> None:
    """Raises `Rejected` for a tool's name that is too long."""
    if length > (most := context.options.limits.name_length):
        reason = f"names of tools have at most {most} characters (the setting max_name_length)"
        raise Rejected(path, "limit-exceeded", reason)


class _Sent:
    """The bytes of a field as a key: hashed by their ends alone, since all of them are compared anyway."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __hash__(self) -> int:
        return hash((len(self.raw), self.raw[:_END], self.raw[-_END:]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sent) and self.raw == other.raw


_CONVERTED: ByteCache[tuple[_Sent, str], Toolbox] = ByteCache(MAX_CACHES, MAX_CACHED)


def _legacy(request: ChatCompletionRequest, context: Context) -> Toolbox:
    """The deprecated `functions`, as tools."""
    functions, unknown = decode_field("functions", request.functions, list[FunctionDefinition])
    tools = [Tool(type="function", function=function) for function in functions]
    try:
        box = _collect(tools, context.options.schema)
    except Rejected as rejection:
        path = rejection.note.path.replace("tools", "functions", 1).replace("].function", "]", 1)
        raise Rejected(path, rejection.note.code, rejection.note.reason) from None
    declared = {name: tool._replace(kind="legacy") for name, tool in box.declared.items()}
    notes = [note.at(note.path.replace("].function", "]", 1)) for note in box.notes]
    return box._replace(declared=declared, notes=unknown_notes(unknown) + notes)


def _convert(sent: _Sent, dialect: Literal["json", "openapi"]) -> Toolbox:
    check_depth(sent.raw)
    tools, unknown = decode_field("tools", msgspec.Raw(sent.raw), list[Tool])
    box = _collect(tools, dialect, _own(tools, unknown))
    return box._replace(notes=unknown_notes(unknown) + box.notes)


def _own(tools: list[Tool], unknown: dict[str, msgspec.Raw]) -> dict[int, GeminiTool]:
    """Tools in Google's own form under names that `Tool` does not have, by index; they are not unknown any more."""
    found: dict[int, GeminiTool] = {}
    for path in list(unknown):
        match = _OWN_FIELD.fullmatch(path)
        field = _OWN.get(match[2]) if match else None
        if match and field and tools[int(match[1])].function is None:
            setattr(found.setdefault(int(match[1]), GeminiTool()), field, unknown.pop(path))
    return found


def _collect(tools: list[Tool], dialect: Literal["json", "openapi"], own: Mapping[int, GeminiTool] = {}) -> Toolbox:
    box = Toolbox({}, [], [], {}, any(tool.function is not None and bool(tool.function.strict) for tool in tools))
    if len(tools) > MAX_TOOLS:
        raise Rejected("tools", "limit-exceeded", f"Gemini takes at most {MAX_TOOLS} tools")
    for index, tool in enumerate(tools):
        box.notes.extend(_caching(tool, f"[{index}]"))
        if native := _merge(own.get(index), _native(tool)):
            box.built_in.append(native)
            box.notes.extend(_native_losses(tool, f"[{index}]"))
            kind = tool.type if tool.type in _BUILT_IN else "own"
            box.notes.extend(TOOLS.notes(tool, f"[{index}]", kind))
        elif tool.type in ("function", "custom"):
            _add(box, *_declare(tool, f"[{index}]", dialect), f"[{index}].{tool.type}")
            box.notes.extend(TOOLS.notes(tool, f"[{index}]"))
        else:
            box.notes.append(
                Note(
                    f"[{index}].type",
                    Fate.DROPPED,
                    "tool-type-unsupported",
                    f"Gemini has no tool of type {tool.type!r}",
                )
            )
    return box._replace(longest_name=max((len(one.name) for one in box.declared.values()), default=0))


def _add(box: Toolbox, declaration: FunctionDeclaration, one: Declared, losses: list[Note], path: str) -> None:
    """Gemini refuses a name that is declared twice (github.com/owndev/Open-WebUI-Functions/issues/135)."""
    name = declaration.name or ""
    box.notes.extend(losses)
    if name not in box.by_name:
        box.by_name[name], box.declared[name] = declaration, one
    elif box.by_name[name] == declaration and box.declared[name].name == one.name:
        box.notes.append(
            Note(path, Fate.APPROXIMATED, "tool-declared-twice", f"{one.name!r} is declared twice alike: sent once")
        )
    else:
        raise Rejected(f"tools{path}.name", "tools-contradict", f"{one.name!r} is declared twice, in different ways")


def _native(tool: Tool) -> GeminiTool | None:
    """Gemini's own tools, where the client asks for them by type or in Google's form; never by a function's name."""
    field = _BUILT_IN.get(tool.type)
    fields = [field] if field else []
    if field is None and tool.function is None and tool.custom is None:
        fields = [name for name in _OWN_NAMES if present(getattr(tool, name))]
    if not fields:
        return None
    native = GeminiTool()
    for name in fields:
        setattr(native, name, given if present(given := getattr(tool, name)) else _EMPTY)
    return native


def _merge(first: GeminiTool | None, second: GeminiTool | None) -> GeminiTool | None:
    """One tool with the fields of both spellings."""
    return add(first, second) if first is not None and second is not None else first or second


def _caching(tool: Tool, path: str) -> list[Note]:
    reason = "Gemini finds reusable prefixes itself"
    sent = present(tool.cache_control)
    return [Note(f"{path}.cache_control", Fate.DROPPED, "cache-hint-ignored", reason)] if sent else []


_USUAL_SIZE = "medium"
"""The size of a search's context that asks for nothing in particular (platform.openai.com, web search: the default)."""


def _native_losses(tool: Tool, path: str) -> list[Note]:
    notes = [_context_size(f"{path}.search_context_size", tool.search_context_size)]
    notes += [
        Note(f"{path}.{name}", Fate.DROPPED, "tool-option-ignored", _NO_SETTING)
        for name in ("user_location", "filters")
        if present(getattr(tool, name))
    ]
    return [note for note in notes if note is not None]


_NO_SETTING = "Gemini's search takes no such setting"


def _context_size(path: str, size: str | None) -> Note | None:
    """The note on how much a search should read; nothing is lost where the client spells out the default."""
    if size is None:
        return None
    lost = Note(path, Fate.DROPPED, "tool-option-ignored", _NO_SETTING)
    return Note(path, Fate.EXACT) if size == _USUAL_SIZE else lost


def _declare(
    tool: Tool, path: str, dialect: Literal["json", "openapi"]
) -> tuple[FunctionDeclaration, Declared, list[Note]]:
    if tool.type == "custom":
        return _custom(tool, path, dialect)
    function = tool.function
    if function is None or not function.name:
        raise Rejected(f"tools{path}.function.name", "value-missing", "a function needs a name")
    notes: list[Note] = []
    parameters = function.parameters
    declaration = FunctionDeclaration(name=upstream_name(function.name), description=function.description)
    if present(parameters):
        at = f"{path}.function.parameters"
        converted = convert_schema(parameters, f"tools{at}", dialect)
        notes += [_below(at, note) for note in converted.notes]
        set_schema(declaration, converted.schema, dialect)
    return declaration, Declared(function.name, "function", parameters), notes


def set_schema(declaration: FunctionDeclaration, value: msgspec.Raw, dialect: Literal["json", "openapi"]) -> None:
    """Put the parameters where the upstream reads them."""
    if dialect == "json":
        declaration.parameters_json_schema = value
    elif bytes(value) != b'{"type":"OBJECT"}':
        declaration.parameters = value


def convert_schema(
    raw: msgspec.Raw, path: str, dialect: Literal["json", "openapi"], *, restored: bool = True
) -> schema.ConvertedSchema:
    """The schema in the upstream's dialect. Raises `Rejected` at `path` for one that cannot be used.

    `restored`: it is of arguments, whose numbers travel as texts where the dialect's enums hold nothing else.
    """
    try:
        if dialect == "json":
            return schema.to_json_schema(raw)
        return schema_openapi.to_openapi_schema(raw, restored=restored)
    except schema.UnusableSchema as error:
        raise Rejected(f"{path}.{error.path}" if error.path else path, "schema-unusable", error.reason) from None


def _below(path: str, note: Note) -> Note:
    return note.at(f"{path}.{note.path}" if note.path else path)


def _custom(
    tool: Tool, path: str, dialect: Literal["json", "openapi"]
) -> tuple[FunctionDeclaration, Declared, list[Note]]:
    custom = tool.custom
    if custom is None or not custom.name:
        raise Rejected(f"tools{path}.custom.name", "value-missing", "a custom tool needs a name")
    text = "The whole input, as plain text."
    notes = [
        Note(
            f"{path}.custom",
            Fate.APPROXIMATED,
            "custom-tool-as-function",
            "sent as a function with one string parameter, input",
        )
    ]
    if custom.format and custom.format.grammar:
        grammar = custom.format.grammar
        text = f"The whole input, as plain text that follows this {grammar.syntax} grammar:\n{grammar.definition}"
        reason = "Gemini does not enforce grammars: the model sees it as a description"
        notes.append(Note(f"{path}.custom.format.grammar", Fate.APPROXIMATED, "grammar-not-enforced", reason))
    parameters = {
        "type": "object",
        "properties": {"input": {"type": "string", "description": text}},
        "required": ["input"],
    }
    declaration = FunctionDeclaration(name=upstream_name(custom.name), description=custom.description)
    raw = msgspec.Raw(encode(parameters))
    set_schema(declaration, convert_schema(raw, f"tools{path}.custom", dialect).schema, dialect)
    return declaration, Declared(custom.name, "custom", raw), notes


def needs_json_tool(context: Context) -> bool:
    """Whether a function must stand in for JSON mode."""
    return (
        wants_json(context.request.response_format)
        and not context.capabilities.tools_with_json
        and bool(toolbox(context).declarations)
        and not _forbids_calls(context.request)
    )


def json_tool_name(context: Context) -> str:
    """The name of that function: none of the client's own."""
    names = toolbox(context).by_name
    further = (f"{JSON_TOOL}_{number}" for number in count(2))
    return next(name for name in chain((JSON_TOOL,), further) if name not in names)


def wants_json(response_format: ResponseFormat | None) -> bool:
    """Whether the answer must be JSON."""
    return response_format is not None and response_format.type in ("json_object", "json_schema")


def _forbids_calls(request: ChatCompletionRequest) -> bool:
    return request.tool_choice == "none" or request.function_call == "none"


def tools(_value: msgspec.Raw, context: Context) -> Outcome:
    """Function declarations; Gemini's built-in tools by type."""
    box = toolbox(context)
    if not context.capabilities.tools:
        return dropped("tools-unsupported", NO_TOOLS) if box.declarations or box.built_in else exact()
    declarations = _usable_declarations(box, context)
    built_in, notes = _usable_built_in(box, context)
    if box.declarations and _makes_room(context):
        notes = [Note("", Fate.DROPPED, "allowed-tools-declared", _NOT_CALLED), *notes]
    fragment = GenerateContentRequest(tools=_tools(declarations, built_in))
    fragment.tool_config = _default_config(box, context) if fragment.tools else None
    return exact(fragment, box.notes + notes)


def _tools(declarations: list[FunctionDeclaration], built_in: list[GeminiTool]) -> list[GeminiTool] | None:
    functions = [GeminiTool(function_declarations=declarations)] if declarations else []
    return functions + built_in or None


def _usable_declarations(box: Toolbox, context: Context) -> list[FunctionDeclaration]:
    """Without `allowed_function_names` the allowed tools are the declared ones."""
    request, capabilities = context.request, context.capabilities
    if _makes_room(context):
        return []
    choice = request.tool_choice
    if capabilities.validated or not isinstance(choice, ToolChoice) or _mode(choice) != "AUTO":
        return box.declarations
    allowed = _allowed(choice) or []
    return [one for one in box.declarations if one.name in allowed]


def _makes_room(context: Context) -> bool:
    """Whether functions that must not be called are left out, since JSON mode does not work beside them."""
    request = context.request
    return wants_json(request.response_format) and not context.capabilities.tools_with_json and _forbids_calls(request)


def _usable_built_in(box: Toolbox, context: Context) -> tuple[list[GeminiTool], list[Note]]:
    """Up to Gemini 2.5 built-in tools work neither beside functions nor beside JSON mode.

    Gemini's calling mode is about functions alone: a built-in tool that must not run is left out.
    """
    chosen = [one for one in box.built_in if _may_run(one, context.request)]
    notes = [Note("", Fate.DROPPED, "allowed-tools-declared", _NOT_CHOSEN)] if len(chosen) < len(box.built_in) else []
    conflict = conflict_of_built_in(box, context)
    if not chosen or conflict is None:
        return chosen, notes
    return [], [*notes, Note("", Fate.DROPPED, *conflict)]


_NOT_CALLED = "none of the functions may be called, and JSON mode does not work beside them"
_NOT_CHOSEN = "the tool choice does not allow a built-in tool: it is left out"


def _may_run(tool: GeminiTool, request: ChatCompletionRequest) -> bool:
    """Whether the tool choice lets a built-in tool run."""
    if _forbids_calls(request):
        return False
    choice = request.tool_choice
    if not isinstance(choice, ToolChoice) or choice.allowed_tools is None:
        return True
    fields = {_BUILT_IN.get(one.type) for one in choice.allowed_tools.tools}
    return any(field is not None and present(getattr(tool, field)) for field in fields)


def conflict_of_built_in(box: Toolbox, context: Context) -> tuple[str, str] | None:
    """Why the model takes no built-in tool in this request: the code of the loss, and a reason."""
    if not context.capabilities.tools:
        return "tools-unsupported", NO_TOOLS
    if box.declarations and not context.capabilities.tools_with_builtin:
        return "tool-conflict", "the model takes no built-in tools beside functions: the functions stay"
    if wants_json(context.request.response_format) and not context.capabilities.tools_with_json:
        return "tool-conflict", "the model takes no built-in tools beside JSON mode"
    return None


def _default_config(box: Toolbox, context: Context) -> ToolConfig | None:
    """What holds when the client leaves the tool choice open."""
    if context.request.tool_choice is not None or context.request.function_call is not None:
        return None
    mode = _auto(box, context)
    calling = FunctionCallingConfig(mode=mode) if mode != "AUTO" else None
    flag = server_side_flag(box, context)
    return (
        ToolConfig(function_calling_config=calling, include_server_side_tool_invocations=flag)
        if calling or flag
        else None
    )


def _auto(box: Toolbox, context: Context) -> str:
    if needs_json_tool(context):
        return "ANY"
    checked = box.strict or server_side_flag(box, context)
    return "VALIDATED" if checked and box.declarations and context.capabilities.validated else "AUTO"


def server_side_flag(box: Toolbox, context: Context) -> bool | None:
    """Gemini 3 wants this flag where built-in tools and functions meet (ai.google.dev, tool combination, 2026-08)."""
    searches = context.request.web_search_options is not None or bool(box.built_in)
    return True if box.declarations and searches and context.capabilities.tools_with_builtin else None


def tool_choice(value: str | ToolChoice, context: Context) -> Outcome:
    """Which tools may or must be called."""
    if isinstance(value, ToolChoice):
        meant: str | ToolChoice = _spelled(value)
        made = _choice(meant, context)
        notes = list(CHOICES.notes(value, ""))
        if meant is not value:
            notes.append(Note("type", Fate.APPROXIMATED, "tool-choice-spelling", _OTHERS))
        return Outcome(made.fragment, (*made.notes, *notes)) if notes else made
    return _choice(value, context)


def _choice(value: str | ToolChoice, context: Context) -> Outcome:
    box = toolbox(context)
    if not _understood(value):
        return rejected(
            "unknown-value",
            "one of none, auto, required, or an object naming a function, a custom tool or allowed tools",
        )
    if not context.capabilities.tools:
        return dropped("tools-unsupported", NO_TOOLS)
    if not box.declarations and (value == "auto" or (box.built_in and value == "none")):
        return exact()
    if not box.declarations:
        return dropped("tool-choice-moot", "there are no functions to choose from")
    names = _allowed(value)
    unknown = [name for name in names or () if name not in box.declared]
    if unknown:
        return rejected("unknown-value", f"{unknown[0]!r} is not among the tools")
    return _choose(value, names, box, context)


_SPELLINGS = ("tool", "any", "auto", "none")
_OTHERS = "a tool choice as Anthropic's API spells it"


def _spelled(value: ToolChoice) -> str | ToolChoice:
    """OpenAI's spelling of a tool choice of Anthropic's."""
    if value.type not in _SPELLINGS:
        return value
    return ToolChoice(type="function", name=value.name) if value.type == "tool" else value.type


def _choose(value: str | ToolChoice, names: list[str] | None, box: Toolbox, context: Context) -> Outcome:
    mode = _mode(value)
    if names == []:
        # Gemini reads an empty list of allowed functions as none at all: every function would be allowed.
        fragment = _config("NONE", None, box, context)
        reason = "no function is among the allowed tools, and Gemini cannot be told to use a built-in one"
        return exact(fragment) if mode == "AUTO" else approximated(fragment, "tool-choice-inexact", reason)
    if mode == "AUTO":
        mode = _auto(box, context) if names is None else "VALIDATED"
    if not isinstance(value, str) and value.type not in ("function", "custom", "allowed_tools"):
        return approximated(
            _config(_auto(box, context), None, box, context),
            "tool-choice-inexact",
            "Gemini cannot be told to use one built-in tool",
        )
    if mode == "NONE" and wants_json(context.request.response_format) and not context.capabilities.tools_with_json:
        return exact()
    if mode == "VALIDATED" and not context.capabilities.validated:
        return approximated(
            _config("AUTO", None, box, context), "allowed-tools-declared", "only the allowed tools are declared"
        )
    if mode == "ANY" and value != "auto" and needs_json_tool(context):
        # A call was asked for: the function that stands for JSON mode is none.
        names = names or [one.name or "" for one in box.declarations]
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
    return value.type in _BUILT_IN


_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY", "any": "ANY"}


def _mode(value: str | ToolChoice) -> str:
    if isinstance(value, str):
        return _MODES[value]
    return _MODES.get(value.allowed_tools.mode, "AUTO") if value.allowed_tools else "ANY"


def _allowed(value: str | ToolChoice | None) -> list[str] | None:
    """Gemini's names of the functions that a choice is limited to."""
    if value is None or isinstance(value, str):
        return None
    if value.allowed_tools:
        return [name for choice in value.allowed_tools.tools for name in _allowed(choice) or ()]
    name = value.function.name if value.function else value.custom.name if value.custom else value.name
    return [upstream_name(name)] if name and value.type in ("function", "custom") else None


def functions(value: msgspec.Raw, context: Context) -> Outcome:
    """The deprecated form of `tools`."""
    return (
        dropped("field-overruled", "tools replace functions")
        if present(context.request.tools)
        else tools(value, context)
    )


def function_call(value: str | FunctionName, context: Context) -> Outcome:
    """The deprecated form of `tool_choice`."""
    if context.request.tool_choice is not None:
        return dropped("field-overruled", "tool_choice replaces function_call")
    if isinstance(value, str):
        return tool_choice(value, context)
    return tool_choice(ToolChoice(type="function", name=value.name), context)


def parallel_tool_calls(value: bool, context: Context) -> Outcome:
    """Gemini calls in parallel as it sees fit."""
    if value or not toolbox(context).declarations:
        return exact()
    return dropped("parallel-calls-unlimited", "Gemini cannot be kept from calling several functions at once")


def web_search_options(value: WebSearchOptions, context: Context) -> Outcome:
    """A web search is Gemini's googleSearch."""
    box = toolbox(context)
    if (conflict := conflict_of_built_in(box, context)) is not None:
        return dropped(*conflict)
    notes = list(_lost_options(value))
    present_already = any(present(tool.google_search) for tool in box.built_in)
    fragment = None if present_already else GenerateContentRequest(tools=[GeminiTool(google_search=_EMPTY)])
    return exact(fragment, notes)


def _lost_options(value: WebSearchOptions) -> Iterable[Note]:
    if (size := _context_size("search_context_size", value.search_context_size)) is not None:
        yield size
    if value.user_location is not None:
        yield Note("user_location", Fate.DROPPED, "tool-option-ignored", _NO_SETTING)
