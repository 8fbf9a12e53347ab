"""Values for arguments, taken from the user's text: quoted strings, names after a preposition, numbers, all words."""

import re
from typing import NamedTuple

QUOTED = re.compile(r"\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|(?<!\w)'([^'\n]{1,200})'(?!\w)")
PROPER = re.compile(r"\b(?:in|for|of|to|about|named|called|from|at)\s+((?:[A-Z][\w\-]*)(?:\s[A-Z][\w\-]*){0,3})")
NUMBERS = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)")


class Hints(NamedTuple):
    """Values from the text, in its order."""

    strings: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    words: frozenset[str] = frozenset()


def hints(text: str) -> Hints:
    """Return the text's hints: quoted strings come before names."""
    quoted = [next(filter(None, groups)) for groups in QUOTED.findall(text)]
    names = PROPER.findall(text)
    numbers = [float(number) for number in NUMBERS.findall(text)]
    return Hints(tuple(quoted + names), tuple(numbers), frozenset(re.findall(r"\w+", text.lower())))
