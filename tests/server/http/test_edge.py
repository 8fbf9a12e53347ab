"""The edge of every route: headers, origins, keys, and who may see the page of exchanges."""

import base64
import hashlib

import pytest

from tests.support.scripted import adapter, answer, chat, run_upstream

PATH = "/v1/chat/completions"


async def says_hello(call):
    if call.request.path == "/v1beta/models":
        await call.json({"models": []})
    elif ":" in call.request.path:
        await call.json(answer("Hello"))
    else:
        await call.json({"name": call.request.path.removeprefix("/v1beta/")})


def basic(password):
    return {"authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


async def test_every_answer_says_who_answered_and_when():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        answers = [
            await client.post(PATH, json=chat()),
            await client.post(PATH, content=b"{"),
            await client.post("/translate", json=chat()),
            await client.get("/v1/models"),
            await client.get("/v1/models/a"),
            await client.get("/healthz"),
            await client.get("/readyz"),
            await client.get("/"),
            await client.get("/inspector/script.js"),
            await client.get("/inspector/exchanges"),
            await client.get("/v1/nothing"),
        ]
    for one in answers:
        assert one.headers["x-request-id"].startswith("req_"), one.url
        assert one.headers["x-adapter-upstream"] == upstream.url.removeprefix("http://")
        assert one.headers["openai-version"] == "2020-10-01"
        assert one.headers["openai-processing-ms"].isdecimal()
        assert one.headers.get_list("x-content-type-options") == ["nosniff"]
    assert len({one.headers["x-request-id"] for one in answers}) == len(answers)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("mine-1.2:3_4", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a/b", False),
        ("a b", False),
        ('a"}{"level":"fatal', False),
        ("", False),
    ],
)
async def test_a_clients_own_request_id_is_kept_if_it_is_sensible(sent, kept):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat(), headers={"x-client-request-id": sent})
    assert (response.headers["x-request-id"] == sent) is kept


async def test_a_slash_at_the_end_is_served_and_never_a_redirect():
    """A redirect would lose the key of many clients."""
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        assert (await client.post(PATH + "/", json=chat())).status_code == 200
        assert (await client.get("/healthz/")).status_code == 200
    assert len(upstream.seen) == 1


async def test_a_wrong_method_is_told_the_right_one():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.get(PATH)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_missing_key_is_asked_for():
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("right",)) as client:
        response = await client.post(PATH, json=chat())
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer("righ"),
        bearer("right2"),
        {"authorization": "right"},
        {"authorization": "Bearer"},
        basic("right"),
        {"authorization": "Bearer r\u00edght"},
        {"authorization": "Bearer " + "x" * 10_000},
        bearer("sha256:" + hashlib.sha256(b"right").hexdigest()),
        {"api-key": "wrong"},
    ],
    ids=lambda headers: str(headers)[:40],
)
async def test_wrong_keys_are_refused(headers):
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("right", "other")) as client:
        response = await client.post(PATH, json=chat(), headers=raw)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert upstream.seen == []


@pytest.mark.parametrize(
    "headers", [bearer("right"), bearer("other"), {"api-key": "right"}, {"x-goog-api-key": "right"}]
)
async def test_keys_are_taken_where_openai_azure_and_google_clients_send_them(headers):
    keys = ("sha256:" + hashlib.sha256(b"right").hexdigest(), "other")
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=keys) as client:
        response = await client.post(PATH, json=chat(), headers=headers)
    assert response.status_code == 200
    assert upstream.seen[0].headers["x-goog-api-key"] == "k"


async def test_other_origins_may_not_call_unless_they_are_named():
    ask = {"origin": "https://app.example", "access-control-request-method": "POST"}
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        assert "access-control-allow-origin" not in (await client.options(PATH, headers=ask)).headers
        assert "access-control-allow-origin" not in (await client.post(PATH, json=chat(), headers=ask)).headers
    async with (
        run_upstream(says_hello) as upstream,
        adapter(upstream, allow_origins=("https://app.example",)) as client,
    ):
        before = await client.options(PATH, headers={**ask, "access-control-request-headers": "authorization"})
        good = await client.post(PATH, json=chat(), headers=ask)
        evil = await client.post(PATH, json=chat(), headers={"origin": "https://evil.example"})
    assert before.status_code == 200
    assert good.headers["access-control-allow-origin"] == "https://app.example"
    assert "x-adapter-notes" in good.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in good.headers
    assert "access-control-allow-origin" not in evil.headers


async def test_any_origin_may_be_let_in_and_then_without_credentials():
    async with run_upstream(says_hello) as upstream, adapter(upstream, allow_origins=("*",)) as client:
        response = await client.post(PATH, json=chat(), headers={"origin": "https://evil.example", "cookie": "a=b"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


PAGES = ("/", "/inspector/exchanges", "/inspector/exchanges/x")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", ""])
async def test_the_page_answers_to_names_of_this_machine_alone(path, host):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.get(path, headers={"host": host})
    assert response.status_code == 403


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
async def test_the_page_is_shown_under_names_of_this_machine(host):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        assert (await client.get("/inspector/exchanges", headers={"host": host})).status_code == 200


async def test_a_page_that_the_operator_switched_on_has_any_name():
    async with run_upstream(says_hello) as upstream, adapter(upstream, inspector=True) as client:
        assert (await client.get("/", headers={"host": "adapter.example"})).status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_the_page_wants_a_key_where_calls_want_one(path):
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("one",)) as client:
        for headers in ({}, basic("wrong"), {"authorization": "Basic !"}, {"authorization": "Basic bWU="}):
            response = await client.get(path, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Basic ")
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        assert (await client.get(path, headers=basic("one"))).status_code in (200, 404)


async def test_each_key_sees_its_own_exchanges_and_strangers_leave_no_trace():
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("one", "two")) as client:
        await client.post(PATH, json=chat("of one"), headers={**bearer("one"), "x-client-request-id": "first"})
        await client.post(PATH, json=chat("of two"), headers=bearer("two"))
        await client.post(PATH, json=chat("of nobody"), headers=bearer("three"))
        mine = (await client.get("/inspector/exchanges", headers=basic("one"))).json()["exchanges"]
        whole = await client.get("/inspector/exchanges/first", headers=basic("one"))
        foreign = await client.get("/inspector/exchanges/first", headers=basic("two"))
    assert [one["id"] for one in mine] == ["first"]
    assert "of one" in whole.json()["request"]
    assert foreign.status_code == 404


async def test_so_many_choices_and_not_one_more():
    async with run_upstream(says_hello) as upstream, adapter(upstream, max_choices=3) as client:
        most = await client.post(PATH, json=chat(n=3))
        more = await client.post(PATH, json=chat(n=4))
    assert len(most.json()["choices"]) == 3
    assert (more.status_code, more.json()["error"]["param"]) == (400, "n")
    assert len(upstream.seen) == 3


async def test_one_model_is_found_by_a_name_that_stands_for_it():
    async with run_upstream(says_hello) as upstream, adapter(upstream, models={"my-*": "gemini-2.5-pro"}) as client:
        for asked, sent in (("my-own", "gemini-2.5-pro"), ("gpt-4o", "gemini-3.8-flash"), ("models/a", "a")):
            response = await client.get(f"/v1/models/{asked}")
            assert response.json()["id"] == asked.removeprefix("models/")
            assert response.headers["x-adapter-model"] == sent
            assert upstream.seen[-1].path == f"/v1beta/models/{sent}"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"{", None, "invalid_json"),
        (b"[]", None, "invalid_json"),
        (b'{"model": "m"}', "messages", "missing_required_parameter"),
        (b'{"model": "m", "messages": [{"content": "x"}]}', "messages[0].role", "missing_required_parameter"),
        (b'{"model": 1, "messages": []}', "model", "invalid_type"),
    ],
)
async def test_a_wrong_body_is_told_by_code_and_path(body, param, code):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        error = (await client.post(PATH, content=body)).json()["error"]
    assert (error["param"], error["code"]) == (param, code)


async def test_a_key_of_the_servers_never_leaves_in_an_error():
    key = "AIzaSyA1234567890abcdefghijklmnopqrstuv"

    async def script(call):
        message = f"Permission denied: Consumer 'api_key:{key}' of project 123456 has been suspended."
        await call.json({"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}, 403)

    async with run_upstream(script) as upstream, adapter(upstream, upstream_keys=(key,)) as client:
        whole = await client.post(PATH, json=chat())
        streamed = await client.post(PATH, json=chat(stream=True))
        page = await client.get("/inspector/exchanges")
    assert upstream.seen[0].headers["x-goog-api-key"] == key
    for response in (whole, streamed):
        assert response.status_code == 502
        assert "suspended" in response.text
    for response in (whole, streamed, page):
        assert key not in response.text
        assert "123456" not in response.text


async def test_a_total_time_limit_that_ran_out_is_not_tried_again():
    async def script(call):
        await call.start()

    async with run_upstream(script) as upstream, adapter(upstream, total_timeout=0.2) as client:
        response = await client.post(PATH, json=chat())
    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")
    assert response.headers["x-should-retry"] == "false"


async def test_a_relay_that_removes_a_flag_is_named():
    async def script(call):
        message = "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with it."
        await call.json({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}, 400)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        error = (await client.post(PATH, json=chat())).json()["error"]
    assert upstream.url.removeprefix("http://") in error["message"]


async def test_the_host_of_a_relay_that_was_given_a_name_is_in_no_error():
    async def script(call):
        await call.json({"error": {"message": f"No channel at {call.request.headers['host']}.", "type": "relay"}}, 400)

    async with run_upstream(script) as upstream, adapter(upstream, upstream_name="our relay") as client:
        response = await client.post(PATH, json=chat())
    assert response.headers["x-adapter-upstream"] == "our relay"
    assert response.json()["error"]["message"].startswith("No channel at [hidden]")
    assert "127.0.0.1" not in response.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize(
    "stranger",
    [
        {"host": "adapter.example"},
        {"x-forwarded-for": "203.0.113.7"},
        {"host": "evil.example", "authorization": "Bearer x"},
    ],
    ids=str,
)
@pytest.mark.parametrize("settings", [{}, {"client_keys": ("one",)}], ids=["open", "with keys"])
async def test_a_stranger_is_told_how_the_server_is_and_nothing_of_its_stores(path, stranger, settings):
    async with run_upstream(says_hello) as upstream, adapter(upstream, **settings) as client:
        told = (await client.get(path, headers=stranger)).json()
    assert set(told) == {"status", "version"}


@pytest.mark.parametrize("headers", [{}, {"host": "adapter.example", **bearer("one")}], ids=["local", "with a key"])
async def test_who_looks_after_the_server_is_told_of_its_stores(headers):
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("one",)) as client:
        told = (await client.get("/healthz", headers=headers)).json()
    assert told["store"]["kind"] == "memory"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/m", "/metrics", "/v1/responses/resp_1"])
async def test_a_foreign_name_reads_nothing_without_keys(path):
    """A page whose name was made to point here reads without an `Origin` (DNS rebinding)."""

    async def lists(call):
        await call.json({"models": [], "name": "models/m"})

    async with run_upstream(lists) as upstream:
        async with adapter(upstream, metrics=True) as client:
            refused = await client.get(path, headers={"host": "evil.example"})
            own = await client.get(path)
        async with adapter(upstream, metrics=True, allow_origins=("https://chat.example",)) as client:
            named = await client.get(path, headers={"host": "chat.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_page")
    assert 403 not in (own.status_code, named.status_code)


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/v1/chat/completions",
        "/v1/v1/v1//chat/completions//",
        "//chat/completions",
        "/chat/completions/",
    ],
)
async def test_a_path_is_served_as_tools_join_it_to_a_base_url(path):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        url = str(client.base_url).rstrip("/") + path
        response = await client.post(url, json=chat())
        models = await client.get(str(client.base_url).rstrip("/") + "/v1/models/gemini-3.5-flash/")
    assert response.status_code == 200, response.text
    assert models.status_code == 200
    assert upstream.seen[-1].path == "/v1beta/models/gemini-3.5-flash"


@pytest.mark.parametrize("path", ["//inspector/exchanges", "/inspector//exchanges", "/v1/v1", "//metrics", "/metrics/"])
async def test_what_proxies_deny_by_its_path_is_served_under_no_other(path):
    async with run_upstream(says_hello) as upstream, adapter(upstream, inspector=True, metrics=True) as client:
        response = await client.get(str(client.base_url).rstrip("/") + path)
    assert response.status_code == 404


async def lists_models(call):
    """The order is Google's: embeddings first."""
    methods = {"gemini-embedding-001": ["embedContent"], "text-other-001": ["countTokens"]}
    names = ("gemini-embedding-001", "text-other-001", "gemini-3.5-flash", "gemini-3.8-pro")
    models = [
        {"name": f"models/{name}", "supportedGenerationMethods": methods.get(name, ["generateContent"])}
        for name in names
    ]
    await call.json({"models": models})


async def test_models_that_chat_are_listed_first_and_each_with_what_serves_it():
    async with run_upstream(lists_models) as upstream, adapter(upstream, models={"mine": "gemini-3.5-flash"}) as client:
        listed = (await client.get("/v1/models")).json()["data"]
    assert [(one["id"], one.get("served_by")) for one in listed] == [
        ("gemini-3.5-flash", "POST /v1/chat/completions"),
        ("gemini-3.8-pro", "POST /v1/chat/completions"),
        ("mine", "POST /v1/chat/completions"),
        ("gemini-embedding-001", "POST /v1/embeddings"),
        ("text-other-001", None),
    ]


async def test_the_operator_chooses_and_orders_what_is_listed():
    chosen = ("gemini-3.8-*", "gemini-3.*", "mine")
    async with (
        run_upstream(lists_models) as upstream,
        adapter(upstream, models={"mine": "gemini-3.5-flash"}, list_models=chosen) as client,
    ):
        listed = (await client.get("/v1/models")).json()["data"]
    assert [one["id"] for one in listed] == ["gemini-3.8-pro", "gemini-3.5-flash", "mine"]
