"""/v1/uploads over real sockets: parts in the order of their ids, sums, ends of every kind."""

import asyncio
import hashlib
import os
import time

import pytest

from adapter.server.state import stored_files
from adapter.server.state.not_stored import NotStored
from adapter.store.documents.sqlite import SqliteDocuments
from adapter.store.files.directory import FileWriter
from tests.server.endpoints.storing import FILES, openai_client, serving

UPLOADS = "/v1/uploads"
PIECES = (b"first ", b"second ", b"third")
WHOLE = b"".join(PIECES)
TOLD = {"bytes": len(WHOLE), "filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data"}


async def begin(client, pieces=PIECES, **told):
    """An upload with its parts, and their ids."""
    upload = (await client.post(UPLOADS, json={**TOLD, **told})).json()
    ids = []
    for piece in pieces:
        got = await client.post(f"{UPLOADS}/{upload['id']}/parts", files={"data": ("blob", piece)})
        assert got.status_code == 200, got.text
        ids.append(got.json()["id"])
    return f"{UPLOADS}/{upload['id']}", ids


def contents(tmp_path):
    return [path.name for path in tmp_path.rglob("*") if path.is_file() and path.name[:4] in ("part", "file")]


async def test_parts_become_a_file_in_the_order_of_their_ids_by_the_openai_package(tmp_path):
    big = os.urandom(2_500_000)
    async with serving(tmp_path) as client:
        openai = openai_client(client)
        size = len(big) + 6
        upload = await openai.uploads.create(
            bytes=size, filename="b.bin", mime_type="application/x-b", purpose="vision",
            expires_after={"anchor": "created_at", "seconds": 3_600},
        )  # fmt: skip
        assert (upload.status, upload.bytes, upload.expires_at - upload.created_at) == ("pending", size, 3_600)
        last = await openai.uploads.parts.create(upload.id, data=b" third")
        first = await openai.uploads.parts.create(upload.id, data=big)
        assert (first.object, first.upload_id) == ("upload.part", upload.id)
        md5 = hashlib.md5(big + b" third").hexdigest()
        done = await openai.uploads.complete(upload.id, part_ids=[first.id, last.id], md5=md5)
        assert (done.status, done.file.filename, done.file.purpose, done.file.bytes) == (
            "completed", "b.bin", "vision", size,
        )  # fmt: skip
        assert done.file.expires_at - done.file.created_at == 3_600
        assert (await openai.files.content(done.file.id)).content == big + b" third"
        given = await openai.uploads.create(bytes=3, filename="c", mime_type="text/plain", purpose="batch")
        assert (await openai.uploads.cancel(given.id)).status == "cancelled"
        assert contents(tmp_path) == [done.file.id], "parts are gone"


async def test_the_openai_package_uploads_a_file_in_chunks(tmp_path):
    content = os.urandom(300_000)
    async with serving(tmp_path) as client:
        done = await openai_client(client).uploads.upload_file_chunked(
            file=content, filename="a.bin", bytes=len(content), mime_type="text/plain", purpose="batch",
            part_size=100_000,
        )  # fmt: skip
        assert (await client.get(f"{FILES}/{done.file.id}/content")).content == content


@pytest.mark.parametrize(
    ("chosen", "more", "param", "code"),
    [
        (lambda ids: ids[:2], {}, "part_ids", "size_mismatch"),
        (lambda ids: [], {}, "part_ids", "size_mismatch"),
        (lambda ids: [*ids, ids[0]], {}, "part_ids[3]", "invalid_part"),
        (lambda ids: [*ids, "part_" + "0" * 32], {}, "part_ids[3]", "invalid_part"),
        (lambda ids: ["../../x", *ids], {}, "part_ids[0]", "invalid_part"),
        (lambda ids: ids, {"md5": "0" * 32}, "md5", "md5_mismatch"),
        (lambda ids: ids[::-1], {"md5": hashlib.md5(WHOLE).hexdigest()}, "md5", "md5_mismatch"),
    ],
)
async def test_what_does_not_fit_is_refused_and_the_upload_goes_on(tmp_path, chosen, more, param, code):
    async with serving(tmp_path) as client:
        path, ids = await begin(client)
        got = await client.post(f"{path}/complete", json={"part_ids": chosen(ids), **more})
        error = got.json()["error"]
        assert (got.status_code, error["param"], error["code"]) == (400, param, code)
        good = {"part_ids": ids, "md5": hashlib.md5(WHOLE).hexdigest().upper()}
        done = await client.post(f"{path}/complete", json=good)
        assert (await client.get(f"{FILES}/{done.json()['file']['id']}/content")).content == WHOLE


async def test_parts_of_another_upload_are_none_of_this_one(tmp_path):
    async with serving(tmp_path) as client:
        path, _ = await begin(client)
        _, others = await begin(client)
        got = await client.post(f"{path}/complete", json={"part_ids": others})
    assert (got.status_code, got.json()["error"]["param"]) == (400, "part_ids[0]")


@pytest.mark.parametrize("end", ["completed", "cancelled", "expired"])
async def test_an_upload_that_has_ended_takes_nothing_more(tmp_path, monkeypatch, end):
    now = time.time()  # what is being written has the real time, and is swept a day later
    monkeypatch.setattr(time, "time", lambda: now)
    async with serving(tmp_path) as client:
        path, ids = await begin(client)
        if end == "expired":
            now += 3_600
        else:
            word = end.replace("ed", "e") if end == "completed" else "cancel"
            assert (await client.post(f"{path}/{word}", json={"part_ids": ids})).status_code == 200
        for way, body in (
            ("parts", {"files": {"data": ("x", b"x")}}),
            ("complete", {"json": {"part_ids": ids}}),
            ("cancel", {}),
        ):
            got = await client.post(f"{path}/{way}", **body)
            assert (got.status_code, got.json()["error"]["code"]) == (400, "invalid_upload_state"), way
            assert end in got.json()["error"]["message"]


async def test_an_upload_of_another_client_or_of_none_is_not_found(tmp_path):
    async with serving(tmp_path, client_keys=("one", "two")) as client:
        client.headers["authorization"] = "Bearer one"
        path, ids = await begin(client)
        client.headers["authorization"] = "Bearer two"
        for where in (path, f"{UPLOADS}/upload_unknown"):
            for way, body in (("parts", {"files": {"data": b"x"}}), ("complete", {"json": {"part_ids": ids}})):
                assert (await client.post(f"{where}/{way}", **body)).status_code == 404
            assert (await client.post(f"{where}/cancel")).status_code == 404


async def test_fields_of_an_upload_are_told_and_refused(tmp_path):
    async with serving(tmp_path, file_max_bytes=100) as client:
        got = await client.post(UPLOADS, json={**TOLD, "purpose": "evals", "colour": "red"})
        assert "purpose-not-served" in got.headers["x-adapter-notes"]
        assert "unknown-field" in got.headers["x-adapter-notes"]
        for field, value in (("bytes", 101), ("bytes", 0), ("purpose", "x"), ("filename", None)):
            got = await client.post(UPLOADS, json={**TOLD, field: value})
            assert (got.status_code, got.json()["error"]["param"]) == (400, field)
        upload = (await client.post(UPLOADS, json=TOLD)).json()
        for form in ({"files": {"file": b"x"}}, {"files": {"data": b""}}):
            got = await client.post(f"{UPLOADS}/{upload['id']}/parts", **form)
            assert (got.status_code, got.json()["error"]["param"]) == (400, "data")


async def test_a_part_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("adapter.translate.files.MAX_PART", 10)
    async with serving(tmp_path) as client:
        path, _ = await begin(client, pieces=())
        got = await client.post(f"{path}/parts", files={"data": b"x" * 11})
        assert (got.status_code, got.json()["error"]["code"]) == (400, "file_too_large")
        assert contents(tmp_path) == []


async def test_an_upload_whose_end_was_not_written_is_completed_again_to_the_same_file(tmp_path, monkeypatch):
    async with serving(tmp_path) as client:
        path, ids = await begin(client)
        with monkeypatch.context() as patch:

            async def fails(self, record, client):
                raise NotStored("gone", status=503)

            patch.setattr(stored_files.StoredFiles, "_keep_upload", fails)
            assert (await client.post(f"{path}/complete", json={"part_ids": ids})).status_code == 503
        done = await client.post(f"{path}/complete", json={"part_ids": ids})
        listed = (await client.get(FILES)).json()["data"]
    assert [one["id"] for one in listed] == [done.json()["file"]["id"]]


async def test_an_upload_as_large_as_a_client_may_store_is_completed(tmp_path):
    async with serving(tmp_path, files_max_bytes=len(WHOLE)) as client:
        path, ids = await begin(client)
        got = await client.post(f"{path}/parts", files={"data": ("blob", b"x")})
        assert (got.status_code, got.json()["error"]["code"]) == (413, "storage_limit_exceeded")
        done = await client.post(f"{path}/complete", json={"part_ids": ids})
        assert done.status_code == 200, done.text
        assert contents(tmp_path) == [done.json()["file"]["id"]]


async def test_parts_of_an_upload_that_was_abandoned_are_removed_and_free_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_files, "SWEEP_EVERY", 0.01)
    later = []
    monkeypatch.setattr(time, "time", lambda real=time.time: real() + sum(later))
    async with serving(tmp_path, files_max_bytes=len(WHOLE)) as client:
        await begin(client)
        assert len(contents(tmp_path)) == len(PIECES)
        later.append(3_700.0)
        while contents(tmp_path):
            await asyncio.sleep(0.01)
        await begin(client)


@pytest.mark.parametrize("fails", ["the disk", "the store"])
@pytest.mark.parametrize("what", ["file", "part"])
async def test_what_cannot_be_stored_leaves_nothing(tmp_path, monkeypatch, fails, what):
    def full(self, expires_at):
        raise OSError(28, "No space left on device")

    async def refuse(self, documents, client, max_age=None, real=SqliteDocuments.put):
        return await real(self, documents, client, max_age) if documents[0].key.startswith("upload_") else False

    async with serving(tmp_path) as client:
        path, _ = await begin(client, pieces=())
        if fails == "the disk":
            monkeypatch.setattr(FileWriter, "_commit", full)
        else:
            monkeypatch.setattr(SqliteDocuments, "put", refuse)
        if what == "file":
            got = await client.post(FILES, files={"file": ("a", b"x")}, data={"purpose": "batch"})
        else:
            got = await client.post(f"{path}/parts", files={"data": ("blob", b"x")})
        assert (got.status_code, got.json()["error"]["code"]) == (503, "not_stored")
        assert contents(tmp_path) == []
