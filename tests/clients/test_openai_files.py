"""Every method of the openai package's files and uploads, against a live adapter, before and after a restart."""

import hashlib
import json
import os

import openai
import pytest

from tests.support.called_methods import CalledMethods
from tests.support.guards import wait_until
from tests.support.live import adapter

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def client(state):
    with (
        adapter(state) as live,
        openai.OpenAI(base_url=f"{live.url}/v1", api_key="unused", max_retries=0) as made,
    ):
        yield made


def test_files_and_after_a_restart(client, state):
    content = os.urandom(1_500_000)
    made = client.files.create(file=("a.bin", content), purpose="user_data")
    assert client.files.wait_for_processing(made.id).status == "processed"
    with adapter(state) as again, openai.OpenAI(base_url=f"{again.url}/v1", api_key="unused") as other:
        assert other.files.retrieve(made.id) == made
        assert other.files.content(made.id).read() == content
    with client.files.with_streaming_response.content(made.id) as streamed:
        assert b"".join(streamed.iter_bytes()) == content
    assert made.id in [one.id for one in client.files.list(limit=1)]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError) as gone:
        client.files.retrieve(made.id)
    assert gone.value.code == "file_not_found"


def test_uploads(client):
    content = os.urandom(1_000_000)
    told = {"filename": "a.bin", "mime_type": "application/octet-stream", "purpose": "user_data"}
    done = client.uploads.upload_file_chunked(file=content, bytes=len(content), part_size=300_000, **told)
    assert client.files.content(done.file.id).read() == content
    given = client.uploads.create(bytes=10, **told)
    part = client.uploads.parts.create(given.id, data=b"12345")
    with pytest.raises(openai.BadRequestError) as short:
        client.uploads.complete(given.id, part_ids=[part.id])
    assert short.value.code == "size_mismatch"
    assert client.uploads.cancel(given.id).status == "cancelled"


def test_every_method_of_files_uploads_and_batches(client, monkeypatch):
    """A method that a new version of the package adds fails this test until it is called here."""
    uploads = client.uploads
    resources = {"files": client.files, "uploads": uploads, "uploads.parts": uploads.parts, "batches": client.batches}
    methods = CalledMethods(resources, monkeypatch)
    expiry = {"anchor": "created_at", "seconds": 3_600}
    body = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "hi"}]}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    content = json.dumps(row).encode()
    made = client.files.create(file=("a.jsonl", content), purpose="batch", expires_after=expiry)
    assert made.expires_at == made.created_at + 3_600
    assert client.files.wait_for_processing(made.id) == made
    assert client.files.retrieve(made.id) == made
    assert made.id in [one.id for one in client.files.list(purpose="batch", order="asc", limit=100)]
    assert client.files.content(made.id).read() == content
    with pytest.deprecated_call():
        assert json.loads(client.files.retrieve_content(made.id)) == row

    told = {"filename": "b.jsonl", "mime_type": "application/jsonl", "purpose": "batch"}
    upload = client.uploads.create(bytes=len(content), expires_after=expiry, **told)
    parts = [client.uploads.parts.create(upload.id, data=one) for one in (content[9:], content[:9])]
    md5 = hashlib.md5(content).hexdigest()
    done = client.uploads.complete(upload.id, part_ids=[parts[1].id, parts[0].id], md5=md5)
    assert (done.status, done.file.bytes) == ("completed", len(content))
    assert client.uploads.cancel(client.uploads.create(bytes=3, **told).id).status == "cancelled"
    whole = client.uploads.upload_file_chunked(file=content, bytes=len(content), part_size=100, **told)
    assert client.files.content(whole.file.id).read() == content

    batch = client.batches.create(
        input_file_id=done.file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"},
        output_expires_after=expiry,
    )  # fmt: skip
    wait_until(lambda: client.batches.retrieve(batch.id).status == "completed", "the batch ends")
    batch = client.batches.retrieve(batch.id)
    assert batch.id in [one.id for one in client.batches.list(limit=1)]
    output = client.files.retrieve(batch.output_file_id)
    assert output.expires_at - output.created_at == 3_600
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)
    assert client.files.delete(made.id).deleted
    assert methods.called == methods.every
