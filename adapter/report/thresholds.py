"""Losses that fail a build: at least as severe as a level; all, or those that are not in an older report."""

from collections.abc import Sequence
from typing import NamedTuple

from adapter.report.document import CodeReport, Report
from adapter.translate.core.codes import Severity

_ORDER = list(Severity)


class Threshold(NamedTuple):
    """The mildest severity that fails, and whether only new losses count."""

    severity: Severity
    is_new: bool

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """Read `SEVERITY` or `new:SEVERITY`.

        Raises:
            ValueError: It is neither; the message lists the severities.

        """
        prefix, _, word = text.rpartition(":")
        if prefix not in ("", "new") or word not in set(_ORDER):
            raise ValueError(f"{text!r} is not one of {', '.join(_ORDER)}, with or without new: in front")
        return cls(Severity(word), prefix == "new")


def losses_over(report: Report, target: str, threshold: Threshold, baseline: Report | None) -> list[CodeReport]:
    """Return a target's losses that reach the threshold; with `is_new` only those that the baseline lacks."""
    least = _ORDER.index(threshold.severity)
    codes = new_losses(report, target, baseline) if baseline and threshold.is_new else _codes(report, target)
    return [code for code in codes if _ORDER.index(Severity(code.severity)) <= least]


def new_losses(report: Report, target: str, baseline: Report) -> list[CodeReport]:
    """Return the losses on a target that the baseline does not have there."""
    older = {code.code for code in _codes(baseline, target)}
    return [one for one in _codes(report, target) if one.code not in older]


def _codes(report: Report, target: str) -> Sequence[CodeReport]:
    return next((one.codes for one in report.targets if one.name == target), ())
