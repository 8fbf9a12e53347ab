"""Tries mutants: the cases, and after them the unit tests, run in forks of a process with everything loaded."""

import enum
import gc
import os
import signal
from collections.abc import Callable, Sequence

from tests.support import pure
from tests.tools.mutation import unit_tests
from tests.tools.mutation.loading import caches, load_cases, replace_function
from tests.tools.mutation.mutants import Mutant
from tests.tools.mutation.reach import Reach

SECONDS = 120
"""Of the processor's time: more than all cases, and more than all unit tests need, measured ones too."""


class Noticed(enum.Enum):
    """The tests that noticed a mutant first."""

    BY_CASE = "by a case"
    BY_UNIT_TEST = "by a unit test"
    NEVER = "never"


def prepare() -> None:
    """Make this process one that is forked cheaply, and from which no result of the original is taken over."""
    for empty in caches():
        empty()
    gc.collect()
    gc.freeze()
    gc.disable()


def try_mutant(mutant: Mutant, cases: Reach, tests: Reach) -> Noticed:
    """Return the tests that fail, or hang, with the mutant in place of the original."""
    if not passes(lambda: _run_cases(mutant, cases.of(mutant), anew=cases.loads(mutant))):
        return Noticed.BY_CASE
    reaching = tests.of(mutant)
    if reaching and not passes(lambda: unit_tests.run(reaching, mutant)):
        return Noticed.BY_UNIT_TEST
    return Noticed.NEVER


def passes(work: Callable[[], bool]) -> bool:
    """Run `work` in a fork. Return whether it returned True, without an exception and in time."""
    child = os.fork()
    if child == 0:
        os._exit(_child(work))
    _, status = os.waitpid(child, 0)
    return status == 0


def _child(work: Callable[[], bool]) -> int:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        return 0 if work() else 1
    except BaseException:  # noqa: BLE001 - whatever goes wrong, the mutant was noticed
        return 1


def _run_cases(mutant: Mutant, cases: Sequence[str], anew: bool) -> bool:
    module = load_cases(mutant) if anew else replace_function(mutant)
    for case in cases:
        module.check_case(*pure.RUNS[int(case)])
    return True
