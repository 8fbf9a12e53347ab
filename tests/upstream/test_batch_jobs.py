"""Jobs of the Batch API: found among pages, cancelled though they have ended, read piece by piece."""

import json

import pytest

from adapter.upstream import open_upstream
from adapter.upstream.batch_jobs import BatchJobs
from adapter.upstream.client import Caller
from adapter.upstream.errors import UpstreamError
from adapter.upstream.settings import UpstreamSettings
from tests.support.chaos import answer, running


def page(*names, token=""):
    state = "BATCH_STATE_RUNNING"
    jobs = [{"name": f"batches/{name}", "metadata": {"displayName": name, "state": state}} for name in names]
    return answer(json.dumps({"operations": jobs, "nextPageToken": token}).encode())


def refusal(status):
    return answer(b'{"error":{"code":%d,"message":"no","status":"X"}}' % status, status=f"{status} X")


async def run_jobs(script, ask):
    """Return a call's result, and the request lines."""
    answers, lines = list(script), []

    async def say(exchange):
        lines.append(exchange.line)
        await exchange.send(answers.pop(0))

    async with running() as (chaos, url):
        chaos.script = say
        upstream = open_upstream(UpstreamSettings(url=url, keys=("k",), retries=0, circuit_pause=0))
        try:
            return await ask(BatchJobs(upstream)), lines
        finally:
            await upstream.aclose()


@pytest.mark.parametrize(("name", "found"), [("a", "batches/a"), ("d", "batches/d"), ("none", None)])
async def test_a_job_is_found_on_whichever_page_it_is(name, found):
    script = [page("a", "b", token="t1"), page("c", "d")]
    job, lines = await run_jobs(script, lambda jobs: jobs.find(name, Caller()))
    assert (job and job.name) == found
    assert len(lines) == (1 if name == "a" else 2)
    assert "pageToken=t1" in lines[-1] or name == "a"


async def test_no_jobs_at_all_is_none():
    job, _ = await run_jobs([answer(b'{"nextPageToken":""}')], lambda jobs: jobs.find("a", Caller()))
    assert job is None


@pytest.mark.parametrize("status", [400, 404, 409])
async def test_cancelling_what_has_ended_is_no_error(status):
    _, lines = await run_jobs([refusal(status)], lambda jobs: jobs.cancel("batches/a", Caller()))
    assert lines == ["POST /v1beta/batches/a:cancel HTTP/1.1"]


async def test_cancelling_that_fails_is_one():
    with pytest.raises(UpstreamError):
        await run_jobs([refusal(503)], lambda jobs: jobs.cancel("batches/a", Caller()))


async def test_answers_are_read_piece_by_piece():
    async def read(jobs):
        return b"".join([piece async for piece in jobs.download("files/a", Caller())])

    content, lines = await run_jobs([answer(b"x" * 300_000)], read)
    assert content == b"x" * 300_000
    assert lines == ["GET /v1beta/files/a:download?alt=media HTTP/1.1"]
