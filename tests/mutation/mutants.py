"""Mutants of a file, made by mutmut's operators.

Not made, since no case can tell them from the original: mutants of prose (a text with a blank in it says why
something was lost, and cases state which field was lost and how), of docstrings, annotations and `__all__`.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import libcst as cst
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace


class Mutant(NamedTuple):
    """A changed file; `lines` are the numbers of the original's lines that changed, `before` and `after` their text."""

    path: Path
    lines: tuple[int, ...]
    before: str
    after: str
    source: str


def mutants_of(path: Path) -> Iterator[Mutant]:
    """All mutants of one file."""
    code = path.read_text()
    module, mutations, _, _ = create_mutations(str(path), code)
    for mutation in mutations:
        if _is_prose(mutation):
            continue
        changed = deep_replace(module, mutation.original_node, mutation.mutated_node)
        assert isinstance(changed, cst.Module)
        mutant = _mutant(path, code, changed.code)
        if mutant is not None and not mutant.before.startswith("__all__"):
            yield mutant


def _mutant(path: Path, code: str, changed: str) -> Mutant | None:
    old, new = code.splitlines(), changed.splitlines()
    lines: list[int] = []
    before: list[str] = []
    after: list[str] = []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            lines += range(start + 1, max(end, start + 1) + 1)
            before += old[start:end]
            after += new[new_start:new_end]
    if not lines:
        return None
    return Mutant(path, tuple(lines), _text(before), _text(after), changed)


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
