"""`adapter models`."""

from pathlib import Path
from typing import Any

import click

from adapter.cli.help import SettingsCommand
from adapter.cli.options import load_settings, today, with_settings
from adapter.settings import (
    catalogue,
)


@click.command(cls=SettingsCommand)
@with_settings
def models(config: Path | None, **flags: Any) -> None:
    """List the capability rows and the model names that are mapped."""
    settings = load_settings(config, flags)
    table = catalogue(settings, today())
    for row in table.model:
        ends = row.until.get(table.platform)
        until = f" until {ends}" if ends else ""
        click.echo(f"{row.pattern:32} thinking {row.thinking:8} {row.date}  {row.source}{until}")
    for alias in table.alias:
        click.echo(f"{alias.pattern:32} -> {alias.model}")
