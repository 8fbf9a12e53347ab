"""Mutants of a file, made by mutmut's operators.

Not made, since no case can tell them from the original: mutants of prose (a text with a blank in it says why
something was lost, and cases state which field was lost and how), of docstrings, annotations, their names and
`__all__`.
"""

import re
from collections.abc import Iterator
from itertools import accumulate, takewhile
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace

from tests.support.paths import REPOSITORY

TRANSLATE = REPOSITORY / "adapter" / "translate"
_FOR_READERS = re.compile(
    r"__all__|[A-Z]\w+ = ((Literal|Callable|Generator|Mapping|tuple|dict)\[|TypeVar\(|[A-Z]\w+ \| )"
)


class Mutant(NamedTuple):
    """A changed file; `lines` are the numbers of the original's lines that changed, `before` and `after` their text.

    `function` is the function at the top of the file, or the method (`Class.method`), that holds the change.
    """

    path: Path
    lines: tuple[int, ...]
    before: str
    after: str
    source: str
    function: str

    @property
    def file(self) -> str:
        """The path below `adapter/translate`: names repeat in its folders."""
        return self.path.relative_to(TRANSLATE).as_posix()


def mutants_of(path: Path) -> Iterator[Mutant]:
    """All mutants of one file."""
    code = path.read_text()
    module, mutations, _, _ = create_mutations(str(path), code)
    source = _Source(code, module)
    names = _functions(module)
    for mutation in mutations:
        if _is_prose(mutation):
            continue
        function = names.get(id(mutation.contained_by_top_level_function), "")
        mutant = _mutant(path, code, source.apply(mutation), function)
        if mutant is not None and not _FOR_READERS.match(mutant.before):
            yield mutant


class _Source:
    """A file's text and its tree."""

    def __init__(self, code: str, module: cst.Module) -> None:
        self._code = code
        self._module = module
        self._places = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
        self._starts = [0, *accumulate(len(line) for line in code.splitlines(keepends=True))]
        self._parts = [module.code_for_node(statement) for statement in module.body]
        self._tops = {id(node): index for index, one in enumerate(module.body) for node in _within(one)}

    def apply(self, mutation: Mutation) -> str:
        """The text with one mutation."""
        original, mutated = mutation.original_node, mutation.mutated_node
        place = self._places.get(original)
        if place is not None:
            start, end = (self._starts[at.line - 1] + at.column for at in (place.start, place.end))
            if self._code[start:end] == self._module.code_for_node(original):
                changed: str = self._module.code_for_node(mutated)
                return self._code[:start] + changed + self._code[end:]
        top = self._tops[id(original)]
        statement = deep_replace(self._module.body[top], original, mutated)
        assert isinstance(statement, cst.CSTNode)
        parts = [*self._parts[:top], self._module.code_for_node(statement), *self._parts[top + 1 :]]
        return self._code[: -len("".join(self._parts))] + "".join(parts)


def _within(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _within(child)


def _functions(module: cst.Module) -> dict[int, str]:
    """The qualified names of functions and methods, by the identity of their nodes."""
    names = {}
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            names[id(statement)] = statement.name.value
        if isinstance(statement, cst.ClassDef):
            for part in statement.body.body:
                if isinstance(part, cst.FunctionDef):
                    names[id(part)] = f"{statement.name.value}.{part.name.value}"
    return names


def _mutant(path: Path, code: str, changed: str, function: str) -> Mutant | None:
    old, new = code.splitlines(), changed.splitlines()
    if old == new:
        return None
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    lines = tuple(range(start + 1, start + 1 + max(len(before), 1)))
    return Mutant(path, lines, _text(before), _text(after), changed, function)


def _common(old: list[str], new: list[str]) -> int:
    """Return the number of equal lines at the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _text(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines)


def _is_prose(mutation: Mutation) -> bool:
    original, mutated = mutation.original_node, mutation.mutated_node
    if isinstance(original, cst.Call) and isinstance(mutated, cst.Call):
        kept = [arg.value for arg in mutated.args]
        return any(_says_why(arg.value) for arg in original.args if not any(arg.value is value for value in kept))
    return _says_why(original) or (isinstance(original, cst.Assign) and _says_why(original.value))


def _says_why(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.SimpleString):
        return " " in node.raw_value
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and " " in part.value for part in node.parts)
    return isinstance(node, cst.ConcatenatedString)
