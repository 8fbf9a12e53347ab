"""Each format is recognised by its shape, and gives the request that was sent.

The documents below are this project's own, in the shape of the public file that is named beside each.
"""

import gzip
from pathlib import Path

import orjson
import pytest

from adapter.report.files import READERS, files_below, read_file
from adapter.report.records import RecordedRequest, RecordedUsage, Unreadable

BODY = {"model": "gpt-5.4", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}
TEXT = orjson.dumps(BODY).decode()
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
}
USAGE = RecordedUsage(input=10, output=7, thoughts=5, cached=4)
URL = "https://api.openai.com/v1/chat/completions"

FORMATS = {
    "requests": BODY,
    "exchanges (request and response)": {"request": BODY, "response": ANSWER, "url_path": "/v1/chat/completions"},
    # platform.openai.com/docs/guides/batch, 2026-11-30
    "OpenAI batch lines": {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": BODY},
    # openai-python 3.54.0, types/chat/chat_completion.py and chat_completion_store_message.py
    "OpenAI stored completions": ANSWER | BODY | {"choices": [], "created": 1, "request_id": "req_1", "metadata": None},
    # traceloop/openllmetry-js 1faf69deed, packages/instrumentation-openai/test/recordings (Polly.JS), Apache-2.0
    "HAR": {
        "log": {
            "version": "1.2",
            "entries": [
                {
                    "request": {
                        "method": "POST",
                        "url": URL,
                        "postData": {"mimeType": "application/json", "text": TEXT},
                    },
                    "response": {"status": 200, "content": {"text": orjson.dumps(ANSWER).decode()}},
                }
            ],
        }
    },
    # simonw/llm f3f4f29c6e, tests/cassettes/test_tools/test_tool_use_basic.yaml, Apache-2.0
    "VCR cassettes (Python)": {
        "interactions": [
            {
                "request": {"body": TEXT, "headers": {}, "method": "POST", "uri": URL},
                "response": {
                    "body": {"string": orjson.dumps(ANSWER).decode()},
                    "status": {"code": 200, "message": "OK"},
                },
            }
        ],
        "version": 1,
    },
    # alexrudall/ruby-openai 62938e02bb, spec/fixtures/cassettes, MIT
    "VCR cassettes (Ruby)": {
        "http_interactions": [
            {
                "request": {"method": "post", "uri": URL, "body": {"encoding": "UTF-8", "string": TEXT}},
                "response": {"status": {"code": 200}, "body": {"string": orjson.dumps(ANSWER).decode()}},
                "recorded_at": "Mon, 30 Nov 2026 00:00:00 GMT",
            }
        ],
        "recorded_with": "VCR 6.3.1",
    },
    # langchain-ai/langsmith-sdk 5cfe4162ee, python/tests/integration_tests/test_data (wrap_openai), MIT
    "LangSmith runs": {
        "post": [
            {
                "run_type": "llm",
                "trace_id": "t-1",
                "inputs": BODY | {"extra_headers": None, "extra_body": None},
                "outputs": ANSWER,
                "extra": {"metadata": {"ls_model_name": "gpt-5.4"}},
            }
        ]
    },
    # langfuse/langfuse d93d107f92, fern/apis/server/definition/commons.yml (Observation), MIT
    "Langfuse observations": {
        "type": "GENERATION",
        "traceId": "t-1",
        "model": "gpt-5.4",
        "modelParameters": {"temperature": "0.5"},
        "input": BODY["messages"],
        "usageDetails": {"input": 10, "output": 7, "total": 17},
    },
    # Helicone/helicone 3ea8b3e508, examples/export/python/export.py (ResponseData), Apache-2.0
    "Helicone requests": {
        "request_id": "r-1",
        "request_path": "/v1/chat/completions",
        "request_body": BODY,
        "response_body": ANSWER,
        "response_status": 200,
        "request_properties": {"Helicone-Session-Id": "t-1"},
    },
    # BerriAI/litellm 055a04e0a1, tests/logging_callback_tests/gcs_pub_sub_body/standard_logging_payload.json, MIT
    "LiteLLM standard logging payloads": {
        "call_type": "acompletion",
        "trace_id": "t-1",
        "model": "gpt-5.4",
        "messages": BODY["messages"],
        "model_parameters": {"temperature": 0.5, "extra_headers": {}},
        "response": ANSWER,
    },
    # open-telemetry/semantic-conventions v1.37.0, docs/gen-ai/gen-ai-spans.md, Apache-2.0
    "OpenTelemetry GenAI spans": {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "t-1",
                                "attributes": [
                                    {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-5.4"}},
                                    {"key": "gen_ai.request.temperature", "value": {"doubleValue": 0.5}},
                                    {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "10"}},
                                    {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "7"}},
                                    {
                                        "key": "gen_ai.input.messages",
                                        "value": {
                                            "stringValue": (
                                                '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]'
                                            )
                                        },
                                    },
                                ],
                            }
                        ]
                    }
                ]
            }
        ]
    },
}


def read(tmp_path: Path, document: object, name: str = "traffic.json"):
    path = tmp_path / name
    path.write_bytes(document if isinstance(document, bytes) else orjson.dumps(document))
    return list(read_file(path))


def only(tmp_path: Path, document: object, name: str = "traffic.json") -> RecordedRequest:
    [(_, request)] = read(tmp_path, document, name)
    assert isinstance(request, RecordedRequest), request
    return request


def test_every_format_has_a_document_here():
    assert {reader.name for reader in READERS} == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_and_gives_the_body_that_was_sent(tmp_path, name):
    [(format_name, request)] = read(tmp_path, FORMATS[name])
    assert format_name == name
    assert isinstance(request, RecordedRequest), request
    assert request.path == "/v1/chat/completions"
    assert orjson.loads(request.body) == BODY


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"requests", "OpenAI batch lines"}))
def test_a_format_with_answers_gives_their_tokens(tmp_path, name):
    usage = only(tmp_path, FORMATS[name]).usage
    assert usage in (USAGE, RecordedUsage(input=10, output=7))


@pytest.mark.parametrize("name", ["LangSmith runs", "Langfuse observations", "LiteLLM standard logging payloads"])
def test_a_trace_keeps_requests_together(tmp_path, name):
    assert only(tmp_path, FORMATS[name]).session == "t-1"


def test_lines_are_documents(tmp_path):
    lines = b"\xef\xbb\xbf" + b"\n".join(orjson.dumps(one) for one in FORMATS.values()) + b"\n\n{broken\n"
    results = read(tmp_path, lines, "traffic.jsonl")
    assert [name for name, _ in results[:-1]] == list(FORMATS)
    assert results[-1][1].reason.startswith("not JSON: unexpected character")
    assert results[-1][1].place.position == f"line {len(FORMATS) + 2}"


def test_a_list_and_an_api_page_are_their_items(tmp_path):
    assert len(read(tmp_path, [BODY, BODY])) == 2
    assert len(read(tmp_path, {"data": [BODY, {"x": 1}], "meta": {}})) == 2
    assert read(tmp_path, orjson.dumps([BODY, BODY], option=orjson.OPT_INDENT_2))[1][1].place.position == "item 2"


def test_yaml_cassettes_are_read(tmp_path):
    text = f"""
interactions:
- request:
    body: '{TEXT}'
    method: POST
    uri: {URL}
  response:
    body: {{string: '{{"id": "chatcmpl-9"}}'}}
    status: {{code: 200, message: OK}}
version: 1
"""
    request = only(tmp_path, text.encode(), "cassette.yaml")
    assert (orjson.loads(request.body), request.status, request.answer_id) == (BODY, 200, "chatcmpl-9")


def test_langchain_messages_become_openais(tmp_path):
    def message(kind, **kwargs):
        return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", kind], "kwargs": kwargs}

    run = {
        "run_type": "llm",
        "inputs": {
            "messages": [
                [
                    message("SystemMessage", content="Be brief."),
                    message("HumanMessage", content="Hi"),
                    message("AIMessage", content="", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "call_1"}]),
                    message("ToolMessage", content="2", tool_call_id="call_1"),
                ]
            ]
        },
        "extra": {"invocation_params": {"model": "gpt-5.4", "_type": "openai-chat", "temperature": 0, "stop": None}},
    }
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert orjson.loads(only(tmp_path, run).body) == {
        "model": "gpt-5.4",
        "temperature": 0,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "2", "tool_call_id": "call_1"},
        ],
    }


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1", "/v1/chat/completions"),
        ("https://gateway/openai/v1/responses/", "/v1/responses"),
        ("/v1/completions", "/v1/completions"),
        ("/audio/speech", "/v1/audio/speech"),
        ("https://x.openai.azure.com/openai/deployments/d/images/generations", "/v1/images/generations"),
        ("https://gateway/openai/v1/threads/thread_1/runs", "/v1/threads/thread_1/runs"),
        ("https://api.openai.com/v1/organization/usage/completions", "/v1/organization/usage/completions"),
        ("https://api.openai.com/v1/responses/compact", "/v1/responses/compact"),
    ],
)
def test_an_endpoint_is_found_below_any_host_and_prefix(tmp_path, url, path):
    assert only(tmp_path, {"request": BODY, "url": url}).path == path


def test_azure_names_the_model_in_the_url(tmp_path):
    sent = {name: value for name, value in BODY.items() if name != "model"}
    url = "https://x.openai.azure.com/openai/deployments/gpt-5.4-eu/chat/completions?api-version=1"
    assert orjson.loads(only(tmp_path, {"request": sent, "url": url}).body) == BODY | {"model": "gpt-5.4-eu"}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"request": None, "response": ANSWER}, "the recording kept no request"),
        ({"request": "{", "url": URL}, "the request's body is not JSON"),
        ({"request": BODY, "url": "https://example.com/v2/private"}, "not an OpenAI endpoint"),
        ({"request": BODY, "url": "https://example.com/files/private"}, "not an OpenAI endpoint"),
        (
            {"id": "batch_req_1", "custom_id": "a", "response": {}},
            "a line of a batch's output: the requests are in its",
        ),
        (ANSWER | {"choices": []}, "a stored completion without its messages"),
        ({"run_type": "chain", "inputs": {}}, "a run of kind 'chain'"),
        ({"run_type": "llm", "inputs": {"prompts": ["Hi"]}}, "a run without the messages"),
        ({"type": "SPAN", "traceId": "t", "input": {}}, "an observation of type 'SPAN'"),
        (
            {"call_type": "acompletion", "model": "m", "messages": "{}", "proxy_server_request": "{}"},
            "a log without prompts",
        ),
        ({"call_type": "arerank", "model": "m", "messages": "Hi"}, "a call of type 'arerank'"),
        ({"log": {"entries": [{"request": {"method": "GET", "url": URL}}]}}, "not a POST with a body"),
        ({"interactions": [{"request": {"method": "GET", "uri": URL, "body": None}}]}, "not a POST"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": []}]}]}]}, "not a span of a model's call"),
        ({"weather": "fine"}, "no known format"),
    ],
)
def test_what_is_no_request_is_counted_with_its_reason(tmp_path, document, reason):
    [(_, piece)] = read(tmp_path, document)
    assert isinstance(piece, Unreadable)
    assert piece.reason.startswith(reason)


def test_other_files_are_told_and_not_guessed(tmp_path):
    [(_, piece)] = read(tmp_path, gzip.compress(b"x"), "traffic.json")
    assert isinstance(piece, Unreadable)
    [(_, piece)] = read(tmp_path, b"a: [", "cassette.yaml")
    assert piece.reason.startswith("not YAML")


def test_a_folder_is_its_files_of_known_kinds(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.jsonl", "deep/a.har", "notes.txt"):
        (tmp_path / name).write_text("{}")
    assert [path.name for path in files_below([tmp_path, tmp_path / "notes.txt"])] == ["b.jsonl", "a.har", "notes.txt"]


@pytest.mark.parametrize("sent", [None, "--form\r\n...", {"model": "whisper-1"}])
def test_a_request_that_is_not_translated_needs_no_body(tmp_path, sent):
    request = only(tmp_path, {"request": sent, "url": "https://api.openai.com/v1/audio/transcriptions"})
    assert request.path == "/v1/audio/transcriptions"
