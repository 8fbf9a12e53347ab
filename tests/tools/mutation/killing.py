"""Whether the cases notice a mutant: it runs in a fork of a process that has everything loaded."""

import gc
import os
import signal
from collections.abc import Sequence

from tests.support import pure
from tests.tools.mutation.loading import caches, loaded, replaced
from tests.tools.mutation.mutants import Mutant
from tests.tools.mutation.reach import Reach

SECONDS = 20
"""Of the processor's time: more than all cases need."""


def prepare() -> None:
    """Make this process one that is forked cheaply, and from which no result of the original is taken over."""
    for empty in caches():
        empty()
    gc.collect()
    gc.freeze()
    gc.disable()


def killed(mutant: Mutant, reached: Reach) -> bool:
    """Whether a case fails, or hangs, with the mutant in place of the original."""
    cases = reached.of(mutant)
    child = os.fork()
    if child == 0:
        os._exit(_child(mutant, cases, reached.loads(mutant)))
    _, status = os.waitpid(child, 0)
    return status != 0


def _child(mutant: Mutant, cases: Sequence[int], anew: bool) -> int:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        module = loaded(mutant) if anew else replaced(mutant)
        for case in cases:
            module.check_case(*pure.RUNS[case])
    except BaseException:  # noqa: BLE001 - whatever goes wrong, the mutant was noticed
        return 1
    return 0
