"""The summary in the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapter.report.document import GRADES, SOON, Report, TargetReport, model_map

_STYLES = {"breaks": "bold red", "changes-answers": "yellow", "costs": "cyan", "cosmetic": "dim", "lossless": "green"}
MOST_TARGETS = 12
MOST_REASONS = 5


def print_summary(console: Console, report: Report, target: str) -> None:
    """Formats, targets, models and the losses on one target, as wide as the terminal."""
    _print_sources(console, report)
    console.print(_targets(report))
    console.print(_asked(report))
    console.print(Text(f"--models {model_map(report)}", style="bold"), soft_wrap=True)
    chosen = next((one for one in report.targets if one.name == target), None)
    if chosen is not None:
        _print_losses(console, chosen)
    _print_schemas(console, report)


def _print_sources(console: Console, report: Report) -> None:
    formats = ", ".join(f"{count:,} {name}" for name, count in report.formats.items()) or "no requests"
    console.print(f"Read from {report.files:,} files: {formats}.", highlight=False)
    for reason, count in list(report.unreadable.items())[:MOST_REASONS]:
        where = report.unreadable_at[reason]
        console.print(f"  {count:,} not read: {reason} (first: {where})", style="dim", highlight=False, markup=False)
    for path, count in report.others.items():
        console.print(f"  {count:,} at {path}: served, and nothing of it is translated", style="dim", highlight=False)
    counted = f", {report.counted:,} with counted tokens" if report.counted else ""
    console.print(
        f"{report.requests:,} requests in {report.conversations:,} conversations{counted}; "
        f"{report.platform} on {report.day}.",
        highlight=False,
    )


def _targets(report: Report) -> Table:
    table = Table(title="Requests by their gravest loss", title_justify="left")
    table.add_column("target", no_wrap=True)
    for grade in GRADES:
        table.add_column(grade.replace("-", "\n"), justify="right", header_style=_STYLES[grade])
    table.add_column("US\ndollars", justify="right")
    table.add_column("ends", no_wrap=True)
    for one in report.targets[:MOST_TARGETS]:
        dollars = f"{one.cost.dollars:,.2f}" if one.cost.priced else "unknown"
        ends = Text(str(one.ends or ""), style="bold red" if one.ends and one.ends - report.day <= SOON else "")
        table.add_row(one.name, *(f"{one.requests[grade]:,}" for grade in GRADES), dollars, ends)
    if len(report.targets) > MOST_TARGETS:
        table.caption = f"and {len(report.targets) - MOST_TARGETS} more: see --json or --html"
    return table


def _asked(report: Report) -> Table:
    table = Table("asked for", "requests", "OpenAI ends it", "best target", title="Models", title_justify="left")
    for one in report.asked[:MOST_TARGETS]:
        ends = str(one.shutdown or "")
        style = "bold red" if one.shutdown and one.shutdown <= report.day else ""
        table.add_row(one.name or "(none)", f"{one.requests:,}", Text(ends, style=style), one.best)
    return table


def _print_losses(console: Console, target: TargetReport) -> None:
    table = Table(
        "code", "requests", "conversations", "what is lost", title=f"Losses on {target.name}", title_justify="left"
    )
    for one in target.codes:
        style = _STYLES[one.severity]
        table.add_row(Text(one.code, style=style), f"{one.requests:,}", f"{one.conversations:,}", one.meaning)
    console.print(table)
    for text, count in list(target.errors.items())[:MOST_REASONS]:
        console.print(f"{count:,} expected errors: {text}", style="red", highlight=False, markup=False)


def _print_schemas(console: Console, report: Report) -> None:
    if report.schemas:
        table = Table("schema", "where", "requests", "losses", title="Schemas that lose most", title_justify="left")
        for one in report.schemas[:MOST_REASONS]:
            name = Text(one.name or "(no name)", style=_STYLES[one.severity])
            table.add_row(name, one.field, f"{one.requests:,}", f"{len(one.losses):,}")
        table.caption = "--json, --markdown and --html have what to send instead"
        console.print(table)
