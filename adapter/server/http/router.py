"""Which endpoints serve a path: a literal path by one look-up, any other by its pattern, in the order of the table."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Generic, NamedTuple, TypeVar

from starlette.convertors import Convertor
from starlette.routing import compile_path

T = TypeVar("T")

ANY_METHOD = "*"
WEBSOCKET = "WEBSOCKET"
_NO_PARAMETERS: Mapping[str, str] = {}


_SLASHES = re.compile(r"/{2,}")
_PREFIXES = re.compile(r"^(?:/v1)+(?=/v1/)")
_KEPT_AS_THEY_ARE = ("/inspector", "/metrics")


def tidied(path: str) -> str | None:
    """The path that is meant by one with slashes too many, or with /v1 twice, as tools join a base URL and a path.

    None where there is nothing to tidy, and for paths that proxies deny by the way they are written.
    """
    meant = _PREFIXES.sub("", _SLASHES.sub("/", path)).rstrip("/")
    return None if meant in ("", path) or meant.startswith(_KEPT_AS_THEY_ARE) else meant


_LONGEST_MISTYPED = 200
_ALIKE = 0.8


def _whole(path: str, known: Container[str]) -> str:
    """The path with the version that clients put into their base URL."""
    return f"/v1{path}" if f"/v1{path}" in known else path


class Match(NamedTuple, Generic[T]):
    """A path of the table: its template, what serves it by method, and the values of its variables."""

    template: str
    methods: dict[str, T]
    parameters: Mapping[str, str]

    def of(self, method: str) -> T | None:
        """What serves a method. HEAD is GET without its body."""
        served = self.methods.get(method) or self.methods.get(ANY_METHOD)
        return self.methods.get("GET") if served is None and method == "HEAD" else served

    @property
    def allow(self) -> str:
        """The methods of HTTP that are served, for a 405."""
        methods = set(self.methods) - {WEBSOCKET}
        return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


class _Pattern(NamedTuple, Generic[T]):
    regex: re.Pattern[str]
    convertors: dict[str, Convertor[Any]]
    match: Match[T]


class Router(Generic[T]):
    """Matches paths. `served` are methods and paths as Starlette writes them, with what serves them."""

    def __init__(self, served: Iterable[tuple[str, str, T]]) -> None:
        paths: dict[str, dict[str, T]] = {}
        for method, path, serves in served:
            paths.setdefault(path, {})[method] = serves
        self._literal: dict[str, Match[T]] = {}
        self._patterns: list[_Pattern[T]] = []
        for path, methods in paths.items():
            regex, template, convertors = compile_path(path)
            match = Match(template, methods, _NO_PARAMETERS)
            if convertors:
                self._patterns.append(_Pattern(regex, convertors, match))
            else:
                self._literal[path] = match

    def nearest(self, path: str) -> str | None:
        """The path that a mistyped one is likely to mean: without what stands too much in front, or spelled alike."""
        if len(path) > _LONGEST_MISTYPED:
            return None
        parts = path.lower().strip("/").split("/")
        for number in range(len(parts)):
            shorter = "/" + "/".join(parts[number:])
            if shorter in self._literal and shorter != "/":
                return _whole(shorter, self._literal)
        like = get_close_matches("/" + "/".join(parts), self._literal, 1, _ALIKE)
        return _whole(like[0], self._literal) if like else None

    def match(self, path: str, method: str = "") -> Match[T] | None:
        """What serves a path; None for a path that is not in the table.

        Of the rows that the path fits it is the first that has the method. Where none has it, the first one names the
        methods of all.
        """
        literal = self._literal.get(path)
        if literal is None and (meant := tidied(path)) is not None:
            path, literal = meant, self._literal.get(meant)
        if literal is not None:
            return literal
        fits: list[Match[T]] = []
        for match in self._fitting(path):
            if match.of(method) is not None:
                return match
            fits.append(match)
        return fits[0]._replace(methods=_joined(fits)) if fits else None

    def _fitting(self, path: str) -> Iterator[Match[T]]:
        for pattern in self._patterns:
            if found := pattern.regex.match(path):
                yield pattern.match._replace(parameters=found.groupdict())


def _joined(matches: Sequence[Match[T]]) -> dict[str, T]:
    """The methods of all matches; of two rows that have one, the first serves it."""
    return {method: serves for match in reversed(matches) for method, serves in match.methods.items()}
