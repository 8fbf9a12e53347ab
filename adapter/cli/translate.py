"""`adapter translate`."""

from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from adapter.cli.options import load_settings, today, with_settings
from adapter.server.pipeline.errors import Malformed, failure_of, malformed
from adapter.server.pipeline.ledger_headers import listed
from adapter.server.pipeline.service import DECODING_ERRORS, prepared
from adapter.settings import (
    catalogue,
    options,
)
from adapter.translate.core.notes import Rejected
from adapter.wire.base import decode
from adapter.wire.openai.chat_request import ChatCompletionRequest


@click.command()
@click.argument("file", type=click.File("rb"))
@with_settings
def translate(file: BinaryIO, config: Path | None, **flags: Any) -> None:
    """Show what a chat request in FILE (- for standard input) becomes, without calling anything."""
    settings = load_settings(config, flags)
    try:
        request, unknown = decode(file.read(), ChatCompletionRequest)
        shown = prepared(request, unknown, catalogue(settings, today()), options(settings))
    except DECODING_ERRORS as error:
        raise _refusal(malformed(error)) from None
    except Rejected as error:
        raise _refusal(error) from None
    answer = msgspec.json.encode({"model": shown.model, "body": shown.body, "notes": listed(shown.notes)})
    click.echo(msgspec.json.format(answer, indent=2))


def _refusal(error: Malformed | Rejected) -> click.ClickException:
    """What a client would be told."""
    told = failure_of(error, "").body.error
    return click.ClickException(f"{told.param}: {told.message}" if told.param else told.message)
