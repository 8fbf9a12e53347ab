"""`adapter config`: what the settings are, whether they are right, and a file to start from."""

import os
from pathlib import Path
from typing import Any

import click

from adapter.cli.help import SettingsCommand
from adapter.cli.options import load_settings, with_settings
from adapter.settings import SECRETS, Setting, all_settings
from adapter.settings.groups import GROUPS
from adapter.settings.sources import shown_value, sources


@click.group()
def config() -> None:
    """Show, check and begin a file of settings."""


@config.command(cls=SettingsCommand)
@click.option("--all", "is_all", is_flag=True, help="Show the settings that have their defaults too.")
@with_settings
def show(config: Path | None, *, is_all: bool, **flags: Any) -> None:
    """Print the settings in force, and where each comes from. Secrets are counted, never shown."""
    settings = load_settings(config, flags)
    told = sources(settings, flags, os.environ, config)
    for one in told:
        click.echo(f"{one.name} = {one.value}  ({one.origin})")
    if is_all:
        changed = {one.name for one in told}
        for setting in all_settings():
            if setting.name not in changed:
                click.echo(f"{setting.name} = {shown_value(settings, setting.name)}  (default)")


@config.command(cls=SettingsCommand)
@with_settings
def check(config: Path | None, **flags: Any) -> None:
    """Say whether the settings are right; leave with 1 and a sentence if not."""
    settings = load_settings(config, flags)
    answered = "the built-in emulator" if settings.emulated else settings.upstream_url
    click.echo(f"The settings are right: {answered} answers on {settings.host}:{settings.port}.")


@config.command()
def example() -> None:
    """Print a TOML file that names every setting with its default, each behind a comment sign."""
    described = {setting.name: setting for setting in all_settings()}
    for heading, names in GROUPS.items():
        click.echo(f"# {heading}\n")
        for name in names:
            click.echo(f"# {described[name].help}\n#{name} = {_toml(described[name])}\n")


def _toml(setting: Setting) -> str:
    """A default as TOML writes it; where there is none, an empty value of the right kind."""
    value = setting.default
    if setting.name in SECRETS or isinstance(value, tuple):
        return "[]"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value or ""}"'
