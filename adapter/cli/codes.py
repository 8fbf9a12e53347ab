"""`adapter codes`."""

import click

from adapter.translate.core.catalogue import CODES


@click.command()
def codes() -> None:
    """List the codes that notes carry: how much each loss matters, what it means, what one can do about it."""
    for code in CODES.values():
        click.echo(f"{code.name:30} {code.severity:16} {code.sentence} {code.advice}")
