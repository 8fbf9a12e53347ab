"""Which cases reach which lines, and whether they notice a mutant.

A mutant runs in a fork of a process that has everything loaded; there the modules that depend on the mutated one are
loaded anew, so that no table or import keeps the original.
"""

import importlib.abc
import importlib.util
import os
import signal
import sys
import types
from collections import defaultdict
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import coverage

from tests import test_conformance
from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]
RELOADED = ("adapter.translate", "adapter.settings", "adapter.server", "adapter.cli", "tests.test_conformance")
SECONDS = 20


def reach(files: Sequence[Path]) -> dict[tuple[str, int], list[int]]:
    """The cases, by number, that run each line; cases that run few lines come first."""
    measured = coverage.Coverage(data_file=None, include=[str(path) for path in files], config_file=False)
    measured.start()
    for number, run in enumerate(test_conformance.RUNS):
        measured.switch_context(str(number))
        test_conformance.test_case(*run.values)
    measured.stop()
    lines: dict[int, int] = defaultdict(int)
    found: dict[tuple[str, int], list[int]] = {}
    data = measured.get_data()
    for name in data.measured_files():
        for line, contexts in data.contexts_by_lineno(name).items():
            cases = [int(context) for context in contexts if context]
            found[name, line] = cases
            for case in cases:
                lines[case] += 1
    for cases in found.values():
        cases.sort(key=lines.__getitem__)
    return found


def cases_for(mutant: Mutant, reached: dict[tuple[str, int], list[int]]) -> list[int]:
    """The cases that run a changed line; all of them for what runs when the module is loaded."""
    cases = {case: None for line in mutant.lines for case in reached.get((str(mutant.path), line), [])}
    return list(cases or dict.fromkeys(range(len(test_conformance.RUNS))))


def killed(mutant: Mutant, cases: Sequence[int]) -> bool:
    """Whether a case fails, or hangs, with the mutant in place of the original."""
    child = os.fork()
    if child == 0:
        os._exit(_child(mutant, cases))
    _, status = os.waitpid(child, 0)
    return status != 0


def _child(mutant: Mutant, cases: Sequence[int]) -> int:
    signal.alarm(SECONDS)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        loaded = _loaded(mutant)
        for case in cases:
            loaded.test_case(*test_conformance.RUNS[case].values)
    except BaseException:  # noqa: BLE001 - whatever goes wrong, the mutant was noticed
        return 1
    return 0


def _loaded(mutant: Mutant) -> Any:
    """The cases' test module on top of the mutant."""
    for name in [name for name in sys.modules if name.startswith(RELOADED)]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder(mutant))
    return importlib.import_module("tests.test_conformance")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the mutant in place of the file."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = ".".join(mutant.path.relative_to(ROOT).with_suffix("").parts)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._mutant.path, loader=self)

    def exec_module(self, module: types.ModuleType) -> None:
        """See `Loader`."""
        exec(compile(self._mutant.source, str(self._mutant.path), "exec"), module.__dict__)
