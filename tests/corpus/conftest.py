"""Tests over recorded traffic: skipped by name where ADAPTER_CORPUS is not set; their counts are printed at the end."""

from collections.abc import Callable

import pytest

from tests.support.recordings import ROOT

COUNTS = "recorded traffic"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/corpus/" in item.path.as_posix():
            item.add_marker(pytest.mark.corpus)
            if ROOT is None:
                item.add_marker(pytest.mark.skip(reason="ADAPTER_CORPUS does not name a folder of recorded traffic"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for many in terminalreporter.stats.values() for one in many if getattr(one, "when", "") == "call"]
    counted = {
        report.nodeid.rpartition("::")[2]: value
        for report in reports
        for name, value in report.user_properties
        if name == COUNTS
    }
    if counted:
        terminalreporter.section("recorded traffic")
    for name, counts in counted.items():
        listed = ", ".join(f"{what} {number}" for what, number in sorted(counts.items()))
        terminalreporter.write_line(f"{name}: {listed}")


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Counts what a test saw, to be printed at the end, also of the workers that share a run."""
    counts: dict[str, int] = {}
    request.node.user_properties.append((COUNTS, counts))

    def add(what: str) -> None:
        counts[what] = counts.get(what, 0) + 1

    return add
