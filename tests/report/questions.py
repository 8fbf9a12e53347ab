"""A judge that worker processes of tests can make."""

import datetime

from adapter.report.verdicts import Judge, RequestPath, Target
from adapter.settings import Settings, catalogue, find_served_model, options

DAY = datetime.date(2026, 11, 30)


def make_judge() -> Judge:
    """The map's target alone, on a fixed day, without predicted errors."""
    table = catalogue(Settings(), DAY)
    target = Target("as mapped", lambda model, path: find_served_model(model, table))
    return Judge([target], options(Settings()), lambda model, method, body: [], look_up_path)


def look_up_path(path: str) -> RequestPath:
    """All but videos is served."""
    return RequestPath(path, "Videos are not served." if path == "/v1/videos" else "")
