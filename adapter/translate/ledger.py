"""The full ledger: each note with its targets, the places in Gemini's request that it is about, as JSON pointers.

The translation gives anchors: a path of the client's request, and the pointer to its result. The targets of a note are
the pointers of all anchors at its path or below; if there are none, that of the nearest anchor above. Anchors without a
note get an `exact` one, so that everything in Gemini's request is accounted for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from adapter.translate.core.notes import Fate, Note

_STEP = re.compile(r"[^.\[\]]+")


class Anchor(NamedTuple):
    """A path of the client's request, and a pointer to its result in Gemini's."""

    path: str
    pointer: str


class LedgerEntry(NamedTuple):
    """A note, and pointers to the places in Gemini's request that it is about."""

    note: Note
    targets: list[str]


def ledger_of(notes: Sequence[Note], found: Iterable[Anchor], body: Any) -> list[LedgerEntry]:
    """Return the notes with their targets, and a note on every other field. `body` is the sent JSON."""
    anchors = [anchor for anchor in found if value_at(body, anchor.pointer) is not MISSING]
    index = _by_path(anchors)
    own = {anchor.path for anchor in anchors}
    entries = [LedgerEntry(note, _targets(note, index, body)) for note in notes if not _is_container(note, own, index)]
    covered = {target for entry in entries for target in entry.targets}
    rest: dict[str, list[str]] = {}
    for place, pointer in anchors:
        if not covered.intersection(_ancestors(pointer)):
            rest.setdefault(place, []).append(pointer)
    return entries + [LedgerEntry(Note(place, Fate.EXACT), pointers) for place, pointers in rest.items()]


def _is_container(note: Note, own: set[str], index: Mapping[str, object]) -> bool:
    """Return whether a note is redundant: it says "exact" of a list or object whose members have notes of their own."""
    return note.fate is Fate.EXACT and note.signature is None and note.path in index and note.path not in own


MISSING = object()
"""Returned by `value_at` for a pointer that leads to nothing."""


def value_at(body: Any, pointer: str) -> Any:
    """Return the value that a JSON pointer leads to (RFC 6901)."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(body, dict) and key in body:
            body = body[key]
        elif isinstance(body, list) and key.isdecimal() and int(key) < len(body):
            body = body[int(key)]
        else:
            return MISSING
    return body


MAX_SHOWN = 120
"""Characters of a text that are shown."""


def values_of(note: Mapping[str, Any], request: bytes, body: Any) -> dict[str, Any]:
    """Return the value at a note's path, and the values at its targets; long texts, such as media, are cut."""
    steps = "".join(f"/{escape(step)}" for step in _STEP.findall(note["path"]))
    before = value_at(orjson.loads(request), steps)
    after = [shortened_value(value_at(body, target)) for target in note["targets"]]
    return {**({} if before is MISSING else {"before": shortened_value(before)}), **({"after": after} if after else {})}


def shortened_value(value: Any) -> Any:
    """Return a value to show: long texts are cut, and secrets are redacted."""
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return f"{value[:MAX_SHOWN]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: REDACTED if _SECRET.search(key) else shortened_value(item) for key, item in value.items()}
    return [shortened_value(item) for item in value] if isinstance(value, list) else value


REDACTED = "[redacted]"
_SECRET = re.compile(r"api.?key|authorization|secret|password|access.?token", re.IGNORECASE)


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a JSON value with its pointer; an empty list or object is a leaf too."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def escape(key: str) -> str:
    """Return a key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _by_path(anchors: Iterable[Anchor]) -> dict[str, dict[str, None]]:
    """Map each path to the pointers of all anchors at or below it."""
    index: dict[str, dict[str, None]] = {}
    for path, pointer in anchors:
        for above in _prefixes(path):
            index.setdefault(above, {})[pointer] = None
    return index


def _prefixes(path: str) -> Iterator[str]:
    """Yield a path, and the ones above it, the longest first."""
    while path:
        yield path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]


def _ancestors(pointer: str) -> Iterator[str]:
    """Yield a pointer, and the ones above it."""
    while pointer:
        yield pointer
        pointer = pointer[: pointer.rfind("/")]


def _targets(note: Note, index: dict[str, dict[str, None]], body: Any) -> list[str]:
    """Return the pointers that a note is about; none for a dropped field."""
    if note.fate in (Fate.DROPPED, Fate.REJECTED):
        return []
    for path in _prefixes(note.path):
        if path in index and (path == note.path or "." in path or "[" in path or note.fate is not Fate.EXACT):
            return [_deeper(pointer, note.path[len(path) :], body) for pointer in index[path]]
    return []


def _deeper(pointer: str, rest: str, body: Any) -> str:
    """Extend a pointer by the steps of a path, as far as the body has members of these names (as in schemas)."""
    for step in _STEP.findall(rest):
        inner = f"{pointer}/{escape(step)}"
        if value_at(body, inner) is MISSING:
            return pointer
        pointer = inner
    return pointer
