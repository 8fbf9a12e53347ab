"""An endpoint is one row of the list in `server.routes`: all that needs to know an endpoint reads it there."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import msgspec
import pytest

from adapter.server.endpoints.health import health
from adapter.server.http.router import ANY_METHOD
from adapter.server.openapi.document import document
from adapter.server.pipeline.endpoint import Endpoint, router_of, unserved_endpoint
from adapter.server.routes import ENDPOINTS
from adapter.settings import Settings
from adapter.translate.core.notes import Rejected
from adapter.wire.base import Wire
from tests.support.figures import total, wait_until_idle
from tests.support.guards import until
from tests.support.request_lines import Lines
from tests.support.scripted import adapter, run_upstream
from tests.support.spans import wait_for_span

PATH = "/v1/toys/{toy}/wind_up"


class ToyRequest(Wire):
    """A request to wind up a toy."""

    turns: int = 1


class Toy(Wire):
    """A toy."""

    name: str
    turns: int


async def wind_up(call):
    """Wind a toy up; the toy `broken` is a bug, the toy `slow` takes until the client leaves."""
    request, _unknown = await call.read(ToyRequest)
    name = call.parameters["toy"]
    if name == "broken":
        raise ZeroDivisionError
    if name == "slow":
        await asyncio.sleep(600)
    if request.turns > 9:
        raise Rejected("turns", "out-of-range", "at most nine turns")
    call.exchange.model_asked = call.exchange.model = "toy-model"
    await call.send(Toy(name=name, turns=request.turns))


TOY = Endpoint(
    method="POST",
    path=PATH,
    handler=wind_up,
    name="windUp",
    summary="Wind a toy up.",
    takes=ToyRequest,
    gives=Toy,
    fails=(400, 404),
    asks_gemini=True,
    is_rated=True,
)
GONE = unserved_endpoint("/v1/dolls/{rest:path}", "Dolls are not served here: use toys.")
WITH_TOYS = (*ENDPOINTS, TOY, GONE)


@asynccontextmanager
async def toys(lines=None, **settings):
    """A server with the toy endpoint, which needs no upstream."""

    async def refuses(call):
        await call.json({"error": {"code": 500, "message": "not asked"}}, 500)

    async with run_upstream(refuses) as upstream, adapter(upstream, lines, WITH_TOYS, **settings) as client:
        yield client


@pytest.mark.parametrize("prefix", ["/v1", ""], ids=["under /v1", "bare"])
@pytest.mark.parametrize("origins", [(), ("https://a.example",)], ids=["direct", "behind CORS"])
async def test_it_is_served_with_its_parameters(prefix, origins):
    async with toys(allow_origins=origins) as client:
        answer = await client.post(f"{prefix}/toys/car/wind_up", json={"turns": 3})
    assert (answer.status_code, answer.json()) == (200, {"name": "car", "turns": 3})


async def test_its_errors_are_openais():
    async with toys(max_body=100) as client:
        answers = [
            await client.post("/v1/toys/car/wind_up", json={"turns": 10}),
            await client.post("/v1/toys/car/wind_up", json={"turns": "x"}),
            await client.post("/v1/toys/car/wind_up", json={"turns": 1, "more": "x" * 100}),
            await client.post("/v1/toys/broken/wind_up", json={}),
        ]
    assert [answer.status_code for answer in answers] == [400, 400, 413, 500]
    assert all(set(answer.json()["error"]) == {"message", "type", "param", "code"} for answer in answers)


def test_it_is_described():
    described = json.loads(document(WITH_TOYS))
    operation = described["paths"][PATH]["post"]
    assert operation["operationId"] == "windUp"
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ToyRequest"
    }
    assert [parameter["name"] for parameter in operation["parameters"]] == ["toy"]
    assert list(described["components"]["schemas"]["Toy"]["properties"]) == [
        field.encode_name for field in msgspec.structs.fields(Toy)
    ]


async def test_log_figures_and_page_know_it_without_its_parameters():
    lines = Lines()
    async with toys(lines, metrics=True, inspector=True) as client:
        await client.post("/v1/toys/secret-name/wind_up", json={})
        await until(lambda: lines.summaries)
        found = await wait_until_idle(client)
        [row] = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert lines.summaries == [(PATH, 200, "complete", "")]
    assert total(found, "adapter_requests_total", endpoint="toys") == 1
    assert (row["path"], row["model"]) == (PATH, "toy-model")


async def test_its_span_has_its_path_without_its_parameters(spans):
    async with toys(traces=True) as client:
        assert (await client.post("/v1/toys/secret-name/wind_up", json={})).status_code == 200
        span = await wait_for_span(spans, f"POST {PATH}")
    assert span.attributes["http.route"] == PATH
    assert "secret-name" not in span.to_json()


async def test_a_method_that_it_does_not_have_is_told_the_right_one():
    async with toys() as client:
        wrong = await client.get("/v1/toys/car/wind_up")
        missing = await client.post("/v1/toys/car", json={})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert missing.status_code == 404


async def test_a_path_with_several_methods_names_them_all():
    async with toys() as client:
        wrong = await client.put("/v1/responses/resp_x")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, HEAD")


async def test_pages_of_other_origins_may_use_its_method():
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    async with toys(allow_origins=("https://a.example",)) as client:
        answer = await client.options("/v1/toys/car/wind_up", headers=asked)
    assert answer.status_code == 200
    assert "POST" in answer.headers["access-control-allow-methods"]


async def test_it_counts_against_a_clients_rates():
    async with toys(client_rates=("1/hour",)) as client:
        answers = [await client.post("/v1/toys/car/wind_up", json={}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


async def test_it_asks_for_a_key():
    async with toys(client_keys=("right",)) as client:
        answers = [
            await client.post("/v1/toys/car/wind_up", json={}, headers={"authorization": f"Bearer {key}"})
            for key in ("wrong", "right")
        ]
    assert [answer.status_code for answer in answers] == [401, 200]


async def test_it_has_one_of_the_places_and_ends_when_its_client_leaves():
    lines = Lines()
    async with toys(lines, max_concurrent=1, max_queued=0) as client:
        slow = asyncio.create_task(client.post("/v1/toys/slow/wind_up", json={}))
        while (await client.post("/v1/toys/car/wind_up", json={})).status_code != 503:
            await asyncio.sleep(0.01)
        slow.cancel()
        await until(lambda: ("gone", 499) in [(one.outcome, one.status) for one in lines.written])
        await wait_until_served(client)


async def wait_until_served(client):
    """Wait until there is a place again."""
    while (await client.post("/v1/toys/car/wind_up", json={})).status_code != 200:
        await asyncio.sleep(0.01)


async def test_what_is_not_served_says_what_to_use():
    lines = Lines()
    async with toys(lines, metrics=True) as client:
        answers = [
            await client.request(method, "/v1/dolls/one/two", content=b"x" * 100_000)
            for method in ("POST", "GET", "PUT")
        ]
        found = await wait_until_idle(client)
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "unsupported_endpoint")
        assert error["message"].startswith("Dolls are not served here: use toys. Asked for: ")
    assert {path for path, *_ in lines.summaries} == {"/v1/dolls/{rest}"}
    assert total(found, "adapter_requests_total", endpoint="dolls") == 3


def test_every_row_has_a_path_and_a_method_of_its_own():
    rows = [(endpoint.method, path) for endpoint in ENDPOINTS for path in endpoint.paths]
    assert len(rows) == len(set(rows))


ROWS = [(endpoint, path) for endpoint in ENDPOINTS for path in endpoint.paths]


@pytest.mark.parametrize(("endpoint", "path"), ROWS, ids=[f"{row.method} {path}" for row, path in ROWS])
def test_every_row_is_what_serves_its_method_on_its_path(endpoint, path):
    settings = Settings(upstream_url="http://127.0.0.1:1", upstream_keys=("k",), metrics=True, inspector=True)
    method = "GET" if endpoint.method == ANY_METHOD else endpoint.method
    match = router_of(ENDPOINTS, settings).match(re.sub(r"{\w+(:path)?}", "x", path), method)
    assert (match.template, match.handler_for(method)) == (re.sub(r":\w+}", "}", path), endpoint)


async def test_rows_with_one_path_and_other_names_in_it_share_their_methods():
    rows = (
        Endpoint(method="GET", path="/v1/toys/{toy}", handler=health),
        Endpoint(method="POST", path="/v1/toys/{name:path}", handler=wind_up, takes=ToyRequest),
        Endpoint(method="PATCH", path="/v1/{rest:path}", handler=wind_up, takes=ToyRequest),
    )
    router = router_of(rows, Settings(upstream_url="http://127.0.0.1:1"))
    assert router.match("/v1/toys/car", "HEAD").parameters == {"toy": "car"}
    assert router.match("/v1/toys/car", "POST").parameters == {"name": "car"}
    assert router.match("/v1/toys/car", "PUT").handler_for("PUT") is None
    assert router.match("/v1/toys/car", "PUT").allowed_methods == "GET, HEAD, PATCH, POST"


async def test_the_body_of_an_answer_to_head_is_left_out():
    async with toys() as client:
        get, head = await client.get("/healthz"), await client.head("/healthz")
        again = await client.get("/readyz")
    assert (head.status_code, head.content, again.status_code) == (200, b"", 200)
    assert head.headers["content-length"] == get.headers["content-length"]
