"""Every leaf of an input is in the output, or has a note, or is on a list of exceptions with reasons."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from adapter.translate.answer import reply
from adapter.translate.core.notes import Fate, Note

_INDEX = re.compile(r"\[\d*\]")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each scalar with its path; empty lists, empty objects and nulls do not count."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    elif value is not None:
        yield path, value


class Output:
    """The content of an output: scalars, texts, and the scalars of JSON inside texts."""

    def __init__(self, *values: Any) -> None:
        self._scalars: set[tuple[str, Any]] = set()
        self._texts: list[str] = []
        for value in values:
            self._add(value)
        self._text = "\0".join(self._texts)

    def _add(self, value: Any) -> None:
        for _, leaf in leaves(value):
            self._scalars.add((_kind(leaf), leaf))
            if isinstance(leaf, str):
                self._texts.append(leaf)
                if leaf[:1] in "{[" and (inner := _json(leaf)) is not None:
                    self._add(inner)
        self._add_keys(value)

    def _add_keys(self, value: Any) -> None:
        if isinstance(value, dict):
            self._texts += value
            for item in value.values():
                self._add_keys(item)
        elif isinstance(value, list):
            for item in value:
                self._add_keys(item)

    def has(self, leaf: Any) -> bool:
        """Return whether a scalar arrived: a text maybe inside a longer one, JSON and data URLs by content."""
        if (_kind(leaf), leaf) in self._scalars:
            return True
        if not isinstance(leaf, str):
            return False
        held = leaf.partition(",")[2] if leaf.startswith("data:") else leaf
        if held.strip() in self._text:
            return True
        inner = _json(leaf)
        return isinstance(inner, dict | list | int | float) and all(self.has(item) for _, item in leaves(inner))


def _kind(leaf: Any) -> str:
    return "bool" if isinstance(leaf, bool) else "number" if isinstance(leaf, int | float) else "text"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def bare(path: str) -> str:
    """Return a path without its indexes."""
    return _INDEX.sub("[]", path)


def lost_leaves(
    value: Any, output: Output, notes: Iterable[Note], constant: Iterable[str], *, merged: bool = False
) -> list[str]:
    """Return the paths whose values are gone without a trace.

    A note that something was changed or dropped speaks for its path and all below, any other note for its path
    alone; one that says that the value is passed on does not count. `merged`: the indexes in paths do not count, since
    the parts of a stream are joined.
    """
    relevant = [note for note in notes if note.reason not in (reply.OPAQUE, reply.UNKNOWN)]
    above = set(constant) | {_form(note.path, merged) for note in relevant if note.fate in _LOSSES}
    here = {_form(note.path, merged) for note in relevant}
    gone = [path for path, leaf in leaves(value) if not output.has(leaf)]
    return sorted({bare(path) for path in gone if not any(_is_noted(form, above, here) for form in (path, bare(path)))})


_LOSSES = (Fate.APPROXIMATED, Fate.DROPPED)


def _form(path: str, merged: bool) -> str:
    return bare(path) if merged or "[]" in path else path


def _is_noted(path: str, above: set[str], here: set[str]) -> bool:
    return path in here or not above.isdisjoint(_above(path))


def _above(path: str) -> Iterator[str]:
    """Yield a path and all paths that hold it: `a[0].b`, `a[0]`, `a`."""
    yield path
    while path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
        yield path
