"""Tables of the fields that each kind of part, tool or item has: a field of another kind gets a note.

One Struct serves all kinds of a message, a content part or a tool, since these sets are open. The tables say which of
its fields a kind has; fields that no table names belong to every kind, and whoever reads them tells of them.
"""

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.rules import absent
from adapter.wire.openai.chat_request import THOUGHTS, ContentPart, Message, Tool, ToolChoice
from adapter.wire.openai.responses_request import InputItem, ResponsesTool


class Kinds:
    """The table of one union: `tag` is the field that names the kind, `fields` are those of each kind."""

    def __init__(self, struct: type[msgspec.Struct], tag: str, fields: Mapping[str, tuple[str, ...]]) -> None:
        self._tag = attrgetter(tag)
        self.fields = fields
        defaults = {one.name: one.default for one in msgspec.structs.fields(struct)}
        every = dict.fromkeys(name for names in fields.values() for name in names)
        self._foreign = {kind: tuple(name for name in every if name not in names) for kind, names in fields.items()}
        self._getters = {kind: attrgetter(*names, names[0]) for kind, names in self._foreign.items()}
        self._nothing = {
            kind: (*(defaults[n] for n in names), defaults[names[0]]) for kind, names in self._foreign.items()
        }
        self._encoded = {one.name: one.encode_name for one in msgspec.structs.fields(struct)}

    def foreign(self, value: msgspec.Struct, kind: str | None = None) -> list[str]:
        """Return the fields that were sent although this kind does not have them, under the client's names."""
        kind = kind if kind is not None else self._tag(value)
        getter = self._getters.get(kind)
        if getter is None or getter(value) == self._nothing[kind]:
            return []
        sent = (name for name in self._foreign[kind] if not absent(found := getattr(value, name)) and found != [])
        return [self._encoded[name] for name in sent]

    def notes(self, value: msgspec.Struct, path: str, kind: str | None = None) -> Iterator[Note]:
        """Yield a note for each such field."""
        name: Any = kind if kind is not None else self._tag(value)
        for field in self.foreign(value, kind):
            yield Note(f"{path}.{field}".lstrip("."), Fate.DROPPED, "unknown-field", f"{name!r} has no such field")


_ANSWER = (
    "refusal", "tool_calls", "function_call", "audio", "images", "extra_content", "thought_signature",
    "provider_specific_fields",
)  # fmt: skip

MESSAGES = Kinds(
    Message,
    "role",
    {
        "system": (),
        "developer": (),
        "user": (),
        "assistant": _ANSWER,
        "tool": ("tool_call_id", "is_error"),
        "function": ("tool_call_id", "is_error"),
    },
)

_TEXT = ("text",)
_IMAGE = ("image_url", "detail", "file_id")
_FILE = ("file", "file_id", "file_url", "file_data", "filename", "detail")
_THOUGHT = ("thinking", "reasoning", "signature", "text")

PARTS = Kinds(
    ContentPart,
    "type",
    {
        **dict.fromkeys(("text", "input_text", "output_text"), _TEXT),
        "refusal": ("refusal",),
        **dict.fromkeys(("image_url", "input_image"), _IMAGE),
        "input_audio": ("input_audio",),
        **dict.fromkeys(("file", "input_file", "file_url"), _FILE),
        "video_url": ("video_url",),
        "document_url": ("document_url", "document_name"),
        **dict.fromkeys(THOUGHTS, _THOUGHT),
    },
)

_SEARCH = ("search_context_size", "user_location", "filters", "google_search")
_OWN = ("google_search", "url_context", "code_execution", "google_maps", "file_search")

TOOLS = Kinds(
    Tool,
    "type",
    {
        "function": ("function",),
        "custom": ("custom",),
        "own": _OWN,
        **dict.fromkeys(("google_search", "web_search", "web_search_preview"), _SEARCH),
        **dict.fromkeys(("web_search_preview_2025_03_11", "web_search_2025_08_26"), _SEARCH),
        "url_context": ("url_context",),
        **dict.fromkeys(("code_execution", "code_interpreter"), ("code_execution",)),
        "google_maps": ("google_maps",),
        "file_search": ("file_search",),
    },
)
"""`own` are tools in Google's own form, whose type is in the name of their field."""

CHOICES = Kinds(
    ToolChoice,
    "type",
    {
        "function": ("function", "name"),
        "custom": ("custom", "name"),
        "tool": ("name",),
        "allowed_tools": ("allowed_tools",),
    },
)

_CALL = ("call_id", "name", "namespace", "arguments", "extra_content")
_ACTION = ("call_id", "action", "actions", "environment", "pending_safety_checks", "operation", "max_output_length")
_OUTPUT = ("call_id", "output", "max_output_length", "acknowledged_safety_checks")

ITEMS = Kinds(
    InputItem,
    "type",
    {
        "message": ("role", "content", "phase", "name"),
        "reasoning": ("summary", "content", "encrypted_content"),
        "function_call": _CALL,
        "custom_tool_call": ("call_id", "name", "namespace", "input"),
        **dict.fromkeys(
            ("function_call_output", "custom_tool_call_output"), (*_OUTPUT, "name", "namespace")
        ),
        **dict.fromkeys(("local_shell_call", "shell_call", "apply_patch_call", "computer_call"), _ACTION),
        **dict.fromkeys(
            ("local_shell_call_output", "shell_call_output", "apply_patch_call_output", "computer_call_output"), _OUTPUT
        ),
        "tool_search_call": ("call_id", "arguments", "execution"),
        "tool_search_output": ("call_id", "tools", "execution"),
        "additional_tools": ("tools", "role"),
        "mcp_call": ("name", "server_label", "arguments", "output", "error", "approval_request_id"),
        "image_generation_call": (
            "result", "output_format", "revised_prompt", "background", "quality", "size", "svg_usage", "action",
        ),
        "code_interpreter_call": ("code", "outputs", "container_id"),
        "compaction": ("encrypted_content",),
    },
)  # fmt: skip
"""The fields of each type of item. Types that are left out whole are not here: one note is enough for the whole."""

_DECLARED = (
    "name",
    "description",
    "parameters",
    "strict",
    "defer_loading",
    "allowed_callers",
    "output_schema",
    "async_",
)
_OF_SEARCHES = (
    "filters", "search_context_size", "user_location", "external_web_access", "search_content_types",
)  # fmt: skip
_OF_IMAGES = (
    "action", "background", "complexity", "frame_count", "frame_duration_ms", "input_fidelity", "input_image_mask",
    "model", "moderation", "output_compression", "output_format", "partial_images", "quality", "size", "svg",
)  # fmt: skip

DECLARATIONS = Kinds(
    ResponsesTool,
    "type",
    {
        "function": _DECLARED,
        "custom": ("name", "description", "format", "defer_loading", "allowed_callers", "async_"),
        "namespace": ("name", "description", "tools", "defer_loading"),
        **dict.fromkeys(
            ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"), _OF_SEARCHES
        ),
        "code_interpreter": ("container", "allowed_callers"),
        "own": (),
        "file_search": ("vector_store_ids", "max_num_results", "filters", "ranking_options"),
        "image_generation": _OF_IMAGES,
        "tool_search": ("description", "parameters", "execution"),
        **dict.fromkeys(("local_shell", "shell", "apply_patch"), ("environment", "allowed_callers")),
    },
)
"""The fields of each type of tool. Types that are left out whole are not here: one note is enough for the whole."""
