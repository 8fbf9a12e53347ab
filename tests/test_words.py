"""The names and first lines that CONTRIBUTING.md asks for: verbs for functions, nouns for classes, no riddles."""

import ast
import re
from pathlib import Path

import pytest

from adapter.translate.core.catalogue import CODES
from tests.support.paths import REPOSITORY
from tests.support.sources import read_source

PACKAGE = REPOSITORY / "adapter"
FOLDERS = (PACKAGE, REPOSITORY / "benchmarks", REPOSITORY / "conformance", REPOSITORY / "tests")
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))

BANNED_FUNCTIONS = frozenset(
    [
        "alone",
        "begun",
        "bound",
        "broken",
        "chosen",
        "cut",
        "done",
        "drawn",
        "elsewhere",
        "found",
        "fresh",
        "given",
        "gone",
        "grown",
        "heard",
        "held",
        "instead",
        "kept",
        "known",
        "learn",
        "left",
        "lost",
        "made",
        "meant",
        "more",
        "one",
        "paid",
        "read_again",
        "said",
        "seen",
        "sent",
        "shown",
        "spoken",
        "taken",
        "told",
        "unknown",
        "unwritten",
        "went_on",
        "without",
        "written",
    ]
)
"""Irregular participles, adverbs and riddles: as the name of a function none says what the function does."""

VERBS = frozenset(["embed", "feed", "need", "seed", "speed", "succeed"])
"""Verbs and nouns that end as regular participles do."""

ALLOWED_PARTICIPLES = frozenset(["required", "reopened", "served"])
"""Participles that may name a function: a keyword of JSON Schema, and fixtures that name a state."""


def _is_participle(name: str) -> bool:
    """Return whether a function's name is one bare participle, or another word that names no action and no thing."""
    word = name.strip("_")
    if word in ALLOWED_PARTICIPLES:
        return False
    return word in BANNED_FUNCTIONS or ("_" not in word and word.endswith("ed") and word not in VERBS)


BANNED_CLASSES = frozenset(
    ["Drain", "Load", "Outlet", "Way", "Stamps", "Kept", "Told", "Recorded", "Rest", "Patience", "Unhurried"]
)
"""Words for which there is a standard term: GracefulShutdown, Admission, ResponseWriter, CommonHeaders, CoolDown."""


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_functions_are_named_by_what_they_do():
    bad = {}
    for path in FILES:
        names = {name for name, _ in read_source(path).functions if _is_participle(name)}
        bad[name_of(path)] = names
    assert not {file: names for file, names in bad.items() if names}, "name these by a verb, or by the field's term"


BANNED_VARIABLES = frozenset(["told", "said", "heard", "kept"])
"""Names of variables that say what somebody did, and not what the value is."""


def test_variables_are_named_by_what_they_hold():
    bad = {}
    for path in FILES:
        if path.is_relative_to(PACKAGE):
            source = read_source(path)
            bad[name_of(path)] = {
                f"{line}: {name}"
                for name, line in (*source.names, *source.attributes)
                if name.strip("_") in BANNED_VARIABLES
            }
    assert not {file: names for file, names in bad.items() if names}


def test_classes_have_the_fields_words():
    bad = {}
    for path in FILES:
        names = {name for name, _ in read_source(path).classes if name.strip("_") in BANNED_CLASSES}
        bad[name_of(path)] = names
    assert not {file: names for file, names in bad.items() if names}


def test_a_docstring_says_itself_what_a_thing_is():
    """The first line is not a reference to another place."""
    for path in FILES:
        references = [line for line, _ in read_source(path).docstrings if line.startswith("See ")]
        assert references == [], name_of(path)


RIDDLES = (
    *("What", "How", "Where", "Who", "Whose", "When", "Which", "That", "Those", "Everything", "Something", "Nothing"),
    *("Also", "They", "As", "Nor", "Otherwise", "But"),
)
"""Words that begin a sentence about something unnamed. A first line names the thing, or says what a function does."""


def test_first_lines_name_the_thing():
    """The rules of fields are left out: their first lines are the table of docs/fields.md, after the field's name."""
    bad = {}
    for path in FILES:
        lines = path.read_text().splitlines()
        riddles = [
            f"{number}: {line}"
            for line, number in read_source(path).docstrings
            if line.partition(" ")[0] in RIDDLES and not _is_rule(lines[number - 1 : number + 3])
        ]
        bad[name_of(path)] = riddles
    assert not {file: lines for file, lines in bad.items() if lines}


def test_texts_below_constants_name_the_thing():
    bad = {}
    for path in FILES:
        texts = read_source(path).constant_docstrings
        bad[name_of(path)] = [f"{number}: {line}" for line, number in texts if line.partition(" ")[0] in RIDDLES]
    assert not {file: lines for file, lines in bad.items() if lines}


def _is_rule(lines: list[str]) -> bool:
    """Return whether a function is the rule of a field, by what it returns."""
    return any("-> Outcome" in line or "-> Piece" in line for line in lines)


PAGES = (
    *sorted(REPOSITORY.glob("*.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "conformance" / "README.md",
)

UNCLEAR = re.compile(
    r"\b(?:is|are|was|were) (?:told|heard)\b|\b(?:what|who|whom) there is\b|\bof which nothing\b|\bwent on\b"
    r"|\b(?:stamps|outlet|hangup|fan-out|hurried)\b",
    re.IGNORECASE,
)
"""Turns of phrase that readers had to read twice, and words that the glossary has replaced."""


def test_pages_say_it_plainly():
    """Code and file names in back quotes are left out."""
    found = {
        name_of(path): [
            match[0]
            for match in UNCLEAR.finditer(re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.DOTALL))
        ]
        for path in PAGES
    }
    assert not {page: phrases for page, phrases in found.items() if phrases}


def test_codes_say_what_was_lost_without_riddles():
    """A sentence about a code begins with the lost thing, and not with "What"."""
    sentences = {code.name: code.sentence for code in CODES.values()}
    assert [name for name, text in sentences.items() if text.partition(" ")[0] in RIDDLES] == []


HARD = [
    "server/http/response_writer.py",
    "server/http/uvicorn_protocol.py",
    "server/lifecycle/shutdown.py",
    "server/pipeline/event_stream.py",
    "server/limits/admission.py",
    "store/shared/redis_link.py",
    "translate/answer/stream.py",
    "upstream/auth/key_pool.py",
    "upstream/policy/circuit_breaker.py",
    "upstream/sse.py",
    "upstream/transport/asyncio_transport.py",
    "upstream/transport/http1.py",
]


@pytest.mark.parametrize("file", HARD)
def test_hard_files_open_with_their_states(file):
    docstring = ast.get_docstring(ast.parse((PACKAGE / file).read_text())) or ""
    assert "tates" in docstring or "Phases" in docstring or "lifecycle" in docstring
    assert len(docstring.splitlines()) >= 8


def test_cases_are_named_without_an_opening_article():
    bad = sorted(
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "conformance").rglob("*.json")
        if path.stem.startswith(("a-", "an-", "the-"))
    )
    assert not bad, "the index reads better without it"
