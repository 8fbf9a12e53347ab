"""Router: finds the row of the endpoint table that serves a path.

A path without variables is one dictionary look-up, which Starlette's router does not have. Others are tried by their
patterns, in the order of the table.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Generic, NamedTuple, TypeVar

from starlette.routing import compile_path

T = TypeVar("T")

ANY_METHOD = "*"
WEBSOCKET = "WEBSOCKET"
_NO_PARAMETERS: Mapping[str, str] = {}


_SLASHES = re.compile(r"/{2,}")
_PREFIXES = re.compile(r"^(?:/v1)+(?=/v1/)")
_UNNORMALIZED_PREFIXES = ("/inspector", "/metrics")


def normalize_path(path: str) -> str | None:
    """Remove double slashes, a slash at the end, and a second /v1: tools join base URLs and paths carelessly.

    Returns None if the path needs none of that, and for paths that operators block in a proxy: written in another way
    they would slip through the proxy's rule.
    """
    normalized = _PREFIXES.sub("", _SLASHES.sub("/", path)).rstrip("/")
    return None if normalized in ("", path) or normalized.startswith(_UNNORMALIZED_PREFIXES) else normalized


# `get_close_matches` compares with every path, and anybody may ask for a path of any length.
_LONGEST_MISTYPED = 200
# A lower bound (of `difflib`) would take a path that is like none for a mistyped one, and send its reader astray.
_ALIKE = 0.8


def _add_version(path: str, known: Container[str]) -> str:
    """Put /v1 in front, if such a path is known."""
    return f"/v1{path}" if f"/v1{path}" in known else path


class Match(NamedTuple, Generic[T]):
    """A path of the table: its template, its handlers by method, and the values of its variables."""

    template: str
    methods: dict[str, T]
    parameters: Mapping[str, str]

    def handler_for(self, method: str) -> T | None:
        """Return what serves a method. HEAD is served by GET."""
        rows = self.methods.get(method) or self.methods.get(ANY_METHOD)
        return self.methods.get("GET") if rows is None and method == "HEAD" else rows

    @property
    def allowed_methods(self) -> str:
        """Return the HTTP methods that are served, for the `allow` header of a 405."""
        methods = set(self.methods) - {WEBSOCKET}
        return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


class _Pattern(NamedTuple, Generic[T]):
    regex: re.Pattern[str]
    match: Match[T]


class Router(Generic[T]):
    """Matches paths. `rows` are (method, path in Starlette's form, endpoint)."""

    def __init__(self, rows: Iterable[tuple[str, str, T]]) -> None:
        paths: dict[str, dict[str, T]] = {}
        for method, path, handler in rows:
            paths.setdefault(path, {})[method] = handler
        self._literal: dict[str, Match[T]] = {}
        self._patterns: list[_Pattern[T]] = []
        for path, methods in paths.items():
            regex, template, parameters = compile_path(path)
            match = Match(template, methods, _NO_PARAMETERS)
            if parameters:
                self._patterns.append(_Pattern(regex, match))
            else:
                self._literal[path] = match

    def suggest(self, path: str) -> str | None:
        """Suggest the path that a mistyped one probably means: without a wrong prefix, or spelled alike."""
        if len(path) > _LONGEST_MISTYPED:
            return None
        parts = path.lower().strip("/").split("/")
        for number in range(len(parts)):
            shorter = "/" + "/".join(parts[number:])
            # The root is the page: nobody who calls an API means it.
            if shorter in self._literal and shorter != "/":
                return _add_version(shorter, self._literal)
        like = get_close_matches("/" + "/".join(parts), self._literal, 1, _ALIKE)
        return _add_version(like[0], self._literal) if like else None

    def match(self, path: str, method: str = "") -> Match[T] | None:
        """Return the first row that fits the path and has the method; None if no row fits the path.

        If rows fit but none has the method, the first one is returned with the methods of all, for a 405.
        """
        literal = self._literal.get(path)
        if literal is None and (normalized := normalize_path(path)) is not None:
            path, literal = normalized, self._literal.get(normalized)
        if literal is not None:
            return literal
        fits: list[Match[T]] = []
        for match in self._find_matches(path):
            if match.handler_for(method) is not None:
                return match
            fits.append(match)
        return fits[0]._replace(methods=_merge_methods(fits)) if fits else None

    def _find_matches(self, path: str) -> Iterator[Match[T]]:
        for pattern in self._patterns:
            if found := pattern.regex.match(path):
                yield pattern.match._replace(parameters=found.groupdict())


def _merge_methods(matches: Sequence[Match[T]]) -> dict[str, T]:
    """Merge the methods of several rows; the first row that has a method serves it."""
    return {method: handler for match in reversed(matches) for method, handler in match.methods.items()}
