"""A plugin for pytest: coverage counts while the pure layers are imported and while tests run, and not in between.

Tracing slows down everything in a process. Half of what it cost fell on pytest itself and on collecting tests, where
no line of the pure layers runs. Used by `python -m tests`, beside `--cov`.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest
from coverage import Coverage


class TracedCalls:
    """The plugin, once coverage has started."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Import the layers, so that their statements outside functions are counted, and pause."""
        for layer in ("adapter.wire", "adapter.translate"):
            for module in walk_packages(import_module(layer).__path__, f"{layer}."):
                import_module(module.name)
        self._coverage.stop()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """Count while a test runs."""
        self._coverage.start()
        try:
            yield
        finally:
            self._coverage.stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave coverage as pytest-cov expects it."""
        self._coverage.start()


def pytest_configure(config: pytest.Config) -> None:
    """Find the running coverage."""
    coverage = Coverage.current()
    if coverage is not None:
        config.pluginmanager.register(TracedCalls(coverage))
