"""The report as Markdown, for an issue or a pull request."""

import re
from collections.abc import Iterable, Sequence

import orjson

from adapter.report.document import GRADES, Report, SchemaReport, TargetReport, ending, model_map

MOST_SCHEMAS = 10


def render(report: Report, target: str) -> str:
    """Render the summary, all targets, and the losses on one of them."""
    chosen = next((one for one in report.targets if one.name == target), None)
    parts = [_head(report), _targets(report), _models_section(report), _endpoints(report, target)]
    if chosen is not None:
        parts += [_losses(chosen), _errors(chosen), _schemas(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(report: Report) -> str:
    skipped = sum(report.unreadable.values())
    lines = [
        f"# OpenAI traffic on Gemini, as of {report.day}",
        f"{report.requests:,} requests in {report.conversations:,} conversations, from {_counts(report.files, 'file')}"
        + (f"; {skipped:,} pieces are no requests." if skipped else "."),
    ]
    lines += [
        f"- {count:,} at {path}: served, and nothing of it is translated" for path, count in report.others.items()
    ]
    lines += [
        f"- {count:,} not read: {reason} (first: {report.unreadable_at[reason]})" for reason, count in _few(report)
    ]
    return "\n\n".join(lines[:2]) + "".join(f"\n{line}" for line in ["", *lines[2:]] if lines[2:])


def _few(report: Report) -> Iterable[tuple[str, int]]:
    return list(report.unreadable.items())[:5]


def _targets(report: Report) -> str:
    rows = [
        [target.name, *(f"{target.requests[grade]:,}" for grade in GRADES), _dollars(target), _ends(target, report)]
        for target in report.targets
    ]
    source = f"Costs: {report.prices}, {report.prices_date}; requests without counted tokens are left out."
    endings = [f"- {sentence}" for target in report.targets if (sentence := ending(target, report.day))]
    table = _table(["target", *GRADES, "US dollars", "ends"], rows)
    return "\n\n".join(["## Targets", table, *(["\n".join(endings)] if endings else []), source])


def _ends(target: TargetReport, report: Report) -> str:
    return f"{target.ends or ''}{' (ended)' if ending(target, report.day) else ''}"


def _dollars(target: TargetReport) -> str:
    if not target.cost.priced:
        return "unknown"
    compared = f", {target.cost.before:,.2f} before" if target.cost.compared == target.cost.priced else ""
    return f"{target.cost.dollars:,.2f} for {target.cost.priced:,} requests{compared}"


def _models_section(report: Report) -> str:
    rows = [
        [one.name or "(none)", f"{one.requests:,}", str(one.shutdown or ""), one.served, one.best]
        for one in report.asked[:30]
    ]
    head = "## Models\n\n" + _table(["asked for", "requests", "OpenAI ends it on", "mapped to", "best target"], rows)
    setting = model_map(report)
    return f"{head}\n\n`--models {setting}`" if setting else head


def _endpoints(report: Report, target: str) -> str:
    rows = [
        [f"`{endpoint.path}`", *(f"{endpoint.grades[target][grade]:,}" for grade in GRADES)]
        for endpoint in report.endpoints
        if target in endpoint.grades
    ]
    return f"## Endpoints on {target}\n\n" + _table(["endpoint", *GRADES], rows) if rows else ""


def _losses(target: TargetReport) -> str:
    if not target.codes:
        return f"## Losses on {target.name}\n\nNone."
    rows = [
        [f"`{code.code}`", code.severity, f"{code.requests:,}", f"{code.conversations:,}", code.meaning, code.advice]
        for code in target.codes
    ]
    head = ["code", "severity", "requests", "conversations", "what is lost", "what to do"]
    return f"## Losses on {target.name}\n\n{_table(head, rows)}"


def _errors(target: TargetReport) -> str:
    if not target.errors:
        return ""
    rows = [[f"{count:,}", text] for text, count in list(target.errors.items())[:20]]
    return f"## Errors that are to be expected on {target.name}\n\n{_table(['requests', 'error'], rows)}"


def _schemas(report: Report) -> str:
    if not report.schemas:
        return ""
    more = len(report.schemas) - MOST_SCHEMAS
    shown = [_schema(one) for one in report.schemas[:MOST_SCHEMAS]]
    rest = [f"{more} more schemas are in the JSON report."] if more > 0 else []
    return "\n\n".join(["## Schemas, and what to send instead", *shown, *rest])


def _schema(schema: SchemaReport) -> str:
    rows = [[f"`{loss.path or '(root)'}`", f"`{loss.code}`", loss.severity, loss.reason] for loss in schema.losses]
    head = f"### {schema.name or '(no name)'}, {schema.field}: {_counts(schema.requests, 'request')}"
    table = _table(["keyword", "code", "severity", "what becomes of it"], rows)
    if schema.linted is None:
        return f"{head}\n\n{table}\n\nNo schema says this on Gemini."
    text = orjson.dumps(schema.linted, option=orjson.OPT_INDENT_2).decode()
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{head}\n\n{table}\n\n{fence}json\n{text}\n{fence}"


def _counts(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
