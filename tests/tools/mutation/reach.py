"""Which cases reach which lines."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import coverage

from tests.support import pure
from tests.support.paths import REPOSITORY
from tests.tools.mutation.loading import caches, loaded
from tests.tools.mutation.mutants import Mutant

LOADING = -1

Place = tuple[Path, int]
"""A statement: its file and its first line."""


class Use(NamedTuple):
    """Where a name stands: in which statement, of which statement at the top of the file."""

    place: Place
    top: ast.stmt


class Reach:
    """The cases, by number, that run each statement; cases that run few statements come first."""

    def __init__(self, files: Sequence[Path], found: dict[Place, set[int]]) -> None:
        length: dict[int, int] = defaultdict(int)
        for cases in found.values():
            for case in cases:
                length[case] += 1
        self._length = length
        self._found = found
        self._trees = {path: ast.parse(path.read_text()) for path in files}
        self._first = {path: statements(tree) for path, tree in self._trees.items()}
        self._uses: dict[str, list[Use]] = defaultdict(list)
        for path, tree in self._trees.items():
            for top in tree.body:
                for name, line in _names(top):
                    self._uses[name].append(Use((path, self._first[path].get(line, line)), top))
        outside = (path for path in (REPOSITORY / "adapter").rglob("*.py") if path not in self._trees)
        self._outside = {name for path in outside for name, _ in _names(ast.parse(path.read_text()))}

    def loads(self, mutant: Mutant) -> bool:
        """Whether a changed line runs when its module is loaded, or its function does, which may leave closures."""
        return not mutant.function or any(map(self._loading, self._places(mutant) | self._beside(mutant)))

    def of(self, mutant: Mutant) -> list[int]:
        """The cases that run a changed line; of what runs when the module is loaded, those that run what uses it."""
        places = self._places(mutant)
        if self.loads(mutant):
            top = _at(self._trees[mutant.path].body, mutant)
            users = self._users(top)
            if users is None:
                return list(range(len(pure.RUNS)))
            places |= users
        cases = {case for place in places for case in self._found.get(place, ())} - {LOADING}
        return sorted(cases, key=lambda case: (self._length[case], case))

    def _places(self, mutant: Mutant) -> set[Place]:
        first = self._first[mutant.path]
        return {(mutant.path, first.get(line, line)) for line in mutant.lines}

    def _beside(self, mutant: Mutant) -> set[Place]:
        """The statements of the function or method that holds the change."""
        top = _at(self._trees[mutant.path].body, mutant)
        holder = _at(top.body, mutant) if isinstance(top, ast.ClassDef) else top
        inner = (node for node in ast.walk(holder) if isinstance(node, ast.stmt) and node is not holder)
        return {(mutant.path, node.lineno) for node in inner}

    def _loading(self, place: Place) -> bool:
        return LOADING in self._found.get(place, ())

    def _users(self, top: ast.stmt) -> set[Place] | None:
        """What uses the names that a statement binds, by way of other tables too; None: whatever there is."""
        waiting = [top]
        seen: set[str] = set()
        places: set[Place] = set()
        while waiting:
            bound = _bound(waiting.pop())
            if bound is None or bound & self._outside:
                return None
            for name in bound - seen:
                seen.add(name)
                for use in self._uses[name]:
                    places.add(use.place)
                    if self._loading(use.place):
                        waiting.append(use.top)
        return places


def _at(body: Sequence[ast.stmt], mutant: Mutant) -> ast.stmt:
    """The statement that holds the change."""
    return next(one for one in body if (one.end_lineno or 0) >= mutant.lines[0])


def reach(files: Sequence[Path]) -> Reach:
    """Run all cases once and see which lines each of them runs."""
    measured = coverage.Coverage(data_file=None, include=[str(path) for path in files], config_file=False)
    measured.start()
    measured.switch_context(str(LOADING))
    cases = loaded()
    emptying = caches()
    for number, run in enumerate(pure.RUNS):
        for empty in emptying:
            empty()
        measured.switch_context(str(number))
        cases.check_case(*run)
    measured.stop()
    found: dict[Place, set[int]] = defaultdict(set)
    data = measured.get_data()
    for name in data.measured_files():
        path = Path(name)
        first = statements(ast.parse(path.read_text()))
        for line, contexts in data.contexts_by_lineno(name).items():
            found[path, first.get(line, line)] |= {int(context) for context in contexts if context}
    return Reach(files, found)


def statements(tree: ast.Module) -> dict[int, int]:
    """The first line of the statement that each line is part of; of one that holds others, its head."""
    found: dict[int, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.excepthandler):
            found.update(_lines(node.lineno, getattr(node, "body", None), node.end_lineno))
        if isinstance(node, ast.match_case):
            found.update(_lines(node.pattern.lineno, node.body, None))
    return found


def _lines(first: int, body: list[ast.stmt] | None, end: int | None) -> dict[int, int]:
    last = body[0].lineno - 1 if body else end or first
    return dict.fromkeys(range(first, max(first, last) + 1), first)


def _names(top: ast.AST) -> Iterator[tuple[str, int]]:
    """The names that are read in a statement, and where."""
    for node in ast.walk(top):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno


def _bound(statement: ast.stmt) -> set[str] | None:
    """The names that a statement binds; None where that is not all it does."""
    match statement:
        case ast.FunctionDef(name=name):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return None
