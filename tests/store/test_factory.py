"""The store that a setting names."""

import sqlite3
from pathlib import Path

import pytest

from adapter.store.factory import default_path, open_documents, open_store
from adapter.store.shared.base import StoreLimits, StoreUnusable
from adapter.store.signatures.sqlite import SqliteStore
from tests.store.entries import find_known, issue
from tests.support.key_value import PASSWORD


async def test_open_store_makes_what_is_named(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    default = tmp_path / "home" / "gemini-openai-adapter" / "signatures.sqlite3"
    for name, kind, where in (
        ("memory", "memory", None),
        ("sqlite", "sqlite", str(default)),
        (f"sqlite:{path}", "sqlite", str(path)),
    ):
        store = await open_store(name)
        facts = store.describe()
        assert (facts["kind"], facts.get("path"), facts.get("warning")) == (kind, where, None)
        await store.aclose()
    assert default.exists()


@pytest.mark.parametrize("name", ["", "redis", "redis:x", "memory:x", "sqlite3", "http://x"])
async def test_open_store_refuses_other_names(name):
    with pytest.raises(ValueError, match="no such store"):
        await open_store(name)


@pytest.mark.parametrize(
    "name",
    ["redis://", "redis://:secret@", "redis://:secret@h:port", "redis://:secret@h:0", "redis://:secret@h/x", "valkey://:secret@h?db=1",
     "redis://[:secret@h", "redis://:secret@h/1/2"],
)  # fmt: skip
async def test_a_url_that_names_no_server_is_refused_without_its_password(name):
    with pytest.raises(ValueError, match="not a store's URL") as caught:
        await open_store(name)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_a_url_opens_a_server(redis_url, scheme):
    store = await open_store(redis_url.replace("redis", scheme, 1))
    facts = store.describe()
    assert (facts["kind"], facts.get("warning")) == ("redis", None)
    assert PASSWORD not in str(facts)
    await store.aclose()


async def test_without_its_client_redis_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr("adapter.extras.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"pip install 'gemini-openai-adapter\[redis\]'"):
        await open_store("redis://localhost")


def test_the_default_path_follows_the_users_state_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    name = "gemini-openai-adapter/signatures.sqlite3"
    assert default_path({"XDG_STATE_HOME": "/var/state"}) == Path("/var/state") / name
    assert default_path({"XDG_STATE_HOME": "relative"}) == Path("/home/someone/.local/state") / name
    assert default_path({}) == Path("/home/someone/.local/state") / name


def directory(path):
    path.mkdir(parents=True)


def not_a_database(path):
    path.parent.mkdir()
    path.write_bytes(b"something else entirely" * 100)


def newer(path):
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def under_a_file(path):
    path.parent.write_text("not a directory")


@pytest.mark.parametrize("spoil", [directory, not_a_database, newer, under_a_file])
async def test_a_file_that_cannot_be_used_means_memory_and_a_warning(path, spoil):
    spoil(path)
    with pytest.raises(StoreUnusable):
        await SqliteStore(path, StoreLimits()).open()
    store = await open_store(f"sqlite:{path}")
    facts = store.describe()
    assert facts["kind"] == "memory"
    assert str(path) in facts["warning"]
    await store.put(issue("a"), "c")
    assert await find_known(store, "a") == {"a"}
    await store.aclose()


@pytest.mark.parametrize("where", ["sqlite", "sqlite:~/state.sqlite3"])
async def test_a_user_without_a_home_has_a_store_in_memory_and_one_sentence_says_so(monkeypatch, where):
    """A container with `--user 12345` has no HOME, and no entry in the list of users."""

    def unknown_name(_self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.expanduser", unknown_name)
    for store in (await open_store(where), await open_documents(where)):
        told = store.describe()
        await store.aclose()
        assert told["kind"] == "memory"
        assert str(told["warning"]).endswith("set XDG_STATE_HOME, or --store sqlite:PATH")
