"""The summary in the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapter.report.document import GRADES, SOON, Report, TargetReport, ending, model_map

_STYLES = {"breaks": "bold red", "changes-answers": "yellow", "costs": "cyan", "cosmetic": "dim", "lossless": "green"}
MOST_TARGETS = 12
MOST_REASONS = 5


def print_summary(console: Console, report: Report, target: str) -> None:
    """Print formats, targets, models and the losses on one target, as wide as the terminal."""
    _print_sources(console, report)
    console.print(_targets(report, target))
    for target_report in report.targets:
        if sentence := ending(target_report, report.day):
            console.print(sentence, style="bold red", highlight=False, markup=False)
    console.print(_models_table(report))
    if setting := model_map(report):
        console.print(Text(f"--models {setting}", style="bold"), soft_wrap=True)
    chosen = next((one for one in report.targets if one.name == target), None)
    if chosen is not None:
        _print_losses(console, chosen)
    _print_schemas(console, report)


def _print_sources(console: Console, report: Report) -> None:
    formats = ", ".join(f"{count:,} {name}" for name, count in report.formats.items()) or "no requests"
    files = "1 file" if report.files == 1 else f"{report.files:,} files"
    console.print(f"Read from {files}: {formats}.", highlight=False)
    for reason, count in list(report.unreadable.items())[:MOST_REASONS]:
        where = report.unreadable_at[reason]
        console.print(f"  {count:,} not read: {reason} (first: {where})", style="dim", highlight=False, markup=False)
    for path, count in report.others.items():
        console.print(f"  {count:,} at {path}: served, and not looked into here", style="dim", highlight=False)
    counted = f", {report.counted:,} with counted tokens" if report.counted else ""
    console.print(
        f"{report.requests:,} requests in {report.conversations:,} conversations{counted}; "
        f"{report.platform} on {report.day}.",
        highlight=False,
    )


def _table(title: str, *columns: str) -> Table:
    """Return a table that fits into 80 columns."""
    return Table(
        *columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0
    )


def _targets(report: Report, target: str) -> Table:
    """Make the table of targets: the one in use first, then the best ones."""
    table = _table("\nRequests by their gravest loss")
    table.add_column("target", no_wrap=True)
    for grade in GRADES:
        table.add_column(grade.replace("-", "\n"), justify="right", header_style=_STYLES[grade])
    table.add_column("dollars", justify="right")
    table.add_column("ends", no_wrap=True)
    ordered = sorted(report.targets, key=lambda one: one.name != target)
    for row in ordered[:MOST_TARGETS]:
        dollars = f"{row.cost.dollars:,.2f}" if row.cost.priced else "unknown"
        day = f"{row.ends or ''}\nended" if ending(row, report.day) else str(row.ends or "")
        ends = Text(day, style="bold red" if row.ends and row.ends - report.day <= SOON else "")
        table.add_row(row.name, *(f"{row.requests[grade]:,}" for grade in GRADES), dollars, ends)
    if len(report.targets) > MOST_TARGETS:
        table.caption = f"and {len(report.targets) - MOST_TARGETS} more: see --json or --html"
    return table


def _models_table(report: Report) -> Table:
    table = _table("\nModels", "asked for", "requests", "OpenAI ends it", "best target")
    for row in report.asked[:MOST_TARGETS]:
        ends = str(row.shutdown or "")
        style = "bold red" if row.shutdown and row.shutdown <= report.day else ""
        table.add_row(row.name or "(none)", f"{row.requests:,}", Text(ends, style=style), row.best)
    if len(report.asked) > MOST_TARGETS:
        table.caption = f"{len(report.asked) - MOST_TARGETS} more: --json or --html has all"
    return table


def _print_losses(console: Console, target: TargetReport) -> None:
    table = _table(f"\nLosses on {target.name}", "code", "severity", "requests", "conver-\nsations", "what is lost")
    for loss in target.codes:
        style = _STYLES[loss.severity]
        counts = (f"{loss.requests:,}", f"{loss.conversations:,}")
        table.add_row(Text(loss.code, style=style), Text(loss.severity, style=style), *counts, loss.meaning)
    if target.codes:
        table.caption = "--markdown and --html say what to do about each"
    console.print(table)
    console.print()
    for text, count in list(target.errors.items())[:MOST_REASONS]:
        console.print(f"{count:,} expected errors: {text}", style="red", highlight=False, markup=False)


def _print_schemas(console: Console, report: Report) -> None:
    if report.schemas:
        table = _table("\nSchemas that lose most", "schema", "where", "requests", "losses")
        for schema in report.schemas[:MOST_REASONS]:
            name = Text(schema.name or "(no name)", style=_STYLES[schema.severity])
            table.add_row(name, schema.field, f"{schema.requests:,}", f"{len(schema.losses):,}")
        console.print(table)
        console.print("--json, --markdown and --html have what to send in their place.", style="dim")
