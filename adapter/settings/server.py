"""The settings that each part of the server gets, under the settings' own names. No part gets all of them."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from adapter.settings.fields import Settings


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times of an event stream, in seconds: when it sends its 200, its heartbeats, and when it gives up."""

    commit_after: float
    heartbeat: Literal["comment", "chunk", "off"]
    heartbeat_after: float
    write_timeout: float


class AnswerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of asking for an answer. `total_timeout` is in seconds, for all calls that it takes."""

    total_timeout: float
    continuations: int
    retry_malformed: bool


class LossSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The losses that are refused: the operator's level, and exceptions by code."""

    strict: Literal["off", "breaks", "answers", "costs", "all"]
    notes: dict[str, Literal["allow", "reject"]]


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The directory of files' contents, and the most bytes of one client, one file, and one line of a batch.

    `batch_rate`: requests of a batch in a minute where they are asked one by one.
    """

    store: str
    files_dir: str | None
    files_max_bytes: int
    file_max_bytes: int
    max_body: int
    batch_rate: float


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a plan, and the models that are asked when one fails."""

    max_choices: int
    fallback_models: dict[str, str]


class PageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The visibility of the page at /. None: everybody on this machine may see it."""

    inspector: bool | None
    workers: int


class ListSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The models that are listed, and the operator's own names for models."""

    models: Mapping[str, str]
    list_models: tuple[str, ...]


T = TypeVar("T", bound=msgspec.Struct)


def part_of(settings: Settings, part: type[T]) -> T:
    """Return the part of the settings that a struct names."""
    return part(**{name: getattr(settings, name) for name in part.__struct_fields__})
