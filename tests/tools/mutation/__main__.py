"""`python -m tests.tools.mutation`: how many mutants of `adapter/translate` the conformance cases notice.

Leaves with 1 when fewer than `LEAST` of a hundred are noticed, or when one that is not has no argument in
`survivors.toml`.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from tests.tools.mutation.killing import killed, prepare
from tests.tools.mutation.mutants import TRANSLATE, Mutant, mutants_of
from tests.tools.mutation.reach import reach
from tests.tools.mutation.survivors import FILE, faults, groups, stale

LEAST = 85


def chosen(only: str, sample: int) -> list[Mutant]:
    """The mutants to try: of all files, or of those whose path holds `only`; all, or so many at random."""
    files = [path for path in sorted(TRANSLATE.rglob("*.py")) if only in str(path.relative_to(TRANSLATE))]
    found = [mutant for path in files for mutant in mutants_of(path)]
    return sorted(found, key=_lot)[:sample] if sample else found


def _lot(mutant: Mutant) -> bytes:
    """A mutant's place in a drawing of lots that stays the same when other code changes."""
    return blake2b(f"{mutant.file}\n{mutant.before}\n{mutant.after}".encode(), digest_size=8).digest()


def main() -> int:
    """Try them all and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutation")
    parser.add_argument("--only", default="", help="part of a file's path")
    parser.add_argument("--sample", type=int, default=0, help="so many at random; 0: all")
    parser.add_argument("--jobs", type=int, default=1, help="how many run at once")
    parser.add_argument("--stale", action="store_true", help="try none: tell the arguments whose code is gone")
    options = parser.parse_args()
    if options.stale:
        print(*(gone := stale(groups(), chosen("", 0))), sep="\n")
        return int(bool(gone))
    mutants = sorted(chosen(options.only, options.sample), key=lambda one: (one.path, one.lines))
    reached = reach(sorted(TRANSLATE.rglob("*.py")))
    prepare()
    tried: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    alive: list[Mutant] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, noticed in zip(mutants, pool.map(lambda one: killed(one, reached), mutants), strict=True):
            tried[mutant.file] += 1
            if noticed:
                dead[mutant.file] += 1
            else:
                alive.append(mutant)
                print(f"{mutant.file}:{mutant.lines[0]}\n- {mutant.before}\n+ {mutant.after}", flush=True)
    for name in tried:
        print(f"{name:28} {dead[name]:5} of {tried[name]:5}  {100 * dead[name] / tried[name]:5.1f} %")
    share = 100 * dead.total() / tried.total()
    print(f"{'all':28} {dead.total():5} of {tried.total():5}  {share:5.1f} %")
    unargued = faults(alive, groups(), whole=not options.only and not options.sample)
    print(f"{len(alive)} survivors", *unargued or [f"each with an argument in {FILE.name}"], sep="\n")
    return int(share < LEAST or bool(unargued))


if __name__ == "__main__":
    sys.exit(main())
