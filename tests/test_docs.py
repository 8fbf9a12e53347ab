"""Documents that are made from the code are what the code says; `python -m tests.test_docs` writes them anew."""

import inspect
import json
import re
from functools import cache
from typing import Any

import click

from adapter import __version__
from adapter.cli import COMMANDS, main
from adapter.cli.help import SettingsCommand
from adapter.settings import SECRETS, all_settings
from adapter.translate import chat
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Severity
from adapter.translate.responses import fields as responses
from conformance.cases import all_cases
from tests.support.contract import CONTRACT, add_new_entries, contract, to_text
from tests.support.paths import REPOSITORY

SETTINGS = REPOSITORY / "docs" / "settings.md"
FIELDS = REPOSITORY / "docs" / "fields.md"
CODES_PAGE = REPOSITORY / "docs" / "codes.md"
COMMANDS_PAGE = REPOSITORY / "docs" / "commands.md"

HEAD = """# Settings

You can set each setting in three ways: by a flag of `adapter serve`, by an environment variable, or by a key of the
TOML file that `--config` or `ADAPTER_CONFIG` names. A flag wins over a variable, and a variable over the file.

Times are in seconds, sizes in bytes. Write lists with commas, and maps as `NAME=VALUE,NAME=VALUE`; in TOML use arrays
and tables. This page is made from `adapter/settings/fields.py`.

| flag | variable | default | |
|---|---|---|---|
"""


def settings_page() -> str:
    """The table of all settings."""
    rows = []
    for setting in all_settings():
        shown = "" if setting.default in (None, (), {}) or setting.name in SECRETS else f"`{setting.default}`"
        flag = setting.name.replace("_", "-")
        rows.append(f'| <a id="{flag}"></a>`--{flag}` | `ADAPTER_{setting.name.upper()}` | {shown} | {setting.help} |')
    return HEAD + "\n".join(rows) + "\n"


CODES_HEAD = """# Codes of the ledger

Every loss in the ledger has one of these codes, at every endpoint. `adapter codes` prints the same list.

- `--notes CODE=allow` and `--notes CODE=reject` decide about single codes.
- `--strict LEVEL` and the header `x-adapter-strict` decide by severity. `breaks` refuses losses that break a request.
  `answers` (or `true`) also refuses those that may change an answer, `costs` also those that cost, `all` every loss.

Codes are a public contract and are never renamed. Version 0.1 had other spellings, a path and a fate (`user.dropped`).
They work in `--notes` until 0.4. This page is made from `adapter/translate/core/catalogue/`.
"""

MEANING = {
    Severity.BREAKS: "The request fails, or a client that needs the missing part fails.",
    Severity.CHANGES_ANSWERS: "The answer may be different.",
    Severity.COSTS: "The request needs more tokens, calls or money.",
    Severity.COSMETIC: "The loss cannot change an answer.",
}


def codes_page() -> str:
    """All codes, by severity; each has a heading, so that a link finds it."""
    text = CODES_HEAD
    for severity in Severity:
        text += f"\n## {severity}\n\n{MEANING[severity]}\n"
        for code in CODES.values():
            if code.severity is severity:
                text += f"\n### {code.name}\n\n{code.sentence} {code.advice}\n"
    return text


COMMANDS_HEAD = """# Commands

This page lists the commands of `adapter`. `serve`, `translate`, `report`, `models`, `config` and `doctor` also take all
settings as flags: [settings.md](settings.md). `--help-all` lists these flags.

An error is one sentence that ends with a page of the documentation. If a command is written incorrectly, the exit code
is 2. This page is made from `adapter/cli`.
"""


def commands_page() -> str:
    """Each command with its help and its own options."""
    context = click.Context(main, info_name="adapter")
    return COMMANDS_HEAD + "".join(_of_command(main.get_command(context, name), name, context) for name in COMMANDS)


def _of_command(command: click.Command | None, name: str, above: click.Context) -> str:
    assert command is not None
    context = click.Context(command, info_name=name, parent=above)
    hidden = {setting.name for setting in all_settings()} if isinstance(command, SettingsCommand) else set()
    text = f"\n## {context.command_path}\n\n{inspect.cleandoc(command.help or '')}\n"
    rows = [
        record
        for one in command.get_params(context)
        if one.name not in hidden and one.opts != ["--help"] and (record := one.get_help_record(context)) is not None
    ]
    text += "".join(f"\n- `{flags}`{': ' * bool(told)}{told}" for flags, told in rows) + "\n" * bool(rows)
    children = command.commands.items() if isinstance(command, click.Group) else ()
    return text + "".join(_of_command(child, called, context) for called, child in children)


FATES = ("exact", "approximated", "injected", "dropped", "rejected")

FIELDS_HEAD = """# Fields and their fates

This page lists every field of a request, its translation, and its possible fates. A field's fate depends on the model
and the value. `exact` fields arrive as they were meant. Each answer's ledger lists all other fates.

This page is made from the rules in `adapter/translate` and the cases in `conformance/`, which show each fate.
"""

REQUESTS: dict[str, Any] = {"chat/completions": chat.RULES, "responses": responses.RULES}


def fates_of(field: str, endpoint: str = "chat/completions") -> set[str]:
    """The fates that the conformance cases of a field show, of the field or of something inside it.

    Where the operator's policy or strict mode refuses what would be lost, that is no fate of the field.
    """
    seen = set()
    for case in _cases():
        if case.rule != field or case.endpoint != endpoint or not POLICIES.isdisjoint(case.settings):
            continue
        for turn in case.turns:
            own = {note.rpartition(" ")[2] for note in turn.notes or () if _is_inside(note.partition(" ")[0], field)}
            refused = turn.error is not None and _is_inside(turn.error.param or "", field)
            seen |= {"rejected"} if refused else own or {"exact"}
    return seen


_cases = cache(all_cases)

POLICIES = {"strict", "notes"}
"""Settings by which an operator refuses losses."""


def _is_inside(path: str, field: str) -> bool:
    """Return whether a path is a field's, or of something inside it."""
    return re.match(rf"{re.escape(field)}(?![a-zA-Z0-9_])", path) is not None


def fields_page() -> str:
    """A table of all fields for each endpoint."""
    rows = [FIELDS_HEAD, f"## Fields of a chat by their fates\n\n{table_of_fates()}\n"]
    for endpoint, rules in REQUESTS.items():
        rows.append(f"## POST /v1/{endpoint}\n\n| field | | fates |\n|---|---|---|")
        for field, rule in rules.items():
            about = (rule.__doc__ or "").partition("\n")[0]
            fates = fates_of(field, endpoint)
            rows.append(f"| `{field}` | {about} | {', '.join(fate for fate in FATES if fate in fates)} |")
        rows.append("")
    return "\n".join(rows)


def table_of_fates() -> str:
    """The fields of a chat by the fates they can have."""
    groups: dict[str, list[str]] = {}
    for field in chat.RULES:
        fates = fates_of(field)
        groups.setdefault(", ".join(fate for fate in FATES if fate in fates), []).append(f"`{field}`")
    rows = [f"| {fates} | {', '.join(sorted(groups[fates]))} |" for fates in sorted(groups, key=_by_loss)]
    return "\n".join(["| fates | fields of a chat request |", "|---|---|", *rows])


def _by_loss(fates: str) -> tuple[int, ...]:
    """The groups that lose least first."""
    return tuple(FATES.index(fate) for fate in reversed(fates.split(", ")))


def test_the_page_of_fields_is_what_the_rules_and_cases_say():
    assert FIELDS.read_text() == fields_page(), "run python -m tests.test_docs"


def test_every_field_has_a_fate_that_a_case_shows():
    for endpoint, rules in REQUESTS.items():
        assert [field for field in rules if not fates_of(field, endpoint)] == []


INDEX = REPOSITORY / "conformance" / "INDEX.md"

INDEX_HEAD = """# All cases

Each line is a case: a file whose name is the sentence that it proves. Its folders are the suite and the rule. This page
is made from the files by `python -m tests.test_docs`.
"""


def index_page() -> str:
    """The cases by suite and rule."""
    lines, place = [INDEX_HEAD], ("", "")
    for case in _cases():
        if (case.suite, case.rule) != place:
            if case.suite != place[0]:
                lines.append(f"\n## {case.suite}")
            lines.append(f"\n### {case.rule}\n")
            place = (case.suite, case.rule)
        lines.append(f"- [{case.name}]({case.id}.json)")
    return "\n".join(lines) + "\n"


def test_the_index_of_the_cases_is_what_there_is():
    assert INDEX.read_text() == index_page(), "run python -m tests.test_docs"


def test_the_page_of_settings_is_what_the_code_says():
    assert SETTINGS.read_text() == settings_page(), "run python -m tests.test_docs"


def test_the_page_of_codes_is_what_the_catalogue_says():
    assert CODES_PAGE.read_text() == codes_page(), "run python -m tests.test_docs"


def test_the_page_of_commands_is_what_the_commands_say():
    assert COMMANDS_PAGE.read_text() == commands_page(), "run python -m tests.test_docs"


ARCHITECTURE = REPOSITORY / "docs" / "architecture.md"
LAYERS = ("", "adapter", *(f"adapter/{layer}" for layer in ("server", "settings", "translate", "upstream", "store")))


def test_the_architecture_page_names_files_that_exist():
    """In the text by their whole paths, in the drawing below the layer in whose box they stand."""
    drawing, text = re.split(r"^```$", ARCHITECTURE.read_text(), maxsplit=2, flags=re.MULTILINE)[1:]
    named = re.findall(r"`((?:adapter|docs|tests)/[\w./-]+|[A-Z]+\.md)`", text)
    assert len(named) > 30
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
    drawn = re.findall(r"[\w/]+\.py\b", drawing)
    assert len(drawn) > 15
    assert [path for path in drawn if not any((REPOSITORY / layer / path).is_file() for layer in LAYERS)] == []


def test_the_changelog_has_this_version_and_no_section_twice():
    text = (REPOSITORY / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    released = [version for version in versions if version != "[Unreleased]"]
    assert "[Unreleased]" not in versions[1:]
    assert released[0].split()[0] == __version__
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        headings = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert len(headings) == len(set(headings)), section.splitlines()[0]


if __name__ == "__main__":
    SETTINGS.write_text(settings_page())
    INDEX.write_text(index_page())
    CODES_PAGE.write_text(codes_page())
    COMMANDS_PAGE.write_text(commands_page())
    FIELDS.write_text(fields_page())
    CONTRACT.write_text(to_text(add_new_entries(json.loads(CONTRACT.read_text()), contract())))
