"""Tools whose calls have items of their own: declared to Gemini as functions, and converted there and back.

Their arguments are the members of the item's `action` or `operation`, so that a call comes back as it left.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, assert_never

import msgspec
import orjson

from adapter.translate.core.rules import decode_field
from adapter.translate.responses.chat_view import CallKind, CallName
from adapter.wire.base import encode, present
from adapter.wire.openai.chat_request import ContentPart, FunctionDefinition
from adapter.wire.openai.responses_answer import (
    ApplyPatchCallItem,
    LocalShellCallItem,
    OutputItem,
    ShellCallItem,
    ToolSearchCallItem,
)
from adapter.wire.openai.responses_request import InputItem


class Special(NamedTuple):
    """One such tool: its function's name, description and parameters."""

    name: str
    kind: CallKind
    description: str
    properties: Mapping[str, Any]
    required: tuple[str, ...]

    def definition(self) -> FunctionDefinition:
        """Return the function that stands for the tool."""
        schema = {"type": "object", "properties": self.properties, "required": self.required}
        return FunctionDefinition(
            name=self.name, description=self.description, parameters=msgspec.Raw(orjson.dumps(schema))
        )


_STRING = {"type": "string"}
_STRINGS = {"type": "array", "items": _STRING}
_INTEGER = {"type": "integer"}

SPECIAL = {
    "local_shell": Special(
        "local_shell",
        "local_shell",
        "Run a command in the user's shell.",
        {
            "command": {**_STRINGS, "description": "The program and its arguments."},
            "working_directory": _STRING,
            "timeout_ms": _INTEGER,
            "env": {"type": "object", "description": "Environment variables: name to value."},
            "user": _STRING,
        },
        ("command",),
    ),
    "shell": Special(
        "shell",
        "shell",
        "Run commands in the user's shell.",
        {
            "commands": {**_STRINGS, "description": "Whole command lines; they run in parallel."},
            "timeout_ms": _INTEGER,
            "max_output_length": {**_INTEGER, "description": "Characters of output to return."},
        },
        ("commands",),
    ),
    "apply_patch": Special(
        "apply_patch",
        "apply_patch",
        "Create, update or delete one of the user's files.",
        {
            "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            "path": {"type": "string", "description": "Relative to the workspace."},
            "diff": {
                "type": "string",
                "description": "For create_file and update_file: a V4A diff, as in `*** Update File` sections of "
                "apply_patch, without the header. Every line of a new file starts with +.",
            },
        },
        ("type", "path"),
    ),
}
"""Tool types of which the client runs the calls, by type."""


def chat_name(name: str, namespace: str | None) -> str:
    """Return the name of a function in the chat request: namespaces are not known there."""
    return f"{namespace}__{name}" if namespace else name


def arguments_of_call(item: InputItem, type_: str, path: str) -> tuple[str, str]:
    """Return the function and the arguments for a call of the history. Raises `Rejected`."""
    match type_:
        case "apply_patch_call":
            return "apply_patch", _object(item.operation, f"{path}.operation")
        case "tool_search_call":
            return "tool_search", _object(item.arguments, f"{path}.arguments")
        case "computer_call":
            whole = {"actions": item.actions} if present(item.actions) else {"action": item.action}
            return "computer", encode(whole if present(next(iter(whole.values()))) else {}).decode()
        case "local_shell_call":
            action, _ = decode_field(f"{path}.action", item.action, dict[str, Any])
            return "local_shell", encode(_without_defaults(action)).decode()
        case _:
            action, _ = decode_field(f"{path}.action", item.action, dict[str, Any])
            return "shell", encode({key: value for key, value in action.items() if value is not None}).decode()


def _without_defaults(action: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in action.items() if key != "type" and value not in (None, {})}


def _object(raw: msgspec.Raw, path: str) -> str:
    decode_field(path, raw, dict[str, Any])
    return bytes(raw).decode()


def result_of(item: InputItem, type_: str, path: str) -> tuple[str | list[ContentPart], bool]:
    """Return the result of a call of the history, and whether the call failed. Raises `Rejected`."""
    raw = item.output
    if type_ == "apply_patch_call_output":
        return text_of_json(raw, f"{path}.output") or item.status or "", item.status == "failed"
    if type_ == "computer_call_output":
        shot, _ = decode_field(f"{path}.output", raw, ContentPart)
        return [ContentPart(type="input_image", image_url=shot.image_url, file_id=shot.file_id)], False
    return text_of_json(raw, f"{path}.output"), False


def text_of_json(raw: msgspec.Raw, path: str) -> str:
    """Return a string; of anything else its JSON, which some clients send in place of the string. Raises `Rejected`."""
    if not present(raw):
        return ""
    value, _ = decode_field(path, raw, object)
    return value if isinstance(value, str) else bytes(raw).decode()


class _Command(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="exec"):
    command: list[str]
    env: dict[str, str] = {}
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class _Commands(msgspec.Struct, forbid_unknown_fields=True):
    commands: list[str]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["create_file", "update_file"]
    path: str
    diff: str = ""


class _Deletion(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["delete_file"]
    path: str


def item_of_call(name: CallName, id_: str, call_id: str, arguments: str) -> OutputItem | None:
    """Return the item of a call of a tool that has items of its own; None where its arguments are not the tool's."""
    try:
        return _item(name, id_, call_id, arguments)
    except msgspec.DecodeError:
        return None


def _item(name: CallName, id_: str, call_id: str, arguments: str) -> OutputItem | None:
    match name.kind:
        case "local_shell":
            action = _members_of(arguments, _Command)
            return LocalShellCallItem(id=id_, call_id=call_id, action=action, status="in_progress")
        case "shell":
            action = _members_of(arguments, _Commands)
            return ShellCallItem(id=id_, call_id=call_id, action=action, status="in_progress")
        case "apply_patch":
            deletes = msgspec.json.decode(arguments, type=dict[str, Any]).get("type") == "delete_file"
            operation = _members_of(arguments, _Deletion if deletes else _Change)
            return ApplyPatchCallItem(id=id_, call_id=call_id, operation=operation, status="in_progress")
        case "tool_search":
            members = msgspec.json.decode(arguments, type=dict[str, Any])
            return ToolSearchCallItem(
                id=id_, call_id=call_id, arguments=members, execution="client", status="in_progress"
            )
        case "function" | "custom":
            return None
        case never:
            assert_never(never)


def _members_of(arguments: str, shape: type[msgspec.Struct]) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(msgspec.json.decode(arguments, type=shape))
    return members
