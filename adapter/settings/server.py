"""What each part of the server needs of the settings: none of them gets the whole. The names are the settings' own."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from adapter.settings.fields import Settings


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When an event stream commits, beats and gives up; in seconds."""

    commit_after: float
    heartbeat: Literal["comment", "chunk", "off"]
    heartbeat_after: float
    write_timeout: float


class AnswerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer is asked for. `total_timeout` is in seconds, for all calls that it takes."""

    total_timeout: float
    continuations: int
    retry_malformed: bool


class LossSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which losses are refused: the operator's level, and exceptions by code."""

    strict: Literal["off", "breaks", "answers", "costs", "all"]
    notes: dict[str, Literal["allow", "reject"]]


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the contents of files are, and how many bytes one client, one file, and one line of a batch may have.

    `batch_rate`: requests of a batch in a minute where they are asked one by one.
    """

    store: str
    files_dir: str | None
    files_max_bytes: int
    file_max_bytes: int
    max_body: int
    batch_rate: float


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a plan, and where a request goes when a model fails."""

    max_choices: int
    fallback_models: dict[str, str]


class PageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may see the page at /. None: who is on this machine."""

    inspector: bool | None
    workers: int


class ListSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which models are listed, and the operator's own names for models."""

    models: Mapping[str, str]
    list_models: tuple[str, ...]


T = TypeVar("T", bound=msgspec.Struct)


def part_of(settings: Settings, part: type[T]) -> T:
    """The part of the settings that a struct names."""
    return part(**{name: getattr(settings, name) for name in part.__struct_fields__})
