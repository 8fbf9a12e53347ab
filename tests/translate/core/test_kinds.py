"""The fields of each kind: OpenAI's SDK is the judge of its own kinds; those of other clients are listed."""

from typing import Any, get_args, get_type_hints

import pytest
from openai.types.chat.chat_completion_content_part_param import ChatCompletionContentPartParam
from openai.types.chat.chat_completion_tool_union_param import ChatCompletionToolUnionParam
from openai.types.responses.response_input_content_param import ResponseInputContentParam
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from openai.types.responses.tool_param import ToolParam

from adapter.translate.core.kinds import CHOICES, DECLARATIONS, ITEMS, MESSAGES, PARTS, TOOLS, Kinds
from adapter.wire.openai.chat_request import ContentPart, Message, Tool, ToolChoice

WHOLE_TOOLS = {"computer", "computer_use_preview", "mcp", "programmatic_tool_calling"}
WHOLE_ITEMS = {
    *("compaction_trigger", "configuration_update", "file_search_call", "item_reference", "mcp_approval_request"),
    *("mcp_approval_response", "mcp_list_tools", "program", "program_output", "web_search_call"),
}
"""Kinds that do not arrive at all, so that none of their fields has a note of its own."""

DROPPED = {"image_generation_call": {"error"}}
"""Fields that a kind has, and that are dropped with a note: an error has no image."""

OF_OTHERS: list[tuple[Kinds, str]] = [
    *((MESSAGES, role) for role in ("system", "developer", "user", "assistant", "tool", "function")),
    *((PARTS, kind) for kind in ("output_text", "refusal", "file_url", "video_url", "document_url")),
    *((PARTS, kind) for kind in ("thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text")),
    *((PARTS, kind) for kind in ("redacted-reasoning", "thought", "think")),
    *((TOOLS, kind) for kind in ("own", "google_search", "web_search", "web_search_2025_08_26", "url_context")),
    *((TOOLS, kind) for kind in ("web_search_preview", "web_search_preview_2025_03_11", "google_maps")),
    *((TOOLS, kind) for kind in ("code_execution", "code_interpreter", "file_search")),
    *((CHOICES, kind) for kind in ("function", "custom", "tool", "allowed_tools")),
    (DECLARATIONS, "own"),
]
"""Kinds of Google's and of other clients."""


def kinds_of(union: Any) -> dict[str, set[str]]:
    """The kinds of one of the SDK's unions, with their fields."""
    found: dict[str, set[str]] = {}
    for one in get_args(union):
        hints = get_type_hints(one)
        tags = hints.get("type", type(None))
        while get_args(tags) and not isinstance(get_args(tags)[0], str):
            tags = get_args(tags)[0]
        for kind in get_args(tags):
            found.setdefault(kind, set()).update(hints)
    return found


@pytest.mark.parametrize(
    ("table", "union", "whole"),
    [
        (PARTS, ChatCompletionContentPartParam, set()),
        (PARTS, ResponseInputContentParam, set()),
        (TOOLS, ChatCompletionToolUnionParam, set()),
        (DECLARATIONS, ToolParam, WHOLE_TOOLS),
        (ITEMS, ResponseInputItemParam, WHOLE_ITEMS),
    ],
)
def test_each_kind_of_openais_has_all_its_fields(table, union, whole):
    kinds = kinds_of(union)
    assert set(kinds) - set(table.fields) == whole
    named = {field for fields in table.fields.values() for field in fields}
    missing = {kind: fields & named - set(table.fields[kind]) for kind, fields in kinds.items() if kind not in whole}
    assert {kind: fields for kind, fields in missing.items() if fields} == (DROPPED if table is ITEMS else {})


def test_kinds_of_others_have_fields_of_their_own_too():
    for table, kind in OF_OTHERS:
        assert kind in table.fields, kind
    assert {kind for table, kind in OF_OTHERS if table is TOOLS} | {"function", "custom"} == set(TOOLS.fields)
    assert {kind for table, kind in OF_OTHERS if table is CHOICES} == set(CHOICES.fields)
    assert {kind for table, kind in OF_OTHERS if table is MESSAGES} == set(MESSAGES.fields)


def test_a_field_of_another_kind_has_a_note_where_it_stands():
    part = ContentPart(type="text", text="hi", file_id="f")
    assert [note.path for note in PARTS.notes(part, "content[0]")] == ["content[0].file_id"]
    assert [note.path for note in PARTS.notes(part, "")] == ["file_id"]
    assert [note.path for note in PARTS.notes(part, "a", "input_file")] == ["a.text"]
    assert list(PARTS.notes(ContentPart(type="of the future", text="hi", file_id="f"), "a")) == []
    assert list(MESSAGES.notes(Message(role="user", content="hi"), "a")) == []
    assert list(TOOLS.notes(Tool(type="custom"), "a")) == []
    assert [note.path for note in CHOICES.notes(ToolChoice(type="allowed_tools", name="f"), "b")] == ["b.name"]
