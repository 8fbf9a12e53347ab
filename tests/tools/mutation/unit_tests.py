"""The unit tests of the pure layers, which notice mutants of what no case reaches.

They are run by pytest in forks that have loaded the packages of others, and load all modules of the project anew.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import coverage
import hypothesis
import pytest

from tests.__main__ import UNITS
from tests.support.paths import REPOSITORY
from tests.tools.mutation.loading import caches, without_ours
from tests.tools.mutation.mutants import Mutant
from tests.tools.mutation.reach import Reach, names_in, runs_by_statement

OPTIONS = ("-x", "-q", "-p", "no:cacheprovider")


def run(tests: Sequence[str], mutant: Mutant) -> bool:
    """Return whether the tests pass with a mutant, in their order and up to the first that fails; in a fork."""
    without_ours(mutant)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    code = pytest.main([*OPTIONS, *files], plugins=[_Chosen(tests)])
    # The parameters of tests may come from a table that is changed: then some of those chosen are gone.
    return code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def reach_of_tests(files: Sequence[Path], fork: Callable[[Callable[[], bool]], bool]) -> Reach:
    """Run all tests once and see which lines each of them runs; what a test's file names is used by its tests."""
    with TemporaryDirectory() as folder:
        recorded = Path(folder) / "coverage"
        ids = Path(folder) / "ids"
        if not fork(lambda: _record(files, recorded, ids)):
            raise SystemExit("the unit tests fail without a mutant: run python -m pytest tests/translate tests/wire")
        runs = ids.read_text().splitlines()
        data = coverage.CoverageData(str(recorded))
        data.read()
        found = runs_by_statement(data, runs)
    outside: dict[str, set[int]] = {}
    by_file: dict[str, set[int]] = {}
    for number, test in enumerate(runs):
        by_file.setdefault(test.partition("::")[0], set()).add(number)
    for file, numbers in by_file.items():
        for name in names_in(REPOSITORY / file):
            outside.setdefault(name, set()).update(numbers)
    return Reach(files, found, runs, outside)


def _record(files: Sequence[Path], recorded: Path, ids: Path) -> bool:
    measured = coverage.Coverage(data_file=str(recorded), include=[str(path) for path in files], config_file=False)
    measured.start()
    without_ours()
    code = pytest.main([*OPTIONS, *UNITS], plugins=[_Recorder(measured, ids)])
    measured.stop()
    measured.save()
    return code is pytest.ExitCode.OK


class _Chosen:
    """The plugin of a run with a mutant: some tests, in the order given."""

    def __init__(self, tests: Collection[str]) -> None:
        self._order = {test: number for number, test in enumerate(tests)}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Make an example that fails suffice: nobody reads it, and making it small takes long."""
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", hypothesis.settings.get_profile("ours"), phases=phases)
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out and sort."""
        chosen = [item for item in items if item.nodeid in self._order]
        items[:] = sorted(chosen, key=lambda item: self._order[item.nodeid])


class _Recorder:
    """The plugin of the run that is measured: each test is a context of coverage."""

    def __init__(self, measured: coverage.Coverage, ids: Path) -> None:
        self._measured = measured
        self._ids = ids
        self._emptying: list[Callable[[], None]] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write down all tests."""
        self._ids.write_text("\n".join(item.nodeid for item in session.items))
        self._emptying = caches()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure one test, to which no result of another one is handed."""
        for empty in self._emptying:
            empty()
        self._measured.switch_context(item.nodeid)
        yield
        self._measured.switch_context("")
