"""Strings by format and by regular expression."""

import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined,unused-ignore]
from re import _parser as parser  # type: ignore[attr-defined,unused-ignore]
from typing import Any

from adapter.emulator.schemas.validator import matches, to_python

FORMATS = {
    "date": "2026-01-{day:02}",
    "date-time": "2026-01-{day:02}T12:00:00Z",
    "time": "12:00:{day:02}Z",
    "duration": "PT{day}S",
    "email": "user{day}@example.com",
    "idn-email": "user{day}@example.com",
    "hostname": "host{day}.example.com",
    "idn-hostname": "host{day}.example.com",
    "ipv4": "192.0.2.{day}",
    "ipv6": "2001:db8::{day}",
    "uri": "https://example.com/{day}",
    "iri": "https://example.com/{day}",
    "url": "https://example.com/{day}",
    "uri-reference": "/{day}",
    "iri-reference": "/{day}",
    "uri-template": "https://example.com/{day}",
    "uuid": "00000000-0000-4000-8000-0000000000{day:02}",
    "json-pointer": "/{day}",
    "relative-json-pointer": "{day}",
    "regex": "a{day}",
    "byte": "YQ==",
    "json": "{day}",
}

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@ +é"
MAX_REPEAT = 100


def by_format(form: str, variant: int) -> Iterator[str]:
    """Yield strings of that format; days repeat after 28."""
    if form in FORMATS:
        yield FORMATS[form].format(day=variant % 28 + 1)


def by_pattern(pattern: str, least: int = 0) -> Iterator[str]:
    """Yield strings that match the pattern, the shortest of each kind first; `least` makes repetitions longer."""
    readable = to_python(pattern)
    if readable is None:
        return
    tree = parser.parse(readable, re.ASCII)
    for extra in (0, 1, 2, least):
        for turn in range(4):
            text = Maker(extra, turn).sequence(tree)
            if matches(pattern, text):
                yield text


class Maker:
    """Walks a parsed regular expression; `extra` lengthens repetitions, `turn` varies the branch taken."""

    def __init__(self, extra: int, turn: int) -> None:
        self.extra = extra
        self.turn = turn
        self.groups: dict[int, str] = {}

    def sequence(self, tree: Any) -> str:
        """Write parts one after the other."""
        return "".join(self.write_node(operation, argument) for operation, argument in tree)

    def write_node(self, operation: Any, argument: Any) -> str:
        """Write one node; anchors and look-arounds add nothing and are checked afterwards."""
        if operation is codes.LITERAL:
            return chr(argument)
        if operation in (codes.ANY, codes.NOT_LITERAL, codes.IN, codes.CATEGORY):
            return self.character(operation, argument)
        if operation is codes.BRANCH:
            return self.sequence(argument[1][self.turn % len(argument[1])])
        if operation is codes.SUBPATTERN:
            self.groups[argument[0]] = self.sequence(argument[3])
            return self.groups[argument[0]]
        if operation in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            least, most, inner = argument
            return "".join(self.sequence(inner) for _ in range(min(least + self.extra, int(most), MAX_REPEAT)))
        if operation is codes.GROUPREF:
            return self.groups.get(argument, "")
        return self.sequence(argument) if operation is codes.ATOMIC_GROUP else ""

    def character(self, operation: Any, argument: Any) -> str:
        """Return the first character of the alphabet, or of the set itself, that fits."""
        single = parser.SubPattern(parser.State(), [(operation, argument)])
        expression = re.compile(to_class(operation, argument))
        own = [chr(item) for kind, item in argument if kind is codes.LITERAL] if operation is codes.IN else []
        own += [chr(item[0]) for kind, item in argument if kind is codes.RANGE] if operation is codes.IN else []
        fitting = [letter for letter in ALPHABET + "".join(own) if expression.fullmatch(letter)]
        return fitting[self.turn % min(len(fitting), 4)] if fitting and len(single) else ""


CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}


def to_class(operation: Any, argument: Any) -> str:
    """Write a node that matches one character as a pattern again."""
    if operation is codes.ANY:
        return "."
    if operation is codes.NOT_LITERAL:
        return f"[^{re.escape(chr(argument))}]"
    if operation is codes.CATEGORY:
        return CATEGORIES[argument]
    return f"[{''.join(member(kind, item) for kind, item in argument)}]"


def member(kind: Any, item: Any) -> str:
    """Write one member of a character class."""
    if kind is codes.NEGATE:
        return "^"
    if kind is codes.RANGE:
        return f"{re.escape(chr(item[0]))}-{re.escape(chr(item[1]))}"
    return CATEGORIES[item] if kind is codes.CATEGORY else re.escape(chr(item))
