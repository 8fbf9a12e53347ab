"""The report as data: what every page is made from, and what `--json` writes. `version` changes with its shape."""

import datetime
from collections import Counter
from collections.abc import Mapping

import msgspec

from adapter.report.prices import price_table
from adapter.report.run import Result
from adapter.report.tally import CodeCount, TargetTally
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Severity

VERSION = 1
GRADES = ("lossless", *(severity.value for severity in reversed(Severity)))
"""Grades of a request, the best first."""

MOST_FIELDS = 12

SOON = datetime.timedelta(days=90)
"""A target that ends within this time of the day that was asked about is not proposed."""

CLASS_RATIO = 3
"""A target is of a model's class if its output costs at least this part of the model's output: a rough measure."""


class Sighting(msgspec.Struct, frozen=True):
    """Where a loss can be seen."""

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


class TargetReport(msgspec.Struct, frozen=True, kw_only=True):
    """One target: grades of requests and of conversations (by their worst request), losses, predicted errors, costs.

    `ends`: the day on which the platform stops to serve it, if one is known.
    """

    name: str
    ends: datetime.date | None
    models: dict[str, int]
    requests: dict[str, int]
    conversations: dict[str, int]
    codes: list[CodeReport]
    errors: dict[str, int]
    cost: CostReport


class AskedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that clients named: how often, when OpenAI switches it off, and the target that serves it best."""

    name: str
    requests: int
    shutdown: datetime.date | None
    best: str
    grades: dict[str, dict[str, int]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report. `day` is the day that was asked about, `made` the one on which it was made (both UTC)."""

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
    paths: dict[str, int]
    asked: list[AskedModel]
    targets: list[TargetReport]
    prices: str
    prices_date: datetime.date


def report_of(
    result: Result,
    *,
    files: int,
    day: datetime.date,
    made: datetime.date,
    platform: str,
    ends: Mapping[str, datetime.date],
) -> Report:
    """The report on a run's result; targets and models in a fixed order, the best and the most asked first.

    `ends` has the targets that the platform stops to serve, with the day.
    """
    table = price_table()
    tally = result.tally
    targets = [_target(name, target, ends.get(name)) for name, target in tally.targets.items()]
    targets.sort(key=lambda one: (_badness(one.requests), one.cost.dollars, one.name))
    lasting = [one.name for one in targets if one.ends is None or one.ends - day > SOON]
    return Report(
        made=made,
        day=day,
        platform=platform,
        files=files,
        pieces=result.pieces,
        requests=tally.requests,
        conversations=result.conversations,
        counted=tally.counted,
        formats=dict(result.formats.most_common()),
        unreadable=dict(result.unreadable.most_common()),
        unreadable_at=result.places,
        paths=dict(tally.paths.most_common()),
        asked=[_asked(name, count, result, lasting) for name, count in tally.asked.most_common()],
        targets=targets,
        prices=table.source,
        prices_date=table.date,
    )


def _target(name: str, tally: TargetTally, ends: datetime.date | None) -> TargetReport:
    codes = [_code(code, count) for code, count in tally.codes.items()]
    order = list(Severity)
    codes.sort(key=lambda one: (order.index(Severity(one.severity)), -one.requests, one.code))
    return TargetReport(
        name=name,
        ends=ends,
        models=dict(tally.models.most_common()),
        requests=_graded(tally.requests),
        conversations=_graded(tally.conversations()),
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


def _graded(counts: Counter[str]) -> dict[str, int]:
    return {grade: counts.get(grade, 0) for grade in GRADES}


def _badness(requests: dict[str, int]) -> tuple[int, ...]:
    """For sorting: the fewest broken requests first, then the fewest with changed answers, and so on."""
    return tuple(requests.get(grade, 0) for grade in reversed(GRADES) if grade not in ("lossless", "cosmetic"))


def _code(code: str, count: CodeCount) -> CodeReport:
    described = CODES[code]
    return CodeReport(
        code=code,
        severity=count.severity.value,
        meaning=described.sentence,
        advice=described.advice,
        requests=count.requests,
        conversations=len(count.conversations),
        fields=dict(count.fields.most_common(MOST_FIELDS)),
        examples=[Sighting(one.place.file, one.place.position) for one in count.examples],
    )


def _asked(name: str, count: int, result: Result, lasting: list[str]) -> AskedModel:
    graded = {target: _graded(grades) for target, grades in result.tally.by_model[name].items()}
    return AskedModel(
        name=name,
        requests=count,
        shutdown=price_table().shutdown_of(name),
        best=_best(name, graded, lasting),
        grades=graded,
    )


def _best(name: str, graded: dict[str, dict[str, int]], order: list[str]) -> str:
    """The lasting target of a comparable class with the fewest losses, then the cheapest; "" where none is known."""
    table = price_table()
    asked = table.price_of(name)
    prices = {target: price for target in order if (price := table.price_of(target)) is not None}
    if asked is None or not prices:
        return ""
    least = min(asked.output / CLASS_RATIO, max(price.output for price in prices.values()))
    comparable = [target for target in order if target in prices and prices[target].output >= least]
    return min(comparable, key=lambda target: (_badness(graded[target]), prices[target].output, order.index(target)))


def model_map(report: Report) -> str:
    """The `--models` setting that sends each model to the target that serves it best."""
    return ",".join(f"{one.name}={one.best}" for one in report.asked if one.best)
