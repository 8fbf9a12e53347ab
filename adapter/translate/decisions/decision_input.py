"""The evidence of decisions: a text, or a history as one text, with images."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from adapter.translate.content.content_parts import parts_of, sources_of
from adapter.translate.core.context import Context
from adapter.translate.core.kinds import Kinds
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.wire.base import present
from adapter.wire.gemini.content import Part
from adapter.wire.gemini.decisions import DecisionContent
from adapter.wire.openai.chat_request import ContentPart
from adapter.wire.openai.decisions import DecisionItem, DecisionPart

_CALL = ("call_id", "name", "namespace", "id", "status")
_OUTPUT = ("call_id", "output", "id", "status")
_ITEMS = Kinds(
    DecisionItem,
    "type",
    {
        "message": ("role", "content", "phase", "id", "status"),
        "function_call": (*_CALL, "arguments"),
        "custom_tool_call": (*_CALL, "input"),
        "function_call_output": _OUTPUT,
        "custom_tool_call_output": _OUTPUT,
    },
)


class Block(NamedTuple):
    """A block of the evidence, and the path of its source."""

    content: DecisionContent
    path: str


def evidence_of(value: str | list[DecisionItem], chat: Context, notes: list[Note]) -> str | list[Block]:
    """Return the evidence of a decision: the content of a single user message, or a history."""
    if not value:
        raise Rejected("input", "value-missing", "there is nothing to decide about")
    if isinstance(value, str):
        return value
    calls: set[str | None] = set()
    for index, item in enumerate(value):
        _check_item(item, f"input[{index}]", calls, notes)
    alone = len(value) == 1 and value[0].type == "message" and value[0].role == "user"
    if not alone:
        reason = "the Decisions API knows no roles and no tools: a text says who said what"
        notes.append(Note("input", Fate.APPROXIMATED, "history-as-text", reason))
    blocks = [
        block
        for index, item in enumerate(value)
        for block in _item(item, f"input[{index}]", chat, notes, heading="" if alone else _heading(item))
    ]
    if not blocks:
        raise Rejected("input", "value-missing", "there is nothing to decide about")
    return blocks


def _check_item(item: DecisionItem, path: str, calls: set[str | None], notes: list[Note]) -> None:
    """Note what an item's kind does not have. Raises `Rejected` for an unknown kind, and an output without its call."""
    if item.type not in _ITEMS.fields:
        raise Rejected(f"{path}.type", "content-unsupported", f"an item of type {item.type!r} is no evidence")
    notes.extend(_ITEMS.notes(item, path))
    if item.type == "message":
        if item.role not in _ROLES:
            raise Rejected(f"{path}.role", "unknown-value", f"one of {', '.join(_ROLES)}")
        if item.phase is not None:
            notes.append(Note(f"{path}.phase", Fate.DROPPED, "phase-dropped", "Gemini knows no phases of an answer"))
    elif item.call_id is None:
        raise Rejected(f"{path}.call_id", "value-missing", "a call and its output have an id")
    elif item.type.endswith("_output"):
        if item.call_id not in calls:
            raise Rejected(f"{path}.call_id", "malformed-value", "no call before this output has the id")
    else:
        calls.add(item.call_id)
        if item.name is None:
            raise Rejected(f"{path}.name", "value-missing", "a call names its tool")
        if item.namespace is not None:
            reason = "told in the name of the tool"
            notes.append(Note(f"{path}.namespace", Fate.APPROXIMATED, "history-as-text", reason))


_ROLES = {"user": "User", "assistant": "Assistant", "developer": "Developer", "system": "System"}


def _heading(item: DecisionItem) -> str:
    """Return the heading of an item, which names its role."""
    if item.type == "message":
        return f"{_ROLES[item.role or 'user']}:"
    if item.type.endswith("_output"):
        return f"Output of the call {item.call_id}:"
    name = f"{item.namespace}.{item.name}" if item.namespace else item.name
    return f"Assistant calls the tool {name} (call {item.call_id}):"


def _item(item: DecisionItem, path: str, chat: Context, notes: list[Note], *, heading: str) -> Iterator[Block]:
    """Yield the blocks of one item; a text at its beginning stands behind its heading."""
    name = {"message": "content", "function_call": "arguments", "custom_tool_call": "input"}.get(item.type, "output")
    value = getattr(item, name)
    if value is None:
        raise Rejected(f"{path}.{name}", "value-missing", "the item says nothing")
    blocks = _blocks(value, f"{path}.{name}", chat, notes)
    if heading and blocks and blocks[0].content.type == "text":
        blocks[0].content.text = f"{heading}\n{blocks[0].content.text}"
    elif heading:
        yield Block(DecisionContent(type="text", text=heading), path)
    yield from blocks


TEXTS = ("input_text", "text", "output_text", "refusal", "input_json")
_IMAGES = ("input_image", "image_url")


def _blocks(value: str | list[DecisionPart], path: str, chat: Context, notes: list[Note]) -> list[Block]:
    if isinstance(value, str):
        return [Block(DecisionContent(type="text", text=value), path)] if value else []
    parts = [as_chat_part(one, f"{path}[{index}]", (*TEXTS, *_IMAGES), notes) for index, one in enumerate(value)]
    converted = parts_of(parts, path, chat, notes)
    return [Block(block_of(part), at) for part, at in zip(converted, sources_of(parts, path, chat), strict=True)]


def as_chat_part(part: DecisionPart, path: str, kinds: Sequence[str], notes: list[Note]) -> ContentPart:
    """Return the part as a chat has it; JSON is the text that it is."""
    if part.type not in kinds:
        raise Rejected(f"{path}.type", "content-unsupported", f"no part of type {part.type!r} is taken here")
    text, type_ = part.text, part.type
    if part.type == "input_json":
        text, type_ = _json(part.data, f"{path}.data"), "input_text"
    elif present(part.data):
        notes.append(Note(f"{path}.data", Fate.DROPPED, "unknown-field", f"{part.type!r} has no such field"))
    return ContentPart(
        type=type_,
        text=text,
        refusal=part.refusal,
        image_url=part.image_url,
        detail=part.detail,
        prompt_cache_breakpoint=part.prompt_cache_breakpoint,
    )


def _json(data: msgspec.Raw, path: str) -> str:
    """Write JSON as OpenAI renders it: compact."""
    if not present(data):
        raise Rejected(path, "value-missing", "the part has no data")
    text = msgspec.json.format(bytes(data), indent=-1).decode()
    if text[0] not in "{[":
        raise Rejected(path, "malformed-value", "an object, or a list of objects")
    return text


def block_of(part: Part) -> DecisionContent:
    """Return a part of a chat as the Decisions API has it."""
    if part.inline_data is not None:
        return DecisionContent(type="image", data=part.inline_data.data, mime_type=part.inline_data.mime_type)
    if part.file_data is not None:
        return DecisionContent(type="image", uri=part.file_data.file_uri, mime_type=part.file_data.mime_type)
    return DecisionContent(type="text", text=part.text)
