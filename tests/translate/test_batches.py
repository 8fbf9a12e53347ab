"""Batches, purely: fields, lines, rows for Gemini and back, states, figures."""

import json
import re
from contextlib import suppress
from importlib import resources

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate import batches
from adapter.translate.batches import BadLine, LineId, RowAnswer
from adapter.translate.core.notes import Rejected
from adapter.wire.gemini.errors import Status
from adapter.wire.openai.batches import BatchOutputLine, BatchRequest, BatchUsage
from adapter.wire.openai.files import ExpiresAfter

CHAT = "/v1/chat/completions"
WANTED = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}
LINE = {"custom_id": "a", "method": "POST", "url": CHAT, "body": {"model": "m"}}

CODE_PROTO = resources.files("google.rpc") / "code.proto"

DEEP = b'{"custom_id":"a","method":"PUT","url":"/v1/chat/completions","body":%b1%b}'


def new(unknown=(), **fields):
    return batches.new_batch(BatchRequest(**{**WANTED, **fields}), unknown, 7_200)


def test_fields_of_a_batch_that_are_taken_shortened_and_dropped():
    made = new(["priority"], metadata=msgspec.Raw(b'{"a":"b"}'))
    assert (made.metadata, made.output_life) == ({"a": "b"}, 7_200)
    assert [(note.path, note.code) for note in made.notes] == [("priority", "unknown-field")]
    short = new(output_expires_after=ExpiresAfter(anchor="created_at", seconds=9_000))
    assert (short.metadata, short.output_life) == (None, 7_200)
    assert [(note.path, note.code) for note in short.notes] == [("output_expires_after.seconds", "life-shortened")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"endpoint": "/v1/videos"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": msgspec.Raw(b"[]")}, "metadata"),
        ({"output_expires_after": ExpiresAfter(anchor="created_at")}, "output_expires_after.seconds"),
    ],
)
def test_fields_of_a_batch_that_are_refused(fields, path):
    with pytest.raises(Rejected) as refused:
        new(**fields)
    assert refused.value.note.path == path


@pytest.mark.parametrize("endpoint", batches.ENDPOINTS)
def test_a_line_is_for_the_endpoint_of_its_batch(endpoint):
    read = batches.read_line(
        json.dumps({**LINE, "url": f"{endpoint}/", "method": "post", "more": 1}).encode(), endpoint
    )
    assert (read.custom_id, bytes(read.body)) == ("a", b'{"model": "m"}')


@pytest.mark.parametrize(
    ("line", "code", "custom_id"),
    [
        (b"{", "invalid_json_line", None),
        (b"\xff", "invalid_json_line", None),
        (b"[]", "invalid_request", None),
        (b'{"custom_id":"a"}', "invalid_request", "a"),
        (b'{"custom_id":1}', "invalid_request", None),
        (b'{"method":1,"custom_id":"\xff"}', "invalid_request", None),
        (DEEP % (b"[" * 799, b"]" * 799), "invalid_method", "a"),
        (DEEP % (b"[" * 800, b"]" * 800), "invalid_request", "a"),
        (DEEP % (b"[" * 90_000, b"]" * 90_000), "invalid_request", None),
        (DEEP % (b'{"a":' * 90_000, b""), "invalid_request", None),
        (json.dumps({**LINE, "method": "PUT"}).encode(), "invalid_method", "a"),
        (json.dumps({**LINE, "url": "/v1/models"}).encode(), "invalid_url", "a"),
        (json.dumps({**LINE, "body": None}).encode().replace(b', "body": null', b""), "invalid_request", "a"),
    ],
)
def test_a_line_that_is_no_request_says_why(line, code, custom_id):
    with pytest.raises(BadLine) as bad:
        batches.read_line(line, CHAT)
    assert (bad.value.code, bad.value.custom_id) == (code, custom_id)


TEXTS = st.sampled_from([b"\xff", b"\\ud800", b"[" * 2_000, b'{"a":', b"}", b"]", b'"', b"1", b",", b"\\", b"null"])


@given(before=st.sampled_from([b"", *DEEP.partition(b"%b")[:1]]), pieces=st.lists(TEXTS, max_size=5))
def test_any_line_is_a_request_or_says_why_it_is_none(before, pieces):
    with suppress(BadLine):
        assert batches.read_line(before + b"".join(pieces), CHAT).url == CHAT


def test_halves_of_characters_are_repair_line():
    line = json.dumps({**LINE, "custom_id": "\ud83d"}).encode()
    assert batches.read_line(line, CHAT).custom_id == "\ufffd"
    assert batches.repair_line(b'"a"') == b'"a"'


def test_a_byte_order_mark_is_no_part_of_a_line():
    assert batches.read_line(b"\xef\xbb\xbf" + json.dumps(LINE).encode(), CHAT).custom_id == "a"


@given(st.integers(0, 10**9), st.text())
def test_a_row_comes_back_by_its_number(number, text):
    request = json.dumps({"contents": [{"parts": [{"text": text}]}]}).encode()
    row = batches.native_row(number, request)
    assert row.endswith(b"\n")
    assert b"\n" not in row[:-1]
    assert json.loads(row)["request"] == json.loads(request)
    assert batches.number_of(row) == number


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"key":"x"}', b'{"key":"-1"}', b"{}", b'{"key":"999999999999"}', b"\xff"]
)
def test_a_result_whose_row_cannot_be_told_has_none(line):
    assert batches.number_of(line) is None


@pytest.mark.parametrize(
    ("line", "answer", "code"),
    [
        (b'{"key":"1","response":{"a":1}}', b'{"a":1}', None),
        (b'{"key":"1","response":{"a":1},"status":null}', b'{"a":1}', None),
        (b'{"key":"1","error":{"code":3,"message":"no"}}', b"", 3),
        (b'{"key":"1","response":{},"error":{"code":3}}', b"", 3),
        (b'{"key":"1","status":{"code":8}}', b"", 8),
        (b'{"key":"1","status":"broken"}', b"", 13),
        (b'{"key":"1"}', b"", 13),
        (b"{", b"", 13),
    ],
)
def test_a_result_is_an_answer_or_an_error(line, answer, code):
    found = batches.read_result(line)
    assert (found.answer, found.error and found.error.code) == (answer, code)


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (Status(code=400, message="m", status="INVALID_ARGUMENT"), 400, "INVALID_ARGUMENT"),
        (Status(code=3, message="m"), 400, "INVALID_ARGUMENT"),
        (Status(code=5), 404, "NOT_FOUND"),
        (Status(code=8), 429, "RESOURCE_EXHAUSTED"),
        (Status(), 500, "INTERNAL"),
        (Status(code=77), 500, "INTERNAL"),
    ],
)
def test_an_error_of_a_row_has_the_status_that_it_would_have_by_itself(error, status, name):
    code, told = batches.row_error(error)
    assert (code, told.code, told.status, told.message) == (status, status, name, error.message)


def test_every_code_of_googles_has_the_status_that_google_gives_it():
    documented = re.findall(r"// HTTP Mapping: (\d+) .*\n\s+(\w+) = (\d+);", CODE_PROTO.read_text())
    assert len(documented) == 17
    for status, name, code in documented[1:]:
        assert batches.row_error(Status(code=int(code), status=name))[0] == int(status), name


def test_states_that_end_a_job():
    over = [state for state in ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "UNSPECIFIED")
            if batches.is_over(f"BATCH_STATE_{state}")]  # fmt: skip
    assert over == ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]
    assert not batches.is_over(None)


def test_lines_of_the_output_and_of_the_errors():
    own = LineId("r1", "a", "q1", 7)
    twice = json.loads(batches.output_line(own, RowAnswer(b'{"x":1}', "drops=1; user"), 2))
    told = {"status_code": 200, "request_id": "q1", "body": {"x": 1}, "attempts": 2, "notes": "drops=1; user"}
    assert twice["response"] == told
    good = msgspec.json.decode(batches.output_line(own, RowAnswer(b'{"x":1}', "")), type=BatchOutputLine)
    assert (good.response.attempts, good.response.notes) == (msgspec.UNSET, msgspec.UNSET)
    assert (good.id, good.custom_id, good.response.status_code, good.response.request_id) == ("r1", "a", 200, "q1")
    assert (bytes(good.response.body), good.error) == (b'{"x":1}', None)
    line = LineId("r1", None, "q1", 7)
    bare = json.loads(batches.error_line(line, "c", "m"))
    assert bare == {"id": "r1", "custom_id": None, "response": None, "error": {"code": "c", "message": "m", "line": 7}}
    told = json.loads(batches.error_line(line, None, "m", 400, b'{"error":{}}'))
    assert told["response"] == {"status_code": 400, "request_id": "q1", "body": {"error": {}}}


def test_usage_adds_up_by_the_names_of_either_api():
    chat = {"prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 2}}
    response = {"input_tokens_details": {"cached_tokens": 5}, "output_tokens_details": {"reasoning_tokens": 6}}
    bodies = [
        {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, **chat}},
        {"usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30, **response}},
        {"usage": {"prompt_tokens": 100}},
        {"usage": None},
    ]
    total = BatchUsage()
    for body in bodies:
        total = batches.add_usage(total, json.dumps(body).encode())
    assert (total.input_tokens, total.output_tokens, total.total_tokens) == (111, 22, 133)
    assert (total.input_tokens_details.cached_tokens, total.output_tokens_details.reasoning_tokens) == (6, 8)


def test_vectors_of_several_rows_are_one_answer():
    counted = b'{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":2}}'
    assert json.loads(batches.join_embeddings([counted, counted])) == {
        "embeddings": [{"values": [1]}] * 2, "usageMetadata": {"promptTokenCount": 4},
    }  # fmt: skip
    assert json.loads(batches.join_embeddings([counted, b"{}"])) == {"embeddings": [{"values": [1]}, {}]}
