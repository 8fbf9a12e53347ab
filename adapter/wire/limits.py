"""Limits of one request, and the error that names the limit and its setting.

A decoder or a rule that meets a million tiny values keeps everybody waiting, so what costs time by its number is
limited by its number; the size of a body alone says little (`[],` is three bytes).
"""

from typing import NamedTuple

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one request; each has a setting, `max_` and its name.

    `values` are the values of the whole body (an empty list or object counts twice), `json_values` those of one
    free-form field or of JSON inside a text; `name_length` is of tools' names, in characters.
    """

    messages: int = 10_000
    items: int = 10_000
    parts: int = 4_096
    calls: int = 4_096
    images: int = 3_600
    values: int = 300_000
    json_values: int = 50_000
    unknown_fields: int = 1_000
    name_length: int = 1_024


DEFAULTS = Limits()

MAX_DEPTH = 800
"""Levels of lists and objects in a body: a little less than the least that an interpreter lets msgspec decode
(Python 3.11 about 950, 3.12 and 3.13 more), so that all of them refuse the same bodies."""


class ListLimit(NamedTuple):
    """The limit of a list: the field of `Limits`, the counted things, and the place."""

    limit: str
    things: str
    place: str


LISTS = {
    "messages": ListLimit("messages", "messages", "request"),
    "input": ListLimit("items", "items", "request"),
    "items": ListLimit("items", "items", "request"),
    "content": ListLimit("parts", "parts", "message"),
    "summary": ListLimit("parts", "parts", "item"),
    "tool_calls": ListLimit("calls", "calls", "message"),
    "images": ListLimit("images", "images", "message"),
}
"""Lists of messages and of what is in them, by the name of their field."""


class LimitExceeded(ValueError):
    """The body holds more of something than it may; `path` leads to it."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.path = path

    @classmethod
    def of(cls, limit: str, number: int, things: str, place: str, path: str = "") -> "LimitExceeded":
        """Return the error of one limit by its name in `Limits`."""
        return cls(f"at most {number} {things} are served in one {place} (the setting max_{limit})", path)


class TooManyUnknownFields(LimitExceeded):
    """The body holds more unknown fields than it may, or nests them too deeply."""


class TooDeep(LimitExceeded):
    """Lists and objects are nested over more levels than `MAX_DEPTH`."""
