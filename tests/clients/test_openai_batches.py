"""Every method of the openai package's batches, and google-genai's files and batches through the adapter."""

import io
import json

import openai
import pytest
from google import genai
from google.genai import types

from tests.support.guards import wait_until

pytestmark = pytest.mark.clients

MODEL = "gemini-3.5-flash"
OVER = ("completed", "failed", "expired", "cancelled")


def requests(count):
    for number in range(count):
        messages = [{"role": "user", "content": f"number {number}"}]
        body = {"model": MODEL, "messages": messages}
        yield {"custom_id": f"{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def begun(client, rows):
    lines = "\n".join(map(json.dumps, rows)).encode()
    file = client.files.create(file=("batch.jsonl", lines), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"night": "1"}
    )


def test_a_batch_from_its_file_to_its_output(client):
    batch = begun(client, requests(20))
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
    batch = begun(client, requests(3_000))
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    wait_until(lambda: client.batches.retrieve(batch.id).status in OVER, "the batch ends")
    done = client.batches.retrieve(batch.id)
    assert done.status in ("cancelled", "completed")
    assert done.request_counts.total == done.request_counts.completed + done.request_counts.failed == 3_000


def test_googles_client_uploads_files_and_runs_batches_through_the_adapter(live):
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=live.url))
    contents = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    lines = "\n".join(json.dumps({"key": str(number), "request": contents}) for number in range(3))
    file = client.files.upload(file=io.BytesIO(lines.encode()), config={"mime_type": "jsonl"})
    job = client.batches.create(model=MODEL, src=file.name, config={"display_name": "night"})
    wait_until(lambda: client.batches.get(name=job.name).done, "the job ends")
    done = client.batches.get(name=job.name)
    assert done.state.name == "JOB_STATE_SUCCEEDED"
    answers = [json.loads(line) for line in client.files.download(file=done.dest.file_name).splitlines()]
    assert [one["key"] for one in answers] == ["0", "1", "2"]
    assert job.name in [one.name for one in client.batches.list()]
    client.batches.cancel(name=job.name)
    client.batches.delete(name=job.name)
    client.files.delete(name=file.name)
