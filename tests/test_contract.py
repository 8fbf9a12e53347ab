"""The names that users rely on stay as tests/contract.json lists them.

What is new is added to the file by `python -m tests.test_docs`. What changes or goes is a break, which CHANGELOG.md
must explain: `python -m tests.test_contract` writes the file as the code is.
"""

import difflib
import json

from tests.support.contract import CONTRACT, add_new_entries, contract, to_text


def test_what_users_rely_on_is_as_it_was(monkeypatch):
    monkeypatch.delenv("ADAPTER_CONFIG", raising=False)
    old, new = CONTRACT.read_text(), to_text(contract())
    changes = difflib.unified_diff(old.splitlines(), new.splitlines(), "tests/contract.json", "the code", "", "", n=1)
    advice = (
        "Additions: python -m tests.test_docs. Breaks: explain them in CHANGELOG.md, python -m tests.test_contract."
    )
    assert old == new, "\n".join([*changes, advice])


def test_only_additions_come_by_themselves():
    old = {"a": 1, "b": {"c": 1}, "gone": 1, "list": [1]}
    new = {"a": 2, "b": {"c": 1, "d": 1}, "e": 1, "list": [1, 2]}
    assert add_new_entries(old, new) == {"a": 1, "b": {"c": 1, "d": 1}, "gone": 1, "list": [1], "e": 1}


def test_the_file_is_written_in_one_way():
    assert CONTRACT.read_text() == to_text(json.loads(CONTRACT.read_text()))


if __name__ == "__main__":
    CONTRACT.write_text(to_text(contract()))
