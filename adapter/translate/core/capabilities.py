"""The differences between models, as data: one row per pattern, first match wins (`capabilities.toml`).

Rows have dates, since models come and go by the calendar of whoever serves them: AI Studio, Vertex AI, a relay.
Nothing here reads a clock: the day and the platform are arguments.
"""

import datetime
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import Literal, NamedTuple

import msgspec

from adapter.translate.core.notes import Fate, Note

Platform = Literal["studio", "vertex", "relay"]
"""The platform whose calendar of models applies: AI Studio, Vertex AI, or a relay, which has no known calendar."""


_OF_TURNS: Callable[["ModelCapabilities"], tuple[bool, ...]] = attrgetter(
    "signatures",
    "call_ids",
    "function_response_media",
    "part_media_resolution",
    "file_urls",
    "system_instruction",
)


class ModelCapabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row. Limits are in tokens. `source` and `date` say where the row's facts come from.

    `from`: the first day of the row, in UTC, on every platform; before it the next row that matches holds. A model
    that has not come yet needs none: nobody calls it. `until`: by platform, the first day on which the model is no
    longer served; from then on `routes_to` answers in its place, or nothing does. `served_by`: what to call where
    generateContent does not serve the model.

    `thinking`: "levels" (Gemini 3 and later), "budget" (2.5, in tokens between the two bounds; `budget_off`: 0
    turns thinking off; `thinks_unasked`: without any budget too) or "none". `signatures`: a function call of the
    current turn without its signature is a 400.
    `dimensions`: those of a whole vector of a model that embeds; `short_vectors_are_unit`: whether shorter ones have
    length 1; `predicts`: Vertex AI serves it by `predict`, text by text.
    `transcribes`: it writes down what it hears, by settings of its own.
    `image_sizes`: the sizes of its images that can be asked for; `extreme_ratios`: whether 1:4, 4:1, 1:8, 8:1 are
    among their ratios.
    `candidates`: how many one call gives; more are asked for by parallel calls. `penalties`, `sampling`, `logprobs`:
    whether the model takes frequency and presence penalties, temperature and top_p, and log probabilities; new models
    of Gemini 3.6 and later take no sampling. `call_ids`: function calls have ids of Gemini's. `prefill`: a history may
    end with the model's turn. `tools_with_json`, `tools_with_builtin`: functions beside JSON mode, beside Google's
    own tools. `validated`: functionCallingConfig.mode VALIDATED, which holds calls to their schemas.
    `function_response_media`: results may have images. `json_schema`: schemas go as JSON Schema, else in OpenAPI's
    dialect. `part_media_resolution`: resolution by part. `file_urls`: files by http(s) URL. All models that answer in
    text take images, sound and video, so no flag tells that.
    `audio_formats`: whether speech can be asked for in a format; such models speak WAV unless asked otherwise.
    """

    pattern: str
    source: str
    date: str
    starts: datetime.date = msgspec.field(default=datetime.date.min, name="from")
    until: dict[Platform, datetime.date] = {}
    routes_to: str = ""
    served_by: str = ""
    thinking: Literal["levels", "budget", "none"] = "levels"
    levels: tuple[str, ...] = ("low", "medium", "high")
    budget_minimum: int = 0
    budget_maximum: int = 0
    budget_off: bool = False
    thinks_unasked: bool = True
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
    audio_formats: bool = False
    transcribes: bool = False
    image_sizes: tuple[str, ...] = ()
    extreme_ratios: bool = False
    dimensions: int = 0
    short_vectors_are_unit: bool = True
    embeds_media: bool = False
    predicts: bool = False
    input_limit: int = 1_048_576
    output_limit: int = 65_536

    @property
    def of_turns(self) -> tuple[bool, ...]:
        """Return the capabilities that turns depend on, but for the last one (`prefill`).

        Models that agree in them get the same turns for the same messages.
        """
        return _OF_TURNS(self)

    def has_ended(self, platform: Platform, day: datetime.date) -> bool:
        """Return whether the platform no longer serves the model on this day."""
        return day >= self.until.get(platform, datetime.date.max)


class ServedModel(NamedTuple):
    """The model that answers for a name, its row, the requested name, and the reason if they differ."""

    model: str
    row: ModelCapabilities
    reason: str
    name: str


def capabilities_of(
    model: str, rows: Sequence[ModelCapabilities], day: datetime.date = datetime.date.max
) -> ModelCapabilities:
    """Return the row for a model id (with or without `models/`); the last row matches any name."""
    name = model.rsplit("/", 1)[-1].partition("+")[0]
    return next((row for row in rows if row.starts <= day and fnmatchcase(name, row.pattern)), rows[-1])


def served_model(model: str, rows: Sequence[ModelCapabilities], platform: Platform, day: datetime.date) -> ServedModel:
    """Return the model that a platform serves under this name on this day: another one once the model has ended."""
    served = ServedModel(model, capabilities_of(model, rows, day), "", model)
    for _ in rows:
        row = served.row
        if not row.routes_to or not row.has_ended(platform, day):
            break
        reason = f"{row.routes_to} answers for {served.model}, which ended on {row.until[platform].isoformat()}"
        served = ServedModel(row.routes_to, capabilities_of(row.routes_to, rows, day), reason, model)
    return served


def alias_notes(asked: str, served: ServedModel) -> list[Note]:
    """Return the note on a model that answers for another name."""
    if served.model == bare_name(asked):
        return []
    code = "model-retired" if served.reason else "model-alias"
    return [Note("model", Fate.APPROXIMATED, code, served.reason or f"{served.model} stands for {asked}")]


_PREFIX = re.compile(r"models/|(?:openrouter/)?(?:google|gemini|vertex_ai)/(?=gemini-|gemma-)")
"""Prefixes of a model's name in other tools: the collection, or a provider (LiteLLM, OpenRouter, Vertex AI)."""


def bare_name(model: str) -> str:
    """Return a model's name without its collection and without a provider in front."""
    return model[prefix.end() :] if (prefix := _PREFIX.match(model)) else model
