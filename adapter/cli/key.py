"""`adapter key`."""

import secrets

import click

from adapter.settings import (
    HASHED,
    digest_of,
)


@click.command()
def key() -> None:
    """Make a key for a client, and the hash of it that the settings may hold."""
    made = f"sk-ga-{secrets.token_urlsafe(36)}"
    click.echo(f"The client's: {made}\nThe server's: {HASHED}{digest_of(made)}")
