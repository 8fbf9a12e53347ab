"""The model rows of `models.toml`, and the calendar by which they end."""

import datetime
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

GENERATE_METHODS = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")
DEFAULT_SIZES = ("1K", "2K", "4K")


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model and what it can do.

    `extreme_ratios`: it knows the picture ratios 1:4, 4:1, 1:8 and 8:1. `transcribes`: it writes down what it hears.
    `speaks_wav`: speech is a WAV file unless `responseFormat` asks for something else; earlier models know no formats.
    `shutdown`: the first day (UTC) on which AI Studio no longer serves it; then `routes_to` answers, or nothing does.
    """

    name: str
    display: str
    family: str
    generation: float
    resolves_to: str = ""
    shutdown: datetime.date = datetime.date.max
    routes_to: str = ""
    versions: tuple[str, ...] = ("v1beta", "v1")
    methods: tuple[str, ...] = GENERATE_METHODS
    outputs: tuple[str, ...] = ("TEXT",)
    input_limit: int = 1_048_576
    output_limit: int = 65_536

    thinking: Literal["none", "budget", "level"] = "none"
    levels: tuple[str, ...] = ()
    default_level: str = ""
    budget: tuple[int, int] = (0, 0)
    thinking_off: bool = True
    thinks_by_default: bool = True
    signatures: Literal["none", "offered", "required"] = "none"

    functions: bool = True
    call_ids: bool = False
    call_ids_required: bool = False
    tools_with_json: bool = False
    builtin_with_functions: bool = False
    system_instruction: bool = True
    prefill: bool = True
    max_candidates: int = 1
    penalties: bool = False
    logprobs: bool = False
    image_sizes: tuple[str, ...] = DEFAULT_SIZES
    image_tokens: int = 0
    extreme_ratios: bool = True
    speaks_wav: bool = False
    transcribes: bool = False
    dimensions: int = 0
    embeds_media: bool = False

    @property
    def version(self) -> str:
        """Return the value of `modelVersion`: an alias's own model."""
        return self.resolves_to or self.name

    @property
    def makes_images(self) -> bool:
        """Return whether the model answers with images."""
        return "IMAGE" in self.outputs


@cache
def models() -> dict[str, Model]:
    """Return every row by name, in the file's order."""
    document = tomllib.loads(files(__package__).joinpath("models.toml").read_text(encoding="utf-8"))
    rows = [msgspec.convert({**document["families"][row["family"]], **row}, Model) for row in document["models"]]
    return {row.name: row for row in rows}


def model_served_as(name: str, day: datetime.date | None) -> Model | None:
    """Return the row that answers to a name on a day; without a day no model has ended, as on a relay."""
    model = models().get(name)
    if model is None or day is None or day < model.shutdown:
        return model
    return model_served_as(model.routes_to, day) if model.routes_to else None


def as_resource(model: Model) -> dict[str, Any]:
    """Return the model as `models.get` and `models.list` show it."""
    resource: dict[str, Any] = {
        "name": f"models/{model.name}",
        "version": model.version.removeprefix("gemini-"),
        "displayName": model.display,
        "description": f"{model.display}, as the emulator plays it",
        "inputTokenLimit": model.input_limit,
        "outputTokenLimit": model.output_limit,
        "supportedGenerationMethods": list(model.methods),
    }
    if "generateContent" in model.methods:
        resource |= {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2}
    if model.thinking != "none":
        resource["thinking"] = True
    return resource
