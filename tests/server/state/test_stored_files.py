"""Files and uploads of a process that dies at any step: what was acknowledged is there, no name without its bytes."""

import hashlib
from contextlib import asynccontextmanager

import pytest

from adapter.server.state.not_stored import NotStored
from adapter.server.state.stored_files import StoredFiles, write
from adapter.store import FILE_RECORDS, open_documents, open_files
from adapter.store.files.directory import UNFINISHED_LIFE, FileDirectory, FileWriter
from adapter.translate.files import NewFile
from tests.support.key_value import key_value_server

CLIENT = "a" * 64
PIECES = (b"first ", b"second ", b"third")
WHOLE = b"".join(PIECES)
NEW = NewFile("a.txt", "user_data", 3_600, "text/plain", [])


class Killed(BaseException):
    """The process dies here."""


class Steps:
    """Counts the steps that change a disk or a store, and dies before or after one of them."""

    def __init__(self, monkeypatch, records, at):
        self.taken = 0
        self.at = at
        for owner, name in (
            (FileDirectory, "create"), (FileDirectory, "delete"), (FileWriter, "commit"),
            (type(records), "put"), (type(records), "delete"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, self._stepping(getattr(owner, name)))
        # Who was killed cleans nothing up.
        monkeypatch.setattr(FileWriter, "discard", self._unless_dead(FileWriter.discard))

    def _stepping(self, real):
        async def step(*arguments, **named):
            self._count()
            found = await real(*arguments, **named)
            self._count()
            return found

        return step

    def _unless_dead(self, real):
        async def discard(writer):
            if self.taken <= self.at:
                await real(writer)

        return discard

    def _count(self):
        self.taken += 1
        if self.taken > self.at:
            raise Killed


@pytest.fixture(params=["sqlite", "redis"])
def where(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'store.sqlite3'}"
    else:
        with key_value_server(tmp_path) as server:
            yield server.url


@asynccontextmanager
async def process(where, folder):
    """One life: the files, on what an earlier one has left."""
    records = await open_documents(where, name=FILE_RECORDS)
    files = StoredFiles(open_files(where, str(folder), 1_000_000), records, 86_400.0)
    yield files
    await records.aclose()


async def live(files, told):
    """A life: a file is stored, an upload completed, the file deleted. `told`: what the client was told."""
    writing = await files.begin_file(CLIENT)
    await write(writing.writer, WHOLE)
    told["stored"] = (await files.keep(NEW, writing, CLIENT)).id
    told["upload"] = (await files.begin_upload(NEW, len(WHOLE), CLIENT)).id
    told["parts"] = []
    for piece in PIECES:
        record = await files.pending_upload(told["upload"], CLIENT)
        writing = await files.begin_part(CLIENT)
        await write(writing.writer, piece)
        told["parts"].append((await files.keep_part(record, writing, CLIENT)).id)
    told["completed"] = (await complete(files, told)).file.id
    await files.delete(told["stored"], CLIENT)
    told["deleted"] = True


async def complete(files, told):
    record = await files.pending_upload(told["upload"], CLIENT)
    return await files.complete_upload(record, told["parts"], hashlib.md5(WHOLE).hexdigest(), CLIENT)


async def list_files(files):
    """The files that are listed, each with its bytes."""
    page, has_more = await files.page(CLIENT, after="", limit=100, newest_first=False, purpose=None)
    assert not has_more
    return {one.id: b"".join([piece async for piece in files.content(one.id, CLIENT)]) for one in page}


async def test_the_process_dies_at_each_step_of_a_file_and_an_upload(tmp_path, where):
    at, is_dead = 0, True
    while is_dead:
        folder, told, is_dead = tmp_path / str(at), {}, False
        with pytest.MonkeyPatch.context() as patch:
            async with process(where, folder) as files:
                Steps(patch, files.records, at)
                try:
                    await live(files, told)
                except Killed:
                    is_dead = True
        async with process(where, folder) as files:
            await check(files, folder, told, at)
            for file_id in await list_files(files):
                await files.delete(file_id, CLIENT)
            # What the dead process has begun goes a day after it has expired.
            files.directory.sweep(UNFINISHED_LIFE + 2_000_000_000.0)
            assert [path for path in folder.rglob("*") if path.is_file()] == [], at
        at += 1
    assert at > 30, "there were steps to die at"


async def check(files, folder, told, at):
    found = await list_files(files)
    assert set(found.values()) <= {WHOLE}, at
    if "deleted" in told:
        assert told["stored"] not in found, at
    elif "completed" not in told and "stored" in told:
        assert told["stored"] in found, at
    if "completed" in told:
        assert told["completed"] in found, at
    elif len(told.get("parts", ())) == len(PIECES):
        completed = await complete_unless_ended(files, told)
        if completed is None:
            assert len(set(found) - {told["stored"]}) == 1, f"{at}: only the answer was lost, the file is there"
        else:
            assert (await list_files(files))[completed] == WHOLE, at
            assert len(await list_files(files)) <= 2, at


async def complete_unless_ended(files, told):
    """The file that an upload is completed to; None if it was so already."""
    try:
        return (await complete(files, told)).file.id
    except NotStored as error:
        if error.code != "invalid_upload_state":
            raise
        return None
