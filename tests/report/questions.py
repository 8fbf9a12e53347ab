"""A judge that worker processes of tests can make."""

import datetime

from adapter.report.verdicts import Judge, Target
from adapter.settings import Settings, catalogue, named, options

DAY = datetime.date(2026, 11, 30)


def make_judge() -> Judge:
    """The map's target alone, on a fixed day, without predicted errors."""
    table = catalogue(Settings(), DAY)
    return Judge([Target("as mapped", lambda model, path: named(model, table))], options(Settings()), lambda plan: [])
