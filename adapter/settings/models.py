"""Model names and capabilities: in both tables the operator's rows come before the built-in ones."""

import datetime
import time
import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from adapter.settings.fields import Settings, SettingsError
from adapter.settings.parts import platform_of
from adapter.settings.reading import read_file
from adapter.translate.core.capabilities import ModelCapabilities, Platform, ServedModel, bare_name, served_model

MAX_CACHED_NAME = 256
"""Longer names are not cached: clients choose them, and could fill the cache with megabytes."""

DAY = 86_400


class Alias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pattern of names that stand for a model. `date` is when the row was last checked.

    `endpoints` are the paths below /v1 where it holds; without any it holds everywhere. `at` names other models that it
    stands for at some of them.
    """

    pattern: str
    model: str
    date: str = ""
    endpoints: tuple[str, ...] = ()
    at: dict[str, str] = {}


class Catalogue(msgspec.Struct, frozen=True, eq=False, forbid_unknown_fields=True):
    """Capability rows and model map of one platform on one day (UTC)."""

    model: list[ModelCapabilities] = []
    alias: list[Alias] = []
    platform: Platform = "studio"
    day: datetime.date = datetime.date.min


class Calendar:
    """Today's catalogue of each platform. Models end on dates, so a process that runs past midnight needs a new one."""

    def __init__(self, table: Catalogue, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._today = table.day
        self._day_ends = 0.0
        self._of_today: dict[Platform, Catalogue] = {}

    def catalogue_of(self, platform: Platform) -> Catalogue:
        """Return today's catalogue of a platform. It is the same object all day, so that caches by it work."""
        now = self._clock()
        if not self._day_ends - DAY <= now < self._day_ends:
            self._begin_day(now)
        current = self._of_today.get(platform)
        if current is None:
            current = msgspec.structs.replace(self._table, platform=platform, day=self._today)
            self._of_today[platform] = current
        return current

    def _begin_day(self, now: float) -> None:
        self._day_ends = (now // DAY + 1) * DAY
        if (today := utc_day(now)) != self._today:
            self._today, self._of_today = today, {}


def utc_day(seconds: float) -> datetime.date:
    """Return the day (UTC) of a time in Unix seconds. `date.fromtimestamp` would fail for years beyond 9999."""
    return _day(int(seconds // DAY))


@lru_cache(maxsize=2)
def _day(number: int) -> datetime.date:
    """Return a day by its number; that of 1970-01-01 is 0."""
    return datetime.date.fromordinal(datetime.date(1970, 1, 1).toordinal() + number)


def catalogue(settings: Settings, day: datetime.date) -> Catalogue:
    """Build the catalogue: the operator's rows and names, then the built-in ones. Raises `SettingsError`."""
    built_in = _built_in()
    own = _own_catalogue(settings.capabilities, built_in.model)
    mapped = [Alias(pattern, model) for pattern, model in settings.models.items()]
    defaults = built_in.alias if settings.default_models else []
    return Catalogue(
        model=own.model + built_in.model,
        alias=mapped + own.alias + defaults,
        platform=platform_of(settings),
        day=day,
    )


@cache
def _built_in() -> Catalogue:
    """Return the built-in table. It is parsed once, since that takes longer than most translations."""
    text = files("adapter.translate.core").joinpath("capabilities.toml").read_text(encoding="utf-8")
    return _parse_catalogue(tomllib.loads(text), [])


def _own_catalogue(path: str | None, built_in: list[ModelCapabilities]) -> Catalogue:
    if path is None:
        return Catalogue()
    try:
        return _parse_catalogue(read_file(Path(path)), built_in)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from None


def _parse_catalogue(table: dict[str, Any], known: list[ModelCapabilities]) -> Catalogue:
    """Parse the rows of a file. `like` in a row names the pattern of an earlier row, whose values are its defaults."""
    rows: dict[str, dict[str, Any]] = {row.pattern: msgspec.to_builtins(row) for row in known}
    listed: list[dict[str, Any]] = []
    for row in table.get("model", []):
        base = row.pop("like", None)
        if base is not None and base not in rows:
            raise msgspec.ValidationError(f"like: no earlier row has the pattern {base!r}")
        listed.append({**rows.get(base, {}), **row})
        rows.setdefault(row.get("pattern", ""), listed[-1])
    return msgspec.convert({**table, "model": listed}, Catalogue)


CHAT = "chat/completions"


def find_served_model(model: str, names: Catalogue, endpoint: str = CHAT) -> ServedModel:
    """Find the model that a name stands for at an endpoint, and its capability row."""
    find = _find if len(model) <= MAX_CACHED_NAME else _find.__wrapped__
    return find(model, names, endpoint)


@lru_cache(4_096)
def _find(model: str, names: Catalogue, endpoint: str) -> ServedModel:
    alias = _find_alias(model, names.alias)
    target = alias.at.get(endpoint, alias.model) if alias else bare_name(model)
    served = served_model(target, names.model, names.platform, names.day)
    if alias is None or not alias.endpoints or endpoint in alias.endpoints:
        return served
    paths = " or ".join(f"POST /v1/{one}" for one in alias.endpoints)
    return served._replace(row=msgspec.structs.replace(served.row, served_by=paths))


def resolve(model: str, aliases: list[Alias]) -> str:
    """Return the model that a name stands for; without a matching alias, the name itself."""
    alias = _find_alias(model, aliases)
    return alias.model if alias else bare_name(model)


def _find_alias(model: str, aliases: list[Alias]) -> Alias | None:
    names = {model.removeprefix("models/"), bare_name(model)}
    return next((alias for alias in aliases if any(fnmatchcase(name, alias.pattern) for name in names)), None)
