"""Gemini's built-in tools, asked for by a type of OpenAI's or in Google's own form."""

import re

import msgspec

from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.rules import add
from adapter.wire.base import present
from adapter.wire.gemini.generate import Tool as GeminiTool
from adapter.wire.openai.chat_request import Tool

_OWN_FORMS = {
    name: field.name
    for field in msgspec.structs.fields(GeminiTool)
    if field.name != "function_declarations"
    for name in (field.name, field.encode_name)
}
"""Gemini's built-in tools under both spellings of their names."""

_KNOWN_FORMS = ("google_search", "url_context", "code_execution", "google_maps", "file_search")

_UNKNOWN_FIELD = re.compile(r"\[(\d+)\]\.(\w+)")

BUILT_IN = {
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

EMPTY = msgspec.Raw(b"{}")


def take_own_forms(tools: list[Tool], unknown: dict[str, msgspec.Raw]) -> dict[int, GeminiTool]:
    """Return tools in Google's own form under names that `Tool` does not have, by index.

    Takes them out of `unknown`.
    """
    tools_by_index: dict[int, GeminiTool] = {}
    for path in list(unknown):
        match = _UNKNOWN_FIELD.fullmatch(path)
        field = _OWN_FORMS.get(match[2]) if match else None
        if match and field and tools[int(match[1])].function is None:
            setattr(tools_by_index.setdefault(int(match[1]), GeminiTool()), field, unknown.pop(path))
    return tools_by_index


def built_in_tool(tool: Tool) -> GeminiTool | None:
    """Return the built-in tool that is asked for by type or in Google's form; a function's name never asks for one."""
    field = BUILT_IN.get(tool.type)
    fields = [field] if field else []
    if field is None and tool.function is None and tool.custom is None:
        fields = [name for name in _KNOWN_FORMS if present(getattr(tool, name))]
    if not fields:
        return None
    native = GeminiTool()
    for name in fields:
        setattr(native, name, given if present(given := getattr(tool, name)) else EMPTY)
    return native


def merge_forms(first: GeminiTool | None, second: GeminiTool | None) -> GeminiTool | None:
    """Return one tool with the fields of both spellings."""
    return add(first, second) if first is not None and second is not None else first or second


_USUAL_SIZE = "medium"
"""The size of a search's context that asks for nothing in particular (platform.openai.com, web search: the default)."""

NO_SETTING = "Gemini's search takes no such setting"


def notes_on_options(tool: Tool, path: str) -> list[Note]:
    """Return the notes on options of a search, which Gemini's search does not have."""
    notes = [context_size_note(f"{path}.search_context_size", tool.search_context_size)]
    notes += [
        Note(f"{path}.{name}", Fate.DROPPED, "tool-option-ignored", NO_SETTING)
        for name in ("user_location", "filters")
        if present(getattr(tool, name))
    ]
    return [note for note in notes if note is not None]


def context_size_note(path: str, size: str | None) -> Note | None:
    """Return the note on how much a search should read; nothing is lost where the client spells out the default."""
    if size is None:
        return None
    lost = Note(path, Fate.DROPPED, "tool-option-ignored", NO_SETTING)
    return Note(path, Fate.EXACT) if size == _USUAL_SIZE else lost
