"""The recipes of CONTRIBUTING.md are complete: on a copy of the repository they pass the checks that they name.

The first words of a step name a file and where its block of code goes: `new`, `at the end`, or `after`, `before` or
`instead of` a line. The test makes exactly these edits, so a step that the page lacks is a check that fails here.
"""

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.guards import PATIENCE
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
RECIPES = dict(re.findall(r"^## (An? [^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))

STEP = re.compile(
    r"^\d\. `(?P<path>[\w/.-]+\.\w+)`, (?P<place>new|at the end|after|before|instead of)"
    r"\s*(?:`(?P<line>[^\n]*?)`(?=[:,. ]))?"
    r".*?\n\n   ```\w+\n(?P<code>.*?)\n   ```$",
    re.MULTILINE | re.DOTALL,
)


class Step(NamedTuple):
    """One edit of one file."""

    path: str
    place: str
    line: str
    code: str


def steps_of(recipe: str) -> list[Step]:
    """The edits of a recipe, in order. A numbered step that names a file and is no edit is a mistake in the page."""
    found = []
    for text in re.split(r"^(?=\d\. )", recipe, flags=re.MULTILINE)[1:]:
        match = STEP.match(text)
        if match is None:
            assert text[3:].startswith("`python -m "), f"neither an edit nor a command: {text[:90]!r}"
            continue
        code = re.sub(r"^ {3}", "", match["code"], flags=re.MULTILINE)
        found.append(Step(match["path"], match["place"], match["line"] or "", code + "\n"))
    return found


def apply(step: Step, tree: Path) -> None:
    """Make an edit in a copy of the repository. Each line that it looks for must be there, the first one counts."""
    path = tree / step.path
    if step.place == "new":
        assert not path.exists(), f"{step.path} exists already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.code)
        return
    text = path.read_text()
    if step.place == "at the end":
        path.write_text(text + step.code)
        return
    start = re.search(rf"^{re.escape(step.line)}", text, re.MULTILINE)
    assert start is not None, f"{step.path} has no line {step.line!r} any more: mend the recipe"
    end = text.index("\n", start.start()) + 1
    head = text[: end if step.place == "after" else start.start()]
    tail = text[start.start() if step.place == "before" else end :]
    path.write_text(head + step.code + tail)


def checks_of(recipe: str) -> list[str]:
    """The tests that a `Check:` line names: files, and a part of the tests' names."""
    line = re.search(r"^Check: (.*?)\n(?:\n|\Z)", recipe + "\n", re.MULTILINE | re.DOTALL)
    assert line is not None, "a recipe ends with the check that shows that it worked"
    return re.findall(r"`(?:python -m pytest )?([^`]+)`", line[1])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which every recipe was followed, in the order of the page."""
    copy = tmp_path_factory.mktemp("contributing") / "copy"
    # What is compiled comes along, since compiling all again took half of the time; but no file that is being written.
    ignored = shutil.ignore_patterns(".git", ".venv*", "*.pyc.*", ".*_cache", "dist", ".hypothesis")
    shutil.copytree(REPOSITORY, copy, ignore=ignored)
    for recipe in RECIPES.values():
        for step in steps_of(recipe):
            apply(step, copy)
    return copy


def run(tree: Path, *arguments: str) -> str:
    """Run a Python module in the copy; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    return done.stdout


def test_there_is_a_recipe_for_each_kind_of_addition():
    assert set(RECIPES) == {
        "A case",
        "A chat field",
        "A Gemini field",
        "A model",
        "A finish reason",
        "An error code",
        "An endpoint",
    }
    assert all(steps_of(recipe) for recipe in RECIPES.values())


def test_each_step_finds_its_place(tree: Path):
    edited = [step.path for recipe in RECIPES.values() for step in steps_of(recipe)]
    changed = {path for path in edited if not (REPOSITORY / path).exists() or differ(tree / path, REPOSITORY / path)}
    assert changed == set(edited)


GEMINIS = {"STOP", "MAX_TOKENS", "COPYRIGHT"}
"""Finish reasons, which look like tables of the code."""

WITH_TYPES = {"adapter/wire/openai/motto.py", "adapter/translate/motto.py"}
"""Files that the example does not need, as the page says."""

DEFINITION = re.compile(r"^(\w+)(?:: [^\n]+)? = ", re.MULTILINE)


def test_the_page_names_files_and_tables_that_exist(tree: Path):
    """In the sentences beside the edits, too, which no other test reads."""
    sentences = re.sub(r"^ *```.*?^ *```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    files = set(re.findall(r"`((?:adapter|conformance|docs|tests)/[\w./-]+)`", sentences))
    assert len(files) > 40
    assert sorted(file for file in files - WITH_TYPES if not (tree / file).exists()) == []
    tables = set(re.findall(r"`(_?[A-Z]+(?:_[A-Z]+)*)`", sentences)) - GEMINIS
    assert len(tables) > 8
    defined = {name for path in (tree / "adapter").rglob("*.py") for name in DEFINITION.findall(path.read_text())}
    assert sorted(tables - defined) == []


def differ(one: Path, other: Path) -> bool:
    return one.read_bytes() != other.read_bytes()


@pytest.mark.install
def test_each_recipe_followed_on_a_copy_passes_its_checks(tree: Path):
    """One run for all of them: starting the tests takes longer than the checks."""
    run(tree, "ruff", "check", ".")
    run(tree, "ruff", "format", "--check", ".")
    run(tree, "tests.test_docs")
    named = " ".join(check for recipe in RECIPES.values() for check in checks_of(recipe)).split()
    files = sorted({word for word in named if word.startswith("tests/")})
    parts = [part for word, part in pairwise(named) if word == "-k"]
    assert len(parts) == 6
    assert "tests/test_conformance.py" in files
    # Of the many cases only those of the recipes; of the other files everything.
    of_other_files = [Path(one).stem for one in files if one != "tests/test_conformance.py"]
    told = run(tree, "pytest", "-q", "-p", "no:cacheprovider", *files, "-k", " or ".join([*parts, *of_other_files]))
    assert re.search(r"^\d+ passed", told.splitlines()[-1]), told[-500:]
