"""Compares values with expectations: equal, unless the expectation has a matcher."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

REST = "..."
"""The mark of what a case leaves open: as last item of a list, or as member of an object, it allows more."""

_ABSENT = object()


def _json(expected: Any, actual: Any) -> bool:
    try:
        return not list(differences(expected, msgspec.json.decode(actual)))
    except (msgspec.DecodeError, TypeError):
        return False


MARKERS: dict[str, Callable[[Any, Any], bool]] = {
    "$regex": lambda pattern, actual: isinstance(actual, str) and re.fullmatch(pattern, actual) is not None,
    "$any": lambda _, actual: actual is not _ABSENT,
    "$absent": lambda _, actual: actual is _ABSENT,
    "$json": _json,
}
"""Objects of one such member stand for many values: a regular expression, anything, nothing, a string of JSON."""


def differences(expected: Any, actual: Any, path: str = "", *, partial: bool = False) -> Iterator[str]:
    """Yield the places where `actual` differs; `partial` lets every object have further members."""
    marker = _marker(expected)
    if marker is not None:
        if not MARKERS[marker](expected[marker], actual):
            yield f"{path or 'all'}: expected {expected}, got {_show(actual)}"
    elif isinstance(expected, dict) and isinstance(actual, dict):
        yield from _of_objects(expected, actual, path, partial)
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _of_lists(expected, actual, path, partial)
    elif expected != actual or isinstance(expected, bool) is not isinstance(actual, bool):
        yield f"{path or 'all'}: expected {_show(expected)}, got {_show(actual)}"


def _marker(expected: Any) -> str | None:
    if isinstance(expected, dict) and len(expected) == 1:
        return next((key for key in expected if key in MARKERS), None)
    return None


def _of_objects(expected: dict[str, Any], actual: dict[str, Any], path: str, partial: bool) -> Iterator[str]:
    for key, value in expected.items():
        if key == REST:
            continue
        at = f"{path}.{key}" if path else key
        if key not in actual and _marker(value) is None:
            yield f"{at}: missing, expected {_show(value)}"
        else:
            yield from differences(value, actual.get(key, _ABSENT), at, partial=partial)
    if not partial and REST not in expected:
        for key in actual.keys() - expected.keys():
            yield f"{path}.{key}: not expected: {_show(actual[key])}".lstrip(".")


def _of_lists(expected: list[Any], actual: list[Any], path: str, partial: bool) -> Iterator[str]:
    open_ended = bool(expected) and expected[-1] == REST
    wanted = expected[:-1] if open_ended else expected
    if len(actual) < len(wanted) or (len(actual) > len(wanted) and not open_ended):
        yield f"{path or 'all'}: expected {len(wanted)} items, got {len(actual)}: {_show(actual)}"
        return
    for index, (one, other) in enumerate(zip(wanted, actual, strict=False)):
        yield from differences(one, other, f"{path}[{index}]", partial=partial)


def _show(value: Any) -> str:
    text = "nothing" if value is _ABSENT else msgspec.json.encode(value).decode()
    return text if len(text) <= 400 else f"{text[:400]}..."
