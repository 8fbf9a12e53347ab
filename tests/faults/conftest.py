"""Faults and bad inputs: how many of each were survived is printed at the end."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [one.nodeid for one in terminalreporter.stats.get("passed", []) if one.when == "call"]
    counts = Counter(node.split("/test_")[-1].split(".py")[0] for node in passed if "tests/faults/" in node)
    if counts:
        terminalreporter.section("faults and bad inputs")
        for kind, number in sorted(counts.items()):
            terminalreporter.write_line(f"{kind.replace('_', ' ')}: {number} survived")
