"""/v1/files over real sockets: stored, listed, read, deleted, each by its client alone."""

import asyncio
import os
import sqlite3
import time
from contextlib import closing

import pytest

from adapter.server.state import stored_files
from adapter.store.documents import sqlite
from tests.server.endpoints.storing import FILES, TEXT, openai_client, put, serving
from tests.support.guards import until


async def test_a_file_is_stored_read_listed_and_deleted_by_the_openai_package(tmp_path):
    content = os.urandom(3_000_000)
    async with serving(tmp_path) as client:
        openai = openai_client(client)
        expiry = {"anchor": "created_at", "seconds": 3_600}
        made = await openai.files.create(file=("größe.bin", content), purpose="user_data", expires_after=expiry)
        assert (made.bytes, made.filename, made.purpose, made.status) == (
            3_000_000, "größe.bin", "user_data", "processed",
        )  # fmt: skip
        assert made.expires_at == made.created_at + 3_600
        assert await openai.files.retrieve(made.id) == made
        assert (await openai.files.content(made.id)).content == content
        assert [one.id async for one in openai.files.list()] == [made.id]
        assert (await openai.files.delete(made.id)).deleted
        assert [one.id async for one in openai.files.list()] == []
        assert (await client.get(f"{FILES}/{made.id}")).json()["error"]["code"] == "file_not_found"
        assert (await client.get(f"{FILES}/{made.id}/content")).status_code == 404
        assert (await client.delete(f"{FILES}/{made.id}")).status_code == 404
        assert [path for path in tmp_path.rglob("*") if path.is_file() and "file-" in path.name] == []


async def test_lists_come_in_pages_in_either_order_and_by_purpose(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_files, "_AT_ONCE", 2)
    async with serving(tmp_path) as client:
        openai = openai_client(client)
        ids = [(await put(client, purpose="batch" if index % 2 else "vision"))["id"] for index in range(7)]
        assert [one.id async for one in openai.files.list(limit=2)] == ids[::-1]
        assert [one.id async for one in openai.files.list(limit=3, order="asc")] == ids
        assert [one.id async for one in openai.files.list(limit=1, order="asc", purpose="batch")] == ids[1::2]
        page = (await client.get(f"{FILES}?limit=3&order=asc&after={ids[1]}")).json()
        assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[2], ids[4], True)
        assert (await client.get(f"{FILES}?after=file-unknown")).json()["data"] == []


@pytest.mark.parametrize(("query", "param"), [("limit=0", "limit"), ("limit=10001", "limit"), ("order=up", "order")])
async def test_a_list_that_cannot_be_is_refused(tmp_path, query, param):
    async with serving(tmp_path) as client:
        got = await client.get(f"{FILES}?{query}")
    assert (got.status_code, got.json()["error"]["param"]) == (400, param)


async def test_a_client_sees_its_own_files_alone(tmp_path):
    keys = {"client_keys": ("key-one", "key-two")}
    async with serving(tmp_path, **keys) as client:
        one, two = openai_client(client, "key-one"), openai_client(client, "key-two")
        made = await one.files.create(file=TEXT, purpose="user_data")
        other = {"authorization": "Bearer key-two"}
        assert [file.id async for file in two.files.list()] == []
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            got = await client.request(method, f"{FILES}/{made.id}{path}", headers=other)
            assert (got.status_code, got.json()["error"]["code"]) == (404, "file_not_found"), (method, path)
        assert (await client.get(FILES)).status_code == 401
        assert (await client.post(FILES, files={"file": TEXT}, data={"purpose": "batch"})).status_code == 401
        assert (await one.files.content(made.id)).content == b"hello"


@pytest.mark.parametrize(
    ("form", "status", "code", "param"),
    [
        ({"files": {"file": TEXT}}, 400, "unsupported_value", "purpose"),
        ({"files": {"file": TEXT}, "data": {"purpose": "homework"}}, 400, "unsupported_value", "purpose"),
        ({"files": {"other": TEXT}, "data": {"purpose": "batch"}}, 400, "invalid_form", "file"),
        ({"files": [("file", TEXT), ("file", TEXT)], "data": {"purpose": "batch"}}, 400, "invalid_form", "file"),
        ({"files": {"file": ("a", b"")}, "data": {"purpose": "batch"}}, 400, "invalid_form", "file"),
        ({"files": {"file": TEXT}, "data": {"purpose": ["batch", "batch"]}}, 400, "invalid_form", "purpose"),
        ({"json": {"purpose": "batch"}}, 415, "unsupported_media_type", None),
        ({"data": {"purpose": "batch"}}, 415, "unsupported_media_type", None),
        ({"content": b"x"}, 415, "unsupported_media_type", None),
    ],
)
async def test_a_form_that_cannot_be_stored_is_refused_and_leaves_nothing(tmp_path, form, status, code, param):
    async with serving(tmp_path) as client:
        got = await client.post(FILES, **form)
        error = got.json()["error"]
        assert (got.status_code, error["code"], error["param"]) == (status, code, param), error
        assert (await client.get(FILES)).json()["data"] == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "file-" in path.name] == []


async def test_what_becomes_of_the_fields_is_told_and_strictness_obeyed(tmp_path):
    async with serving(tmp_path, responses_max_age=7_200) as client:
        expiry = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "9000", "colour": "red"}
        form = {"files": {"file": TEXT}, "data": {"purpose": "evals", **expiry}}
        got = await client.post(FILES, **form)
        assert got.json()["expires_at"] - got.json()["created_at"] == 7_200
        for code in ("life-shortened", "purpose-not-served", "unknown-field"):
            assert code in got.headers["x-adapter-notes"]
        refused = await client.post(FILES, **form, headers={"x-adapter-strict": "breaks"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "would_lose")


async def test_a_file_that_has_expired_is_gone(tmp_path, monkeypatch):
    now = time.time()  # what is being written has the real time, and is swept a day later
    monkeypatch.setattr(time, "time", lambda: now)
    async with serving(tmp_path) as client:
        expiry = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        form = {"files": {"file": TEXT}, "data": {"purpose": "batch", **expiry}}
        made = (await client.post(FILES, **form)).json()
        now += 3_599
        assert (await client.get(f"{FILES}/{made['id']}/content")).content == b"hello"
        now += 1
        assert (await client.get(f"{FILES}/{made['id']}")).status_code == 404
        assert (await client.get(FILES)).json()["data"] == []


@pytest.mark.parametrize("name", ['a"\r\nset-cookie: x=1', "../../etc/passwd", "a;b=c", "größe☃.txt"])
async def test_a_name_breaks_no_header_and_no_path(tmp_path, name):
    async with serving(tmp_path) as client:
        made = await put(client, name=name)
        got = await client.get(f"{FILES}/{made['id']}/content")
    assert got.content == b"hello"
    assert "set-cookie" not in got.headers
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")


async def test_a_web_page_cannot_store_files(tmp_path):
    form = {"files": {"file": TEXT}, "data": {"purpose": "batch"}}
    async with serving(tmp_path) as client:
        got = await client.post(FILES, **form, headers={"origin": "https://evil.example"})
        assert (got.status_code, got.json()["error"]["code"]) == (403, "foreign_page")
    async with serving(tmp_path, allow_origins=("https://app.example",)) as client:
        got = await client.post(FILES, **form, headers={"origin": "https://app.example"})
        assert got.status_code == 200
    async with serving(tmp_path, client_keys=("k",)) as client:
        headers = {"origin": "https://app.example", "authorization": "Bearer k"}
        assert (await client.post(FILES, **form, headers=headers)).status_code == 200


async def test_limits_of_a_file_and_of_a_clients_files(tmp_path):
    keys = {"client_keys": ("key-one", "key-two")}
    async with serving(tmp_path, file_max_bytes=1_000, files_max_bytes=1_500, **keys) as client:
        one, two = ({"authorization": f"Bearer key-{name}"} for name in ("one", "two"))
        await put(client, b"x" * 1_000, headers=one)
        form = {"data": {"purpose": "batch"}}
        got = await client.post(FILES, files={"file": ("a", b"x" * 1_001)}, **form, headers=one)
        assert (got.status_code, got.json()["error"]["code"]) == (400, "file_too_large")
        got = await client.post(FILES, files={"file": ("a", b"x" * 501)}, **form, headers=one)
        assert (got.status_code, got.json()["error"]["code"]) == (413, "storage_limit_exceeded")
        await put(client, b"x" * 1_000, headers=two)
        await put(client, b"x" * 500, headers=one)


async def test_where_files_cannot_be_kept_all_else_is_served(tmp_path):
    (tmp_path / "taken").write_text("")
    async with serving(tmp_path, files_dir=str(tmp_path / "taken")) as client:
        got = await client.post(FILES, files={"file": TEXT}, data={"purpose": "batch"})
        assert (got.status_code, got.json()["error"]["code"]) == (503, "not_stored")
        assert "files_dir" in got.json()["error"]["message"]
        health = (await client.get("/healthz")).json()
        assert any("files cannot be stored" in text for text in health["warnings"])
        assert (await client.get(FILES)).json()["data"] == []


async def test_a_client_that_leaves_amid_its_file_leaves_nothing(tmp_path):
    async with serving(tmp_path) as client:
        url = client.base_url
        _reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
            b"Content-Length: 9000000\r\n\r\n"
            b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 2_000_000
        )
        await writer.drain()
        parts = []
        while not parts:
            await asyncio.sleep(0.01)
            parts = list(tmp_path.rglob("*.part"))
        writer.close()
        while list(tmp_path.rglob("*.part")):
            await asyncio.sleep(0.01)
        assert (await client.get(FILES)).json()["data"] == []


async def test_files_survive_a_restart(tmp_path):
    async with serving(tmp_path) as client:
        made = await put(client)
    async with serving(tmp_path) as client:
        assert (await client.get(f"{FILES}/{made['id']}/content")).content == b"hello"


@pytest.mark.parametrize("limits", [{"responses_max_count": 1}, {"responses_max_bytes": 1}])
async def test_responses_push_out_no_file(tmp_path, monkeypatch, limits):
    monkeypatch.setattr(sqlite, "EVICT_EVERY", 1)
    async with serving(tmp_path, **limits) as client:
        made = await put(client)
        ids = [(await client.post("/v1/conversations", json={})).json()["id"] for _ in range(3)]
        assert (await client.get(f"/v1/conversations/{ids[0]}")).status_code == 404, "the oldest was evicted"
        assert [one["id"] for one in (await client.get(FILES)).json()["data"]] == [made["id"]]
        assert (await client.get(f"{FILES}/{made['id']}/content")).content == b"hello"


async def test_what_is_known_of_a_file_goes_when_it_expires(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_files, "SWEEP_EVERY", 0.01)
    later = []
    monkeypatch.setattr(time, "time", lambda real=time.time: real() + sum(later))
    async with serving(tmp_path, responses_max_age=7_200) as client:
        made, records = await put(client), tmp_path / "store-records.sqlite3"
        assert count_records(records) == 2, "the file, and the parent of all files"
        later.append(7_300.0)
        # Its content goes once its record is gone.
        await until(lambda: count_records(records) == 1 and not list(tmp_path.rglob(made["id"])))


def count_records(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM documents").fetchone()[0]


async def test_a_content_that_is_gone_from_the_disk_is_not_found(tmp_path):
    async with serving(tmp_path) as client:
        made = await put(client)
        next(path for path in tmp_path.rglob(made["id"])).unlink()
        got = await client.get(f"{FILES}/{made['id']}/content")
    assert (got.status_code, got.json()["error"]["code"]) == (404, "file_not_found")
