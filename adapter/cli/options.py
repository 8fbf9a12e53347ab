"""Flags that several commands have: one for each setting, and --config."""

import datetime
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import click

from adapter.cli.documented import DocumentedError
from adapter.settings import (
    SECRETS,
    Setting,
    Settings,
    SettingsError,
    all_settings,
    catalogue,
    load,
    utc_day,
)
from adapter.settings.groups import unit_of


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with a flag for each setting and --config."""
    for setting in reversed(all_settings()):
        command = _flag(setting)(command)
    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option("--config", type=path, envvar="ADAPTER_CONFIG", help="TOML file with settings.")(command)


def _flag(setting: Setting) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Build the flag of a setting. It is None if it was not given, so that other sources count."""
    name = "--" + setting.name.replace("_", "-")
    kinds = {setting.type, *get_args(setting.type)}
    is_empty = setting.name in SECRETS or setting.default in (None, (), {}, False)
    help_text = setting.help if is_empty else f"{setting.help}  [default: {setting.default}]"
    if bool in kinds:
        return click.option(f"{name}/--no-{name[2:]}", setting.name, default=None, help=help_text)
    choices = get_args(setting.type) if get_origin(setting.type) not in (tuple, dict) else ()
    words = [choice for choice in choices if isinstance(choice, str)]
    if words:
        return click.option(name, setting.name, default=None, help=help_text, type=click.Choice(words))
    return click.option(name, setting.name, default=None, help=help_text, metavar=_metavar(setting, kinds), type=str)


def _metavar(setting: Setting, kinds: set[Any]) -> str:
    """Return the placeholder of the value in help: its unit or its shape."""
    if int in kinds or float in kinds:
        return unit_of(setting.name)
    if get_origin(setting.type) is tuple:
        return "LIST"
    if get_origin(setting.type) is dict:
        return "NAME=VALUE,..."
    return "FILE" if setting.name.endswith("_file") or setting.name == "capabilities" else "TEXT"


def load_settings(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Load the settings from flags, environment and file. Raises `click.ClickException` for an invalid one."""
    try:
        settings = load(flags, os.environ, config)
        catalogue(settings, today())
    except SettingsError as error:
        raise DocumentedError(str(error), find_settings_doc(str(error))) from None
    return settings


def today() -> datetime.date:
    """Return today's date in UTC, which the model calendar uses."""
    return utc_day(time.time())


_NAMED = re.compile(r"[a-z_]{3,}|--[a-z-]+")


def find_settings_doc(message: str) -> str:
    """Return the place on the page of settings for the first setting that a message names, else the page."""
    names = {setting.name for setting in all_settings()}
    words = (word.lstrip("-").replace("-", "_") for word in _NAMED.findall(message))
    first = next((name for name in words if name in names), None)
    return "settings.md" if first is None else f"settings.md#{first.replace('_', '-')}"
