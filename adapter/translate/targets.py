"""Anchors of the full ledger: the places in Gemini's request where each field of a chat arrived.

Made only for the full ledger, by translating field by field once more.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from adapter.translate.ledger import Anchor, LedgerEntry, leaves, ledger_of, value_at
from adapter.translate.plan import Plan
from adapter.translate.request.fields import RULES
from adapter.translate.request.trace import trace_messages
from adapter.translate.tools.json_tool import JSON_TOOL
from adapter.translate.tools.names import upstream_name
from adapter.translate.tools.toolbox import toolbox
from adapter.wire.base import encode, present

_SCHEMAS = ("parametersJsonSchema", "parameters")


def full_ledger(plan: Plan, body: dict[str, Any], path: Callable[[str], str] | None = None) -> list[LedgerEntry]:
    """Return the plan's notes with their targets, and a note on everything else that arrives.

    `body` is the plan's as JSON. `path` gives the client's path for one of the chat request, where the view does not.
    """
    path = path or (plan.view.path if plan.view is not None else str)
    return ledger_of(plan.notes, anchors_of(plan, body, path), body)


def anchors_of(plan: Plan, body: dict[str, Any], path: Callable[[str], str]) -> Iterator[Anchor]:
    """Yield every path of the client's request that arrives, with its pointer in Gemini's."""
    for chats, pointer in (*trace_messages(plan.context), *_anchor_tools(plan, body), *_anchor_fields(plan, body)):
        yield Anchor(path(chats), pointer)


def _anchor_tools(plan: Plan, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield declarations by their names, built-in tools by their order."""
    names, native = _tool_paths(plan)
    request = plan.context.request
    extension = "extra_body" if present(request.extra_body) else "google"
    native_paths = iter([*native, *["web_search_options"] * (request.web_search_options is not None)])
    for at, tool in enumerate(body.get("tools") or ()):
        for number, declaration in enumerate(tool.get("functionDeclarations", ())):
            own = "response_format" if declaration["name"].startswith(JSON_TOOL) else extension
            path = names.get(declaration["name"], own)
            pointer = f"/tools/{at}/functionDeclarations/{number}"
            yield path, pointer
            schema = {extension: path, "response_format": f"{path}.json_schema.schema"}.get(path, f"{path}.parameters")
            yield from ((schema, f"{pointer}/{key}") for key in _SCHEMAS)
        if "functionDeclarations" not in tool:
            yield next(native_paths, extension), f"/tools/{at}"


def _tool_paths(plan: Plan) -> tuple[dict[str, str], list[str]]:
    """Return the path of each declared function by Gemini's name for it, and the paths of built-in tools."""
    request = plan.context.request
    field = "tools" if present(request.tools) else "functions"
    raw = request.tools if field == "tools" else request.functions
    tools = orjson.loads(bytes(raw)) if present(raw) else []
    unsupported = {note.path for note in toolbox(plan.context).notes if note.code == "tool-type-unsupported"}
    names: dict[str, str] = {}
    native: list[str] = []
    for index, tool in enumerate(tools):
        kind = next((key for key in ("function", "custom") if tool.get("type", key) == key and tool.get(key)), None)
        if field == "functions":
            names.setdefault(upstream_name(tool["name"]), f"functions[{index}]")
        elif kind is not None:
            names.setdefault(upstream_name(tool[kind]["name"]), f"tools[{index}].{kind}")
        elif f"tools[{index}].type" not in unsupported:
            native.append(f"tools[{index}]")
    return names, native


def _anchor_fields(plan: Plan, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the anchors of all other fields: what their rules set, as far as it is in the body."""
    for field, value in RULES.fields.list_sent(plan.context.request):
        fragment = None if field == "messages" else RULES[field](value, plan.context).fragment
        if fragment is None:
            continue
        for pointer, leaf in leaves(orjson.loads(encode(fragment))):
            if not pointer.startswith(("/tools/", "/safetySettings/")) and value_at(body, pointer) == leaf:
                yield from _anchor_leaf(field, pointer)
    # Asked for by the adapter itself, where no extension does: see the injected note.
    yield "audio.format", "/generationConfig/responseFormat/audio/mimeType"
    for number, setting in enumerate(body.get("safetySettings") or ()):
        yield _source_of_setting(plan, setting), f"/safetySettings/{number}"


def _anchor_leaf(field: str, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield the field at its pointer; an answer's schema also at the path of its notes."""
    for key in ("/generationConfig/responseJsonSchema", "/generationConfig/responseSchema"):
        if field == "response_format" and pointer.startswith(key):
            yield "response_format.json_schema.schema", key
            return
    yield field, pointer


def _source_of_setting(plan: Plan, setting: dict[str, Any]) -> str:
    """Return the field that brought a safety setting; the operator's are noted under the standard one.

    One without a category is a client's, whatever is wrong with it.
    """
    request, category = plan.context.request, str(setting.get("category", "")).encode()
    for field in ("extra_body", "google"):
        raw = getattr(request, field)
        if present(raw) and category in bytes(raw):
            return field
    return "safety_settings"
