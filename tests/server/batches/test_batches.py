"""/v1/batches from a file to its files, over the emulator's Batch API and, where there is none, one by one."""

import asyncio
import json
import os
import time

import pytest

from adapter.emulator import EmulatorSettings
from adapter.server.batches import manager
from adapter.server.batches.rows import RowPlanner
from tests.server.batches.running import (
    CHAT,
    MODEL,
    begin,
    jobs_at,
    line,
    lines,
    rows_of,
    run,
    serving,
    wait_for_end,
)
from tests.server.endpoints.storing import put
from tests.support.clocks import Clock
from tests.support.guards import until

EMBEDDING = "gemini-embedding-001"
WAYS = pytest.mark.parametrize("platform", ["studio", "relay"])
FAST = {"batch_rate": 1_000_000.0}


@WAYS
async def test_requests_are_answered_in_their_order_with_true_figures(tmp_path, platform):
    async with serving(tmp_path, platform, **FAST) as (gemini, client):
        batch, output, errors = await run(client, *(line(f"row-{n}", f"number {n}") for n in range(40)))
        assert (batch["status"], errors) == ("completed", [])
        assert batch["request_counts"] == {"total": 40, "completed": 40, "failed": 0}
        assert [one["custom_id"] for one in output] == [f"row-{n}" for n in range(40)]
        for number, one in enumerate(output):
            assert (one["response"]["status_code"], one["error"]) == (200, None)
            assert one["response"]["body"]["object"] == "chat.completion"
            assert f"number {number}" in one["response"]["body"]["choices"][0]["message"]["content"]
        usages = [one["response"]["body"]["usage"] for one in output]
        assert batch["usage"]["input_tokens"] == sum(one["prompt_tokens"] for one in usages)
        assert batch["usage"]["output_tokens"] == sum(one["completion_tokens"] for one in usages)
        assert batch["usage"]["total_tokens"] == sum(one["total_tokens"] for one in usages)
        assert len({one["id"] for one in output}) == 40
        assert batch["created_at"] <= batch["in_progress_at"] <= batch["finalizing_at"] <= batch["completed_at"]
        file = (await client.get(f"/v1/files/{batch['output_file_id']}")).json()
        assert file["purpose"] == "batch_output"
        assert len(await jobs_at(gemini, client)) == (platform == "studio")
        # Its folder goes once its end is stored.
        await until(lambda: not list((tmp_path / "store-files" / "batches" / "anybody").iterdir()))


@WAYS
async def test_what_is_refused_goes_to_the_error_file_with_its_line_and_the_batch_goes_on(tmp_path, platform):
    rows = [
        line("good"), b"", b"   ", b"{no json", b"[1]", line("get") | {"method": "GET"},
        line("url", url="/v1/embeddings", input="a"), line("good"), line("unknown", model="no such model?"),
        line("refused", messages=[]), line("theirs", model="gemini-9-none"), {"custom_id": "half"},
        line("streamed", stream=True),
        b'{"custom_id":"\\ud800","method":"POST","url":"/v1/chat/completions","body":{}}',
        line("last"),
    ]  # fmt: skip
    async with serving(tmp_path, platform, **FAST) as (_, client):
        batch, output, errors = await run(client, *rows)
    assert batch["status"] == "completed"
    assert [one["custom_id"] for one in output] == ["good", "last"]
    found = {one["error"]["line"]: (one["custom_id"], one["error"]["code"]) for one in errors}
    assert found[4] == (None, "invalid_json_line")
    assert found[5] == (None, "invalid_request")
    assert found[6] == ("get", "invalid_method")
    assert found[7] == ("url", "invalid_url")
    assert found[8] == ("good", "duplicate_custom_id")
    assert found[9][0] == "unknown"
    assert found[10][0] == "refused"
    assert found[11] == ("theirs", "model_not_found")
    assert found[12] == ("half", "invalid_request")
    assert found[13] == ("streamed", "unsupported_value")
    assert found[14][0] == "\ufffd"
    assert set(found) == {*range(4, 15)}
    assert batch["request_counts"] == {"total": 13, "completed": 2, "failed": 11}
    theirs = next(one for one in errors if one["custom_id"] == "theirs")
    assert theirs["response"]["status_code"] == 404
    assert theirs["response"]["body"]["error"]["code"] == "model_not_found"


@WAYS
async def test_a_batch_of_each_endpoint(tmp_path, platform):
    async with serving(tmp_path, platform, **FAST) as (_, client):
        rows = [
            line("a", url="/v1/responses", input="hello"),
            line("b", url="/v1/responses", input="again", store=False),
        ]
        batch, output, errors = await run(client, *rows, url="/v1/responses")
        assert (batch["status"], errors) == ("completed", [])
        first = output[0]["response"]["body"]
        assert (first["object"], first["status"]) == ("response", "completed")
        stored = await client.get(f"/v1/responses/{first['id']}")
        assert stored.json()["output"] == first["output"], "it can be read, and gone on from"
        assert batch["usage"]["input_tokens"] > 0

        rows = [
            line("a", url="/v1/embeddings", model=EMBEDDING, input="one", dimensions=8),
            line("b", url="/v1/embeddings", model=EMBEDDING, input=["one", "two"], encoding_format="base64"),
        ]
        batch, output, errors = await run(client, *rows, url="/v1/embeddings")
        assert (batch["status"], errors) == ("completed", [])
        by_itself = await client.post("/v1/embeddings", json=rows[0]["body"])
        assert output[0]["response"]["body"]["data"] == by_itself.json()["data"]
        assert [one["index"] for one in output[1]["response"]["body"]["data"]] == [0, 1]

        rows = [line("a", url="/v1/completions", prompt=["Once", "Twice"], n=2, max_tokens=200)]
        batch, output, errors = await run(client, *rows, url="/v1/completions")
        assert (batch["status"], errors) == ("completed", []), errors
        assert [one["index"] for one in output[0]["response"]["body"]["choices"]] == [0, 1, 2, 3]


@WAYS
@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/embeddings", {"input": "hi", "model": EMBEDDING}),
        ("/v1/completions", {"prompt": "hi", "max_tokens": 200}),
    ],
)
async def test_a_line_tells_what_its_request_lost_as_its_endpoint_does(tmp_path, platform, url, field):
    rows = [line("lossy", url=url, **field, user="me", unheard_of=1), line("clean", url=url, **field)]
    async with serving(tmp_path, platform, **FAST) as (_, client):
        _, output, errors = await run(client, *rows, url=url)
        alone = [(await client.post(url, json=row["body"])).headers["x-adapter-notes"] for row in rows]
    assert errors == []
    assert "unknown-field" in alone[0]
    assert [one["response"].get("notes", "none") for one in output] == alone


@WAYS
async def test_images_of_a_batch_come_in_the_format_that_was_asked_for(tmp_path, platform):
    tool = {"type": "image_generation", "size": "1536x1024", "output_format": "jpeg"}
    url = "/v1/responses"
    row = line("drawn", url=url, model="gemini-3.1-flash-image", input="a cat", tools=[tool])
    async with serving(tmp_path, platform, **FAST) as (_, client):
        _, [one], errors = await run(client, row, url=url)
    image = one["response"]["body"]["output"][-1]
    assert errors == []
    assert (image["size"], image["output_format"], image["result"][:4]) == ("1264x848", "jpeg", "/9j/")


@WAYS
async def test_several_choices_are_rows_of_their_own_and_one_answer(tmp_path, platform):
    async with serving(tmp_path, platform, **FAST) as (gemini, client):
        batch, output, errors = await run(client, line("a", n=3), line("b"))
        assert (batch["status"], errors) == ("completed", []), errors
        assert [len(one["response"]["body"]["choices"]) for one in output] == [3, 1]
        if platform == "studio":
            (job,) = await jobs_at(gemini, client)
            assert job["metadata"]["batchStats"]["requestCount"] == "4"


async def test_requests_for_several_models_are_jobs_of_their_own_and_one_output(tmp_path):
    async with serving(tmp_path) as (gemini, client):
        rows = [line(str(n), model=("gemini-3.5-flash", "gemini-3.8-flash")[n % 2]) for n in range(6)]
        batch, output, _ = await run(client, *rows)
        assert [one["custom_id"] for one in output] == list("012345")
        assert [one["response"]["body"]["model"] for one in output] == ["gemini-3.5-flash", "gemini-3.8-flash"] * 3
        assert sorted(one["metadata"]["model"] for one in await jobs_at(gemini, client)) == [
            "models/gemini-3.5-flash", "models/gemini-3.8-flash",
        ]  # fmt: skip
        assert batch["model"] is None


@WAYS
async def test_a_chat_goes_on_from_an_answer_of_a_batch_with_its_signature(tmp_path, platform):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    body = {"tools": tools, "tool_choice": "required", "model": "gemini-3.8-flash"}
    async with serving(tmp_path, platform, **FAST) as (_, client):
        _batch, output, errors = await run(client, line("a", "call f", **body))
        assert errors == []
        (call,) = output[0]["response"]["body"]["choices"][0]["message"]["tool_calls"]
        kept = {"id": call["id"], "type": "function", "function": call["function"]}
        messages = [
            {"role": "user", "content": "call f"},
            {"role": "assistant", "content": None, "tool_calls": [kept]},
            {"role": "tool", "tool_call_id": call["id"], "content": "done"},
        ]
        got = await client.post(CHAT, json={**body, "tool_choice": "auto", "messages": messages})
        assert got.status_code == 200, got.text
        assert got.headers["x-adapter-signatures"] == "id=1"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\n\n", "empty_file"), (lines(*(line(str(n)) for n in range(12))), "too_many_requests")],
)
async def test_an_input_that_is_no_batch_fails_it(tmp_path, monkeypatch, content, code):
    monkeypatch.setattr("adapter.translate.batches.MAX_LINES", 10)
    async with serving(tmp_path) as (gemini, client):
        batch = await wait_for_end(client, await begin(client, content=content))
        assert (batch["status"], batch["errors"]["data"][0]["code"]) == ("failed", code)
        assert batch["failed_at"] >= batch["created_at"]
        assert await jobs_at(gemini, client) == []


async def test_an_input_that_is_too_large_fails_it(tmp_path, monkeypatch):
    monkeypatch.setattr("adapter.translate.batches.MAX_BYTES", 10)
    async with serving(tmp_path) as (_, client):
        batch = await wait_for_end(client, await begin(client, line("a")))
    assert batch["errors"]["data"][0]["code"] == "file_too_large"


async def test_a_line_that_is_too_long_is_refused_and_the_next_one_read(tmp_path):
    async with serving(tmp_path, max_body=2_000) as (_, client):
        batch, output, errors = await run(client, line("a"), line("b", "x" * 5_000), line("c"), b"x" * 3_000)
    assert [one["custom_id"] for one in output] == ["a", "c"]
    assert [(one["error"]["line"], one["error"]["code"]) for one in errors] == [
        (2, "request_too_large"), (4, "request_too_large"),
    ]  # fmt: skip
    assert batch["request_counts"] == {"total": 4, "completed": 2, "failed": 2}


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"endpoint": "/v1/moderations"}, 400, "endpoint"),
        ({"endpoint": "/v1/images/generations"}, 400, "endpoint"),
        ({"completion_window": "48h"}, 400, "completion_window"),
        ({"input_file_id": "file-" + "0" * 32}, 404, "input_file_id"),
        ({"input_file_id": "../../x"}, 404, "input_file_id"),
        ({"metadata": {"a": 1}}, 400, "metadata"),
        ({"output_expires_after": {"anchor": "x", "seconds": 3_600}}, 400, "output_expires_after.anchor"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
    ],
)
async def test_a_batch_that_cannot_be_is_refused(tmp_path, fields, status, param):
    async with serving(tmp_path) as (_, client):
        file = (await client.post("/v1/files", files={"file": b"x"}, data={"purpose": "batch"})).json()
        body = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h", **fields}
        got = await client.post("/v1/batches", json=body)
        assert (got.status_code, got.json()["error"]["param"]) == (status, param), got.text
        assert (await client.get("/v1/batches")).json()["data"] == []


async def test_the_input_has_its_purpose_and_its_client(tmp_path):
    async with serving(tmp_path, client_keys=("one", "two")) as (_, client):
        client.headers["authorization"] = "Bearer one"
        form = {"files": {"file": lines(line("a"))}}
        wrong = (await client.post("/v1/files", **form, data={"purpose": "user_data"})).json()
        right = (await client.post("/v1/files", **form, data={"purpose": "batch"})).json()
        body = {"endpoint": CHAT, "completion_window": "24h"}
        got = await client.post("/v1/batches", json={**body, "input_file_id": wrong["id"]})
        assert (got.status_code, got.json()["error"]["code"]) == (400, "invalid_file_purpose")
        client.headers["authorization"] = "Bearer two"
        got = await client.post("/v1/batches", json={**body, "input_file_id": right["id"]})
        assert (got.status_code, got.json()["error"]["code"]) == (404, "file_not_found")
        client.headers["authorization"] = "Bearer one"
        batch = (await client.post("/v1/batches", json={**body, "input_file_id": right["id"]})).json()
        done = await wait_for_end(client, batch)
        client.headers["authorization"] = "Bearer two"
        for verb, path in (("GET", ""), ("POST", "/cancel")):
            assert (await client.request(verb, f"/v1/batches/{batch['id']}{path}")).status_code == 404
        assert (await client.get("/v1/batches")).json()["data"] == []
        assert (await client.get(f"/v1/files/{done['output_file_id']}/content")).status_code == 404


async def test_fields_that_are_taken_dropped_and_shortened_are_told(tmp_path):
    expiry = {"anchor": "created_at", "seconds": 9_000}
    async with serving(tmp_path, responses_max_age=7_200) as (_, client):
        file = (await client.post("/v1/files", files={"file": lines(line("a"))}, data={"purpose": "batch"})).json()
        body = {
            "input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h", "metadata": {"team": "a"},
            "output_expires_after": expiry, "priority": "high",
        }  # fmt: skip
        got = await client.post("/v1/batches", json=body)
        assert "unknown-field" in got.headers["x-adapter-notes"]
        assert "life-shortened" in got.headers["x-adapter-notes"]
        done = await wait_for_end(client, got.json())
        assert (done["metadata"], done["model"]) == ({"team": "a"}, MODEL)
        output = (await client.get(f"/v1/files/{done['output_file_id']}")).json()
        assert output["expires_at"] - output["created_at"] == 7_200


async def test_batches_come_in_pages_the_newest_first(tmp_path):
    async with serving(tmp_path) as (_, client):
        ids = [(await begin(client, line("a")))["id"] for _ in range(5)]
        page = (await client.get("/v1/batches?limit=2")).json()
        assert ([one["id"] for one in page["data"]], page["has_more"]) == (ids[:2:-1], True)
        rest = (await client.get(f"/v1/batches?limit=10&after={page['last_id']}")).json()
        assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2::-1], False)
        assert (await client.get("/v1/batches?limit=0")).status_code == 400
        assert (await client.get("/v1/batches/batch_none")).status_code == 404


async def test_the_input_may_be_deleted_as_soon_as_the_batch_has_begun(tmp_path):
    async with serving(tmp_path) as (_, client):
        batch = await begin(client, *(line(str(n)) for n in range(20)))
        assert (await client.delete(f"/v1/files/{batch['input_file_id']}")).status_code == 200
        done = await wait_for_end(client, batch)
        assert len(await rows_of(client, done["output_file_id"])) == 20


async def test_a_file_that_a_request_names_may_be_deleted_before_its_answer_comes(tmp_path):
    async with serving(tmp_path) as (_, client):
        form = {"files": {"file": ("a.pdf", b"%PDF-1", "application/pdf")}, "data": {"purpose": "user_data"}}
        file_id = (await client.post("/v1/files", **form)).json()["id"]
        part = {"type": "file", "file": {"file_id": file_id}}
        row = line("a", messages=[{"role": "user", "content": [part, {"type": "text", "text": "What?"}]}])
        batch = await begin(client, row)
        while (await client.get(f"/v1/batches/{batch['id']}")).json()["status"] == "validating":
            pass
        await client.delete(f"/v1/files/{file_id}")
        done = await wait_for_end(client, batch)
        assert done["request_counts"]["completed"] == 1, json.dumps(await rows_of(client, done["error_file_id"]))


async def test_a_file_that_gemini_would_forget_before_the_batch_ends_is_uploaded_again(tmp_path, monkeypatch):
    clock = Clock(time.time())
    monkeypatch.setattr(time, "time", clock)
    async with serving(tmp_path, emulator=EmulatorSettings(clock=clock)) as (gemini, client):
        made = await put(client, b"%PDF" + bytes(2_000_000), name="a.pdf", mime_type="application/pdf")
        part = {"type": "file", "file": {"file_id": made["id"]}}
        messages = [{"role": "user", "content": [part, {"type": "text", "text": "What?"}]}]
        assert (await client.post(CHAT, json={"model": MODEL, "messages": messages})).status_code == 200
        uploads = []
        for hours in (20, 10):
            clock.now += hours * 3_600
            batch, output, _ = await run(client, line("a", messages=messages))
            assert (batch["status"], len(output)) == ("completed", 1)
            got = await client.get(f"{gemini.url}/v1beta/files", headers={"x-goog-api-key": "k"})
            uploads.append([one["name"] for one in got.json()["files"] if one["mimeType"] == "application/pdf"])
    assert [len(one) for one in uploads] == [1, 2], "what lives 28 hours is used, what lives 18 is uploaded again"


@WAYS
async def test_all_that_a_batch_leaves_on_the_disk_is_its_users_alone(tmp_path, platform):
    mask = os.umask(0)
    try:
        async with serving(tmp_path, platform, emulator=EmulatorSettings(batch_delay=1e9), batch_rate=0.01) as (
            _,
            client,
        ):
            batch = await begin(client, line("a"), line("b"), line("a"), b"no json")
            folder = next(tmp_path.rglob(batch["id"]))
            last = "done.jsonl" if platform == "relay" else "lines"
            while not (folder / last).exists() or not (folder / last).read_bytes():
                await asyncio.sleep(0.01)
            await client.post(f"/v1/batches/{batch['id']}/cancel")
            files = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
            done = await wait_for_end(client, batch)
            files |= {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    finally:
        os.umask(mask)
    assert done["status"] == "cancelled"
    assert {"state.json", "input.jsonl", "lines", "refused.jsonl", "cancel", "lock"} < set(files)
    assert set(files.values()) == {0o600}, files
    closed = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert [path.stat().st_mode & 0o777 for path in closed] == [0o700]


async def test_few_batches_are_translated_at_the_same_time_and_the_others_wait(tmp_path, monkeypatch):
    running, most, may_go_on = set(), [], asyncio.Event()

    async def plan(self, body, real=RowPlanner.plan):
        running.add(self)
        most.append(len(running))
        await may_go_on.wait()
        planned = await real(self, body)
        running.discard(self)
        return planned

    monkeypatch.setattr(RowPlanner, "plan", plan)
    async with serving(tmp_path) as (_, client):
        begun = [await begin(client, line("a"), line("b")) for _ in range(7)]
        while not most or most[-1] < manager.TRANSLATED_AT_ONCE:
            await asyncio.sleep(0.01)
        waiting = [(await client.get(f"/v1/batches/{one['id']}")).json()["status"] for one in begun]
        assert waiting == ["validating"] * 7
        may_go_on.set()
        assert {(await wait_for_end(client, one))["status"] for one in begun} == {"completed"}
    assert max(most[: manager.TRANSLATED_AT_ONCE + 1]) == manager.TRANSLATED_AT_ONCE


async def test_requests_that_are_asked_one_by_one_keep_the_rate(tmp_path):
    async with serving(tmp_path, "relay", batch_rate=1_200.0) as (_, client):
        begun = time.monotonic()
        batch, _, _ = await run(client, *(line(str(number)) for number in range(9)))
        assert time.monotonic() - begun >= 8 * 60 / 1_200
    assert batch["request_counts"]["completed"] == 9
