"""`adapter completion`."""

import click
from click.shell_completion import get_completion_class

from adapter.cli.documented import DocumentedError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the code that completes commands and flags in a SHELL: add it to the shell's start-up file."""
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise DocumentedError(f"click knows no completion for {shell}", "commands.md#adapter-completion")
    root = context.find_root()
    click.echo(completion_class(root.command, {}, "adapter", "_ADAPTER_COMPLETE").source())
