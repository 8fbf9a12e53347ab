"""What differs between models, as data: one row per pattern, first match wins (`capabilities.toml`)."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec


class ModelCapabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row. Limits are in tokens. `source` and `date` say where the row's facts come from.

    `thinking`: "levels" (Gemini 3 and later), "budget" (2.5, in tokens between the two bounds; `budget_off`: 0
    turns thinking off) or "none". `signatures`: a function call of the current turn without its signature is a 400.
    """

    pattern: str
    source: str
    date: str
    thinking: Literal["levels", "budget", "none"] = "levels"
    levels: tuple[str, ...] = ("low", "medium", "high")
    budget_minimum: int = 0
    budget_maximum: int = 0
    budget_off: bool = False
    candidates: int = 1
    penalties: bool = False
    sampling: bool = True
    logprobs: bool = False
    signatures: bool = True
    call_ids: bool = True
    prefill: bool = False
    tools_with_json: bool = True
    tools_with_builtin: bool = True
    validated: bool = True
    function_response_media: bool = True
    json_schema: bool = True
    part_media_resolution: bool = True
    file_urls: bool = True
    system_instruction: bool = True
    tools: bool = True
    output: tuple[str, ...] = ("TEXT",)
    input_limit: int = 1_048_576
    output_limit: int = 65_536


def capabilities_of(model: str, rows: Sequence[ModelCapabilities]) -> ModelCapabilities:
    """The row for a model id (with or without `models/`); the last row is for names that no other matches."""
    name = model.rsplit("/", 1)[-1].partition("+")[0]
    return next((row for row in rows if fnmatchcase(name, row.pattern)), rows[-1])
