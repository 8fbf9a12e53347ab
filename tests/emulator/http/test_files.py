"""Files: uploaded by Google's own client, and named in a chat by their id."""

import io
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from openai import OpenAI

from adapter.emulator import EmulatorSettings
from tests.emulator.asking import MODEL
from tests.emulator.serving import serve
from tests.support.live import adapter
from tests.support.scripted import run_emulator

PIECE = 8 * 1024 * 1024
"""Bytes that the client sends at a time (google-genai 3.4.0)."""


@pytest.fixture
def client():
    for url in serve(EmulatorSettings()):
        yield genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))


@pytest.mark.parametrize("size", [5, PIECE + 1], ids=["one piece", "two pieces"])
def test_googles_client_uploads_reads_lists_and_deletes_a_file(client, size):
    content = b"x" * size
    file = client.files.upload(file=io.BytesIO(content), config={"mime_type": "text/plain", "display_name": "a.txt"})
    assert (file.size_bytes, file.mime_type, file.display_name, file.state) == (size, "text/plain", "a.txt", "ACTIVE")
    assert client.files.get(name=file.name).uri == file.uri
    assert [one.name for one in client.files.list()] == [file.name]
    answer = client.models.generate_content(model=MODEL, contents=[file, "What is this?"])
    assert file.uri in answer.text
    client.files.delete(name=file.name)
    assert list(client.files.list()) == []


def test_files_come_in_pages(client):
    names = [client.files.upload(file=io.BytesIO(b"x"), config={"mime_type": "text/plain"}).name for _ in range(3)]
    assert [one.name for one in client.files.list(config={"page_size": 2})] == names


def test_a_file_keeps_the_name_it_was_given_and_takes_it_once(client):
    told = {"mime_type": "text/plain", "name": "notes-1"}
    assert client.files.upload(file=io.BytesIO(b"x"), config=told).name == "files/notes-1"
    with pytest.raises(errors.ClientError, match="already exists"):
        client.files.upload(file=io.BytesIO(b"x"), config=told)
    with pytest.raises(errors.ClientError, match="lowercase"):
        client.files.upload(file=io.BytesIO(b"x"), config={**told, "name": "Notes!"})


def test_a_file_that_is_not_there_is_forbidden(client):
    gone = types.Part.from_uri(
        file_uri="https://generativelanguage.googleapis.com/v1beta/files/gone", mime_type="image/png"
    )
    with pytest.raises(errors.ClientError, match="do not have permission to access the File gone") as refused:
        client.models.generate_content(model=MODEL, contents=[gone, "hi"])
    assert refused.value.code == 403


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"X-Goog-Upload-Command": "upload, finalize"}),
        ("?upload_id=gone", {"X-Goog-Upload-Command": "upload, finalize"}),
        ("?upload_id=gone", {"X-Goog-Upload-Command": "query"}),
        ("?upload_id=gone", {"X-Goog-Upload-Command": "upload", "X-Goog-Upload-Offset": "x"}),
    ],
)
def test_an_upload_that_was_not_begun_is_refused(live, query, headers):
    answer = httpx2.post(f"{live}/upload/v1beta/files{query}", headers=headers, content=b"x")
    assert answer.status_code == 400


def test_a_page_token_that_is_no_number_is_refused(live):
    answer = httpx2.get(f"{live}/v1beta/files?pageToken=x", headers={"x-goog-api-key": "k"})
    assert answer.status_code == 400


def test_a_file_that_is_too_large_is_refused():
    for url in serve(EmulatorSettings(max_body=10)):
        begun = httpx2.post(
            f"{url}/upload/v1beta/files", headers={"x-goog-api-key": "k", "X-Goog-Upload-Command": "start"}
        )
        answer = httpx2.post(
            begun.headers["x-goog-upload-url"], headers={"X-Goog-Upload-Command": "upload, finalize"}, content=b"x" * 11
        )
        assert answer.status_code == 400


def test_a_chat_names_an_uploaded_file_by_its_id(tmp_path):
    for url in serve(EmulatorSettings(relay=True)):
        google = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))
        file = google.files.upload(file=io.BytesIO(b"%PDF"), config={"mime_type": "application/pdf"})
        with adapter(tmp_path, "--upstream-url", url, settings={"ADAPTER_UPSTREAM_KEYS": "any"}) as live:
            openai = OpenAI(base_url=f"{live.url}/v1", api_key="unused")
            parts: Any = [{"type": "file", "file": {"file_id": file.name}}, {"type": "text", "text": "What is this?"}]
            answer = openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
        assert file.uri in answer.choices[0].message.content


async def test_an_upload_is_asked_how_far_it_has_got_and_files_go_by_the_clock():
    now = 1_800_000_000.0
    async with run_emulator(EmulatorSettings(clock=lambda: now)) as gemini, httpx2.AsyncClient() as client:
        key = {"x-goog-api-key": "k"}
        begun = await client.post(
            f"{gemini.url}/upload/v1beta/files", headers={**key, "x-goog-upload-command": "start"},
            json={"file": {"name": "files/a", "mimeType": "text/plain"}},
        )  # fmt: skip
        address, query = begun.headers["x-goog-upload-url"], {"x-goog-upload-command": "query"}
        assert (await client.post(address, headers=query)).headers["x-goog-upload-size-received"] == "0"
        piece = {"x-goog-upload-command": "upload", "x-goog-upload-offset": "0"}
        assert (await client.post(address, headers=piece, content=b"12")).status_code == 200
        asked = await client.post(address, headers=query)
        assert (asked.headers["x-goog-upload-status"], asked.headers["x-goog-upload-size-received"]) == ("active", "2")
        last = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "2"}
        assert (await client.post(address, headers=last, content=b"3")).json()["file"]["sizeBytes"] == "3"
        asked = await client.post(address, headers=query)
        assert (asked.headers["x-goog-upload-status"], asked.json()["file"]["name"]) == ("final", "files/a")
        assert (await client.post(address, headers=last, content=b"3")).status_code == 400
        now += 48 * 3_600 - 1
        assert (await client.get(f"{gemini.url}/v1beta/files/a", headers=key)).status_code == 200
        now += 1
        assert (await client.get(f"{gemini.url}/v1beta/files/a", headers=key)).status_code == 403
        assert (await client.get(f"{gemini.url}/v1beta/files", headers=key)).json() == {}


async def test_a_file_is_the_keys_alone_that_uploaded_it_and_a_users_own_cannot_be_downloaded():
    async with run_emulator(EmulatorSettings()) as gemini, httpx2.AsyncClient(base_url=gemini.url) as client:
        one, other = {"x-goog-api-key": "one"}, {"x-goog-api-key": "other"}
        begun = await client.post("/upload/v1beta/files", headers={**one, "x-goog-upload-command": "start"})
        last = {"x-goog-upload-command": "upload, finalize"}
        file = (await client.post(begun.headers["x-goog-upload-url"], headers=last, content=b"x")).json()["file"]
        path = f"/v1beta/{file['name']}"
        assert (await client.get(path, headers=other)).status_code == 403
        assert (await client.delete(path, headers=other)).status_code == 403
        assert (await client.get("/v1beta/files", headers=other)).json() == {}
        contents = [{"parts": [{"fileData": {"fileUri": file["uri"], "mimeType": "image/png"}}]}]
        for key, status in ((one, 200), (other, 403)):
            got = await client.post(f"/v1beta/models/{MODEL}:generateContent", headers=key, json={"contents": contents})
            assert got.status_code == status
        refused = await client.get(f"{path}:download?alt=media", headers=one)
        assert (refused.status_code, "not downloadable" in refused.text) == (400, True)
