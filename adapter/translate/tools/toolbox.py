"""All tools of a request, converted once: Gemini's declarations, and the data that answers need."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from adapter.translate.core.byte_cache import ByteCache
from adapter.translate.core.context import Context
from adapter.translate.core.kinds import TOOLS
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.core.rules import decode_field
from adapter.translate.tools.built_in import BUILT_IN, built_in_tool, merge_forms, notes_on_options, take_own_forms
from adapter.translate.tools.declarations import Declared, declare
from adapter.translate.tools.names import check_name_length
from adapter.wire.base import present
from adapter.wire.gemini.generate import FunctionDeclaration
from adapter.wire.gemini.generate import Tool as GeminiTool
from adapter.wire.json_counts import check_depth
from adapter.wire.openai.chat_request import ChatCompletionRequest, FunctionDefinition, Tool

MAX_CACHED = 256 * 1024
"""Tools of at most this many bytes are converted once for equal bytes."""

MAX_CACHES = 16 * 1024 * 1024
"""Bytes of tools that are kept converted; what they became takes a few times as much."""

MAX_TOOLS = 512
"""Function declarations in one request (docs.cloud.google.com, function calling, 2026-10)."""

_END = 64
"""Bytes at each end of a field that are hashed."""

NO_TOOLS = "the model takes no tools"


class Toolbox(NamedTuple):
    """The tools of a request. `declared` has them as the client declared them, by their names at Gemini."""

    by_name: dict[str, FunctionDeclaration]
    built_in: list[GeminiTool]
    notes: list[Note]
    declared: dict[str, Declared]
    strict: bool
    longest_name: int = 0

    @property
    def declarations(self) -> list[FunctionDeclaration]:
        """Return the declarations that go to Gemini, in the client's order."""
        return list(self.by_name.values())


_NOTHING = Toolbox({}, [], [], {}, strict=False)


def toolbox(context: Context) -> Toolbox:
    """Return the tools of a request, converted; equal bytes are converted once. Raises `Rejected`."""
    request = context.request
    if present(request.tools):
        sent, dialect = _Sent(bytes(request.tools)), context.options.schema
        box = _CONVERTED.get((sent, dialect), len(sent.raw), lambda: _convert(sent, dialect))
    else:
        box = _legacy(request, context) if present(request.functions) else _NOTHING
    check_name_length(box.longest_name, "tools", context)
    return box


class _Sent:
    """The bytes of a field as a key of the cache.

    Only their ends are hashed: all of them are compared anyway.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __hash__(self) -> int:
        return hash((len(self.raw), self.raw[:_END], self.raw[-_END:]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sent) and self.raw == other.raw


_CONVERTED: ByteCache[tuple[_Sent, str], Toolbox] = ByteCache(MAX_CACHES, MAX_CACHED)


def _legacy(request: ChatCompletionRequest, context: Context) -> Toolbox:
    """Convert the deprecated `functions` as tools."""
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
    box = _collect(tools, dialect, take_own_forms(tools, unknown))
    return box._replace(notes=unknown_notes(unknown) + box.notes)


def _collect(tools: list[Tool], dialect: Literal["json", "openapi"], own: Mapping[int, GeminiTool] = {}) -> Toolbox:
    box = Toolbox({}, [], [], {}, any(tool.function is not None and bool(tool.function.strict) for tool in tools))
    if len(tools) > MAX_TOOLS:
        raise Rejected("tools", "limit-exceeded", f"Gemini takes at most {MAX_TOOLS} tools")
    for index, tool in enumerate(tools):
        box.notes.extend(_caching(tool, f"[{index}]"))
        if native := merge_forms(own.get(index), built_in_tool(tool)):
            box.built_in.append(native)
            box.notes.extend(notes_on_options(tool, f"[{index}]"))
            kind = tool.type if tool.type in BUILT_IN else "own"
            box.notes.extend(TOOLS.notes(tool, f"[{index}]", kind))
        elif tool.type in ("function", "custom"):
            _add(box, *declare(tool, f"[{index}]", dialect), f"[{index}].{tool.type}")
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
    """Add one declaration.

    Gemini refuses a name that is declared twice (github.com/owndev/Open-WebUI-Functions/issues/135).
    """
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


def _caching(tool: Tool, path: str) -> list[Note]:
    reason = "Gemini finds reusable prefixes itself"
    sent = present(tool.cache_control)
    return [Note(f"{path}.cache_control", Fate.DROPPED, "cache-hint-ignored", reason)] if sent else []
