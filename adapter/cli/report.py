"""`adapter report`."""

import datetime
import re
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adapter import __version__
from adapter.cli.documented import DocumentedError
from adapter.cli.help import SettingsCommand
from adapter.cli.options import load_settings, today, with_settings
from adapter.cli.prediction import predicted_error
from adapter.emulator.core.models import models as emulated
from adapter.report.document import GENERATING, CodeReport, Lint, Report, report_of
from adapter.report.examples import examples_of
from adapter.report.files import files_below
from adapter.report.pages import html as html_page
from adapter.report.pages import junit, markdown, sarif
from adapter.report.pages.terminal import print_summary
from adapter.report.prices import price_table
from adapter.report.run import InterruptedRun, ReportRun
from adapter.report.schemas import lint
from adapter.report.tally import TrafficTally
from adapter.report.thresholds import Threshold, losses_over, new_losses
from adapter.report.verdicts import Judge, RequestPath, Target
from adapter.server.http.router import Router
from adapter.server.media.openai_tokens import detokenizer
from adapter.server.pipeline.endpoint import Endpoint, router_of
from adapter.server.routes import ENDPOINTS
from adapter.settings import Catalogue, Settings, catalogue, find_served_model, options
from adapter.translate.core.capabilities import ServedModel, bare_name, capabilities_of
from adapter.wire.base import encode

MAPPED = "as mapped"
"""The target of each request by its own model and the settings' map."""

UNUSABLE = 2
"""The exit code where there is nothing to report on; click uses it for wrong options."""


class Unusable(DocumentedError):
    """A reason why there is no report."""

    exit_code = UNUSABLE


class Question(NamedTuple):
    """The command's options that decide the verdicts. Each worker process gets them and makes its own judge.

    `shown` is the target whose losses are listed, and by which a build passes or fails.
    """

    settings: Settings
    day: datetime.date
    models: tuple[str, ...]
    shown: str


class Outputs(NamedTuple):
    """Files to write."""

    html: Path | None
    json: Path | None
    markdown: Path | None
    junit: Path | None
    sarif: Path | None


@click.command(cls=SettingsCommand)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day to ask about, in UTC.  [default: today]")
@click.option("--targets", default="all", show_default=True, help="Gemini models, with commas; all; or mapped.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page that needs no other file and no network.")
@click.option("--redact/--no-redact", default=True, show_default=True, help="Mask texts and values on the page.")
@click.option("--json", type=click.Path(path_type=Path), help="Write the report as JSON.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write a summary for issues and pull requests.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML: a test case per kind of loss.")
@click.option("--sarif", type=click.Path(path_type=Path), help="Write SARIF 2.1.0 for code hosts.")
@click.option(
    "--baseline", type=click.Path(exists=True, path_type=Path), help="An older report's JSON to compare with."
)
@click.option(
    "--fail-on", help="SEVERITY or new:SEVERITY: leave with 1 where losses on the shown target are as severe."
)
@click.option("--processes", type=click.IntRange(1), help="Processes that translate.  [default: one per core]")
@click.option(
    "--saved", type=click.Path(path_type=Path), help="Keep an interrupted run in this file, and go on from it."
)
@with_settings
def report(  # noqa: PLR0913 - one argument for each flag
    paths: tuple[Path, ...],
    *,
    day: datetime.datetime | None,
    targets: str,
    html: Path | None,
    redact: bool,
    json: Path | None,
    markdown: Path | None,
    junit: Path | None,
    sarif: Path | None,
    baseline: Path | None,
    fail_on: str | None,
    processes: int | None,
    saved: Path | None,
    config: Path | None,
    **flags: Any,
) -> None:
    """Tell what recorded OpenAI traffic in PATHS (files and folders) would lose on Gemini: no key, no call.

    Exit codes: 0; 1 where --fail-on is reached; 2 where there is nothing to report on, or an option or file is wrong.
    """
    threshold = _threshold(fail_on, baseline)
    settings, chosen_day = load_settings(config, flags), day.date() if day else today()
    models, shown = _models(targets, catalogue(settings, chosen_day))
    question = Question(settings, chosen_day, models, shown)
    older = _read(baseline)
    traffic_report, tally = _run(paths, question, processes, saved)
    print_summary(Console(), traffic_report, shown)
    if older is not None:
        _compare(traffic_report, older, shown)
    failing = losses_over(traffic_report, shown, threshold, older) if threshold else []
    outputs = Outputs(html, json, markdown, junit, sarif)
    _write(outputs, traffic_report, shown, failing, partial(_page, traffic_report, tally, question, redact))
    if not traffic_report.requests:
        click.echo("There is no request in these files.", err=True)
        sys.exit(UNUSABLE)
    if failing:
        click.echo(f"Refused by --fail-on {fail_on}: {', '.join(one.code for one in failing)}", err=True)
        sys.exit(1)


def _threshold(fail_on: str | None, baseline: Path | None) -> Threshold | None:
    if fail_on is None:
        return None
    try:
        threshold = Threshold.parse(fail_on)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fail-on") from None
    if threshold.is_new and baseline is None:
        raise click.UsageError(f"--fail-on {fail_on} compares with an older report: name it with --baseline")
    return threshold


def _read(baseline: Path | None) -> Report | None:
    if baseline is None:
        return None
    try:
        return msgspec.json.decode(baseline.read_bytes(), type=Report)
    except msgspec.MsgspecError as error:
        raise Unusable(f"{baseline} is not the JSON of a report: {error}", "migration.md") from None


def _compare(newer: Report, older: Report, target: str) -> None:
    """Tell which losses on a target an older report lacks."""
    if all(one.name != target for one in older.targets):
        click.echo(f"The baseline has no target {target}: all of its losses count as new.", err=True)
        return
    new = [one.code for one in new_losses(newer, target, older)]
    click.echo(f"New since the baseline, on {target}: {', '.join(new)}." if new else f"Nothing is new on {target}.")


def _models(targets: str, table: Catalogue) -> tuple[tuple[str, ...], str]:
    """Return the models to compare, and the target whose losses are shown: the first name, or the map.

    `all`: the models with a known price that generate or embed, also those that have ended by that day.
    """
    names = tuple(dict.fromkeys(name.strip() for name in targets.split(",") if name.strip()))
    if names != ("all",):
        models = tuple(name for name in names if name not in ("mapped", MAPPED))
        for name in models:
            _check_known(name, table)
        return models, models[0] if models and models == names else MAPPED
    priced = (price.model for price in price_table().price if price.model.startswith("gemini-") and price.output)
    served = (
        (name, find_served_model(name, table)) for name in priced if "-latest" not in name and "-preview" not in name
    )
    return tuple(name for name, model in served if model.name == name and not model.row.served_by), MAPPED


_VERSION = re.compile(r"-(?:\d|preview|exp)[\w-]*$")


def _check_known(name: str, table: Catalogue) -> None:
    """Refuse a mistyped name: no known model has it, with or without a version, and no row of the operator's."""
    bare = bare_name(name)
    names = [*(price.model for price in price_table().price if price.model.startswith("gemini-")), *emulated()]
    served = find_served_model(name, table)
    is_own = capabilities_of(served.name, table.model, table.day) not in catalogue(Settings(), table.day).model
    if bare in names or _VERSION.sub("", bare) in names or served.name != bare or is_own:
        if price_table().price_of(name) is None:
            click.echo(f"The price of {name} is unknown. Its capabilities are those of {served.row.pattern}.", err=True)
        return
    [near] = get_close_matches(bare, names, 1, cutoff=0)
    raise click.BadParameter(
        f"no model {name} is known; the nearest name is {near}. A row of --capabilities makes a new model known.",
        param_hint="--targets",
    )


def _run(
    paths: Sequence[Path], question: Question, processes: int | None, saved: Path | None
) -> tuple[Report, TrafficTally]:
    files = files_below(paths)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("requests", total=None)
        run = ReportRun(
            files,
            partial(make_judge, question),
            processes=processes,
            saved=saved,
            question=f"{__version__} {question}",
            progress=lambda judged: progress.update(task, completed=judged),
        )
        try:
            result = run.execute()
        except (InterruptedRun, OSError) as error:
            raise Unusable(str(error), "migration.md") from None
    table = catalogue(question.settings, question.day)
    models = {model: find_served_model(model, table) for model in question.models}
    traffic_report = report_of(
        result,
        files=len(files),
        day=question.day,
        made=today(),
        platform=table.platform,
        models=models,
        rows=table.model,
        lint=_lint(question),
    )
    return traffic_report, result.tally


def _page(traffic_report: Report, tally: TrafficTally, question: Question, is_masked: bool) -> bytes:
    judge = make_judge(question._replace(models=(), shown=MAPPED))
    mapped = tally.targets.get(MAPPED)
    examples = examples_of(mapped, judge, MAPPED, is_masked=is_masked) if mapped else []
    return html_page.render(traffic_report, MAPPED, examples, lint=_lint(question), is_masked=is_masked).encode()


def _lint(question: Question) -> Lint:
    dialect = options(question.settings).schema
    return partial(lint, dialect=dialect, accepts=partial(accepts_schema, dialect))


def make_judge(question: Question) -> Judge:
    """Return the judge of one process: the map's target, and one for each model that is compared."""
    table = catalogue(question.settings, question.day)
    mapped = Target(MAPPED, partial(_serve_mapped, table))
    compared = [
        Target(model, partial(_serve_fixed, find_served_model(model, table), table)) for model in question.models
    ]
    return Judge(
        [mapped, *compared],
        options(question.settings),
        predicted_errors,
        partial(look_up_path, router_of(ENDPOINTS, question.settings)),
        detokenizer(),
        why_ended=partial(why_ended, table),
        shown=question.shown,
    )


def _serve_mapped(table: Catalogue, model: str, path: str) -> ServedModel:
    # Completions are answered by chat models.
    kind = "chat/completions" if path == "/v1/completions" else path.removeprefix("/v1/")
    return find_served_model(model, table, kind)


def _serve_fixed(served: ServedModel, table: Catalogue, model: str, path: str) -> ServedModel:
    """Return the model itself for texts, and for vectors if it makes them; else the model of the map."""
    is_its_own = path in GENERATING or (path == "/v1/embeddings" and "EMBEDDING" in served.row.output)
    return served if is_its_own else _serve_mapped(table, model, path)


def predicted_errors(model: str, method: str, body: msgspec.Struct) -> list[str]:
    """Return the errors that Gemini would answer a call with."""
    error = predicted_error(model, method, orjson.loads(encode(body)))
    return [str(error["message"])] if error else []


def why_ended(table: Catalogue, served: ServedModel) -> str:
    """Say why a model no longer answers for a name: it has ended without a successor. "" where it answers."""
    if not served.row.has_ended(table.platform, table.day):
        return ""
    return f"{served.model} ended on {served.row.until[table.platform]}, and nothing answers in its place."


def look_up_path(router: Router[Endpoint], path: str) -> RequestPath:
    """Look up the endpoint that serves a POST to a path, and why it is not served, if so."""
    match = router.match(path, "POST")
    if match is None:
        return RequestPath(path, f"{path} is no endpoint of the adapter's.")
    endpoint = next(iter(match.methods.values()))
    return RequestPath(endpoint.template, endpoint.why_not_served)


def accepts_schema(dialect: str, schema: bytes) -> bool:
    """Return whether Gemini takes a schema for the parameters of a function, as far as the emulator can tell."""
    key = "parametersJsonSchema" if dialect == "json" else "parameters"
    declaration = {"name": "linted", key: orjson.loads(schema)}
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "tools": [{"functionDeclarations": [declaration]}]}
    return predicted_error("gemini-3.8-flash", "generateContent", body) is None


def _write(
    outputs: Outputs, traffic_report: Report, shown: str, failing: list[CodeReport], page: Callable[[], bytes]
) -> None:
    target = next((one for one in traffic_report.targets if one.name == shown), None)
    _save(outputs.html, page)
    _save(outputs.json, lambda: msgspec.json.format(msgspec.json.encode(traffic_report), indent=2))
    _save(outputs.markdown, lambda: markdown.render(traffic_report, shown).encode())
    if target is not None:
        _save(outputs.junit, lambda: junit.render(traffic_report, target, failing).encode())
        log = sarif.document(traffic_report, target, __version__)
        _save(outputs.sarif, lambda: orjson.dumps(log, option=orjson.OPT_INDENT_2))


def _save(path: Path | None, content: Callable[[], bytes]) -> None:
    if path is not None:
        try:
            path.write_bytes(content())
        except OSError as error:
            raise Unusable(f"{path} cannot be written: {error.strerror}", "migration.md") from None
        click.echo(f"Wrote {path}.", err=True)
