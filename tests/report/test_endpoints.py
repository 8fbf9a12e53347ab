"""Requests at other endpoints than chat: translated, served as they are, or not served, by hand-worked counts."""

import json

import orjson
import pytest
from click.testing import CliRunner

from adapter.cli import main


def line(path, body):
    return {"custom_id": "a", "method": "POST", "url": f"/v1/{path}", "body": body}


TRAFFIC = [
    # Lossless: the dimensions that the model has by itself.
    line("embeddings", {"model": "gemini-embedding-001", "input": "a"}),
    # text-embedding-3-small has 1536 dimensions, gemini-embedding-001 3072: told, and vectors are of another space.
    line("embeddings", {"model": "text-embedding-3-small", "input": ["b", "c"]}),
    # 0 tokens are an answer only with echo.
    line("completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "d", "max_tokens": 0}),
    # Two prompts are two calls; the loss on temperature is one.
    line("completions", {"model": "gemini-3.8-flash", "prompt": ["e", "f"], "max_tokens": 9, "temperature": 0.5}),
    line("chat/completions", {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "g"}]}),
    # Lossless, judged by the Decisions API under the default name.
    line("moderations", {"input": "h"}),
    # Served, and nothing of it is translated.
    line("conversations", {"metadata": {}}),
    line("conversations/conv_1/items", {"items": []}),
    line("conversations/conv_2/items", {"items": []}),
    # Not served.
    line("fine_tuning/jobs", {"model": "gpt-4o"}),
    line("threads/thread_1/runs", {"assistant_id": "asst_1"}),
    line("threads/thread_2/runs", {"assistant_id": "asst_1"}),
]


@pytest.fixture
def document(tmp_path):
    recording, report = tmp_path / "traffic.jsonl", tmp_path / "report.json"
    recording.write_bytes(b"\n".join(map(orjson.dumps, TRAFFIC)))
    options = ["--processes", "1", "--on", "2026-11-30", "--targets", "gemini-3.8-flash"]
    result = CliRunner().invoke(main, ["report", *options, str(recording), "--json", str(report)])
    assert result.exit_code == 0, result.output
    return json.loads(report.read_text()) | {"output": result.output}


def target(document, name="as mapped"):
    return next(one for one in document["targets"] if one["name"] == name)


def test_every_request_counts_once(document):
    assert document["requests"] == 9
    # None belongs to another: equal inputs of these endpoints say nothing about each other.
    assert document["conversations"] == 9
    assert document["others"] == {"/v1/conversations/{conversation_id}/items": 2, "/v1/conversations": 1}
    assert {one["path"]: one["requests"] for one in document["endpoints"]} == {
        "/v1/embeddings": 2,
        "/v1/completions": 2,
        "/v1/threads/{rest}": 2,
        "/v1/chat/completions": 1,
        "/v1/moderations": 1,
        "/v1/fine_tuning/{rest}": 1,
    }


def test_each_endpoint_has_its_grades(document):
    grades = {one["path"]: one["grades"]["as mapped"] for one in document["endpoints"]}
    # Of two embeddings one is of another space; of two completions one is refused, and one has its temperature ignored.
    assert {grade: count for grade, count in grades["/v1/embeddings"].items() if count} == {
        "lossless": 1,
        "changes-answers": 1,
    }
    assert {grade: count for grade, count in grades["/v1/completions"].items() if count} == {
        "changes-answers": 1,
        "breaks": 1,
    }
    assert grades["/v1/moderations"]["breaks"] == 0
    assert grades["/v1/threads/{rest}"]["breaks"] == 2


@pytest.mark.parametrize("name", ["as mapped", "gemini-3.8-flash"])
def test_vectors_are_asked_of_the_maps_model_whatever_answers_chats(document, name):
    codes = {one["code"]: one["requests"] for one in target(document, name)["codes"]}
    assert codes["embedding-space"] == 1
    assert codes["sampling-ignored"] == 1
    # One completion is refused, and three requests have no endpoint.
    assert target(document, name)["requests"]["breaks"] == 4


def test_what_is_not_served_breaks_and_says_so(document):
    [code] = [one for one in target(document)["codes"] if one["code"] == "unsupported-endpoint"]
    assert (code["severity"], code["requests"]) == ("breaks", 3)
    assert code["fields"] == {"/v1/threads/{rest}": 2, "/v1/fine_tuning/{rest}": 1}
    assert "the adapter does not" in code["meaning"]
    sentences = target(document)["errors"]
    assert [count for text, count in sentences.items() if text.startswith("Assistants and threads are not")] == [2]


def test_a_model_that_gives_vectors_is_not_proposed_a_model_that_writes(document):
    asked = {one["name"]: (one["served"], one["best"]) for one in document["asked"]}
    assert asked["text-embedding-3-small"] == ("gemini-embedding-001", "")
    assert asked["gpt-3.5-turbo-instruct"][1] == "gemini-3.8-flash"
