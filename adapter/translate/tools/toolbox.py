"""All tools of a request, converted once: Gemini's declarations, and the data that answers need."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from adapter.translate.core.byte_cache import ByteCache, JsonKey
from adapter.translate.core.context import Context
from adapter.translate.core.kinds import TOOLS
from adapter.translate.core.notes import Fate, Note, Rejected, SharedNotes, unknown_notes
from adapter.translate.core.rules import decode_field
from adapter.translate.tools.built_in import BUILT_IN, built_in_tool, merge_forms, notes_on_options, take_own_forms
from adapter.translate.tools.declarations import Declared, declare
from adapter.translate.tools.names import check_name_length
from adapter.wire.base import ABSENT, encode, present
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

NO_TOOLS = "the model takes no tools"


class Toolbox(NamedTuple):
    """The tools of a request. `declared` has them as the client declared them, by their names at Gemini.

    `notes` have paths that start at `field`. `joined` are all declarations as JSON, one behind the other: what equal
    tools become is encoded once.
    """

    by_name: dict[str, FunctionDeclaration]
    built_in: list[GeminiTool]
    notes: tuple[Note, ...]
    declared: dict[str, Declared]
    strict: bool
    longest_name: int = 0
    field: Literal["tools", "functions"] = "tools"
    joined: msgspec.Raw = ABSENT

    @property
    def declarations(self) -> list[FunctionDeclaration]:
        """Return the declarations that go to Gemini, in the client's order."""
        return list(self.by_name.values())


_NOTHING = Toolbox({}, [], (), {}, strict=False)


def toolbox(context: Context) -> Toolbox:
    """Return the tools of a request, converted; equal bytes are converted once. Raises `Rejected`."""
    request = context.request
    if present(request.tools):
        sent, dialect = JsonKey(request.tools), context.options.schema
        box = _CONVERTED.get((sent, dialect), sent.size_bytes, lambda: _convert(sent.detach(), dialect))
    else:
        box = _legacy(request, context) if present(request.functions) else _NOTHING
    check_name_length(box.longest_name, "tools", context)
    return box


_CONVERTED: ByteCache[tuple[JsonKey, str], Toolbox] = ByteCache(MAX_CACHES, MAX_CACHED)


def _legacy(request: ChatCompletionRequest, context: Context) -> Toolbox:
    """Convert the deprecated `functions` as tools."""
    functions, unknown = decode_field("functions", request.functions, list[FunctionDefinition])
    tools = [Tool(type="function", function=function) for function in functions]
    try:
        box, tool_notes = _collect(tools, context.options.schema)
    except Rejected as rejection:
        path = rejection.note.path.replace("tools", "functions", 1).replace("].function", "]", 1)
        raise Rejected(path, rejection.note.code, rejection.note.reason) from None
    declared = {name: tool._replace(kind="legacy") for name, tool in box.declared.items()}
    notes = [note.at(note.path.replace("].function", "]", 1)) for note in tool_notes]
    return _finish(box, [*unknown_notes(unknown), *notes], "functions")._replace(declared=declared)


def _convert(raw: msgspec.Raw, dialect: Literal["json", "openapi"]) -> Toolbox:
    check_depth(bytes(raw))
    tools, unknown = decode_field("tools", raw, list[Tool])
    box, notes = _collect(tools, dialect, take_own_forms(tools, unknown))
    return _finish(box, [*unknown_notes(unknown), *notes], "tools")


def _finish(box: Toolbox, notes: list[Note], field: Literal["tools", "functions"]) -> Toolbox:
    """Return all tools with what is the same in each request that declares them."""
    return box._replace(
        notes=SharedNotes.of([note.at(field + note.path) for note in notes]),
        field=field,
        longest_name=max((len(one.name) for one in box.declared.values()), default=0),
        joined=msgspec.Raw(encode(box.declarations)[1:-1]),
    )


def _collect(
    tools: list[Tool], dialect: Literal["json", "openapi"], own: Mapping[int, GeminiTool] = {}
) -> tuple[Toolbox, list[Note]]:
    """Return all tools, and the notes, whose paths start at the list. Raises `Rejected`."""
    box = Toolbox({}, [], (), {}, any(tool.function is not None and bool(tool.function.strict) for tool in tools))
    notes: list[Note] = []
    if len(tools) > MAX_TOOLS:
        raise Rejected("tools", "limit-exceeded", f"Gemini takes at most {MAX_TOOLS} tools")
    for index, tool in enumerate(tools):
        notes += _caching(tool, f"[{index}]")
        if native := merge_forms(own.get(index), built_in_tool(tool)):
            box.built_in.append(native)
            notes += notes_on_options(tool, f"[{index}]")
            notes += TOOLS.notes(tool, f"[{index}]", tool.type if tool.type in BUILT_IN else "own")
        elif tool.type in ("function", "custom"):
            declaration, declared, losses = declare(tool, f"[{index}]", dialect)
            notes += losses
            notes += _add(box, declaration, declared, f"[{index}].{tool.type}")
            notes += TOOLS.notes(tool, f"[{index}]")
        else:
            reason = f"Gemini has no tool of type {tool.type!r}"
            notes.append(Note(f"[{index}].type", Fate.DROPPED, "tool-type-unsupported", reason))
    return box, notes


def _add(box: Toolbox, declaration: FunctionDeclaration, declared: Declared, path: str) -> list[Note]:
    """Add one declaration; return the note on one that is there already.

    Gemini refuses a name that is declared twice (github.com/owndev/Open-WebUI-Functions/issues/135).
    """
    name = declaration.name or ""
    if name not in box.by_name:
        box.by_name[name], box.declared[name] = declaration, declared
        return []
    if box.by_name[name] == declaration and box.declared[name].name == declared.name:
        reason = f"{declared.name!r} is declared twice alike: sent once"
        return [Note(path, Fate.APPROXIMATED, "tool-declared-twice", reason)]
    raise Rejected(f"tools{path}.name", "tools-contradict", f"{declared.name!r} is declared twice, in different ways")


def _caching(tool: Tool, path: str) -> list[Note]:
    reason = "Gemini finds reusable prefixes itself"
    sent = present(tool.cache_control)
    return [Note(f"{path}.cache_control", Fate.DROPPED, "cache-hint-ignored", reason)] if sent else []
