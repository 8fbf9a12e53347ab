"""The `adapter` command, one file per command."""

import click

from adapter import __version__
from adapter.cli.codes import codes
from adapter.cli.emulate import emulate
from adapter.cli.key import key
from adapter.cli.models import models
from adapter.cli.serve import serve
from adapter.cli.translate import translate


@click.group()
@click.version_option(__version__, prog_name="adapter")
def main() -> None:
    """Any OpenAI tool runs on Gemini by changing its base_url, and nothing is lost in silence."""


for command in (serve, emulate, key, translate, models, codes):
    main.add_command(command)
