"""Files that requests name by their ids: in line or as copies at Gemini, uploaded once, again when they expire."""

import asyncio
import json
import re
import time
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest

from adapter.emulator import EmulatorSettings
from adapter.server.state import gemini_files
from adapter.upstream.errors import UpstreamError, UpstreamUnavailable
from adapter.upstream.uploads import FileUploads
from adapter.wire.gemini.errors import Status
from tests.server.endpoints.storing import put
from tests.support.clocks import Clock
from tests.support.scripted import adapter, chat, run_emulator

SMALL = b"%PDF-1.4 small"
LARGE = b"%PDF-1.4 " + b"x" * (gemini_files.MAX_INLINE + 5_000_000)
CHAT = "/v1/chat/completions"
DAY = 86_400.0


@asynccontextmanager
async def serving(tmp_path, clock=time.time, platform="studio", **settings):
    """An adapter with the emulator behind it."""
    given = {"store": f"sqlite:{tmp_path / 'store.sqlite3'}", "upstream_platform": platform, **settings}
    async with run_emulator(EmulatorSettings(clock=clock)) as gemini, adapter(gemini, **given) as client:
        yield gemini, client


def asking(*file_ids):
    """A chat that names files."""
    parts = [{"type": "file", "file": {"file_id": one}} for one in file_ids]
    return chat([*parts, {"type": "text", "text": "What is this?"}])


async def parts_of(gemini):
    """The parts that are no text, of each chat that Gemini got."""
    asked = [one for one in await gemini.requests() if one["method"] == "generateContent"]
    return [
        [part for content in one["body"]["contents"] for part in content["parts"] if "text" not in part]
        for one in asked
    ]


async def files_at(gemini, client, key="k"):
    got = await client.get(f"{gemini.url}/v1beta/files", headers={"x-goog-api-key": key})
    return got.json().get("files", [])


async def store(client, content, name="a.pdf", **more):
    return (await put(client, content, name=name, mime_type="application/pdf", **more))["id"]


async def test_a_small_file_goes_in_line(tmp_path):
    async with serving(tmp_path) as (gemini, client):
        file_id = await store(client, SMALL)
        got = await client.post(CHAT, json=asking(file_id))
        assert got.status_code == 200, got.text
        (parts,) = await parts_of(gemini)
        assert parts == [{"inlineData": {"mimeType": "application/pdf", "data": b64encode(SMALL).decode()}}]
        assert await files_at(gemini, client) == []


@pytest.mark.parametrize(("sent", "name", "type_"), [
    ("application/octet-stream", "a.pdf", "application/pdf"), ("", "b", "application/pdf"),
    ("image/jpg", "c", "image/jpeg"),
])  # fmt: skip
async def test_the_type_of_a_file_is_what_it_is_said_or_seen_to_be(tmp_path, sent, name, type_):
    async with serving(tmp_path) as (gemini, client):
        form = {"files": {"file": (name, SMALL, sent or "application/octet-stream")}, "data": {"purpose": "user_data"}}
        file_id = (await client.post("/v1/files", **form)).json()["id"]
        await client.post(CHAT, json=asking(file_id))
        assert (await parts_of(gemini))[0][0]["inlineData"]["mimeType"] == type_


async def test_a_large_file_is_uploaded_once_for_all_requests_at_once(tmp_path):
    async with serving(tmp_path) as (gemini, client):
        file_id = await store(client, LARGE)
        answers = await asyncio.gather(*(client.post(CHAT, json=asking(file_id)) for _ in range(4)))
        assert [one.status_code for one in answers] == [200] * 4
        (copy,) = await files_at(gemini, client)
        assert int(copy["sizeBytes"]) == len(LARGE)
        expected = [{"fileData": {"mimeType": "application/pdf", "fileUri": copy["uri"]}}]
        assert await parts_of(gemini) == [expected] * 4


async def test_responses_name_files_and_images_by_their_ids(tmp_path):
    async with serving(tmp_path) as (gemini, client):
        file_id, image_id = await store(client, SMALL), await store(client, LARGE, name="b.png")
        content = [{"type": "input_file", "file_id": file_id}, {"type": "input_image", "file_id": image_id}]
        body = {"model": "gemini-3.5-flash", "input": [{"role": "user", "content": content}]}
        got = await client.post("/v1/responses", json=body)
        assert got.status_code == 200, got.text
        (copy,) = await files_at(gemini, client)
        (parts,) = await parts_of(gemini)
        assert [next(iter(part)) for part in parts] == ["inlineData", "fileData"]
        assert parts[1]["fileData"]["fileUri"] == copy["uri"]
        counted = await client.post("/v1/responses/input_tokens", json=body)
        assert counted.status_code == 200, counted.text


async def test_a_copy_is_uploaded_again_before_it_expires(tmp_path, monkeypatch):
    clock = Clock(time.time())
    monkeypatch.setattr(time, "time", clock)
    async with serving(tmp_path, clock) as (gemini, client):
        file_id = await store(client, LARGE)
        names = []
        for passed in (0, 1.9 * DAY, 0.099 * DAY, 3 * DAY):
            clock.now += passed
            got = await client.post(CHAT, json=asking(file_id))
            assert got.status_code == 200, got.text
            names.append((await parts_of(gemini))[-1][0]["fileData"]["fileUri"])
    assert names[0] == names[1]
    assert len(set(names)) == 3, "half an hour before its end it is uploaded again, and after it"


async def test_a_file_stays_with_the_key_that_uploaded_it(tmp_path):
    keys = ("key-a", "key-b", "key-c")
    async with serving(tmp_path, upstream_keys=keys) as (_, client):
        first, second = await store(client, LARGE), await store(client, LARGE + b"!")
        for wanted in ([first], [second], [first], [second, first], [first, second]):
            got = await client.post(CHAT, json=asking(*wanted))
            assert got.status_code == 200, got.text


async def test_a_file_of_another_client_is_none(tmp_path):
    async with serving(tmp_path, client_keys=("one", "two")) as (gemini, client):
        one, two = ({"authorization": f"Bearer {name}"} for name in ("one", "two"))
        for content in (SMALL, LARGE):
            file_id = await store(client, content, headers=one)
            assert (await client.post(CHAT, json=asking(file_id), headers=one)).status_code == 200
            got = await client.post(CHAT, json=asking(file_id), headers=two)
            assert (got.status_code, got.json()["error"]["param"]) == (400, "messages[0].content[0].file.file_id")
        assert len(await parts_of(gemini)) == 2


@pytest.mark.parametrize("platform", ["vertex", "relay"])
async def test_where_no_files_are_kept_they_go_in_line_up_to_a_limit(tmp_path, monkeypatch, platform):
    monkeypatch.setattr(gemini_files, "MAX_INLINE", 5)
    monkeypatch.setattr(gemini_files, "MAX_INLINE_ALONE", 2 * len(SMALL) - 1)
    async with serving(tmp_path, platform=platform) as (gemini, client):
        file_id = await store(client, SMALL)
        assert (await client.post(CHAT, json=asking(file_id))).status_code == 200
        assert "inlineData" in (await parts_of(gemini))[0][0]
        got = await client.post(CHAT, json=asking(file_id, await store(client, SMALL)))
        assert (got.status_code, got.json()["error"]["code"]) == (400, "unsupported_value")
        assert await files_at(gemini, client) == []


async def test_a_dry_run_uploads_nothing_and_names_the_copy_that_would_be(tmp_path):
    async with serving(tmp_path) as (gemini, client):
        file_id = await store(client, LARGE)
        dry = await client.post("/translate", json=asking(file_id))
        assert dry.status_code == 200, dry.text
        assert await files_at(gemini, client) == []
        await client.post(CHAT, json=asking(file_id))
        assert (await files_at(gemini, client))[0]["uri"] in json.dumps(dry.json())


async def lose(gemini, client, key="k"):
    """Delete all files at Gemini, as if it had lost them."""
    for copy in await files_at(gemini, client, key):
        gone = await client.delete(f"{gemini.url}/v1beta/{copy['name']}", headers={"x-goog-api-key": key})
        assert gone.status_code == 200


def naming(way, file_id):
    """A request of each endpoint that names a file: its path, and how it is sent."""
    content = [{"type": "input_file", "file_id": file_id}, {"type": "input_text", "text": "What?"}]
    body = {"model": "gemini-3.5-flash", "input": [{"role": "user", "content": content}]}
    return {
        "chat": (CHAT, {"json": asking(file_id)}),
        "chat, streamed": (CHAT, {"json": {**asking(file_id), "stream": True}}),
        "chat, two choices": (CHAT, {"json": {**asking(file_id), "n": 2}}),
        "responses": ("/v1/responses", {"json": body}),
        "responses, streamed": ("/v1/responses", {"json": {**body, "stream": True}}),
        "transcription": (
            "/v1/audio/transcriptions",
            {"files": {"file": (None, file_id)}, "data": {"model": "gemini-3.5-transcribe"}},
        ),
        "image edit": (
            "/v1/images/edits",
            {"json": {"model": "gpt-image-1", "prompt": "a dog", "images": [{"file_id": file_id}]}},
        ),
    }[way]


KIND = {"transcription": ("a.wav", "audio/wav"), "image edit": ("a.png", "image/png")}
WAYS = (
    "chat", "chat, streamed", "chat, two choices", "responses", "responses, streamed", "transcription", "image edit",
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_a_copy_that_gemini_has_lost_is_uploaded_again_by_the_request_that_finds_out(tmp_path, way):
    async with serving(tmp_path, upstream_keys=("a", "b", "c")) as (gemini, client):
        name, mime_type = KIND.get(way, ("a.pdf", "application/pdf"))
        file_id = (await put(client, LARGE, name=name, mime_type=mime_type))["id"]
        path, sent = naming(way, file_id)
        first = await client.post(path, **sent)
        assert first.status_code == 200, first.text
        assert "file-uploaded-again" not in first.headers["x-adapter-notes"]
        before = [one for key in "abc" for one in await files_at(gemini, client, key)]
        for key in "abc":
            await lose(gemini, client, key)
        got = await client.post(path, **sent, headers={"x-adapter-notes": "full"})
        assert got.status_code == 200, got.text
        assert '"error":{' not in got.text
        if way in ("chat", "responses"):
            told = re.search(r'"path":"(\w+)"[^{}]*"code":"file-uploaded-again"', got.text)
            assert told is not None, got.text
            assert told[1] == {"chat": "messages", "responses": "input"}[way]
        assert "file-uploaded-again" in got.headers["x-adapter-notes"]
        after = [one for key in "abc" for one in await files_at(gemini, client, key)]
        assert len(before) == len(after) == 1
        assert before[0]["uri"] != after[0]["uri"]
        again = await client.post(path, **sent)
        assert "file-uploaded-again" not in again.headers["x-adapter-notes"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_copy_that_gemini_goes_on_to_refuse_is_uploaded_once_and_the_error_told(tmp_path, monkeypatch, way):
    uploads, real = [], FileUploads.upload

    async def upload_and_lose(self, name, *arguments):
        uploads.append(name)
        file = await real(self, name, *arguments)
        await self.delete(name, arguments[-1])
        return file

    monkeypatch.setattr(FileUploads, "upload", upload_and_lose)
    async with serving(tmp_path) as (_, client):
        name, mime_type = KIND.get(way, ("a.pdf", "application/pdf"))
        file_id = (await put(client, LARGE, name=name, mime_type=mime_type))["id"]
        path, sent = naming(way, file_id)
        got = await client.post(path, **sent)
    assert got.status_code == 403, got.text
    assert got.json()["error"]["code"] == "permission_denied"
    assert len(uploads) == 2, "by the first attempt, and once again"


@pytest.mark.parametrize(
    ("status", "more"),
    [
        (403, {"extra_body": {"google": {"cached_content": "cachedContents/none"}}}),
        (404, {"model": "gemini-9-none"}),
    ],
)
async def test_another_refusal_uploads_nothing(tmp_path, status, more):
    async with serving(tmp_path) as (gemini, client):
        file_id = await store(client, LARGE)
        assert (await client.post(CHAT, json=asking(file_id))).status_code == 200
        before = await files_at(gemini, client)
        got = await client.post(CHAT, json={**asking(file_id), **more})
        assert got.status_code == status, got.text
        assert await files_at(gemini, client) == before


async def test_requests_that_find_a_loss_at_once_upload_one_copy(tmp_path):
    async with serving(tmp_path) as (gemini, client):
        file_id, other = await store(client, LARGE), await store(client, LARGE + b"!")
        assert (await client.post(CHAT, json=asking(file_id, other))).status_code == 200
        kept = (await files_at(gemini, client))[-1]["name"]
        lost = (await files_at(gemini, client))[0]["name"]
        await client.delete(f"{gemini.url}/v1beta/{lost}", headers={"x-goog-api-key": "k"})
        answers = await asyncio.gather(*(client.post(CHAT, json=asking(file_id, other)) for _ in range(4)))
        assert [one.status_code for one in answers] == [200] * 4, [one.text for one in answers]
        names = [one["name"] for one in await files_at(gemini, client)]
        assert len(names) == 2
        assert kept in names
        assert lost not in names


async def test_one_request_at_a_time_looks_after_a_files_copy(tmp_path, monkeypatch):
    inside, most = 0, 0

    async def slowly(self, file_id, client, real=gemini_files.GeminiFiles._read_copy):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        found = await real(self, file_id, client)
        for _ in range(3):
            await asyncio.sleep(0)
        inside -= 1
        return found

    async def ask(client, file_id, later):
        for _ in range(later):
            await asyncio.sleep(0)
        return (await client.post(CHAT, json=asking(file_id))).status_code

    async with serving(tmp_path) as (_gemini, client):
        file_id = await store(client, LARGE)
        await ask(client, file_id, 0)
        monkeypatch.setattr(gemini_files.GeminiFiles, "_read_copy", slowly)
        statuses = await asyncio.gather(*(ask(client, file_id, 7 * number) for number in range(20)))
    assert statuses == [200] * 20
    assert most == 1


async def test_a_loss_that_is_found_late_does_not_end_the_next_copy(tmp_path, monkeypatch):
    late, go_on, begun = asyncio.Event(), asyncio.Event(), []

    async def upload(self, name, *others, real=FileUploads.upload):
        begun.append(name)
        return await real(self, name, *others)

    async def find(self, name, caller, real=FileUploads.find):
        found = await real(self, name, caller)
        if not late.is_set():
            late.set()
            await go_on.wait()
        return found

    async with serving(tmp_path) as (gemini, client):
        file_id, other = await store(client, LARGE), await store(client, LARGE + b"!")
        await client.post(CHAT, json=asking(file_id, other))
        await lose(gemini, client)
        monkeypatch.setattr(FileUploads, "upload", upload)
        monkeypatch.setattr(FileUploads, "find", find)
        slow = asyncio.create_task(client.post(CHAT, json=asking(file_id, other)))
        await late.wait()
        assert (await client.post(CHAT, json=asking(file_id, other))).status_code == 200
        go_on.set()
        assert (await slow).status_code == 200
        assert (await client.post(CHAT, json=asking(file_id, other))).status_code == 200
        assert len(begun) == len(set(begun)) == 2


@pytest.mark.parametrize("gemini_does", ["delete it", "know it no more", "not answer", "fail"])
async def test_a_deleted_file_is_deleted_at_gemini_too_if_that_works(tmp_path, monkeypatch, gemini_does):
    async def fails(self, name, caller):
        if gemini_does == "fail":
            raise UpstreamError(503, Status(code=503, message="later", status="UNAVAILABLE"))
        raise UpstreamUnavailable("nobody answers")

    async with serving(tmp_path) as (gemini, client):
        file_id = await store(client, LARGE)
        await client.post(CHAT, json=asking(file_id))
        if gemini_does == "know it no more":
            await lose(gemini, client)
        elif gemini_does != "delete it":
            monkeypatch.setattr(FileUploads, "delete", fails)
        assert (await client.delete(f"/v1/files/{file_id}")).json()["deleted"] is True
        assert len(await files_at(gemini, client)) == (gemini_does in ("not answer", "fail"))
        assert (await client.post(CHAT, json=asking(file_id))).status_code == 400
        assert (await client.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize("killed", ["before the upload", "after the upload"])
async def test_an_upload_whose_process_died_is_asked_for_and_not_made_twice(tmp_path, monkeypatch, killed):
    async with serving(tmp_path) as (gemini, client):
        file_id = await store(client, LARGE)
        real = FileUploads.upload

        async def dies(self, *arguments):
            if killed == "after the upload":
                await real(self, *arguments)
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(FileUploads, "upload", dies)
            assert (await client.post(CHAT, json=asking(file_id))).status_code == 500
        assert (await client.post(CHAT, json=asking(file_id))).status_code == 200
        assert len(await files_at(gemini, client)) == 1
