"""The catalogue of losses: every note carries one of its codes, and every code is in use."""

import ast
import re
from functools import cache

import msgspec
import pytest

from adapter.translate.core.catalogue import CODES, breaks, changes_answers, cosmetic, costs
from adapter.translate.core.codes import Severity
from adapter.translate.core.notes import Fate, Note, unknown_notes
from adapter.wire.base import WHOLE
from adapter.wire.surrogates import REPLACED
from tests.support.paths import REPOSITORY

PACKAGE = REPOSITORY / "adapter"

POSITIONS = {"Note": 2, "Rejected": 1, "approximated": 1, "dropped": 0, "rejected": 0, "_dropped": 0, "lost": 1}
"""The position of the code among the arguments of the functions that write notes.

Methods called `note`, `drop` and `_lose` differ in this: there every text with the form of a code is one.
"""

NAME = re.compile(r"[a-z]+(-[a-z]+)+")


def literals(node: ast.expr) -> list[str]:
    """The texts that an expression can be, as far as they are written down."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return literals(body) + literals(orelse)
    return []


def codes_of(node: ast.Call | ast.Assign) -> list[str]:
    """The codes in a call that writes a note, or in what a variable called `code` is set to."""
    if isinstance(node, ast.Assign):
        values = literals(node.value) if getattr(node.targets[0], "id", "") == "code" else []
        return [text for text in values if NAME.fullmatch(text)]
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if name in ("note", "drop", "_lose"):
        return [text for argument in node.args[1:] for text in literals(argument) if NAME.fullmatch(text)]
    at = POSITIONS.get(name, len(node.args))
    return literals(node.args[at]) if at < len(node.args) else []


@cache
def written_codes() -> dict[str, list[str]]:
    """Every text in the pure core and the server that has the form of a code in the place of one, by file and line."""
    found: dict[str, list[str]] = {}
    for path in sorted([*(PACKAGE / "translate").rglob("*.py"), *(PACKAGE / "server").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Call, ast.Assign)):
                found.setdefault(f"{path.relative_to(PACKAGE)}:{node.lineno}", []).extend(codes_of(node))
    return found


@cache
def texts_of_the_package() -> str:
    paths = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.toml")]
    return "\n".join(path.read_text() for path in paths if path.parent.name != "catalogue")


def test_a_note_in_the_source_carries_a_catalogued_code():
    unknown = {place: codes for place, codes in written_codes().items() if not set(codes) <= set(CODES)}
    assert not unknown, "choose a code of adapter/translate/core/catalogue/, or add one there"


def test_notes_are_looked_at_in_the_source():
    assert sum(map(len, written_codes().values())) > 150


BY_PART_OF_THEIR_NAME = {"schema-name-dropped", "schema-description-dropped"}
"""Codes that are put together: `schema-{name}-dropped`."""


def test_a_code_is_in_use():
    text = texts_of_the_package()
    unused = [code for code in sorted(set(CODES) - BY_PART_OF_THEIR_NAME) if f'"{code}"' not in text]
    assert not unused, "no note has these codes: take them out of adapter/translate/core/catalogue/"


@pytest.mark.parametrize("rows", [breaks.ROWS, changes_answers.ROWS, costs.ROWS, cosmetic.ROWS])
def test_codes_stand_in_alphabetical_order(rows):
    assert list(rows) == sorted(rows)


def test_a_code_says_what_it_means_and_what_to_do():
    for code in CODES.values():
        assert NAME.fullmatch(code.name), code
        assert code.sentence.endswith("."), code
        assert code.advice.endswith("."), code
        assert code.doc.endswith(f"#{code.name}"), code


def test_severities_have_public_names():
    assert [str(one) for one in Severity] == ["breaks", "changes-answers", "costs", "cosmetic"]


def test_a_note_knows_severity_and_advice_by_its_code():
    note = Note("temperature", Fate.DROPPED, "sampling-ignored", "the model ignores it")
    assert note.severity is Severity.CHANGES_ANSWERS
    assert note.advice == CODES["sampling-ignored"].advice
    assert note.old_code == "temperature.dropped"


def test_what_is_rejected_breaks_whatever_its_code():
    assert Note("messages[3]", Fate.REJECTED, "late-system-message").severity is Severity.BREAKS


def test_what_arrives_has_neither_code_nor_severity():
    assert (Note("seed", Fate.EXACT).severity, Note("seed", Fate.EXACT).code) == (None, "")


def test_what_decoding_found_says_what_it_is():
    found = unknown_notes({"a": REPLACED, "b": WHOLE, "c": msgspec.Raw(b"1")})
    assert [(note.path, note.code) for note in found] == [
        ("a", "character-replaced"),
        ("b", "number-spelling"),
        ("c", "unknown-field"),
    ]
    assert all(note.reason for note in found)
