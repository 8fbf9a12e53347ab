"""What the names of models stand for, and what the models can do: tables with the operator's rows before ours."""

import tomllib
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

import msgspec

from adapter.settings.fields import Settings, SettingsError
from adapter.settings.reading import from_file
from adapter.translate.capabilities import ModelCapabilities, capabilities_of

LONGEST_KEPT = 256
"""Names of models that are longer are looked up anew each time."""


class Alias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name that stands for a model; `date` is when it was last looked at."""

    pattern: str
    model: str
    date: str = ""


class Catalogue(msgspec.Struct, frozen=True, eq=False, forbid_unknown_fields=True):
    """The capability rows and the default model map."""

    model: list[ModelCapabilities] = []
    alias: list[Alias] = []


def catalogue(settings: Settings) -> Catalogue:
    """The built-in table, with the operator's rows and names before it. Raises `SettingsError`."""
    built_in = _built_in()
    own = _own_catalogue(settings.capabilities)
    mapped = [Alias(pattern, model) for pattern, model in settings.models.items()]
    defaults = built_in.alias if settings.default_models else []
    return Catalogue(model=own.model + built_in.model, alias=mapped + own.alias + defaults)


@cache
def _built_in() -> Catalogue:
    """The table that the package ships. It is read once: parsing it takes longer than most translations."""
    text = files("adapter.translate").joinpath("capabilities.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Catalogue)


def _own_catalogue(path: str | None) -> Catalogue:
    if path is None:
        return Catalogue()
    try:
        return msgspec.convert(from_file(Path(path)), Catalogue)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from None


def named(model: str, names: Catalogue) -> tuple[str, ModelCapabilities]:
    """The model that a name stands for, and its row."""
    return _named(model, names) if len(model) <= LONGEST_KEPT else _named.__wrapped__(model, names)


@lru_cache(4_096)
def _named(model: str, names: Catalogue) -> tuple[str, ModelCapabilities]:
    found = resolve(model, names.alias)
    return found, capabilities_of(found, names.model)


def resolve(model: str, aliases: list[Alias]) -> str:
    """The model that a name stands for: itself, if no alias matches."""
    name = model.removeprefix("models/")
    return next((alias.model for alias in aliases if fnmatchcase(name, alias.pattern)), name)
