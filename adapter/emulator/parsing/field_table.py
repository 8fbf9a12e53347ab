"""The field table: which messages the Gemini API has, which fields they have, and of what type.

`fields.json` comes from Google's discovery document (see `discovery.py`), `additions.toml` holds what Google published
later. Nothing here is shared with the adapter, so that a mistake in one is visible in the other.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

PACKAGE = "google.ai.generativelanguage.v1beta"


class FieldType(NamedTuple):
    """One field: its JSON name, the innermost type word, and what wraps it (`one`, `list` or `map`)."""

    name: str
    type: str
    wrap: str

    @property
    def enum(self) -> str:
        """The enum's name, or nothing."""
        return self.type.removeprefix("enum ") if self.type.startswith("enum ") else ""


class FieldTable(NamedTuple):
    """Messages by name; each maps both spellings of a field (`mimeType`, `mime_type`) to its type."""

    messages: dict[str, dict[str, FieldType]]
    enums: dict[str, list[str]]
    revision: str


@cache
def table() -> FieldTable:
    """Return the discovery document's fields and the dated additions, read once."""
    package = files(__package__)
    base = orjson.loads(package.joinpath("fields.json").read_bytes())
    messages: dict[str, dict[str, str]] = base["messages"]
    enums: dict[str, list[str]] = base["enums"]
    for addition in additions():
        for name, fields in addition["messages"].items():
            messages.setdefault(name, {}).update(fields)
        for name, values in addition.get("enums", {}).items():
            enums.setdefault(name, []).extend(values)
    return FieldTable({name: both_spellings(fields) for name, fields in messages.items()}, enums, base["revision"])


def additions() -> list[dict[str, Any]]:
    """Return the entries of `additions.toml`."""
    entries: list[dict[str, Any]] = tomllib.loads(
        files(__package__).joinpath("additions.toml").read_text(encoding="utf-8")
    )["addition"]
    return entries


def both_spellings(fields: dict[str, str]) -> dict[str, FieldType]:
    """Return a field's JSON name and proto name: protobuf JSON takes both."""
    types = [parse_type(name, word) for name, word in fields.items()]
    return {spelling: type_ for type_ in types for spelling in (type_.name, snake(type_.name))}


def parse_type(name: str, word: str) -> FieldType:
    """Read `[T]`, `{T}` or `T`."""
    wrap = {"[": "list", "{": "map"}.get(word[0], "one")
    return FieldType(name, word.strip("[]{}"), wrap)


@cache
def snake(name: str) -> str:
    """Return a name in snake case, as the server writes paths: `functionDeclarations` is `function_declarations`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
