"""Help of commands that take all settings: --help lists the usual ones, --help-all lists all in groups."""

from typing import Any

import click

from adapter.settings.groups import GROUPS, USUAL

_ALL = "adapter.help_all"

_VARIABLES = (
    "Each setting is also a variable, such as ADAPTER_UPSTREAM_URL for --upstream-url, and a key of the file that "
    "--config names. Flags go before variables, variables before the file."
)


_EVERYWHERE = {"config", "help", "help_all"}
"""Options that every command with settings has."""


def _write(formatter: click.HelpFormatter, heading: str, rows: list[tuple[str, str]]) -> None:
    with formatter.section(heading):
        formatter.write_dl(rows)


def _show_all(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        context.meta[_ALL] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()


class SettingsCommand(click.Command):
    """A command with options of its own and one for each setting."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        option = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_all,
            help="Show every setting.",
        )
        self.params.append(option)

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings under their headings; a command's own options before them if it has any."""
        records = {one.name: one.get_help_record(context) for one in self.get_params(context)}
        settings = {name for names in GROUPS.values() for name in names}
        own = [(name, record) for name, record in records.items() if name not in settings and record]
        is_server = {str(name) for name, _ in own} <= _EVERYWHERE
        if not is_server:
            _write(formatter, "Options", [record for _, record in own])
        is_whole = context.meta.get(_ALL, False)
        for heading, names in GROUPS.items() if is_whole else [("Usual settings", USUAL)]:
            rows = [
                (record[0], record[1] if is_whole else USUAL[name]) for name in names if (record := records.get(name))
            ]
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=30 if is_whole else 26)
        if is_server:
            _write(formatter, "Options", [record for _, record in own])
        if is_whole:
            with formatter.indentation():
                formatter.write_paragraph()
                formatter.write_text(_VARIABLES)
