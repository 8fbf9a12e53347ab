"""`python -m tests.tools.mutation`: how many mutants of `adapter/translate` the cases or the unit tests notice.

Leaves with 1 when fewer than `LEAST` of a hundred are noticed, or when one that is not has no argument in
`survivors.toml`.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from tests.tools.mutation.killing import Noticed, passes, prepare, try_mutant
from tests.tools.mutation.mutants import TRANSLATE, Mutant, mutants_of
from tests.tools.mutation.reach import reach_of_cases
from tests.tools.mutation.survivors import FILE, faults, groups, stale
from tests.tools.mutation.unit_tests import reach_of_tests

LEAST = 90


def choose(only: str, sample: int, skip: int = 0) -> list[Mutant]:
    """The mutants to try: of all files, or of those whose path holds `only`; all, or so many at random.

    With `skip`, so many of the lots are left out, for a sample that no test was written for.
    """
    files = [path for path in sorted(TRANSLATE.rglob("*.py")) if only in str(path.relative_to(TRANSLATE))]
    found = [mutant for path in files for mutant in mutants_of(path)]
    return sorted(found, key=_lot)[skip : skip + sample] if sample else found


def _lot(mutant: Mutant) -> bytes:
    """A mutant's place in a drawing of lots that stays the same when other code changes."""
    return blake2b(f"{mutant.file}\n{mutant.before}\n{mutant.after}".encode(), digest_size=8).digest()


def _row(name: str, count: Counter[Noticed]) -> str:
    """The share of a file's mutants that the cases alone notice, and that the cases or the unit tests notice."""
    by_case = _share(count, Noticed.BY_CASE)
    by_any = _share(count, Noticed.BY_CASE, Noticed.BY_UNIT_TEST)
    number = count.total() - count[Noticed.NEVER]
    return f"{name:28} {number:5} of {count.total():5}  {by_any:5.1f} %  by cases alone {by_case:5.1f} %"


def _share(count: Counter[Noticed], *who: Noticed) -> float:
    return 100 * sum(count[one] for one in who) / count.total()


def main() -> int:
    """Try them all and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutation")
    parser.add_argument("--only", default="", help="part of a file's path")
    parser.add_argument("--sample", type=int, default=0, help="so many at random; 0: all")
    parser.add_argument("--skip", type=int, default=0, help="how many lots a sample leaves out: another sample")
    parser.add_argument("--jobs", type=int, default=1, help="how many run at once")
    parser.add_argument("--stale", action="store_true", help="try none: tell the arguments whose code is gone")
    options = parser.parse_args()
    if options.stale:
        print(*(gone := stale(groups(), choose("", 0))), sep="\n")
        return int(bool(gone))
    mutants = sorted(choose(options.only, options.sample, options.skip), key=lambda one: (one.path, one.lines))
    files = sorted(TRANSLATE.rglob("*.py"))
    cases = reach_of_cases(files)
    tests = reach_of_tests(files, passes)
    prepare()
    counts: dict[str, Counter[Noticed]] = {}
    alive: list[Mutant] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, first in zip(mutants, pool.map(lambda one: try_mutant(one, cases, tests), mutants), strict=True):
            counts.setdefault(mutant.file, Counter())[first] += 1
            if first is Noticed.NEVER:
                alive.append(mutant)
                print(f"{mutant.file}:{mutant.lines[0]}\n- {mutant.before}\n+ {mutant.after}", flush=True)
    for name, count in counts.items():
        print(_row(name, count))
    total = sum(counts.values(), Counter())
    print(_row("all", total))
    share = _share(total, Noticed.BY_CASE, Noticed.BY_UNIT_TEST)
    unargued = faults(alive, groups(), whole=not options.only and not options.sample)
    print(f"{len(alive)} survivors", *unargued or [f"each with an argument in {FILE.name}"], sep="\n")
    return int(share < LEAST or bool(unargued))


if __name__ == "__main__":
    sys.exit(main())
