"""Why the survivors that are known need no case: `survivors.toml`, groups with one reason each.

A group holds the survivors of one file (`file`, as `tools/names.py`), if given of some functions (`function`), whose
changed lines contain `line`, and whose change, as `OLD -> NEW`, is wholly the regular expression `change`. It holds no
more than `most`, so that a new one is not excused by a reason that was written for others.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.tools.mutation.mutants import Mutant

FILE = Path(__file__).with_name("survivors.toml")
_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)


class Group(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Survivors with one reason."""

    file: str
    reason: str
    most: int
    function: tuple[str, ...] = ()
    line: str = ""
    change: str = ".*"

    def holds(self, mutant: Mutant) -> bool:
        """Return whether the reason is about this mutant."""
        return (
            self.file in ("*", mutant.file)
            and (not self.function or mutant.function in self.function)
            and self.line in mutant.before
            and re.fullmatch(self.change, change(mutant), re.DOTALL) is not None
        )


def groups() -> list[Group]:
    """All groups of the file."""
    return msgspec.convert(tomllib.loads(FILE.read_text())["group"], list[Group])


def change(mutant: Mutant) -> str:
    """`OLD -> NEW`: the words that differ."""
    old, new = _TOKEN.findall(mutant.before), _TOKEN.findall(mutant.after)
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return f"{''.join(old)} -> {''.join(new)}"


def stale(known: Iterable[Group], mutants: Iterable[Mutant]) -> list[str]:
    """Groups that are about no line of the code any more."""
    made = list(mutants)
    return [f"{one.file} has nothing like {one.line!r}" for one in known if not any(map(one.holds, made))]


def faults(alive: Iterable[Mutant], known: Iterable[Group], whole: bool) -> list[str]:
    """Return survivors without a reason, and groups that hold too many; after a full run also groups that hold none."""
    known = list(known)
    held: Counter[Group] = Counter()
    found: list[str] = []
    for mutant in alive:
        group = next((one for one in known if one.holds(mutant)), None)
        if group is None:
            found.append(f"{mutant.file}:{mutant.lines[0]} has no argument: {change(mutant)}")
        else:
            held[group] += 1
    for group in known:
        if held[group] > group.most or (whole and not held[group]):
            found.append(f"{held[group]} survivors have the argument {group.reason!r}, which is for {group.most}")
    return found
