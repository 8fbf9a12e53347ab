"""`adapter translate`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from adapter.cli.documented import DocumentedError
from adapter.cli.help import SettingsCommand
from adapter.cli.options import load_settings, with_settings
from adapter.cli.prediction import predicted_error
from adapter.server.dry_run.dry_run import DryRun, as_line, dry_run_of, lines_of
from adapter.server.pipeline.errors import TABLE, StrictLoss, failure_of
from adapter.translate.core.notes import Rejected
from adapter.wire.base import encode


@click.command(cls=SettingsCommand)
@click.argument("files", nargs=-1, type=click.File("rb"))
@click.option("--endpoint", default="", help="The path of requests that do not name it, such as /v1/responses.")
@click.option("--values", is_flag=True, help="Show each field's value before and after.")
@with_settings
def translate(files: tuple[BinaryIO, ...], endpoint: str, values: bool, config: Path | None, **flags: Any) -> None:
    """Show what the requests in FILES (standard input without any) become, without a key and without a call.

    A file is one request, JSON lines, or lines of OpenAI's batches; an answer of Gemini's is translated backwards. The
    exit code is 1 if a request would be refused, here or by Gemini as far as that can be told.
    """
    dry_run = dry_run_of(load_settings(config, flags), time.time(), predicted_error, endpoint=endpoint, values=values)
    refused = False
    streams: Sequence[BinaryIO] = files or (sys.stdin.buffer,)
    for file in streams:
        lines = lines_of(file.read())
        if len(lines) == 1:
            refused |= _show_one(dry_run, lines[0])
        else:
            refused |= _show_lines(dry_run, lines)
    if refused:
        raise SystemExit(1)


def _show_one(dry_run: DryRun, text: bytes) -> bool:
    """Print one request as indented JSON; return whether Gemini would refuse it."""
    try:
        shown = dry_run.whole(text)
    except TABLE as error:
        predicted = failure_of(error, "").body.error
        sentence = f"{predicted.param}: {predicted.message}" if predicted.param else predicted.message
        page = "codes.md" if isinstance(error, Rejected | StrictLoss) else "commands.md#adapter-translate"
        raise DocumentedError(sentence, page) from None
    click.echo(msgspec.json.format(encode(shown), indent=2))
    return shown.get("predicted_error") is not None


def _show_lines(dry_run: DryRun, lines: list[bytes]) -> bool:
    """Print a line for each line; return whether any request would be refused."""
    refused = False
    for line in lines:
        shown = dry_run.line(line)
        refused |= bool(shown.get("error") or shown.get("predicted_error"))
        sys.stdout.buffer.write(as_line(shown))
    return refused
