"""A process that dies at any step: the next one goes on, nothing is lost, and nothing is begun twice."""

import asyncio
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.emulator import EmulatorSettings
from adapter.server.batches import journal, manager, row_log
from adapter.server.batches.journal import BatchFolder, BatchState
from adapter.server.batches.row_log import LineLog
from adapter.server.batches.runner import BatchRunner
from adapter.server.state.not_stored import NotStored
from adapter.store.signatures.sqlite import SqliteStore
from adapter.upstream.batch_jobs import BatchJobs
from adapter.upstream.errors import UpstreamError
from adapter.upstream.uploads import FileUploads
from adapter.wire.base import encode
from adapter.wire.gemini.errors import Status
from adapter.wire.openai.batches import Batch
from tests.server.batches.running import begin, jobs_at, line, rows_of, wait_for_end
from tests.support.clocks import Clock
from tests.support.guards import PATIENCE, until
from tests.support.key_value import key_value_server
from tests.support.scripted import adapter, answer, run_emulator, run_upstream
from tests.support.size import IS_LARGE

ROWS = [line(f"row-{n}", f"number {n}") for n in range(12)] + [b"broken"]
FAST = {"batch_rate": 1_000_000.0}


class Killed(BaseException):
    """The process dies here: nothing of it goes on, not even what would clean up."""


class Steps:
    """Counts the steps that leave something on a disk or at Gemini, and dies at one of them, before or after it."""

    def __init__(self, monkeypatch):
        self.at = None
        self.taken = []
        self.dead = False
        for owner, name in (
            (BatchFolder, "save"), (FileUploads, "upload"), (BatchJobs, "create"), (BatchJobs, "get"),
            (BatchFolder, "remove"), (FileUploads, "delete"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, self._stepping(f"{owner.__name__}.{name}", getattr(owner, name)))

    def _stepping(self, name, real):
        def step(when):
            self.taken.append((name, when))
            if self.dead or len(self.taken) - 1 == self.at:
                self.dead = True
                raise Killed

        if asyncio.iscoroutinefunction(real):

            async def waits(*arguments):
                step("before")
                found = await real(*arguments)
                step("after")
                return found

            return waits

        def at_once(*arguments):
            step("before")
            found = real(*arguments)
            step("after")
            return found

        return at_once


@pytest.fixture(params=["sqlite", "redis"])
def store(request, tmp_path):
    """The store of documents: beside the contents of files, or on a server that all processes ask."""
    if request.param == "sqlite":
        yield ""
    else:
        with key_value_server(tmp_path) as server:
            yield server.url


@asynccontextmanager
async def process(gemini, tmp_path, platform, store="", **settings):
    """One life of the adapter."""
    where = {"store": store or f"sqlite:{tmp_path / 'store.sqlite3'}", "files_dir": str(tmp_path / "store-files")}
    async with adapter(gemini, **where, upstream_platform=platform, **{**FAST, **settings}) as client:
        yield client


async def until_dead_or_ended(client, batch, steps):
    while not steps.dead:
        got = (await client.get(f"/v1/batches/{batch['id']}")).json()
        if got["status"] == "completed":
            return
        await asyncio.sleep(0.01)


async def life_and_death(tmp_path, monkeypatch, at, store=""):
    """A batch whose process dies at a step, or at none; what it ended as, how often Gemini was asked, and the steps."""
    monkeypatch.setattr(manager, "LOOK_EVERY", 0.05)

    async def run(self, context):
        try:
            await BatchRunner(context).run()
        except Killed:
            # As the kernel does with the locks of a process that was killed.
            os.close(context.folder._lock)
            context.folder._lock = -1
            await asyncio.Event().wait()
        finally:
            context.folder.release()

    monkeypatch.setattr(manager.RunningBatches, "_run", run)
    async with run_emulator(EmulatorSettings()) as gemini:
        with monkeypatch.context() as patch:
            steps = Steps(patch)
            async with process(gemini, tmp_path, "studio", store) as client:
                batch = await begin(client, *ROWS)
                # The first is the journal of the request that began it, whose answer says that it will run.
                steps.taken.clear()
                steps.at = at
                await until_dead_or_ended(client, batch, steps)
                patch.setattr(BatchFolder, "acquire", lambda self: False)
        async with process(gemini, tmp_path, "studio", store) as client:
            done = await wait_for_end(client, batch)
            output = await rows_of(client, done["output_file_id"])
            errors = await rows_of(client, done["error_file_id"])
            jobs = await jobs_at(gemini, client)
            listed = (await client.get("/v1/files")).json()["data"]
            asked = [one["method"] for one in await gemini.requests()]
    return done, output, errors, jobs, listed, asked, steps.taken


def check(found, at):
    done, output, errors, jobs, listed, asked, _ = found
    assert done["status"] == "completed", at
    assert done["request_counts"] == {"total": 13, "completed": 12, "failed": 1}, at
    assert [one["custom_id"] for one in output] == [f"row-{n}" for n in range(12)], at
    assert [one["error"]["code"] for one in errors] == ["invalid_json_line"], at
    own = {done["output_file_id"], done["error_file_id"]}
    outputs = [one["id"] for one in listed if one["purpose"] == "batch_output"]
    assert sorted(set(outputs) & own) == sorted(own), at
    assert len(outputs) == len(set(outputs)), at
    assert len(jobs) == 1, at
    assert asked.count("batchGenerateContent") == 1, f"{at}: no second job was begun"


async def test_the_process_dies_at_each_step_of_a_batch_at_gemini(tmp_path, monkeypatch, store):
    whole = await life_and_death(tmp_path / "whole", monkeypatch, None, store)
    check(whole, "no death")
    steps = whole[-1]
    assert {name for name, _ in steps} >= {"BatchFolder.save", "FileUploads.upload", "BatchJobs.create"}
    # Of steps of one kind, before or after, the first is enough, but for the journal's: each of those is another state.
    kinds = [step if step[0] != "BatchFolder.save" else (step, at) for at, step in enumerate(steps)]
    first = [at for at, kind in enumerate(kinds) if kinds.index(kind) == at]
    for at in first if IS_LARGE else first[:: len(first) // 5]:
        found = await life_and_death(tmp_path / str(at), monkeypatch, at, store)
        check(found, (at, found[-1][-1]))


@pytest.mark.parametrize("torn", [b"", b'{"id":"x"', b'{"a":1}\tabc'])
async def test_answers_that_were_written_down_are_not_asked_for_again(tmp_path, monkeypatch, torn):
    monkeypatch.setattr(manager, "LOOK_EVERY", 0.05)
    async with run_emulator(EmulatorSettings()) as gemini:
        async with process(gemini, tmp_path, "relay", batch_rate=600.0) as client:
            batch = await begin(client, *ROWS)
            folder = journal.BatchFolders(tmp_path / "store-files").of(batch["id"], "")
            while not (folder.path / "done.jsonl").exists() or len((folder.path / "done.jsonl").read_bytes()) < 3_000:
                await asyncio.sleep(0.01)
        before = (folder.path / "done.jsonl").read_bytes()
        answered = before.count(b"\n")
        assert 0 < answered < 12
        if torn:
            (folder.path / "done.jsonl").write_bytes(before + torn)
        asked = len(await gemini.requests())
        async with process(gemini, tmp_path, "relay") as client:
            done = await wait_for_end(client, batch)
            output = await rows_of(client, done["output_file_id"])
        assert [one["custom_id"] for one in output] == [f"row-{n}" for n in range(12)]
        assert done["request_counts"] == {"total": 13, "completed": 12, "failed": 1}
        assert len(await gemini.requests()) - asked == 12 - answered


async def waiting(gemini, tmp_path, rows, lines):
    """A batch of a relay whose process has ended in the phase `ask`, with these lines in `asked`."""
    async with process(gemini, tmp_path, "relay", batch_rate=0.001) as client:
        batch = await begin(client, *rows)
        folder = journal.BatchFolders(tmp_path / "store-files").of(batch["id"], "").path
        while not (folder / "done.jsonl").exists() or not (folder / "done.jsonl").read_bytes():
            await asyncio.sleep(0.01)
    (folder / "asked").write_bytes(lines)
    (folder / "done.jsonl").write_bytes(b"")
    return batch


@pytest.mark.parametrize(
    ("lines", "attempts"),
    [
        (b"", 1), (b"1\n", 2), (b"1\n1\n", 3), (b"1\n-1\n", 1), (b"1\n-1\n1\n", 2), (b"1\n1\n-1\n", 2),
        (b"1\n2\n2\n", 2), (b"2\n1", 1), (b"1\n1\n-", 3),
    ],
)  # fmt: skip
async def test_a_request_in_flight_when_its_process_died_is_asked_once_more_and_then_told(tmp_path, lines, attempts):
    async with run_emulator(EmulatorSettings()) as gemini:
        batch = await waiting(gemini, tmp_path, [line("a"), line("b")], lines)
        asked = len(await gemini.requests())
        async with process(gemini, tmp_path, "relay") as client:
            done = await wait_for_end(client, batch)
            found = [
                one
                for file_id in (done["output_file_id"], done["error_file_id"])
                for one in await rows_of(client, file_id)
                if one["custom_id"] == "a"
            ]
        again = len(await gemini.requests()) - asked
    (row,) = found
    assert done["status"] == "completed"
    if attempts == 3:
        assert (row["error"]["code"], row["error"]["line"], row["response"]) == ("interrupted", 1, None)
        assert "may have been billed" in row["error"]["message"]
        assert again == 1, "only b was asked"
    else:
        assert row["response"].get("attempts", 1) == attempts
        assert again == 2 - (lines.count(b"2\n") > 1)


async def test_requests_that_a_process_takes_back_when_it_ends_are_asked_as_if_for_the_first_time(tmp_path):
    async def script(call):
        if "for ever" in json.dumps(call.request.body):
            await asyncio.Event().wait()
        await call.json(answer("done"))

    async with run_upstream(script) as gemini:
        rows = [line("a", "for ever"), line("b")]
        async with process(gemini, tmp_path, "relay", shutdown_grace=0.0) as client:
            batch = await begin(client, *rows)
            folder = journal.BatchFolders(tmp_path / "store-files").of(batch["id"], "").path
            while not (folder / "done.jsonl").exists() or not (folder / "done.jsonl").read_bytes():
                await asyncio.sleep(0.01)
        assert (folder / "asked").read_bytes() == b"1\n2\n-1\n"
        assert (folder / "done.jsonl").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("fails", ["the store", "the disk"])
async def test_an_answer_that_cannot_be_stored_for_a_while_is_not_asked_for_twice(tmp_path, monkeypatch, fails):
    failures = []

    async def put(self, issued, client, real=SqliteStore.put):
        if fails == "the store" and len(failures) < 3:
            failures.append(client)
            raise NotStored("It cannot.", status=503)
        await real(self, issued, client)

    def append(self, data, real=LineLog.append):
        if fails == "the disk" and data.startswith(b"{") and len(failures) < 3:
            failures.append(data)
            raise OSError(28, "No space left on device")
        real(self, data)

    monkeypatch.setattr(SqliteStore, "put", put)
    monkeypatch.setattr(LineLog, "append", append)
    async with run_emulator(EmulatorSettings()) as gemini, process(gemini, tmp_path, "relay") as client:
        rows = [line(f"row-{n}", f"number {n}", model="gemini-3.8-flash") for n in range(12)]
        done = await wait_for_end(client, await begin(client, *rows))
        assert done["request_counts"] == {"total": 12, "completed": 12, "failed": 0}
        assert len(await gemini.requests()) == 12
    assert len(failures) == 3


@given(st.lists(st.binary(min_size=1, max_size=20).map(lambda one: one.replace(b"\n", b".") + b"\n")), st.data())
def test_a_line_is_appended_whole_or_not_at_all(lines, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        wanted = b""
        log = LineLog(path)
        for one in lines:
            fits = data.draw(st.integers(0, len(one)))
            room = [fits]

            def write(descriptor, view, room=room):
                if not room:
                    raise OSError(28, "No space left on device")
                return os.pwrite(descriptor, view[: room.pop()], os.fstat(descriptor).st_size)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    row_log, "write_all", lambda descriptor, data, write=write: write_some(write, descriptor, data)
                )
                try:
                    log.append(one)
                    wanted += one
                except OSError:
                    pass
            assert path.read_bytes() == wanted
        log.close()
        assert path.stat().st_mode & 0o777 == 0o600


def write_some(write, descriptor, data):
    """`write_all` on a disk that takes what `write` takes."""
    view = memoryview(data)
    while view:
        view = view[write(descriptor, view) :]


async def test_two_processes_run_a_batch_once(tmp_path, monkeypatch, store):
    monkeypatch.setattr(manager, "LOOK_EVERY", 0.02)
    async with (
        run_emulator(EmulatorSettings()) as gemini,
        process(gemini, tmp_path, "studio", store) as one,
        process(gemini, tmp_path, "studio", store) as two,
    ):
        started = [await begin(client, *ROWS) for client in (one, two, one, two)]
        for batch in started:
            done = [await wait_for_end(client, batch) for client in (two, one)]
            assert done[0] == done[1]
            assert done[0]["request_counts"]["completed"] == 12
        assert len(await jobs_at(gemini, one)) == 4


def test_a_journal_is_written_to_its_end_on_a_disk_that_takes_some_bytes_at_a_time(tmp_path, monkeypatch):
    folder = BatchFolder(tmp_path, "")
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:10]))
    batch = Batch(id="batch_1", endpoint="/v1/responses", input_file_id="file-1", completion_window="24h", created_at=1)
    state = BatchState(batch=batch, output_life=60, is_native=True)
    folder.save(encode(state))
    assert folder.load() == state


async def test_a_journal_that_cannot_be_read_stops_nobody_else(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(manager, "LOOK_EVERY", 0.05)
    folder = journal.BatchFolders(tmp_path / "store-files").of("batch_" + "0" * 32, "")
    folder.path.mkdir(parents=True)
    (folder.path / "state.json").write_text("{")
    async with run_emulator(EmulatorSettings()) as gemini, process(gemini, tmp_path, "studio") as client:
        done = await wait_for_end(client, await begin(client, *ROWS))
    assert done["status"] == "completed"
    assert "its journal is unreadable" in caplog.text


async def test_a_client_whose_key_was_taken_away_runs_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setattr(manager, "LOOK_EVERY", 0.02)
    waiting = EmulatorSettings(batch_delay=1e9)
    async with run_emulator(waiting) as gemini:
        async with process(gemini, tmp_path, "studio", client_keys=("one", "two")) as client:
            client.headers["authorization"] = "Bearer one"
            await begin(client, *ROWS)
            while not await jobs_at(gemini, client):
                await asyncio.sleep(0.01)
        async with process(gemini, tmp_path, "studio", client_keys=("two", "three")) as client:
            await asyncio.sleep(0.2)
            assert client is not None
        asked = json.dumps([one["method"] for one in await gemini.requests()])
    assert asked.count("batchGenerateContent") == 1


@pytest.mark.parametrize("platform", ["studio", "relay"])
async def test_a_batch_of_a_client_that_brings_its_own_key_goes_on_when_it_asks(
    tmp_path, monkeypatch, caplog, platform
):
    monkeypatch.setattr(manager, "LOOK_EVERY", 0.02)
    clock = Clock(time.time())
    monkeypatch.setattr("adapter.server.batches.asking.AT_ONCE", 1)
    own = {"upstream_auth": "caller", "upstream_keys": ()}
    async with run_emulator(EmulatorSettings(batch_delay=100.0, clock=clock)) as gemini:
        async with process(gemini, tmp_path, platform, **own, batch_rate=100.0) as client:
            client.headers["authorization"] = "Bearer one"
            batch = await begin(client, *ROWS)
            while not (await jobs_at(gemini, client, "one") if platform == "studio" else await gemini.requests()):
                await asyncio.sleep(0.01)
        clock.now += 1_000
        assert "one" not in "".join(path.read_text("latin-1") for path in tmp_path.rglob("state.json"))
        async with process(gemini, tmp_path, platform, **own) as client:
            client.headers["authorization"] = "Bearer one"
            while "waits: its client's key is unknown" not in caplog.text:
                await asyncio.sleep(0.01)
            before = len(await gemini.requests())
            await asyncio.sleep(0.2)
            assert len(await gemini.requests()) == before, "nobody has the key"
            assert caplog.text.count("waits: its client's key is unknown") == 1, "it is said once"
            other = await client.get(f"/v1/batches/{batch['id']}", headers={"authorization": "Bearer two"})
            assert other.status_code == 404
            done = await wait_for_end(client, batch)
            assert done["request_counts"] == {"total": 13, "completed": 12, "failed": 1}
            asked = [one["method"] for one in await gemini.requests()]
            assert asked.count("batchGenerateContent") == (platform == "studio")
            # Of one after another, the one that was under way at the end of the first process may be asked twice.
            assert asked.count("generateContent") in ((0,) if platform == "studio" else (12, 13))


async def test_a_batch_that_is_gone_from_the_disk_is_told_as_failed(tmp_path, monkeypatch):
    async with run_emulator(EmulatorSettings(batch_delay=1e9)) as gemini:
        async with process(gemini, tmp_path, "studio") as client:
            batch = await begin(client, *ROWS)
        shutil.rmtree(journal.BatchFolders(tmp_path / "store-files").of(batch["id"], "").path)
        async with process(gemini, tmp_path, "studio") as client:
            young = (await client.get(f"/v1/batches/{batch['id']}")).json()
            assert young["status"] in ("validating", "in_progress"), "its folder may be about to be made"
            monkeypatch.setattr(manager, "LOST_AFTER", -1.0)
            lost = (await client.get(f"/v1/batches/{batch['id']}")).json()
        assert (lost["status"], lost["errors"]["data"][0]["code"]) == ("failed", "batch_lost")


async def test_a_batch_that_nobody_asks_for_is_removed_in_the_end(tmp_path, monkeypatch, caplog):
    said_before = []

    def remove(self, real=BatchFolder.remove):
        said_before.append(caplog.text)
        real(self)

    monkeypatch.setattr(BatchFolder, "remove", remove)
    monkeypatch.setattr(manager, "LOOK_EVERY", 0.02)
    own = {"upstream_auth": "caller", "upstream_keys": (), "responses_max_age": 3_600.0}
    async with run_emulator(EmulatorSettings(batch_delay=1e9)) as gemini:
        async with process(gemini, tmp_path, "studio", **own) as client:
            client.headers["authorization"] = "Bearer one"
            batch = await begin(client, *ROWS)
        client_id = hashlib.sha256(b"one").hexdigest()
        folder = journal.BatchFolders(tmp_path / "store-files").of(batch["id"], client_id)
        for age, is_there in ((86_400 + 3_500, True), (86_400 + 3_700, False)):
            os.utime(folder.path / "state.json", (time.time() - age, time.time() - age))
            caplog.clear()
            async with process(gemini, tmp_path, "studio", **own):
                while batch["id"] not in caplog.text:
                    await asyncio.sleep(0.01)
            assert folder.exists == is_there
    (said,) = said_before
    assert batch["id"] not in said, "it is said once it is true"


async def test_a_process_that_stops_while_it_removes_a_batch_stops_when_all_of_it_is_removed(tmp_path, monkeypatch):
    begun, may_go_on, had_stopped = threading.Event(), threading.Event(), []

    def remove(self, real=BatchFolder.remove):
        begun.set()
        assert may_go_on.wait(PATIENCE)
        real(self)

    async def aclose(self, real=manager.RunningBatches.aclose):
        stopping = asyncio.create_task(real(self))
        for _ in range(20):
            await asyncio.sleep(0)
        had_stopped.append(stopping.done())
        may_go_on.set()
        await stopping

    monkeypatch.setattr(BatchFolder, "remove", remove)
    monkeypatch.setattr(manager.RunningBatches, "aclose", aclose)
    folder = journal.BatchFolders(tmp_path / "store-files").of("batch_" + "0" * 32, "0" * 64)
    folder.path.mkdir(parents=True)
    (folder.path / "state.json").write_text("{}")
    os.utime(folder.path / "state.json", (0, 0))
    own = {"upstream_auth": "caller", "upstream_keys": ()}
    async with run_emulator(EmulatorSettings()) as gemini, process(gemini, tmp_path, "studio", **own):
        await until(begun.is_set)
    assert had_stopped == [False]
    assert not folder.path.exists()


async def test_a_job_whose_key_is_taken_no_more_ends_with_the_window(tmp_path, monkeypatch):
    refusal = UpstreamError(401, Status(code=401, message="API key expired.", status="UNAUTHENTICATED"))

    async def refuses(self, *arguments):
        raise refusal

    async with run_emulator(EmulatorSettings(batch_delay=1e9)) as gemini, process(gemini, tmp_path, "studio") as client:
        monkeypatch.setattr(manager, "WINDOW", 3)
        batch = await begin(client, *ROWS)
        while not await jobs_at(gemini, client):
            await asyncio.sleep(0.01)
        monkeypatch.setattr(BatchJobs, "get", refuses)
        monkeypatch.setattr(BatchJobs, "cancel", refuses)
        done = await wait_for_end(client, batch)
        errors = await rows_of(client, done["error_file_id"])
    assert done["status"] == "failed"
    assert {one["error"]["message"] for one in errors[1:]} == {
        "Gemini refused the key of this server: API key expired."
    }
