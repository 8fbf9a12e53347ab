"""Every method of the openai package's files and uploads, against a live adapter, before and after a restart."""

import os

import openai
import pytest

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
