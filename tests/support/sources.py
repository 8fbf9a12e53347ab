"""The content of source files, read once, because several tests look at all files of the adapter."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """The facts of a file that tests need. Each entry is a name, or a first line, with its line number.

    `imports` are modules with the names taken from them (`from a import b`: "a", "b"), wherever they stand;
    `outer_lines` are the lines of statements outside functions and classes; `calls` are calls of bare names; `loaded`
    are arguments of `extras.load`, None where the argument is no string.
    """

    outer_lines: frozenset[int]
    imports: list[tuple[str, str | None, int]]
    relative_imports: list[int]
    loaded: list[tuple[str | None, int]]
    functions: list[tuple[str, int]]
    classes: list[tuple[str, int]]
    docstrings: list[tuple[str, int]]
    constant_docstrings: list[tuple[str, int]]
    names: list[tuple[str, int]]
    attributes: list[tuple[str, int]]
    calls: list[tuple[str, int]]
    awaits: list[int]


@cache
def read_source(path: Path) -> Source:
    """Read a file, in one pass: each walk over all trees takes seconds."""
    tree = ast.parse(path.read_text())
    source = Source(frozenset(_lines_of(tree.body)), [], [], [], [], [], [], [], [], [], [], [])
    source.docstrings.append((_first_line(tree), 1))
    source.constant_docstrings.extend(_constant_docstrings(tree))
    for node in ast.walk(tree):
        _note(node, source)
    return source


def _lines_of(statements: list[ast.stmt]) -> Iterator[int]:
    """Yield the lines of statements, and of those within conditions."""
    for node in statements:
        yield node.lineno
        if isinstance(node, ast.If):
            yield from _lines_of([*node.body, *node.orelse])


def _note(node: ast.AST, source: Source) -> None:
    match node:
        case ast.Name():
            source.names.append((node.id, node.lineno))
        case ast.Attribute():
            source.attributes.append((node.attr, node.lineno))
        case ast.Call():
            _note_call(node, source)
        case ast.Import():
            source.imports.extend((alias.name, None, node.lineno) for alias in node.names)
        case ast.ImportFrom():
            if node.level:
                source.relative_imports.append(node.lineno)
            source.imports.extend((node.module or "", alias.name, node.lineno) for alias in node.names)
        case ast.ClassDef():
            source.classes.append((node.name, node.lineno))
            source.docstrings.append((_first_line(node), node.lineno))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            source.functions.append((node.name, node.lineno))
            source.docstrings.append((_first_line(node), node.lineno))
            if isinstance(node, ast.AsyncFunctionDef):
                source.awaits.append(node.lineno)
        case ast.Await():
            source.awaits.append(node.lineno)


def _note_call(node: ast.Call, source: Source) -> None:
    match node.func:
        case ast.Name(id=name):
            source.calls.append((name, node.lineno))
        case ast.Attribute(value=ast.Name(id="extras"), attr="load"):
            first = node.args[0]
            loaded = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
            source.loaded.append((loaded, node.lineno))


def _constant_docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the first lines of the texts below assignments of the module."""
    for before, node in pairwise(tree.body):
        match before, node:
            case ast.Assign() | ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(text))):
                yield text.partition("\n")[0], node.lineno


def _first_line(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]
