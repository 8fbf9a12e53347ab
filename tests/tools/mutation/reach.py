"""Finds the runs that reach each line: a run is a case with a client, or a unit test."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import coverage

from tests.support import pure
from tests.support.paths import REPOSITORY
from tests.tools.mutation.loading import caches, load_cases
from tests.tools.mutation.mutants import Mutant

LOADING = -1

Place = tuple[Path, int]
"""A statement: its file and its first line."""


class Use(NamedTuple):
    """A use of a name: the statement, and the statement at the top of the file that contains it."""

    place: Place
    top: ast.stmt


class Reach:
    """The runs that execute each statement; those that execute few statements come first.

    `found` has their numbers in `runs`. `outside` has, by a name that other code than `files` reads, the numbers of the
    runs that may execute that code.
    """

    def __init__(
        self,
        files: Sequence[Path],
        found: Mapping[Place, set[int]],
        runs: Sequence[str],
        outside: Mapping[str, Set[int]],
    ) -> None:
        self._length = Counter(run for there in found.values() for run in there)
        self._found = found
        self._runs = runs
        self._outside = outside
        self._trees = {path: ast.parse(path.read_text()) for path in files}
        self._first = {path: statements(tree) for path, tree in self._trees.items()}
        self._uses: dict[str, list[Use]] = defaultdict(list)
        for path, tree in self._trees.items():
            for top in tree.body:
                for name, line in _names(top):
                    self._uses[name].append(Use((path, self._first[path].get(line, line)), top))

    def loads(self, mutant: Mutant) -> bool:
        """Return whether a changed line runs when its module is loaded, or when its function makes closures."""
        return not mutant.function or any(map(self._loading, self._places(mutant) | self._beside(mutant)))

    def of(self, mutant: Mutant) -> list[str]:
        """The runs that execute a changed line; of what is executed when the module is loaded, those that use it."""
        places = self._places(mutant)
        runs: set[int] = set()
        if self.loads(mutant):
            users = self._users(_at(self._trees[mutant.path].body, mutant))
            if users is None:
                runs |= set(range(len(self._runs)))
            else:
                places |= users.places
                runs |= users.runs
        runs |= {run for place in places for run in self._found.get(place, ())}
        return [self._runs[run] for run in sorted(runs - {LOADING}, key=lambda run: (self._length[run], run))]

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

    def _users(self, top: ast.stmt) -> "Users | None":
        """The functions that use names which a statement binds, also through other tables; None: any function may."""
        waiting = [top]
        seen: set[str] = set()
        places: set[Place] = set()
        while waiting:
            bound = _bound_names(waiting.pop())
            if bound is None:
                return None
            for name in bound - seen:
                seen.add(name)
                for use in self._uses[name]:
                    places.add(use.place)
                    if self._loading(use.place):
                        waiting.append(use.top)
        return Users(places, {run for name in seen for run in self._outside.get(name, ())})


class Users(NamedTuple):
    """The statements, and the runs of other code, that use a name."""

    places: set[Place]
    runs: set[int]


def _at(body: Sequence[ast.stmt], mutant: Mutant) -> ast.stmt:
    """The statement that holds the change."""
    return next(one for one in body if (one.end_lineno or 0) >= mutant.lines[0])


def reach_of_cases(files: Sequence[Path]) -> Reach:
    """Run all cases once and see which lines each of them runs; the server's code, too, is run by all of them."""
    measured = coverage.Coverage(data_file=None, include=[str(path) for path in files], config_file=False)
    measured.start()
    cases = load_cases()
    emptying = caches()
    for number, run in enumerate(pure.RUNS):
        for empty in emptying:
            empty()
        measured.switch_context(str(number))
        cases.check_case(*run)
    measured.stop()
    runs = [str(number) for number in range(len(pure.RUNS))]
    server = (path for path in (REPOSITORY / "adapter").rglob("*.py") if path not in files)
    names = {name for path in server for name in names_in(path)}
    return Reach(
        files, runs_by_statement(measured.get_data(), runs), runs, dict.fromkeys(names, frozenset(range(len(runs))))
    )


def runs_by_statement(data: coverage.CoverageData, runs: Sequence[str]) -> dict[Place, set[int]]:
    """The numbers of the runs, which are coverage's contexts, by statement; `LOADING` if none is running."""
    numbers = {run: number for number, run in enumerate(runs)} | {"": LOADING}
    found: dict[Place, set[int]] = defaultdict(set)
    for name in data.measured_files():
        path = Path(name)
        first = statements(ast.parse(path.read_text()))
        for line, contexts in data.contexts_by_lineno(name).items():
            found[path, first.get(line, line)] |= {numbers[context] for context in contexts}
    return found


def names_in(path: Path) -> set[str]:
    """The names that a file reads."""
    return {name for name, _ in _names(ast.parse(path.read_text()))}


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


def _bound_names(statement: ast.stmt) -> set[str] | None:
    """The names that a statement binds; None where that is not all it does."""
    match statement:
        case ast.FunctionDef(name=name):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return None
