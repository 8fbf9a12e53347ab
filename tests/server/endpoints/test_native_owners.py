"""Names that Gemini gave belong to the client and to the key that made them; uploads end where they began."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import pytest
from google import genai
from google.genai.types import HttpOptions

from adapter.emulator import EmulatorSettings
from tests.support.scripted import adapter, answer, chat, run_emulator, run_upstream

KEYS = {"client_keys": ("key-of-a", "key-of-b")}
A, B = {"x-goog-api-key": "key-of-a"}, {"x-goog-api-key": "key-of-b"}
KEY = "x-goog-api-key"
GENERATE = "/v1beta/models/gemini-3.5-flash:generateContent"
MADE: dict[str, dict[str, Any]] = {
    "cachedContents": {"name": "cachedContents/abc", "model": "models/gemini-3.5-flash"},
    "interactions": {"id": "abc", "object": "interaction"},
    "fileSearchStores": {"name": "fileSearchStores/abc"},
    "files": {"file": {"name": "files/abc"}},
}


async def script(call):
    """Makes and lists whatever is asked for."""
    path = call.request.path.removeprefix("/v1beta/").partition("?")[0]
    if ":batchGenerateContent" in path:
        await call.json({"name": "batches/abc", "metadata": {}})
    elif ":" in path:
        await call.json(answer("ok"))
    elif call.request.method == "POST":
        await call.json(MADE[path])
    elif path in MADE:
        told = MADE[path].get("file", MADE[path])
        other = {name: value.replace("abc", "xyz") for name, value in told.items()}
        is_last = "pageToken=n" in call.request.path
        await call.json({path: [told, other], **({} if is_last else {"nextPageToken": "n"})})
    else:
        await call.json({"name": path})


def naming(part):
    return {"contents": [{"role": "user", "parts": [{"text": "look"}, part]}]}


REFERENCES = [
    ("files", naming({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}})),
    ("files", naming({"file_data": {"file_uri": "files/abc"}})),
    ("cachedContents", {**naming({"text": "a"}), "cachedContent": "cachedContents/abc"}),
    ("cachedContents", {**naming({"text": "a"}), "cached_content": "cachedContents/abc"}),
    ("fileSearchStores", {"tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/abc"]}}]}),
]


@pytest.mark.parametrize(("collection", "body"), REFERENCES)
async def test_a_request_names_what_its_own_client_has_made(collection, body):
    async with run_upstream(script) as upstream, adapter(upstream, **KEYS) as client:
        assert (await client.post(f"/v1beta/{collection}", json={}, headers=A)).status_code == 200
        other = await client.post(GENERATE, json=body, headers=B)
        own = await client.post(GENERATE, json=body, headers=A)
    assert (other.status_code, other.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert own.status_code == 200
    assert [one.path.rpartition("/")[2] for one in upstream.seen] == [collection, GENERATE.rpartition("/")[2]]


@pytest.mark.parametrize("hidden", [r"files\/abc", r"\u0066iles/abc"])
@pytest.mark.parametrize("field", ["fileUri", r"\u0066ileUri"])
async def test_escapes_hide_no_name(hidden, field):
    body = f'{{"contents":[{{"role":"user","parts":[{{"fileData":{{"{field}":"{hidden}"}}}}]}}]}}'
    async with run_upstream(script) as upstream, adapter(upstream, **KEYS) as client:
        await client.post("/v1beta/files", json={}, headers=A)
        sent = {**B, "content-type": "application/json"}
        assert (await client.post(GENERATE, content=body, headers=sent)).status_code == 404
        assert (await client.post(GENERATE, content="\\u" + body, headers=sent)).status_code == 400
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("collection", MADE)
async def test_what_one_client_made_another_neither_reads_nor_lists_nor_deletes(collection):
    path = f"/v1beta/{collection}/abc"
    async with run_upstream(script) as upstream, adapter(upstream, **KEYS) as client:
        await client.post(f"/v1beta/{collection}", json={}, headers=A)
        statuses = [
            (await client.request(verb, one, headers=B)).status_code
            for verb in ("GET", "DELETE", "PATCH", "POST")
            for one in (path, f"{path}:download", f"{path}/operations/x")
        ]
        lists = [(await client.get(f"/v1beta/{collection}", headers=one)).json() for one in (A, B)]
        assert (await client.get(path, headers=A)).status_code == 200
        assert (await client.delete(path, headers=A)).status_code == 200
        assert (await client.get(path, headers=A)).status_code == 404, "it has been deleted"
    assert set(statuses) == {404}
    assert [len(one[collection]) for one in lists] == [1, 0]
    assert [one.get("nextPageToken") for one in lists] == ["n", None]
    assert [one.method for one in upstream.seen] == ["POST", "GET", "GET", "GET", "GET", "DELETE"]


async def test_a_batch_is_its_clients():
    async with run_upstream(script) as upstream, adapter(upstream, **KEYS) as client:
        path = "/v1beta/models/gemini-3.5-flash:batchGenerateContent"
        assert (await client.post(path, json={"batch": {}}, headers=A)).status_code == 200
        assert (await client.get("/v1beta/batches/abc", headers=A)).status_code == 200
        assert (await client.get("/v1beta/batches/abc", headers=B)).status_code == 404
    assert len(upstream.seen) == 2


async def test_an_interaction_goes_on_for_its_own_client():
    body = {"model": "gemini-3.5-flash", "input": "a", "previous_interaction_id": "abc"}
    async with run_upstream(script) as upstream, adapter(upstream, **KEYS) as client:
        await client.post("/v1beta/interactions", json={"model": "gemini-3.5-flash", "input": "a"}, headers=A)
        assert (await client.post("/v1beta/interactions", json=body, headers=A)).status_code == 200
        assert (await client.post("/v1beta/interactions", json=body, headers=B)).status_code == 404
    assert len(upstream.seen) == 2


async def test_an_interaction_that_comes_as_events_is_its_clients_too():
    async def events(call):
        await call.stream({"event_type": "interaction.created", "interaction": {"id": "v1_abc"}})

    async with run_upstream(events) as upstream, adapter(upstream, **KEYS) as client:
        await client.post("/v1beta/interactions", json={"input": "a", "stream": True}, headers=A)
        assert (await client.get("/v1beta/interactions/v1_abc", headers=A)).status_code == 200
        assert (await client.get("/v1beta/interactions/v1_abc", headers=B)).status_code == 404
    assert len(upstream.seen) == 2


async def test_a_chat_names_no_file_of_another_client():
    file = {"type": "file", "file": {"file_id": "files/abc"}}
    body = chat(messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, file]}])
    async with run_upstream(script) as upstream, adapter(upstream, **KEYS) as client:
        await client.post("/v1beta/files", json={}, headers=A)
        own = await client.post("/v1/chat/completions", json=body, headers=A)
        other = await client.post("/v1/chat/completions", json=body, headers=B)
    assert (own.status_code, other.status_code) == (200, 404), other.text
    assert len(upstream.seen) == 2


async def test_a_single_client_uses_names_that_were_made_elsewhere():
    async with run_upstream(script) as upstream, adapter(upstream, client_keys=("key-of-a",)) as client:
        assert (await client.get("/v1beta/files/made-elsewhere", headers=A)).status_code == 200
        assert len((await client.get("/v1beta/files", headers=A)).json()["files"]) == 2
    assert len(upstream.seen) == 2


async def test_a_name_goes_to_the_key_that_made_it():
    body = naming({"fileData": {"fileUri": "files/abc"}})
    async with run_upstream(script) as upstream, adapter(upstream, upstream_keys=("k1", "k2", "k3")) as client:
        for _ in range(2):
            await client.post("/v1beta/files", json={})
        for _ in range(4):
            assert (await client.post(GENERATE, json=body)).status_code == 200
            assert (await client.get("/v1beta/files/abc")).status_code == 200
        for _ in range(3):
            await client.post(GENERATE, json=naming({"text": "b"}))
    keys = [one.headers["x-goog-api-key"] for one in upstream.seen]
    assert set(keys[2:10]) == {keys[1]}, "the last one that made it"
    assert set(keys[10:]) == {"k1", "k2", "k3"}


@pytest.mark.parametrize("version", ["v1beta", "v1"])
async def test_google_genai_uploads_a_file_and_asks_about_it(version, tmp_path):
    (tmp_path / "a.txt").write_text("some words")
    async with run_emulator(EmulatorSettings(verify_files=True)) as gemini, adapter(gemini, **KEYS) as http:
        options = HttpOptions(base_url=str(http.base_url), api_version=version)
        google = genai.Client(api_key="key-of-a", http_options=options)

        def ask():
            file = google.files.upload(file=tmp_path / "a.txt")
            return file, google.models.generate_content(model="gemini-3.5-flash", contents=["what is it?", file])

        file, told = await asyncio.to_thread(ask)
        assert told.text
        assert file.size_bytes == len("some words")
        assert (await http.get(f"/v1beta/{file.name}", headers=A)).status_code == 200
        assert (await http.get(f"/v1beta/{file.name}", headers=B)).status_code == 404


@pytest.mark.parametrize("body", [b"no JSON", b'{"files":[1]}', b"[]"])
async def test_a_list_that_cannot_be_read_is_no_ones(body):
    async def send_body(call):
        await call.json(body)

    async with run_upstream(send_body) as upstream, adapter(upstream, **KEYS) as client:
        got = await client.get("/v1beta/files", headers=A)
    assert (got.status_code, got.json()["error"]["message"]) == (502, "Gemini's list cannot be read.")


START = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
BYTES = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0", "content-type": "text/plain"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/upload/v1beta/files", START, 401),
        ("/upload/v1beta/files", {**A, "content-type": "text/plain"}, 404),
        ("/upload/v1beta/files?upload_id=unknown", BYTES, 404),
        ("/upload/v1beta/files/..%2f..%2fx", {**A, **START}, 404),
    ],
)
async def test_an_upload_begins_with_a_key_and_goes_on_by_its_address(path, headers, status):
    async with run_upstream(script) as upstream, adapter(upstream, **KEYS) as client:
        got = await client.post(path, content=b"x", headers=headers)
    assert (got.status_code, got.json()["error"]["code"], upstream.seen) == (status, status, [])


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE"])
async def test_a_wrong_method_is_googles_error(method):
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.request(method, "/v1beta/files/abc")
    error = got.json()["error"]
    assert (got.status_code, error["code"], set(error)) == (405, 405, {"code", "message", "status"})
    assert "PATCH" in got.headers["allow"]
    assert upstream.seen == []


class Projects:
    """A Gemini that keeps for each key what was made with it."""

    def __init__(self) -> None:
        self.made: dict[str, list[str]] = {}

    async def script(self, call) -> None:
        key = call.request.headers["x-goog-api-key"]
        own = self.made.setdefault(key, [])
        if call.request.method == "POST":
            own.append(f"files/{key}-{len(own)}")
            await call.json({"file": {"name": own[-1]}})
            return
        query = dict(parse_qsl(call.request.path.partition("?")[2]))
        start, size = int(query.get("pageToken", 0)), int(query.get("pageSize", 2))
        page: dict[str, Any] = {"files": [{"name": name} for name in own[start : start + size]]}
        if start + size < len(own):
            page["nextPageToken"] = str(start + size)
        await call.json(page if own else {})


async def pages(client, headers, size=2):
    found, token, count = [], "", 0
    while True:
        query = f"?pageSize={size}" + (f"&pageToken={token}" if token else "")
        page = (await client.get(f"/v1beta/files{query}", headers=headers)).json()
        found += [[one["name"] for one in page.get("files", [])]]
        token, count = page.get("nextPageToken", ""), count + 1
        assert count < 50
        if not token:
            return found


async def test_a_list_holds_what_all_keys_have_made_page_by_page():
    projects = Projects()
    for key, count in (("k1", 3), ("k2", 0), ("k3", 2), ("k4", 1)):
        projects.made[key] = [f"files/{key}-{number}" for number in range(count)]
    async with (
        run_upstream(projects.script) as upstream,
        adapter(upstream, upstream_keys=("k1", "k2", "k3", "k4")) as client,
    ):
        found = await pages(client, {})
        wrong = await client.get("/v1beta/files?pageToken=7")
    assert found == [["files/k1-0", "files/k1-1"], ["files/k1-2"], ["files/k3-0", "files/k3-1"], ["files/k4-0"]]
    assert (wrong.status_code, wrong.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("keys", [("k1",), ("k1", "k2", "k3")])
async def test_each_client_pages_through_its_own_files_of_all_keys_without_an_empty_page(keys):
    projects = Projects()
    async with run_upstream(projects.script) as upstream, adapter(upstream, upstream_keys=keys, **KEYS) as client:
        own = {}
        for name, headers in (("a", A), ("b", B)):
            made = [(await client.post("/v1beta/files", json={}, headers=headers)).json() for _ in range(5)]
            own[name] = {one["file"]["name"] for one in made}
        # What somebody else has made in between, elsewhere.
        for names in projects.made.values():
            names[1:1] = [f"files/foreign-{number}" for number in range(6)]
        lists = {name: await pages(client, headers) for name, headers in (("a", A), ("b", B))}
    for name, found in lists.items():
        assert {one for page in found for one in page} == own[name]
        assert all(found[:-1])


async def test_all_that_a_client_makes_is_made_with_one_key_so_that_one_request_can_name_it():
    projects = Projects()
    keys = ("k1", "k2", "k3", "k4", "k5")
    clients = tuple(f"key-of-{number}" for number in range(20))
    async with (
        run_upstream(projects.script) as upstream,
        adapter(upstream, upstream_keys=keys, client_keys=clients) as client,
    ):
        for key in clients:
            for _ in range(2):
                await client.post("/v1beta/files", json={}, headers={"x-goog-api-key": key})
    used = [call.headers["x-goog-api-key"] for call in upstream.seen]
    assert used[::2] == used[1::2]
    assert len(set(used)) > 2, "clients are spread over the keys"


async def test_names_of_different_keys_in_one_request_are_an_error_that_says_so():
    """A key that cools down is passed over, so a client's next file may be another key's."""
    projects = Projects()

    async def script(call):
        if len(projects.made) == 1 and call.request.method == "POST" and call.request.headers[KEY] in projects.made:
            await call.json({"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}, 403)
        elif ":" in call.request.path:
            await call.json(answer("ok"))
        else:
            await projects.script(call)

    async with run_upstream(script) as upstream, adapter(upstream, upstream_keys=("k1", "k2")) as client:
        names = []
        for _ in range(3):
            made = (await client.post("/v1beta/files", json={})).json()
            names += [made["file"]["name"]] if "file" in made else []
        assert len({name.split("-")[0] for name in names}) == 2, names
        parts = [{"fileData": {"fileUri": name}} for name in names]
        both = await client.post(GENERATE, json={"contents": [{"role": "user", "parts": parts}]})
        one = await client.post(GENERATE, json={"contents": [{"role": "user", "parts": parts[:1]}]})
    assert (both.status_code, one.status_code) == (400, 200)
    assert "different keys" in both.json()["error"]["message"]


@pytest.mark.parametrize("version", ["v1beta", "v1"])
async def test_google_genai_uploads_with_the_key_of_its_own(version, tmp_path):
    """The bytes come without a key, and none is kept here for them."""
    (tmp_path / "a.txt").write_text("some words")
    emulator = EmulatorSettings(verify_files=True, require_key=True, api_keys=frozenset({"own-key"}))
    async with run_emulator(emulator) as gemini, adapter(gemini, upstream_auth="caller", upstream_keys=()) as http:
        options = HttpOptions(base_url=str(http.base_url), api_version=version)
        google = genai.Client(api_key="own-key", http_options=options)

        def ask():
            file = google.files.upload(file=tmp_path / "a.txt")
            told = google.models.generate_content(model="gemini-3.5-flash", contents=["what is it?", file])
            listed = [one.name for one in google.files.list()]
            google.files.delete(name=file.name or "")
            return file, told, listed

        file, told, listed = await asyncio.to_thread(ask)
    assert told.text
    assert listed == [file.name]
