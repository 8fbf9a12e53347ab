"""`adapter config`: shows the settings, validates them, and prints an example of a settings file."""

import os
from pathlib import Path
from typing import Any

import click

from adapter.cli.help import SettingsCommand
from adapter.cli.options import load_settings, with_settings
from adapter.settings import SECRETS, Setting, all_settings
from adapter.settings.groups import GROUPS
from adapter.settings.sources import list_sources, safe_value


@click.group()
def config() -> None:
    """Show and check the settings, or print an example of a settings file."""


@config.command(cls=SettingsCommand)
@click.option("--all", "is_all", is_flag=True, help="Show the settings that have their defaults too.")
@with_settings
def show(config: Path | None, *, is_all: bool, **flags: Any) -> None:
    """Print the settings in force, and where each comes from. Secrets are counted, never shown."""
    settings = load_settings(config, flags)
    sources = list_sources(settings, flags, os.environ, config)
    for source in sources:
        click.echo(f"{source.name} = {source.value}  ({source.origin})")
    if is_all:
        changed = {source.name for source in sources}
        for setting in all_settings():
            if setting.name not in changed:
                click.echo(f"{setting.name} = {safe_value(settings, setting.name)}  (default)")


@config.command(cls=SettingsCommand)
@with_settings
def check(config: Path | None, **flags: Any) -> None:
    """Validate the settings; if they are wrong, say why and exit with 1."""
    settings = load_settings(config, flags)
    answered = "the built-in emulator" if settings.uses_emulator else settings.upstream_url
    click.echo(f"The settings are right: {answered} answers on {settings.host}:{settings.port}.")


@config.command()
def example() -> None:
    """Print a TOML file with every setting and its default, all commented out."""
    described = {setting.name: setting for setting in all_settings()}
    for heading, names in GROUPS.items():
        click.echo(f"# {heading}\n")
        for name in names:
            click.echo(f"# {described[name].help}\n#{name} = {_toml(described[name])}\n")


def _toml(setting: Setting) -> str:
    """Format a default as TOML; a setting without one gets an empty value of its type."""
    value = setting.default
    if setting.name in SECRETS or isinstance(value, tuple):
        return "[]"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value or ""}"'
