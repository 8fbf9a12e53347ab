"""Where in Gemini's request each field of OpenAI's arrived: JSON pointers into the body that is really sent.

Made only for the full ledger, by translating field by field once more. An anchor is a path of the client's request with
a pointer at what became of it. A note's targets are the anchors at its path or below, else the place of the nearest
anchor above. Anchors that no note of a loss speaks of become notes of their own, so that the
whole body is accounted for.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from adapter.translate.core.notes import Fate, Note
from adapter.translate.plan import Plan
from adapter.translate.request.fields import RULES
from adapter.translate.request.tools import JSON_TOOL, toolbox, upstream_name
from adapter.translate.request.trace import trace_messages
from adapter.wire.base import encode, present

_STEP = re.compile(r"[^.\[\]]+")

_SCHEMAS = ("parametersJsonSchema", "parameters")


class Anchor(NamedTuple):
    """A path of the client's request, and a pointer into Gemini's at what became of it."""

    path: str
    pointer: str


class LedgerEntry(NamedTuple):
    """A note of the full ledger, with the places in Gemini's request that it is about."""

    note: Note
    targets: list[str]


def full_ledger(plan: Plan, body: dict[str, Any], path: Callable[[str], str] | None = None) -> list[LedgerEntry]:
    """The plan's notes with their targets, and a note on everything else that arrives.

    `body` is the plan's as JSON. `path` gives the client's path for one of the chat request, where the view does not.
    """
    path = path or (plan.view.path if plan.view is not None else str)
    anchors = [anchor for anchor in anchors_of(plan, body, path) if value_at(body, anchor.pointer) is not MISSING]
    index = _by_path(anchors)
    own = {anchor.path for anchor in anchors}
    entries = [
        LedgerEntry(note, _targets(note, index, body)) for note in plan.notes if not _is_container(note, own, index)
    ]
    covered = {target for entry in entries for target in entry.targets}
    rest: dict[str, list[str]] = {}
    for place, pointer in anchors:
        if not covered.intersection(_above(pointer)):
            rest.setdefault(place, []).append(pointer)
    return entries + [LedgerEntry(Note(place, Fate.EXACT), pointers) for place, pointers in rest.items()]


def _is_container(note: Note, own: set[str], index: Mapping[str, object]) -> bool:
    """Whether a note says that a field arrives whose members have notes of their own, such as messages."""
    return note.fate is Fate.EXACT and note.signature is None and note.path in index and note.path not in own


MISSING = object()
"""What stands where a pointer leads to nothing."""


def value_at(body: Any, pointer: str) -> Any:
    """What a JSON pointer leads to (RFC 6901)."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(body, dict) and key in body:
            body = body[key]
        elif isinstance(body, list) and key.isdecimal() and int(key) < len(body):
            body = body[int(key)]
        else:
            return MISSING
    return body


def anchors_of(plan: Plan, body: dict[str, Any], path: Callable[[str], str]) -> Iterator[Anchor]:
    """Every path of the client's request that became something, with a pointer at it."""
    for chats, pointer in (*trace_messages(plan.context), *_of_tools(plan, body), *_of_fields(plan, body)):
        yield Anchor(path(chats), pointer)


def _of_tools(plan: Plan, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Declarations by their names, built-in tools by their order."""
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
    """The path of each declared function by Gemini's name for it, and the paths of built-in tools."""
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
        elif f"[{index}].type" not in unsupported:
            native.append(f"tools[{index}]")
    return names, native


def _of_fields(plan: Plan, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the other fields' rules set, as far as it stands in the body."""
    for field, value in RULES.fields.sent(plan.context.request):
        fragment = None if field == "messages" else RULES[field](value, plan.context).fragment
        if fragment is None:
            continue
        for pointer, leaf in leaves(orjson.loads(encode(fragment))):
            if not pointer.startswith(("/tools/", "/safetySettings/")) and value_at(body, pointer) == leaf:
                yield from _of_leaf(field, pointer)
    # Asked for by the adapter itself, where no extension does: see the injected note.
    yield "audio.format", "/generationConfig/responseFormat/audio/mimeType"
    for number, setting in enumerate(body.get("safetySettings") or ()):
        yield _source_of_setting(plan, setting), f"/safetySettings/{number}"


def _of_leaf(field: str, pointer: str) -> Iterator[tuple[str, str]]:
    """The field at its pointer; the schema of an answer also at the path under which its notes stand."""
    for key in ("/generationConfig/responseJsonSchema", "/generationConfig/responseSchema"):
        if field == "response_format" and pointer.startswith(key):
            yield "response_format.json_schema.schema", key
            return
    yield field, pointer


def _source_of_setting(plan: Plan, setting: dict[str, Any]) -> str:
    """The field that brought a safety setting; the operator's are noted under the standard one."""
    request = plan.context.request
    for field in ("extra_body", "google"):
        raw = getattr(request, field)
        if present(raw) and setting["category"].encode() in bytes(raw):
            return field
    return "safety_settings"


MAX_SHOWN = 120
"""The longest text that is shown of a value."""


def values_of(note: Mapping[str, Any], request: bytes, plan: Plan) -> dict[str, Any]:
    """The value at a note's path before, and those at its targets after; long texts, such as media, are shortened."""
    body = orjson.loads(encode(plan.body))
    steps = "".join(f"/{_escaped(step)}" for step in _STEP.findall(note["path"]))
    before = value_at(orjson.loads(request), steps)
    after = [shortened_value(value_at(body, target)) for target in note["targets"]]
    return {**({} if before is MISSING else {"before": shortened_value(before)}), **({"after": after} if after else {})}


def shortened_value(value: Any) -> Any:
    """A value for the eye."""
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return f"{value[:MAX_SHOWN]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: REDACTED if _SECRET.search(key) else shortened_value(item) for key, item in value.items()}
    return [shortened_value(item) for item in value] if isinstance(value, list) else value


REDACTED = "[redacted]"
_SECRET = re.compile(r"api.?key|authorization|secret|password|access.?token", re.IGNORECASE)


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its pointer; what is empty is a leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{pointer}/{_escaped(key)}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _by_path(anchors: Iterable[Anchor]) -> dict[str, dict[str, None]]:
    """Pointers by each path at or above their own."""
    index: dict[str, dict[str, None]] = {}
    for path, pointer in anchors:
        for above in _prefixes(path):
            index.setdefault(above, {})[pointer] = None
    return index


def _prefixes(path: str) -> Iterator[str]:
    """A path, and the ones above it, the longest first."""
    while path:
        yield path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]


def _above(pointer: str) -> Iterator[str]:
    """A pointer, and the ones above it."""
    while pointer:
        yield pointer
        pointer = pointer[: pointer.rfind("/")]


def _targets(note: Note, index: dict[str, dict[str, None]], body: Any) -> list[str]:
    """The places that a note is about; none for what does not arrive."""
    if note.fate in (Fate.DROPPED, Fate.REJECTED):
        return []
    for path in _prefixes(note.path):
        if path in index and (path == note.path or "." in path or "[" in path or note.fate is not Fate.EXACT):
            return [_deeper(pointer, note.path[len(path) :], body) for pointer in index[path]]
    return []


def _deeper(pointer: str, rest: str, body: Any) -> str:
    """The pointer, moved along the rest of a path as far as the body has the same steps: inside a schema it has."""
    for step in _STEP.findall(rest):
        inner = f"{pointer}/{_escaped(step)}"
        if value_at(body, inner) is MISSING:
            return pointer
        pointer = inner
    return pointer
