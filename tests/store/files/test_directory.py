"""Contents on the disk: whole or not there, of their client alone, gone when they expire."""

import asyncio
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.store import StoreUnusable, open_files
from adapter.store.files.directory import PIECE, UNFINISHED_LIFE, FileDirectory, QuotaExceeded

NAME = "file-" + "0" * 32
CLIENT, OTHER = "a" * 64, "b" * 64
LATER = 2_000_000_000.0


@pytest.fixture
def directory(tmp_path):
    made = FileDirectory(tmp_path / "files", 10 * PIECE)
    made.open()
    return made


async def store(directory, content, name=NAME, client=CLIENT, expires_at=LATER):
    writer = await directory.create(name, client)
    await writer.write(content)
    await writer.commit(expires_at)


async def read(directory, name=NAME, client=CLIENT):
    return b"".join([piece async for piece in directory.read(name, client)])


async def test_a_content_is_read_as_it_was_written_by_its_client_alone(directory):
    content = os.urandom(2 * PIECE + 7)
    await store(directory, content)
    assert await read(directory) == content
    assert await directory.size(NAME, CLIENT) == len(content)
    assert await directory.size(NAME, OTHER) is None
    with pytest.raises(FileNotFoundError):
        await read(directory, client=OTHER)


async def test_files_and_folders_are_their_users_alone(directory):
    await store(directory, b"x")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in directory.root.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE(directory.root.stat().st_mode) == 0o700


async def test_a_file_appears_only_when_it_is_complete(directory):
    writer = await directory.create(NAME, CLIENT)
    await writer.write(b"x" * (PIECE + 1))
    assert await directory.size(NAME, CLIENT) is None
    assert directory.count_bytes(CLIENT) >= PIECE, "what is being written counts"
    await writer.discard()
    assert (directory.count_bytes(CLIENT), list(directory.folder(CLIENT).iterdir())) == (0, [])
    await writer.discard()


async def test_a_client_stores_no_more_than_its_quota_and_others_their_own(directory):
    await store(directory, b"x" * 9 * PIECE)
    writer = await directory.create("file-" + "1" * 32, CLIENT)
    await writer.write(b"x" * PIECE)
    await writer.write(b"x")
    with pytest.raises(QuotaExceeded):
        await writer.commit(LATER)
    await writer.discard()
    await store(directory, b"x" * 9 * PIECE, client=OTHER)


async def test_a_client_has_no_more_files_than_may_be_counted_however_small(directory, monkeypatch):
    monkeypatch.setattr("adapter.store.files.directory.MAX_FILES", 2)
    for number in range(2):
        await store(directory, b"x", name=f"file-{number:032}")
    with pytest.raises(QuotaExceeded):
        await directory.create(NAME[:-1] + "9", CLIENT)
    await store(directory, b"x", client=OTHER)
    await directory.delete(f"file-{0:032}", CLIENT)
    await store(directory, b"x", name=NAME[:-1] + "9")


async def test_files_that_are_written_at_the_same_time_share_the_quota(directory):
    writers = [await directory.create(f"file-{number:032}", CLIENT) for number in range(4)]
    for _ in range(5):
        for writer in writers[:2]:
            await writer.write(b"x" * PIECE)
    with pytest.raises(QuotaExceeded):
        await writers[2].write(b"x" * PIECE)
    await writers[3].write(b"x")
    with pytest.raises(QuotaExceeded):
        await writers[3].commit(LATER)
    for writer in writers[2:]:
        await writer.discard()
    for writer in writers[:2]:
        await writer.commit(LATER)
    assert directory.count_bytes(CLIENT) == 10 * PIECE


async def test_a_file_does_not_appear_that_others_have_left_no_room_for(directory):
    one, two = [await directory.create(f"file-{number:032}", CLIENT) for number in range(2)]
    await one.write(b"x" * 6 * PIECE)
    await two.write(b"x" * 4 * PIECE)
    await one.write(b"x" * PIECE)
    with pytest.raises(QuotaExceeded):
        await one.commit(LATER)
    await one.discard()
    await two.commit(LATER)
    assert directory.count_bytes(CLIENT) == 4 * PIECE


async def test_a_large_file_is_counted_again_on_the_way(directory, monkeypatch):
    monkeypatch.setattr("adapter.store.files.directory.COUNT_EVERY", 2 * PIECE)
    writer = await directory.create(NAME, CLIENT)
    for _ in range(2):
        await writer.write(b"x" * PIECE)
    await store(directory, b"x" * 7 * PIECE, name="file-" + "1" * 32)
    await writer.write(b"x" * PIECE)
    with pytest.raises(QuotaExceeded):
        await writer.write(b"x" * PIECE)
    await writer.discard()


async def test_what_has_expired_is_swept_and_what_was_left_behind_a_day_later(directory):
    await store(directory, b"old", expires_at=100.0)
    await store(directory, b"new", name="file-" + "1" * 32)
    left = await directory.create("file-" + "2" * 32, CLIENT)
    written = next(path for path in directory.folder(CLIENT).iterdir() if path.name.endswith(".part")).stat().st_mtime
    assert directory.sweep(written + 1) == 1
    assert await directory.size(NAME, CLIENT) is None
    assert directory.sweep(written + UNFINISHED_LIFE + 1) == 1
    assert await read(directory, "file-" + "1" * 32) == b"new"
    os.close(left._descriptor)


async def test_deleting_twice_is_deleting_once(directory):
    await store(directory, b"x")
    await directory.delete(NAME, CLIENT)
    await directory.delete(NAME, CLIENT)
    assert await directory.size(NAME, CLIENT) is None


async def test_a_file_that_is_being_read_is_read_to_its_end_though_it_was_deleted(directory):
    content = os.urandom(3 * PIECE)
    await store(directory, content)
    pieces = directory.read(NAME, CLIENT)
    first = await anext(pieces)
    await directory.delete(NAME, CLIENT)
    assert first + b"".join([piece async for piece in pieces]) == content


@given(st.text(max_size=80))
def test_no_name_and_no_client_leads_out_of_the_directory(text):
    directory = FileDirectory(Path("/nowhere/files"), 1)
    for name, client in ((text, CLIENT), (NAME, text or "x")):
        try:
            path = directory.path(name, client)
        except ValueError:
            continue
        assert path.parent.parent == Path("/nowhere/files/files")
        assert ".." not in path.parts


def test_a_directory_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreUnusable, match="taken"):
        open_files("memory", str(tmp_path / "taken"), 1)


def test_the_directory_lies_beside_the_stores_file(tmp_path):
    assert open_files(f"sqlite:{tmp_path / 'a.sqlite3'}", None, 1).root == tmp_path / "a-files"
    temporary = open_files("memory", None, 1)
    assert temporary.root.is_dir()
    temporary.close()
    assert not temporary.root.exists()


def test_an_open_directory_of_ours_is_closed_to_others(tmp_path):
    (tmp_path / "wide").mkdir(mode=0o755)
    opened = open_files("redis://127.0.0.1", str(tmp_path / "wide"), 1)
    assert stat.S_IMODE(opened.root.stat().st_mode) == 0o700
    opened.close()
    assert opened.root.exists(), "only a temporary one is removed"


async def test_a_write_that_is_given_up_midway_never_reaches_the_next_file(directory, monkeypatch, tmp_path):
    """The next file gets the descriptor of the one that was closed."""
    real, has_begun, may_go_on = os.write, threading.Event(), threading.Event()

    def write(descriptor, data):
        has_begun.set()
        assert may_go_on.wait(60)
        return real(descriptor, data)

    async def give_up():
        writer = await directory.create(NAME, CLIENT)
        try:
            await writer.write(b"secret" * PIECE)
        finally:
            await writer.discard()

    monkeypatch.setattr(os, "write", write)
    task = asyncio.create_task(give_up())
    await asyncio.to_thread(has_begun.wait)
    task.cancel()
    await asyncio.wait([task], timeout=0.05)
    with (tmp_path / "next").open("wb"):
        may_go_on.set()
        await asyncio.wait([task])
    assert task.cancelled()
    assert (tmp_path / "next").read_bytes() == b""
    assert list(directory.folder(CLIENT).iterdir()) == []


async def test_a_disk_that_takes_some_bytes_at_a_time_gets_all(directory, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:1000]))
    content = os.urandom(5000)
    await store(directory, content)
    assert await read(directory) == content
