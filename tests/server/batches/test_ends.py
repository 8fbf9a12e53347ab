"""The ends of batches: cancelled, cancelled too late, expired, failed, and failing for a while."""

import asyncio
import time

import pytest

from adapter.emulator import EmulatorSettings
from adapter.server.batches import asking
from adapter.server.batches.rows import RowPlanner
from adapter.server.batches.stored_batches import StoredBatches
from adapter.server.state.not_stored import NotStored
from adapter.upstream.batch_jobs import BatchJobs
from adapter.upstream.errors import UpstreamError, UpstreamUnavailable
from adapter.upstream.uploads import FileUploads
from adapter.wire.gemini.errors import Status
from tests.server.batches.running import MODEL, begin, jobs_at, line, rows_of, run, serving, wait_for_end
from tests.support.clocks import Clock

ROWS = [line(f"row-{n}", f"number {n}") for n in range(6)]
SLOW = EmulatorSettings(batch_delay=1e9)
OVERLOADED = UpstreamError(503, Status(code=503, message="later", status="UNAVAILABLE"))


async def until_status(client, batch, status):
    while (got := (await client.get(f"/v1/batches/{batch['id']}")).json())["status"] != status:
        await asyncio.sleep(0.01)
    return got


async def cancel(client, batch):
    return await client.post(f"/v1/batches/{batch['id']}/cancel")


async def test_a_batch_that_is_cancelled_ends_with_a_line_for_each_request(tmp_path):
    async with serving(tmp_path, emulator=SLOW) as (gemini, client):
        batch = await begin(client, *ROWS)
        await until_status(client, batch, "in_progress")
        while not await jobs_at(gemini, client):
            await asyncio.sleep(0.01)
        got = (await cancel(client, batch)).json()
        assert got["status"] == "cancelling"
        done = await wait_for_end(client, batch)
        assert (done["status"], done["output_file_id"]) == ("cancelled", None)
        assert done["cancelling_at"] <= done["cancelled_at"]
        errors = await rows_of(client, done["error_file_id"])
        assert [(one["custom_id"], one["error"]["code"]) for one in errors] == [
            (f"row-{n}", "batch_cancelled") for n in range(6)
        ]
        (job,) = await jobs_at(gemini, client)
        assert job["metadata"]["state"] == "BATCH_STATE_CANCELLED"
        assert (await cancel(client, batch)).json()["status"] == "cancelled", "again is the same"


async def test_a_cancel_that_comes_too_late_changes_nothing(tmp_path):
    async with serving(tmp_path) as (_, client):
        batch, output, _ = await run(client, *ROWS)
        got = await cancel(client, batch)
        assert (got.status_code, got.json()["error"]["code"]) == (409, "invalid_batch_state")
        after = (await client.get(f"/v1/batches/{batch['id']}")).json()
        assert (after, len(output)) == (batch, 6)


async def test_a_job_that_succeeds_though_it_was_cancelled_is_complete(tmp_path, monkeypatch):
    async def loses(self, name, caller):
        """The job has ended at that moment."""

    monkeypatch.setattr(BatchJobs, "cancel", loses)
    clock = Clock(time.time())
    slow = EmulatorSettings(clock=clock, batch_delay=1_000.0)
    async with serving(tmp_path, emulator=slow) as (gemini, client):
        batch = await begin(client, *ROWS)
        while not await jobs_at(gemini, client):
            await asyncio.sleep(0.01)
        assert (await cancel(client, batch)).json()["status"] == "cancelling"
        clock.now += 2_000
        done = await wait_for_end(client, batch)
        assert (done["status"], done["request_counts"]["completed"], done["cancelling_at"]) == ("completed", 6, None)


async def test_a_batch_is_cancelled_before_its_job_has_begun(tmp_path, monkeypatch):
    async def fails(self, *arguments):
        raise OVERLOADED

    monkeypatch.setattr(FileUploads, "upload", fails)
    async with serving(tmp_path) as (gemini, client):
        batch = await begin(client, *ROWS)
        await until_status(client, batch, "in_progress")
        await cancel(client, batch)
        done = await wait_for_end(client, batch)
        assert (done["status"], await jobs_at(gemini, client)) == ("cancelled", [])


async def test_a_batch_asked_one_by_one_is_cancelled_with_what_was_answered(tmp_path):
    async with serving(tmp_path, "relay", batch_rate=600.0) as (gemini, client):
        batch = await begin(client, *(line(str(n)) for n in range(200)))
        while len(await gemini.requests()) < 3:
            await asyncio.sleep(0.01)
        await cancel(client, batch)
        done = await wait_for_end(client, batch)
        assert done["status"] == "cancelled"
        output = await rows_of(client, done["output_file_id"])
        errors = await rows_of(client, done["error_file_id"])
        assert 0 < len(output) < 200
        assert len(output) + len(errors) == 200
        assert {one["error"]["code"] for one in errors} == {"batch_cancelled"}


@pytest.mark.parametrize("platform", ["studio", "relay"])
async def test_a_batch_whose_window_passes_expires(tmp_path, monkeypatch, platform):
    monkeypatch.setattr("adapter.server.batches.manager.WINDOW", 1)
    async with serving(tmp_path, platform, emulator=SLOW, batch_rate=1.0) as (_, client):
        done = await wait_for_end(client, await begin(client, *ROWS))
        assert done["status"] == "expired"
        assert done["expires_at"] < done["expired_at"] + 1
        errors = await rows_of(client, done["error_file_id"])
        assert {one["error"]["code"] for one in errors} == {"batch_expired"}
        assert done["cancelling_at"] is None


async def test_a_batch_that_gemini_refuses_fails_with_its_reason(tmp_path):
    async with serving(tmp_path) as (_, client):
        batch, _, errors = await run(client, line("a", model="gemini-9-none"))
        assert batch["status"] == "failed"
        assert "gemini-9-none" in batch["errors"]["data"][0]["message"]
        assert errors[0]["response"]["status_code"] == 404


async def test_rows_that_gemini_refuses_have_its_error_and_the_batch_is_complete(tmp_path):
    async with serving(tmp_path) as (_, client):
        batch, output, errors = await run(client, line("a", model=f"{MODEL}+fault-503"), line("b"))
        assert batch["status"] == "completed"
        assert [one["custom_id"] for one in output] == ["b"]
        assert (errors[0]["response"]["status_code"], errors[0]["error"]["line"]) == (503, 1)


async def test_what_fails_for_a_while_is_tried_again(tmp_path, monkeypatch):
    failures = []
    for owner, name in ((FileUploads, "upload"), (BatchJobs, "create"), (BatchJobs, "get")):
        real = getattr(owner, name)

        async def fails_first(self, *arguments, real=real, name=name):
            if failures.count(name) < 2:
                failures.append(name)
                raise OVERLOADED
            return await real(self, *arguments)

        monkeypatch.setattr(owner, name, fails_first)
    async with serving(tmp_path) as (gemini, client):
        batch, output, _ = await run(client, *ROWS)
        assert (batch["status"], len(output), len(failures)) == ("completed", 6, 6)
        assert len(await jobs_at(gemini, client)) == 1


async def test_a_job_whose_begin_was_not_answered_is_found_by_its_name(tmp_path, monkeypatch):
    real, calls = BatchJobs.create, []

    async def loses(self, *arguments):
        calls.append(await real(self, *arguments))
        raise UpstreamUnavailable("The connection broke.")

    monkeypatch.setattr(BatchJobs, "create", loses)
    async with serving(tmp_path) as (gemini, client):
        batch, output, _ = await run(client, *ROWS)
        assert (batch["status"], len(output), len(calls)) == ("completed", 6, 1)
        assert len(await jobs_at(gemini, client)) == 1


async def test_a_job_that_somebody_deletes_at_gemini_fails_its_requests(tmp_path):
    async with serving(tmp_path, emulator=SLOW) as (gemini, client):
        batch = await begin(client, *ROWS)
        while not (jobs := await jobs_at(gemini, client)):
            await asyncio.sleep(0.01)
        await client.delete(f"{gemini.url}/v1beta/{jobs[0]['name']}", headers={"x-goog-api-key": "k"})
        done = await wait_for_end(client, batch)
        assert (done["status"], done["request_counts"]["failed"]) == ("failed", 6)


async def test_a_batch_stays_with_the_key_that_began_it(tmp_path):
    async with serving(tmp_path, upstream_keys=("a", "b", "c")) as (_, client):
        for _ in range(4):
            batch, output, errors = await run(client, *ROWS)
            assert (batch["status"], len(output), errors) == ("completed", 6, [])


async def test_the_store_that_cannot_be_written_is_waited_for(tmp_path, monkeypatch):
    real, fails = StoredBatches.put, []

    async def put(self, batch, client):
        if batch.status == "completed" and len(fails) < 2:
            fails.append(batch.id)
            return False
        return await real(self, batch, client)

    monkeypatch.setattr(StoredBatches, "put", put)
    async with serving(tmp_path) as (_, client):
        batch, output, _ = await run(client, *ROWS)
    assert (batch["status"], len(output), len(fails)) == ("completed", 6, 2)


@pytest.mark.parametrize("platform", ["studio", "relay"])
async def test_a_disk_that_is_full_is_waited_for_and_there_is_one_output(tmp_path, monkeypatch, platform):
    real, fails = StoredBatches.begin_output, []

    async def begin_output(self, *arguments):
        if len(fails) < 2:
            fails.append(arguments)
            raise OSError(28, "No space left on device")
        return await real(self, *arguments)

    monkeypatch.setattr(StoredBatches, "begin_output", begin_output)
    async with serving(tmp_path, platform, batch_rate=1e6) as (_, client):
        batch, output, _ = await run(client, *ROWS)
        listed = [one["purpose"] for one in (await client.get("/v1/files")).json()["data"]]
    assert (batch["status"], len(output), listed.count("batch_output")) == ("completed", 6, 1)
    assert batch["request_counts"] == {"total": 6, "completed": 6, "failed": 0}


async def test_a_relay_that_is_overloaded_for_a_while_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "RETRY_LAST", 0.05)
    async with serving(tmp_path, "relay", batch_rate=1e6, circuit_pause=0) as (_, client):
        batch, output, errors = await run(client, line("a", model=f"{MODEL}+fault-503"), line("b"))
    assert (batch["status"], [one["custom_id"] for one in output]) == ("completed", ["b"])
    assert errors[0]["response"]["status_code"] == 503


@pytest.mark.parametrize("platform", ["studio", "relay"])
async def test_a_bug_with_one_request_is_its_error_and_stops_no_other(tmp_path, monkeypatch, caplog, platform):
    real = RowPlanner.plan

    async def plan(self, body):
        if b"number 3" in body:
            raise KeyError("a bug")
        return await real(self, body)

    monkeypatch.setattr(RowPlanner, "plan", plan)
    async with serving(tmp_path, platform, batch_rate=1e6) as (_, client):
        batch, output, errors = await run(client, *ROWS)
    assert (batch["status"], len(output)) == ("completed", len(ROWS) - 1)
    assert batch["request_counts"] == {"total": len(ROWS), "completed": len(ROWS) - 1, "failed": 1}
    assert [(one["custom_id"], one["response"]["status_code"]) for one in errors] == [(ROWS[3]["custom_id"], 500)]
    assert errors[0]["error"]["code"] == "internal_error"
    assert "KeyError: 'a bug'" in caplog.text


@pytest.mark.parametrize("platform", ["studio", "relay"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), NotStored("It cannot.", status=503)])
async def test_an_answer_that_cannot_be_stored_now_is_no_error_of_its_request(tmp_path, monkeypatch, platform, error):
    real, fails = RowPlanner.plan, []

    async def plan(self, body):
        if b"number 3" in body and len(fails) < 2:
            fails.append(body)
            raise error
        return await real(self, body)

    monkeypatch.setattr(RowPlanner, "plan", plan)
    async with serving(tmp_path, platform, batch_rate=1e6) as (_, client):
        batch, output, _ = await run(client, *ROWS)
    assert (batch["status"], len(output), len(fails)) == ("completed", len(ROWS), 2)
    assert batch["request_counts"] == {"total": len(ROWS), "completed": len(ROWS), "failed": 0}
