"""Tells where each setting comes from: a flag, a variable, the file, or its default."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from adapter.settings.fields import SECRETS, Settings, all_settings
from adapter.settings.reading import KEY_VARIABLES, PREFIX, read_file
from adapter.store.shared.base import redact_password


class Source(NamedTuple):
    """A setting, its value without secrets, and where it comes from."""

    name: str
    value: str
    origin: str


def list_sources(
    settings: Settings, flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None
) -> list[Source]:
    """List all settings that differ from their defaults, in the order of the fields. Secrets are only counted."""
    in_file = read_file(file)
    return [
        Source(one.name, safe_value(settings, one.name), _origin(one.name, flags, environment, in_file, file))
        for one in all_settings()
        if getattr(settings, one.name) != one.default
    ]


def _origin(
    name: str, flags: Mapping[str, Any], environment: Mapping[str, str], in_file: Mapping[str, Any], file: Path | None
) -> str:
    if flags.get(name) is not None:
        return f"--{name.replace('_', '-')}"
    variable = PREFIX + name.upper()
    if variable in environment:
        return variable
    if name in in_file:
        return str(file)
    if name == "upstream_keys":
        return next((one for one in KEY_VARIABLES if environment.get(one, "").strip()), "another setting")
    return "another setting"


def safe_value(settings: Settings, name: str) -> str:
    """Return a setting's value without secrets."""
    value = getattr(settings, name)
    if name in SECRETS:
        return f"{len(value)} set"
    return redact_password(str(value)) if name in ("store", "upstream_proxy") else str(value)
