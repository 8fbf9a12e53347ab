"""Every method of the openai package's batches, and google-genai's files and batches through the adapter."""

import io
import json
import subprocess
import sys

import openai
import pytest
from google import genai
from google.genai import types

from tests.support.called_methods import CalledMethods
from tests.support.guards import PATIENCE, wait_until
from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.clients

MODEL = "gemini-3.5-flash"
OVER = ("completed", "failed", "expired", "cancelled")


def requests(count):
    for number in range(count):
        messages = [{"role": "user", "content": f"number {number}"}]
        body = {"model": MODEL, "messages": messages}
        yield {"custom_id": f"{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def begin(client, rows):
    lines = "\n".join(map(json.dumps, rows)).encode()
    file = client.files.create(file=("batch.jsonl", lines), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"night": "1"}
    )


def test_a_batch_from_its_file_to_its_output(client):
    batch = begin(client, requests(20))
    assert batch.status == "validating"
    wait_until(lambda: client.batches.retrieve(batch.id).status in OVER, "the batch ends")
    done = client.batches.retrieve(batch.id)
    assert (done.status, done.metadata, done.model) == ("completed", {"night": "1"}, MODEL)
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (20, 20, 0)
    lines = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert [line["custom_id"] for line in lines] == [str(number) for number in range(20)]
    answer = openai.types.chat.ChatCompletion.model_validate(lines[7]["response"]["body"])
    assert "number 7" in answer.choices[0].message.content
    assert done.usage.total_tokens == sum(line["response"]["body"]["usage"]["total_tokens"] for line in lines)
    assert batch.id in [one.id for one in client.batches.list(limit=1)]
    with pytest.raises(openai.ConflictError) as late:
        client.batches.cancel(batch.id)
    assert late.value.code == "invalid_batch_state"


def test_a_batch_is_cancelled(client):
    batch = begin(client, requests(3_000))
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    wait_until(lambda: client.batches.retrieve(batch.id).status in OVER, "the batch ends")
    done = client.batches.retrieve(batch.id)
    assert done.status in ("cancelled", "completed")
    assert done.request_counts.total == done.request_counts.completed + done.request_counts.failed == 3_000


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    port = free_port()
    command = [sys.executable, "-m", "adapter", "emulate", "--port", str(port)]
    state = tmp_path_factory.mktemp("emulator")
    process = subprocess.Popen(command, cwd=REPOSITORY, env=bare_environment(state), stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/emulator/stats", process)
    yield url
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture(params=["the emulator", "the adapter"])
def google(request):
    """Google's client, of the emulator itself and of the adapter in front of it."""
    url = (
        request.getfixturevalue("emulator") if request.param == "the emulator" else request.getfixturevalue("live").url
    )
    return genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))


UNSERVED = {"files.register_files"}
"""Methods that need more than a key: files of Google Cloud are registered with a token of Google's."""


@pytest.mark.filterwarnings("ignore:batches.create_embeddings")
def test_every_method_of_googles_client_for_files_and_batches(google, monkeypatch):
    methods = CalledMethods({"files": google.files, "batches": google.batches}, monkeypatch)

    def wait_for_end(job):
        wait_until(lambda: google.batches.get(name=job.name).done, "the job ends")
        done = google.batches.get(name=job.name)
        assert done.state.name == "JOB_STATE_SUCCEEDED"
        return done

    contents = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    lines = "\n".join(json.dumps({"key": str(number), "request": contents}) for number in range(3))
    file = google.files.upload(file=io.BytesIO(lines.encode()), config={"mime_type": "jsonl", "display_name": "rows"})
    assert google.files.get(name=file.name).display_name == "rows"
    assert file.name in [one.name for one in google.files.list()]
    job = google.batches.create(model=MODEL, src=file.name, config={"display_name": "night"})
    done = wait_for_end(job)
    answers = [json.loads(line) for line in google.files.download(file=done.dest.file_name).splitlines()]
    assert [one["key"] for one in answers] == ["0", "1", "2"]
    assert job.name in [one.name for one in google.batches.list()]

    large = io.BytesIO(b"%PDF" + bytes(20_000_000))
    pages = google.files.upload(file=large, config={"mime_type": "application/pdf"})
    assert (pages.size_bytes, pages.state.name) == (20_000_004, "ACTIVE")
    part = types.Part.from_uri(file_uri=pages.uri, mime_type="application/pdf")
    assert google.models.generate_content(model=MODEL, contents=[part, "What is this?"]).text

    rows = [types.InlinedRequest(contents="one"), types.InlinedRequest(contents="two")]
    inline = wait_for_end(google.batches.create(model=MODEL, src=rows, config={"display_name": "in line"}))
    assert len(inline.dest.inlined_responses) == 2
    vectors = google.batches.create_embeddings(
        model="gemini-embedding-001",
        src={"inlined_requests": {"contents": ["a cat", "a stone"], "config": {"output_dimensionality": 8}}},
        config={"display_name": "vectors"},
    )
    found = wait_for_end(vectors).dest.inlined_embed_content_responses
    assert [len(one.response.embedding.values) for one in found] == [8, 8]
    google.batches.cancel(name=job.name)
    google.batches.delete(name=job.name)
    google.files.delete(name=file.name)
    with pytest.raises(genai.errors.ClientError, match="permission"):
        google.files.get(name=file.name)
    assert methods.called == methods.every - UNSERVED
