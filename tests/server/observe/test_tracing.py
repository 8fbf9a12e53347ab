"""Traces: which spans a request has, what is in them, and that a collector that is down costs no request."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx2
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from adapter.emulator.generation.media import picture
from adapter.server.observe import tracing as telemetry
from adapter.settings import SettingsError, load
from adapter.translate.answer.audio import wav
from adapter.upstream.settings import UpstreamSettings
from tests.server.batches.running import begin, line, run
from tests.server.batches.running import serving as serve_batches
from tests.server.endpoints.storing import put
from tests.support.collector import collector
from tests.support.guards import PATIENCE
from tests.support.live import adapter as process
from tests.support.live import bare_environment
from tests.support.paths import REPOSITORY
from tests.support.responses_socket import create, receive_events, socket
from tests.support.scripted import adapter, answer, chat, events, frame, run_upstream
from tests.support.spans import children_of, wait_for_span

CHAT = "/v1/chat/completions"
MODEL = "gemini-3.5-flash"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 64,
    "toolUsePromptTokenCount": 7,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 30,
}


async def good(call):
    last = answer("b") | {"usageMetadata": USAGE}
    await (call.stream(answer("a", finish=None), last) if "stream" in call.request.path else call.json(last))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_request_is_three_spans_by_the_conventions(spans, stream):
    async with run_upstream(good) as upstream, adapter(upstream, traces=True) as client:
        body = chat("planted", stream=stream, temperature=0.5, max_tokens=77, seed=7)
        answered = await client.post(CHAT, json=body, headers={"x-client-request-id": "mine"})
        assert answered.status_code == 200
        request = await wait_for_span(spans, f"POST {CHAT}")
    [call] = children_of(spans, request)
    [attempt] = children_of(spans, call)
    assert len(spans()) == 3
    host, _, port = upstream.url.removeprefix("http://").partition(":")
    where = {"server.address": host, "server.port": int(port)}
    assert request.kind is SpanKind.SERVER
    assert request.parent is None
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": CHAT,
        "http.response.status_code": 200,
        "gen_ai.request.model": MODEL,
        "adapter.request_id": "mine",
        "adapter.outcome": "complete",
    }
    told = dict(call.attributes or {})
    if stream:
        assert told.pop("gen_ai.request.stream") is True
        assert 0 < told.pop("gen_ai.response.time_to_first_chunk") < 20
    assert (call.kind, call.name) == (SpanKind.CLIENT, f"generate_content {MODEL}")
    assert told == {
        **where,
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gen_ai",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 77,
        "gen_ai.request.seed": 7,
        "gen_ai.response.finish_reasons": ("STOP",),
        "gen_ai.response.id": "r1",
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.input_tokens": 107,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.reasoning.output_tokens": 30,
        "adapter.upstream": upstream.url.removeprefix("http://"),
    }
    method = "streamGenerateContent" if stream else "generateContent"
    assert (attempt.kind, attempt.name) == (SpanKind.CLIENT, "POST")
    assert dict(attempt.attributes or {}) == {
        **where,
        "http.request.method": "POST",
        "url.template": f"models/{{model}}:{method}",
        "http.response.status_code": 200,
    }
    assert {span.status.status_code for span in spans()} == {StatusCode.UNSET}
    assert request.resource.attributes["service.name"] == "gemini-openai-adapter"


async def test_the_clients_trace_goes_on_to_the_upstream_and_nothing_else_of_it(spans):
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": "vendor=planted",
        "baggage": "user=planted",
        "x-b3-traceid": TRACE,
    }
    async with run_upstream(good) as upstream, adapter(upstream, traces=True) as client:
        await client.post(CHAT, json=chat(), headers=headers)
        request = await wait_for_span(spans, f"POST {CHAT}")
    [call] = children_of(spans, request)
    [attempt] = children_of(spans, call)
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    sent = upstream.seen[0].headers
    assert sent["traceparent"] == f"00-{TRACE}-{attempt.context.span_id:016x}-01"
    assert not {"tracestate", "baggage", "x-b3-traceid"} & set(sent)


async def test_a_trace_that_its_client_does_not_keep_is_not_kept_here(spans):
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    async with run_upstream(good) as upstream, adapter(upstream, traces=True) as client:
        await client.post(CHAT, json=chat(), headers=headers)
        assert upstream.seen[0].headers["traceparent"].startswith(f"00-{TRACE}-")
        assert upstream.seen[0].headers["traceparent"].endswith("-00")
    assert spans() == ()


@pytest.mark.parametrize(
    "sent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01, x", "ü" * 999]
)
async def test_a_wrong_traceparent_begins_a_trace_of_its_own(spans, sent):
    async with run_upstream(good) as upstream, adapter(upstream, traces=True) as client:
        answered = await client.post(CHAT, json=chat(), headers={"traceparent": sent.encode("latin-1")})
        assert answered.status_code == 200
        assert (await wait_for_span(spans, f"POST {CHAT}")).parent is None


async def test_without_traces_the_upstream_gets_no_traceparent():
    async with run_upstream(good) as upstream, adapter(upstream) as client:
        await client.post(CHAT, json=chat(), headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert "traceparent" not in upstream.seen[0].headers


async def test_each_attempt_is_a_span_with_what_it_met(spans):
    async def script(call):
        if call.number == 1:
            await call.json({"error": {"code": 503, "message": "planted", "status": "UNAVAILABLE"}}, 503)
        elif call.number == 2:
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"}]
            error = {"code": 429, "message": "planted", "status": "RESOURCE_EXHAUSTED", "details": details}
            await call.json({"error": error}, 429)
        else:
            await call.json(answer("hello"))

    async with (
        run_upstream(script) as upstream,
        adapter(upstream, traces=True, metrics=True, retries=1, upstream_keys=("one", "two")) as client,
    ):
        assert (await client.post(CHAT, json=chat())).status_code == 200
        request = await wait_for_span(spans, f"POST {CHAT}")
    [call] = children_of(spans, request)
    attempts = children_of(spans, call)
    assert [span.attributes.get("error.type") for span in attempts] == ["503", "429", None]
    assert [span.attributes.get("http.response.status_code") for span in attempts] == [503, 429, 200]
    assert [span.attributes.get("http.request.resend_count") for span in attempts] == [None, 1, 2]
    assert [span.status.status_code for span in attempts] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert "error.type" not in call.attributes
    ids = [f"{span.context.span_id:016x}" for span in attempts]
    assert [seen.headers["traceparent"].split("-")[2] for seen in upstream.seen] == ids


async def test_a_fallback_is_a_call_of_its_own(spans):
    async def script(call):
        if "pro" in call.request.path:
            await call.json({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}, 503)
        else:
            await call.json(answer("hello"))

    models = {"gemini-3.8-pro": MODEL}
    async with run_upstream(script) as upstream, adapter(upstream, traces=True, fallback_models=models) as client:
        assert (await client.post(CHAT, json=chat() | {"model": "gemini-3.8-pro"})).status_code == 200
        request = await wait_for_span(spans, f"POST {CHAT}")
    assert [(span.name, span.attributes.get("error.type")) for span in children_of(spans, request)] == [
        ("generate_content gemini-3.8-pro", "503"),
        (f"generate_content {MODEL}", None),
    ]


async def breaks(call):
    await call.start()
    await call.send(frame(answer("planted", finish=None)))
    call.writer.close()


async def bad(call):
    await call.json({"error": {"code": 500, "message": "planted", "status": "INTERNAL"}}, 500)


async def refuses(call):
    await call.json({"error": {"code": 400, "message": "planted", "status": "INVALID_ARGUMENT"}}, 400)


@pytest.mark.parametrize(
    ("script", "body", "request_error", "call_error"),
    [
        (breaks, chat(stream=True), "upstream_stream_truncated", "upstream_stream_truncated"),
        (bad, chat(stream=True), "server_error", "500"),
        (bad, chat(), "server_error", "500"),
        (refuses, chat(), None, "400"),
        (good, {"model": "planted words?"}, None, None),
    ],
)
async def test_errors_are_told_by_their_type_and_not_in_words(spans, script, body, request_error, call_error):
    async with run_upstream(script) as upstream, adapter(upstream, traces=True) as client:
        await client.post(CHAT, json=body)
        request = await wait_for_span(spans, f"POST {CHAT}")
    assert request.attributes.get("error.type") == request_error
    assert (request.status.status_code is StatusCode.ERROR) == (request_error is not None)
    calls = children_of(spans, request)
    assert [call.attributes.get("error.type") for call in calls] == ([call_error] if call_error else [])
    assert "planted" not in "".join(span.to_json() for span in spans())
    assert not any(span.events or span.status.description for span in spans())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_that_leaves_ends_its_spans(spans, stream):
    async def hangs(call):
        await call.start()
        await call.send(frame(answer("a", finish=None)))
        await asyncio.sleep(60)

    async with run_upstream(hangs) as upstream, adapter(upstream, traces=True) as client:
        asking = asyncio.create_task(client.post(CHAT, json=chat(stream=stream)))
        while not upstream.seen:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.wait([asking])
        request = await wait_for_span(spans, f"POST {CHAT}")
    [call] = children_of(spans, request)
    [attempt] = children_of(spans, call)
    assert {span.attributes["error.type"] for span in (request, call, attempt)} == {"cancelled"}
    assert request.attributes["adapter.outcome"] == "gone"


async def test_other_endpoints_have_spans_by_their_routes(spans):
    async def script(call):
        if call.request.path.endswith(":countTokens"):
            await call.json({"totalTokens": 7})
        elif call.request.method == "GET" and "?" in call.request.path:
            await call.json({"models": [{"name": "models/a"}]})
        else:
            await call.json({"name": "models/a"})

    async with run_upstream(script) as upstream, adapter(upstream, traces=True) as client:
        await client.get("/v1/models")
        await client.get("/v1/models/a-model")
        await client.post("/v1/responses/input_tokens", json={"model": MODEL, "input": "x"})
        await client.get("/v1/planted-path?planted=1")
        await client.request("PROPFIND", "/v1/models")
        for name, operation in {
            "GET /v1/models": "list_models",
            "GET /v1/models/{model}": "get_model",
            "POST /v1/responses/input_tokens": f"count_tokens {MODEL}",
        }.items():
            [call] = children_of(spans, await wait_for_span(spans, name))
            assert call.name == operation
        assert (await wait_for_span(spans, "GET")).attributes["http.response.status_code"] == 404
        other = (await wait_for_span(spans, "HTTP /v1/models")).attributes
    assert (other["http.request.method"], other["http.response.status_code"]) == ("_OTHER", 405)
    assert "lanted" not in "".join(span.to_json() for span in spans())


EMBEDDER, TALKER = "gemini-embedding-2", "gemini-3.1-flash-tts-preview"
DRAWER, DECIDER = "gemini-3.1-flash-image-preview", "gemini-decision-1"
QUESTION = {"type": "predicate", "name": "urgent", "instructions": "Is it urgent?"}
DECISION = {"model": DECIDER, "input": "x", "questions": [QUESTION]}
UPLOAD = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
PICTURE = {"image": ("a.png", picture("a cat", "1:1", "512"), "image/png")}
SOUND = {"file": ("a.wav", wav(bytes(2_000), 1_000), "audio/wav")}


async def use_everything(client):
    """Use all endpoints that call Gemini, and Google's own paths, known or not; return the statuses."""
    statuses = []

    async def send(method, path, **body):
        got = await client.request(method, path, **body)
        statuses.append(got.status_code)
        return got

    texts = {"model": EMBEDDER, "input": ["a", "b"]}
    await send("POST", "/v1/embeddings", json=texts)
    await send("POST", "/v1/completions", json={"model": MODEL, "prompt": "x"})
    await send("POST", "/v1/moderations", json={"input": "x"})
    await send("POST", "/v1/decisions", json=DECISION)
    await send("POST", "/v1/images/generations", json={"model": DRAWER, "prompt": "x"})
    await send("POST", "/v1/images/edits", data={"model": DRAWER, "prompt": "x"}, files=PICTURE)
    await send("POST", "/v1/responses", json={"model": MODEL, "input": "x"})
    await send("POST", "/v1/responses", json={"model": MODEL, "input": "x", "stream": True})
    await send("POST", "/v1/audio/speech", json={"model": TALKER, "input": "x", "voice": "alloy"})
    await send("POST", "/v1/audio/transcriptions", data={"model": MODEL}, files=SOUND)
    file = await put(client, b"a text", name="a.txt", purpose="user_data")
    part = {"type": "file", "file": {"file_id": file["id"]}}
    await send("POST", CHAT, json={"model": MODEL, "messages": [{"role": "user", "content": [part]}]})
    batch, rows, _ = await run(client, line("one"), line("two"))
    statuses.append((batch["status"], len(rows)))
    await send("POST", f"/v1/batches/{(await begin(client, line('three')))['id']}/cancel")
    await send("DELETE", f"/v1/files/{file['id']}")
    own = {"content": {"parts": [{"text": "x"}]}}
    await send("POST", f"/v1beta/models/{EMBEDDER}:embedContent", json=own)
    await send("POST", f"/v1beta/models/{MODEL}:planted", json=own)
    for path in ("files", "files/planted", "batches", "cachedContents", "planted"):
        await send("GET", f"/v1beta/{path}")
    await send("POST", "/v1beta/cachedContents", json={"displayName": "planted"})
    await send("DELETE", "/v1beta/files/planted")
    await send("POST", "/upload/v1beta/files", headers=UPLOAD, json={"file": {"displayName": "planted"}})
    return statuses


async def test_every_endpoint_answers_with_traces_as_without(spans, tmp_path):
    statuses = {}
    for traced in (False, True):
        where = tmp_path / str(traced)
        async with serve_batches(where, traces=traced, metrics=traced, files_dir=str(where)) as made:
            statuses[traced] = await use_everything(made[1])
    assert statuses[True] == statuses[False]
    assert 500 not in statuses[True]
    ours = {span.attributes.get("gen_ai.operation.name") for span in spans() if span.kind is SpanKind.CLIENT}
    assert {"embeddings", "create_decision", "upload_file", "create_batch", "get_batch", "other"} <= ours
    assert "lanted" not in "".join(span.to_json() for span in spans())


async def test_probes_have_no_spans(spans):
    async with run_upstream(good) as upstream, adapter(upstream, traces=True, metrics=True) as client:
        for path in ("/healthz", "/readyz", "/metrics", "/", "/inspector/exchanges"):
            assert (await client.get(path)).status_code == 200
        await client.get("/v1/none")
        await wait_for_span(spans, "GET")
    assert len(spans()) == 1


async def test_a_websocket_is_one_request_with_a_call_for_each_response(spans):
    async with run_upstream(good) as upstream, adapter(upstream, traces=True) as client:
        async with socket(client) as connection:
            for text in ("one", "two"):
                await connection.send(create(text))
                await receive_events(connection)
        request = await wait_for_span(spans, "GET /v1/responses")
    assert request.attributes["http.response.status_code"] == 101
    assert [call.name for call in children_of(spans, request)] == [f"generate_content {MODEL}"] * 2


async def test_parallel_calls_of_one_request_are_siblings(spans):
    async with run_upstream(good) as upstream, adapter(upstream, traces=True) as client:
        assert (await client.post(CHAT, json=chat(n=3) | {"model": "gemini-3.8-flash"})).status_code == 200
        request = await wait_for_span(spans, f"POST {CHAT}")
    calls = children_of(spans, request)
    assert len(calls) == len(upstream.seen)
    assert len({seen.headers["traceparent"] for seen in upstream.seen}) == len(upstream.seen)


async def test_a_line_of_the_log_names_its_trace(spans):
    written = []

    class Lines:
        write = staticmethod(written.append)

    async with run_upstream(good) as upstream, adapter(upstream, Lines, traces=True) as client:
        await client.post(CHAT, json=chat())
        request = await wait_for_span(spans, f"POST {CHAT}")
    assert written[0].summary()["trace_id"] == f"{request.context.trace_id:032x}"


@pytest.mark.parametrize(
    ("url", "auth", "provider"),
    [
        ("https://generativelanguage.googleapis.com/v1beta", "api-key", "gcp.gemini"),
        ("https://europe-west1-aiplatform.googleapis.com/v1beta1", "vertex", "gcp.vertex_ai"),
        ("https://relay.example/v1beta", "bearer", "gcp.gen_ai"),
    ],
)
def test_the_provider_is_who_answers(url, auth, provider):
    upstream = UpstreamSettings(url=url, auth=auth)
    assert telemetry._provider_name(upstream, url.split("/")[2]) == provider


def test_without_its_packages_the_command_that_installs_them_is_named(monkeypatch):
    monkeypatch.setattr("adapter.extras.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"pip install 'gemini-openai-adapter\[telemetry\]'"):
        load({"traces": True}, {})


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_a_protocol_that_is_not_spoken_is_refused_at_the_start(name):
    with pytest.raises(SettingsError, match=f"{name}: only http/protobuf"):
        load({"traces": True}, {name: "grpc"})
    assert load({"traces": True}, {name: "http/protobuf"}).traces
    assert not load({}, {name: "grpc"}).traces


def test_nothing_of_opentelemetry_is_imported_where_it_is_off():
    program = (
        "import sys; from adapter.server.app import create_app; from adapter.settings import load; import adapter.cli\n"
        "create_app(load({}, {})); print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@asynccontextmanager
async def serving(tmp_path, **variables):
    running = process(tmp_path, "--traces", "--store", "memory", settings=variables)
    live = await asyncio.to_thread(running.__enter__)
    try:
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            yield client
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


@pytest.mark.faults
async def test_a_real_process_sends_its_spans_as_opentelemetrys_variables_say(tmp_path):
    async with collector() as server:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-secret=of-the-collector",
            "OTEL_SERVICE_NAME": "mine",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        async with serving(tmp_path, **variables) as client:
            answered = await client.post(CHAT, json=chat("planted", stream=True))
            assert events(answered.text)[-1] == "[DONE]"
        names = {(service, span.name) for service, span in server.spans}
    assert {("mine", f"POST {CHAT}"), ("mine", f"generate_content {MODEL}"), ("mine", "POST")} <= names, (
        "sent at the end"
    )
    assert {path for path, _ in server.headers} == {"/v1/traces"}
    assert all(headers["x-secret"] == "of-the-collector" for _, headers in server.headers)
    assert "planted" not in str(server.spans)


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["down", "slow", "refusing"])
async def test_a_collector_that_fails_costs_no_request_and_little_at_the_end(tmp_path, fault, capfd):
    how = {"delay": 30.0} if fault == "slow" else {"status": 400 if fault == "refusing" else 200}
    async with collector(**how) as server:
        if fault == "down":
            server.server_close()
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_BSP_MAX_QUEUE_SIZE": "32",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8",
        }
        async with serving(tmp_path, **variables) as client:
            for _ in range(40):
                assert (await client.post(CHAT, json=chat())).status_code == 200
            await asyncio.sleep(3)
            assert (await client.post(CHAT, json=chat())).status_code == 200
    written = "".join(capfd.readouterr())
    assert written.count("the collector does not accept spans") == 1
    assert "Traceback" not in written
    assert server.url.removeprefix("http://") not in written


def test_json_lines_stay_json_when_the_collector_is_down(tmp_path):
    """OpenTelemetry's own log lines, which are not JSON, must not stand between them."""
    command = [sys.executable, "-c", JSON_LINES]
    environment = bare_environment(tmp_path) | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["warning"]


JSON_LINES = """
import asyncio
from adapter.server.observe.request_log import configure
from adapter.server.observe.tracing import Traces
from adapter.settings import load

async def main():
    configure(load({"log_format": "json"}, {}))
    traces = Traces()
    traces.open()
    traces.tracer.start_span("x").end()
    await traces.aclose()

asyncio.run(main())
"""
