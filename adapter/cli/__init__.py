"""The `adapter` command, one file per command.

A command's file is imported when the command runs: the server must start fast, and needs none of the code of reports.
"""

import gc
from importlib import import_module
from typing import Any

import click

from adapter import __version__
from adapter.cli.documented import MisusedCommand

COMMANDS = ("serve", "emulate", "key", "translate", "report", "models", "codes", "config", "doctor", "completion")
"""Each is a module of this package and the command in it, in the order in which help lists them."""


class Commands(click.Group):
    """A group of commands, each imported when it is used."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """List the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        if name not in COMMANDS:
            return None
        # While modules load, the garbage collector would look through all of them again and again, a fifth of the time
        # to start. They live as long as the process, so it never needs to look.
        gc.disable()
        try:
            command: click.Command = getattr(import_module(f"adapter.cli.{name}"), name)
        finally:
            gc.freeze()
            gc.enable()
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run the command. Raises `DocumentedError` for a command line that cannot be run."""
        try:
            return super().invoke(context)
        except click.UsageError as error:
            raise MisusedCommand(error, context) from None


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="adapter")
def main() -> None:
    """Any OpenAI tool runs on Gemini by changing its base_url, and nothing is lost in silence."""
