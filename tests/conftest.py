"""Fixtures and options of all tests. The end of the output counts the survived faults and bad inputs."""

import gc
import os
import ssl
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.environment import WHOLE_BUNDLE
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


@pytest.fixture(scope="session", autouse=True)
def few_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one certificate of the bundle: each client reads the whole bundle otherwise, most of what a test costs.

    No test calls an https server of the internet, but for what installs packages; that has the bundle back.
    """
    bundle: str | None = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if bundle is None:
        yield
        return
    first, end, _ = Path(bundle).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
    few = tmp_path_factory.mktemp("certificates") / "first.pem"
    few.write_text(first + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WHOLE_BUNDLE, bundle)
        patch.setenv("SSL_CERT_FILE", str(few))
        patch.setenv("SSL_CERT_DIR", str(few.parent / "none"))
        yield


# What is imported and collected stays until the end: looking through it for garbage, while it grows and in each test
# that asks for it, took a tenth of the time.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


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
