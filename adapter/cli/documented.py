"""Errors of the command line that end with the documentation's page about them."""

import click


class DocumentedError(click.ClickException):
    """An error of one sentence, and the documentation's page about it."""

    def __init__(self, message: str, doc: str) -> None:
        super().__init__(message)
        self.doc = doc

    def format_message(self) -> str:
        """Return the sentence and the link."""
        return (
            f"{self.message} See docs/{self.doc}" if self.message.endswith(".") else f"{self.message} (docs/{self.doc})"
        )


class MisusedCommand(DocumentedError):
    """A command line that cannot be run: an unknown option, a value of the wrong kind, a file that is not there."""

    exit_code = click.UsageError.exit_code

    def __init__(self, error: click.UsageError, root: click.Context) -> None:
        context = error.ctx or root
        below = context.command_path.removeprefix(root.command_path).split()
        sentence = " ".join(error.format_message().split()).rstrip(".")
        page = f"commands.md#adapter-{below[0]}" if below else "commands.md"
        super().__init__(f"{sentence}{'' if sentence.endswith('?') else '.'} Try {context.command_path} --help.", page)
