"""Packages of optional extras are loaded by one helper, which names the missing extra."""

import tomllib

import pytest

from adapter import extras
from tests.support.paths import REPOSITORY

NOT_OF_USERS = {"test", "mutation", "fuzz"}


def test_every_extra_of_the_package_is_known():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.MODULES) == set(declared) - NOT_OF_USERS


@pytest.mark.parametrize("extra", sorted(extras.MODULES))
def test_an_extra_whose_parent_package_is_missing_is_not_there(extra, monkeypatch):
    def find(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras, "find_spec", find)
    assert not extras.has(extra)


def test_a_module_without_its_extra_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "toys", ("no_such_toys",))
    with pytest.raises(extras.MissingExtra, match=r"needs no_such_toys: pip install 'gemini-openai-adapter\[toys\]'"):
        extras.load("no_such_toys", "toys")


def test_a_module_that_is_missing_beside_its_extra_is_a_bug():
    with pytest.raises(ModuleNotFoundError) as raised:
        extras.load("adapter.no_such_module", "redis")
    assert type(raised.value) is ModuleNotFoundError
