"""How many faults and bad inputs were survived is printed at the end, wherever their tests are; nothing is timed."""

from collections import Counter
from importlib.util import find_spec

import pytest

from tests.support.size import EXAMPLES, IS_LARGE

# The environments of clients have none.
if find_spec("hypothesis") is not None:
    from hypothesis import HealthCheck, settings

    # No wall clock decides, and a small run tries the same in each run.
    settings.register_profile(
        "ours",
        deadline=None,
        derandomize=not IS_LARGE,
        max_examples=EXAMPLES,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("ours")

FAULT = ("kind", "fault")
"""Kept with the report of a test that is marked so, since a report knows no marks."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("faults"):
            item.user_properties.append(FAULT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [one for one in terminalreporter.stats.get("passed", []) if one.when == "call"]
    survived = [one for one in passed if FAULT in map(tuple, one.user_properties)]
    counts = Counter(one.nodeid.split(".py")[0].removeprefix("tests/") for one in survived)
    if counts:
        terminalreporter.section("faults and bad inputs")
        for where, number in sorted(counts.items()):
            terminalreporter.write_line(f"{where}: {number} survived")
        terminalreporter.write_line(f"in all: {counts.total()} survived")
