r"""Halves of characters: JSON in which `\ud83d` stands without the other half of its pair.

Clients cut texts by UTF-16 length (github.com/elizaOS/eliza/issues/18079, github.com/anomalyco/opencode/issues/17758),
and Gemini itself was seen to answer with them (github.com/NousResearch/hermes-agent/issues/102757). No decoder takes
them, so U+FFFD stands in their place.
"""

import re
from collections.abc import Iterator

import msgspec

REPLACED = msgspec.Raw(b'"\\ufffd"')
"""The value that `repair` gives for a path; an unknown field's value differs from it by identity."""

BACKSLASH = ord("\\")
"""The backslash as a number, which is quicker to search for than a `bytes`.

CPython first tries to read the sought value as a number: for a `bytes` it raises an error and catches it, which costs
as much as the search in a small body.
"""

SLICE = 256 * 1024

MAX_PATHS = 8
MAX_TOKENS = 50_000
MAX_ESCAPES = 100_000
"""Tokens of a body, and escapes of one string, that are read to name the places: beyond, a place is named as far as it
is known. No other thread runs while one string is read."""

_HALF = re.compile(rb"\\u[dD]")
"""The beginning of each half; one search for both spellings takes a third of the time of two searches."""

_LONE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)
# Possessive: a repeat that can be taken back remembers each character of a long string, in a hundred times its size.
_TOKEN = re.compile(rb'"(?:[^"\\]*+\\.){0,%d}+[^"\\]*+("?)|[{}\[\],:]' % MAX_ESCAPES, re.DOTALL)


def repair(body: bytes) -> tuple[bytes, dict[str, msgspec.Raw]]:
    """Return a body without lone halves, and the first paths that had any."""
    # Most bodies, and all of numbers, have no escape at all, which is seen thirty times as fast.
    if BACKSLASH not in body or _HALF.search(body) is None:
        return body, {}
    first: list[int] = []
    fixed = bytearray()
    for place in _places(body):
        if not first:
            # Both spellings have six bytes, so what may be millions of places is repaired without a list of pieces.
            fixed = bytearray(body)
        if len(first) < MAX_PATHS:
            first.append(place)
        fixed[place : place + 6] = b"\\ufffd"
    if not first:
        return body, {}
    return bytes(fixed), dict.fromkeys(_paths(body, first), REPLACED)


def _places(body: bytes) -> Iterator[int]:
    """Return where lone halves stand; looked for in slices, since no other thread runs while one is searched."""
    for start in range(0, len(body), SLICE):
        end = start + SLICE
        # The other half may stand behind the slice; what stands before it is seen anyway.
        for match in _LONE.finditer(body, start, end + 12):
            if match.start() < end and _is_escape(body, match.start()):
                yield match.start()


def _is_escape(body: bytes, place: int) -> bool:
    """Return whether the backslash at a place is not itself escaped."""
    start = place
    while start and body[start - 1] == 0x5C:
        start -= 1
    return (place - start) % 2 == 0


def _paths(body: bytes, places: list[int]) -> Iterator[str]:
    """Yield the paths of the values at these places, which are in order."""
    steps: list[str | int] = []
    left = list(places)
    key = b""
    # Up to the end of the last half, which has six bytes.
    for count, match in enumerate(_TOKEN.finditer(body, 0, places[-1] + 6)):
        while left and left[0] < match.end():
            left.pop(0)
            yield _path(steps)
        if not left:
            return
        if count >= MAX_TOKENS or match[1] == b"":
            yield _path(steps)
            return
        key = _step(match[0], steps, key)


def _step(token: bytes, steps: list[str | int], key: bytes) -> bytes:
    """Follow one token: `steps` is where the next value stands; the text that may be the next key."""
    match token[:1]:
        case b"{":
            steps.append("")
        case b"[":
            steps.append(0)
        case b"}" | b"]" if steps:
            steps.pop()
        case b"," if steps and isinstance(steps[-1], int):
            steps[-1] += 1
        case b":" if steps:
            steps[-1] = key.decode(errors="replace")
        case b'"':
            return token[1:-1]
    return key


def _path(steps: list[str | int]) -> str:
    named = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps if step != "")
    return named.removeprefix(".")
