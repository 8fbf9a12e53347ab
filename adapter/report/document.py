"""The report as data: the source of every page, and the output of `--json`. `version` changes with its shape."""

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from adapter.report.prices import price_table
from adapter.report.run import Result
from adapter.report.schemas import SchemaLoss
from adapter.report.tally import CodeCount, SchemaCount, TargetTally
from adapter.report.verdicts import ENDED, NOT_SERVED
from adapter.translate.core.capabilities import ModelCapabilities, Platform, ServedModel, capabilities_of
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Code, Severity

VERSION = 2
GRADES = ("lossless", *(severity.value for severity in reversed(Severity)))
"""Grades of a request, the best first."""

MOST_FIELDS = 12
MOST_SCHEMAS = 50

SOON = datetime.timedelta(days=90)
"""A target that ends within this time of the day that was asked about is not proposed."""

GENERATING = {"/v1/chat/completions", "/v1/responses", "/v1/completions"}
"""Endpoints that ask for texts, which the models that are compared write."""

CLASS_RATIO = 3
"""A target is of a model's class if its output costs at least this part of the model's output: a rough measure."""


_NOT_SERVED = Code(
    NOT_SERVED,
    Severity.BREAKS,
    "OpenAI has this endpoint and the adapter does not: requests are answered with 404.",
    "Call what the error names.",
)
_ENDED = Code(
    ENDED,
    Severity.BREAKS,
    "The model has ended, and no other one answers in its place.",
    "Map to a model that has not ended.",
)
_OWN_CODES = {NOT_SERVED: _NOT_SERVED, ENDED: _ENDED}
"""Losses that the report alone knows; the ledger has no codes for them."""

Lint = Callable[[bytes], Any]
"""The schema to send in place of another one; None where there is none."""


class Sighting(msgspec.Struct, frozen=True):
    """A place in the recorded traffic where a loss can be seen."""

    file: str
    position: str


class CodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of loss on one target. `fields` has the paths that occur most, with their counts."""

    code: str
    severity: str
    meaning: str
    advice: str
    requests: int
    conversations: int
    fields: dict[str, int]
    examples: list[Sighting]


class CostReport(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for requests whose tokens were counted; `before` and `after` are for the same `compared` requests."""

    priced: int
    dollars: float
    compared: int
    before: float
    after: float


class LimitReport(msgspec.Struct, frozen=True, kw_only=True):
    """A model's limits in tokens, and how many requests with counted tokens are over them."""

    input: int
    output: int
    over_input: int
    over_output: int


class TargetReport(msgspec.Struct, frozen=True, kw_only=True):
    """One target: grades of requests and of conversations (by their worst request), losses, predicted errors, costs.

    `ends`: the day on which the platform stops to serve it, if one is known. From then on the target is judged as
    `successor`, which answers in its place; without one every request breaks. `limits` are those of one model; None
    for a target that is several.
    """

    name: str
    ends: datetime.date | None
    successor: str = ""
    limits: LimitReport | None
    models: dict[str, int]
    requests: dict[str, int]
    conversations: dict[str, int]
    codes: list[CodeReport]
    errors: dict[str, int]
    cost: CostReport


class AskedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that clients named: its requests, its shutdown date at OpenAI, and the target that serves it best.

    `served` is what the map has now. `best` is "" where no comparable model is known, or vectors alone are asked for.
    """

    name: str
    requests: int
    shutdown: datetime.date | None
    served: str
    best: str
    grades: dict[str, dict[str, int]]


class EndpointReport(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint: how many requests it had, and their grades on each target."""

    path: str
    requests: int
    grades: dict[str, dict[str, int]]


class SchemaReport(msgspec.Struct, frozen=True, kw_only=True):
    """A schema of a tool or a format that loses something on the shown target; `linted` is its replacement.

    `linted` is None where no schema is taken without a loss.
    """

    name: str
    field: str
    requests: int
    severity: str
    losses: list[SchemaLoss]
    example: Sighting
    sent: Any
    linted: Any


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report. `day` is the day that was asked about, `made` the one on which it was made (both UTC).

    `others` are requests at endpoints that are served and not translated; they count nowhere else. `most_input` and
    `most_output` are the largest counts of tokens in the recording.
    """

    version: int = VERSION
    made: datetime.date
    day: datetime.date
    platform: str
    files: int
    pieces: int
    requests: int
    conversations: int
    counted: int
    formats: dict[str, int]
    unreadable: dict[str, int]
    unreadable_at: dict[str, str]
    endpoints: list[EndpointReport]
    others: dict[str, int]
    most_input: int
    most_output: int
    asked: list[AskedModel]
    targets: list[TargetReport]
    schemas: list[SchemaReport]
    prices: str
    prices_date: datetime.date


def report_of(
    result: Result,
    *,
    files: int,
    day: datetime.date,
    made: datetime.date,
    platform: Platform,
    models: Mapping[str, ServedModel],
    rows: Sequence[ModelCapabilities],
    lint: Lint,
) -> Report:
    """Return the report on a run's result, in a fixed order: the best targets and the most asked models first.

    `models` has the targets that are one model, with what answers for it; `rows` the capability rows.
    """
    table = price_table()
    tally = result.tally
    ends = {name: capabilities_of(one.name, rows, day).until.get(platform) for name, one in models.items()}
    targets = [_target(name, target, models.get(name), ends.get(name)) for name, target in tally.targets.items()]
    targets.sort(key=lambda one: (_badness(one.requests), one.cost.dollars, one.name))
    lasting = [one.name for one in targets if one.ends is None or one.ends - day > SOON]
    return Report(
        made=made,
        day=day,
        platform=platform,
        files=files,
        pieces=result.pieces,
        requests=tally.requests,
        conversations=max((one.conversations().total() for one in tally.targets.values()), default=0),
        counted=tally.counted,
        formats=dict(result.formats.most_common()),
        unreadable=dict(result.unreadable.most_common()),
        unreadable_at=result.places,
        endpoints=[_endpoint(path, count, tally.by_path[path]) for path, count in tally.paths.most_common()],
        others=dict(tally.others.most_common()),
        most_input=tally.most_input,
        most_output=tally.most_output,
        asked=[_asked_models(name, count, result, lasting) for name, count in tally.asked.most_common()],
        targets=targets,
        schemas=_schemas(tally.schemas.values(), lint),
        prices=table.source,
        prices_date=table.date,
    )


def ending(target: TargetReport, day: datetime.date) -> str:
    """Return a sentence on a target that has ended by a day: when, and as what it is judged; "" for others."""
    if target.ends is None or target.ends > day:
        return ""
    judged = f"judged as {target.successor}, which answers" if target.successor else "nothing answers"
    return f"{target.name} ended on {target.ends}: {judged} in its place."


def _target(name: str, tally: TargetTally, served: ServedModel | None, ends: datetime.date | None) -> TargetReport:
    codes = [_code(code, count) for code, count in tally.codes.items()]
    order = list(Severity)
    codes.sort(key=lambda one: (order.index(Severity(one.severity)), -one.requests, one.code))
    return TargetReport(
        name=name,
        ends=ends,
        successor=served.model if served and served.reason else "",
        limits=_limits(tally, served.row) if served else None,
        models=dict(tally.models.most_common()),
        requests=_count_by_grade(tally.requests),
        conversations=_count_by_grade(tally.conversations()),
        codes=codes,
        errors=dict(tally.errors.most_common()),
        cost=CostReport(
            priced=tally.priced,
            dollars=round(tally.dollars, 6),
            compared=tally.compared,
            before=round(tally.dollars_before, 6),
            after=round(tally.dollars_after, 6),
        ),
    )


def _endpoint(path: str, count: int, grades: Mapping[str, Counter[str]]) -> EndpointReport:
    return EndpointReport(
        path=path, requests=count, grades={target: _count_by_grade(counts) for target, counts in grades.items()}
    )


def _limits(tally: TargetTally, row: ModelCapabilities) -> LimitReport:
    return LimitReport(
        input=row.input_limit, output=row.output_limit, over_input=tally.over_input, over_output=tally.over_output
    )


def _schemas(counts: Iterable[SchemaCount], lint: Lint) -> list[SchemaReport]:
    """Return the schemas, the worst first: by their gravest loss, by requests, then by how much each loses."""
    return [
        SchemaReport(
            name=one.name,
            field=one.field,
            requests=one.requests,
            severity=next(severity for severity in Severity if severity in {loss.severity for loss in one.losses}),
            losses=one.losses,
            example=Sighting(one.place.file, one.place.position),
            sent=orjson.loads(one.schema),
            linted=lint(one.schema),
        )
        for one in sorted(counts, key=_schema_order)[:MOST_SCHEMAS]
    ]


def _schema_order(count: SchemaCount) -> tuple[int, int, int, str, str]:
    order = list(Severity)
    gravest = min(order.index(Severity(loss.severity)) for loss in count.losses)
    return gravest, -count.requests, -len(count.losses), count.name, count.place.position


def _count_by_grade(counts: Counter[str]) -> dict[str, int]:
    return {grade: counts.get(grade, 0) for grade in GRADES}


def _badness(requests: dict[str, int]) -> tuple[int, ...]:
    """Return a sort key: the fewest broken requests first, then the fewest with changed answers, and so on."""
    return tuple(requests.get(grade, 0) for grade in reversed(GRADES) if grade not in ("lossless", "cosmetic"))


def _code(code: str, count: CodeCount) -> CodeReport:
    described = _OWN_CODES.get(code) or CODES[code]
    return CodeReport(
        code=code,
        severity=count.severity.value,
        meaning=described.sentence,
        advice=described.advice,
        requests=count.requests,
        conversations=len(count.conversations),
        fields=dict(count.fields.most_common(MOST_FIELDS)),
        examples=[Sighting(example.place.file, example.place.position) for example in count.examples],
    )


def _asked_models(name: str, count: int, result: Result, lasting: list[str]) -> AskedModel:
    graded = {target: _count_by_grade(grades) for target, grades in result.tally.by_model[name].items()}
    return AskedModel(
        name=name,
        requests=count,
        shutdown=price_table().shutdown_of(name),
        served=result.tally.served.get(name, ""),
        best=_best(name, graded, lasting) if GENERATING & set(result.tally.asked_at[name]) else "",
        grades=graded,
    )


def _best(name: str, graded: dict[str, dict[str, int]], order: list[str]) -> str:
    """Return the best lasting target of a comparable class: fewest losses, then cheapest; "" if none is known."""
    table = price_table()
    own_price = table.price_of(name)
    prices = {target: price for target in order if (price := table.price_of(target)) is not None}
    if own_price is None or not prices:
        return ""
    least = min(own_price.output / CLASS_RATIO, max(price.output for price in prices.values()))
    comparable = [target for target in order if target in prices and prices[target].output >= least]
    return min(comparable, key=lambda target: (_badness(graded[target]), prices[target].output, order.index(target)))


def model_map(report: Report) -> str:
    """Return the `--models` setting that sends each model to the target that serves it best."""
    return ",".join(f"{one.name}={one.best}" for one in report.asked if one.best)
