"""The full ledger accounts for Gemini's whole body, and the dry run shows what is served.

Over all cases, and over recorded requests where they are there.
"""

import json

import msgspec
import orjson
import pytest

from adapter.server.dry_run.dry_run import DryRun
from adapter.server.pipeline.errors import Malformed, StrictLoss
from adapter.server.pipeline.ledger_headers import check
from adapter.server.pipeline.model_lists import path_of_model
from adapter.server.pipeline.service import decode_body
from adapter.settings import find_served_model, options, request_limits, upstream_settings
from adapter.translate.core.notes import Fate, Rejected
from adapter.translate.core.strictness import Strictness
from adapter.translate.ledger import MISSING, leaves, shortened_value, value_at
from adapter.translate.plan import PLANNERS, endpoint_of
from adapter.translate.responses.fields import to_chat
from adapter.translate.signatures.history import look_up
from adapter.translate.targets import anchors_of
from adapter.wire.base import encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from conformance.cases import all_cases
from tests.support.ledgers import REFUSALS, faults_of, settings_of
from tests.support.planning import plan_for
from tests.support.recordings import ROOT, drawn_records

REQUESTS = [
    (f"{case.id}-{number}", case.settings, f"/v1/{case.endpoint}", turn.request)
    for case in all_cases()
    if f"/v1/{case.endpoint}" in PLANNERS
    for number, turn in enumerate(case.turns)
]

RECORDED = ("openai_chat_exchanges", "openai_like_exchanges", "compat_exchanges", "openai_responses_exchanges")


def dry_run(given, endpoint=""):
    chosen, names = settings_of(given)
    return DryRun(chosen, names, Strictness(chosen.strict), endpoint=endpoint)


def shown_by(run, request):
    """Return the output of the dry run; None for a refused request."""
    try:
        return orjson.loads(encode(run.whole(orjson.dumps(request))))
    except REFUSALS:
        return None


def test_every_target_exists_and_every_leaf_is_a_target():
    told = {id_: shown_by(dry_run(given, endpoint), request) for id_, given, endpoint, request in REQUESTS}
    served_ = {id_: one for id_, one in told.items() if one is not None}
    assert len(served_) > len(told) // 2
    faults = {id_: found for id_, one in served_.items() if (found := faults_of(one)) != ([], [], [])}
    assert not faults, (
        "missing targets, targets of what was dropped, values without a field that they come from: `_of_fields` in "
        "adapter/translate/targets.py says where each field arrives"
    )


def recorded_requests():
    for name in RECORDED:
        for record in drawn_records(name):
            request = record["request"]
            if record["op"] in ("chat.completions", "responses") and isinstance(request, dict):
                yield record["id"], request


needs_corpus = pytest.mark.skipif(ROOT is None, reason="ADAPTER_CORPUS names no recorded traffic")


@needs_corpus
def test_every_leaf_of_recorded_requests_is_a_target():
    run, faults, seen = dry_run({}), {}, 0
    for id_, request in recorded_requests():
        told = shown_by(run, request)
        if told is not None:
            seen += 1
            if (found := faults_of(told)) != ([], [], []):
                faults[id_] = found
    assert seen > 0
    assert faults == {}


def serve(given, endpoint, request):
    """Return the server's translation of a request, by its own way to a plan: body and notes, or the refusal."""
    chosen, names = settings_of(given)
    limits = request_limits(chosen)
    prefix = upstream_settings(chosen).models
    text = orjson.dumps(request)
    if endpoint == "/v1/chat/completions":
        asked, unknown = decode_body(text, ChatCompletionRequest, limits)
        path_of_model(find_served_model(asked.model, names).model, prefix)
        ready = plan_for(asked, unknown, names, options(chosen))
        notes = ready.notes
    else:
        view = to_chat(*decode_body(text, ResponsesRequest, limits))
        try:
            path_of_model(find_served_model(view.request.model, names).model, prefix)
            history = look_up(view.request, {}, view.carried)
            ready = plan_for(view.request, {}, names, options(chosen), history)
        except Rejected as error:
            raise view.with_client_path(error) from None
        notes = view.ledger(ready.notes)
    check(notes, Strictness(chosen.strict), chosen.notes)
    return orjson.loads(encode(ready.body)), notes


def verdict(function):
    """Return the function's result, or the error as the client reads it."""
    try:
        return function()
    except (Rejected, StrictLoss, Malformed) as error:
        return type(error), str(error)


def test_the_dry_run_gives_the_served_calls_verdict_body_and_notes():
    for id_, given, endpoint, request in REQUESTS:
        expected = verdict(lambda row=(given, endpoint, request): serve(*row))
        told = verdict(lambda row=(given, endpoint, request): dry_run(*row[:2]).whole(orjson.dumps(row[2])))
        if isinstance(told, dict):
            body, notes = expected
            assert orjson.loads(encode(told["body"])) == body, id_
            losses = [(note.path, note.fate.value, note.code) for note in notes if note.fate != Fate.EXACT]
            shown_losses = [
                (note["path"], note["fate"], note["code"]) for note in told["notes"] if note["fate"] != "exact"
            ]
            assert shown_losses == losses, id_
        else:
            assert told == expected, id_


@needs_corpus
def test_the_dry_run_gives_the_served_calls_verdict_for_recorded_requests():
    run, differing = dry_run({}), []
    for id_, request in recorded_requests():
        endpoint = endpoint_of(request)
        expected = verdict(lambda endpoint=endpoint, request=request: serve({}, endpoint, request))
        told = verdict(lambda request=request: run.whole(orjson.dumps(request)))
        same = told == expected if not isinstance(told, dict) else orjson.loads(encode(told["body"])) == expected[0]
        if not same:
            differing.append(id_)
    assert differing == []


def anchors_of_tools(model, **fields):
    """The pointers below `/tools` in Gemini's request, by the client's path."""
    request = {"model": model, "messages": [{"role": "user", "content": "x"}], **fields}
    chosen, names = settings_of({})
    asked, unknown = decode_body(orjson.dumps(request), ChatCompletionRequest, request_limits(chosen))
    ready = plan_for(asked, unknown, names, options(chosen))
    found: dict[str, list[str]] = {}
    for path, pointer in anchors_of(ready, orjson.loads(encode(ready.body)), str):
        if pointer.startswith("/tools/"):
            found.setdefault(path, []).append(pointer)
    return found


def in_either_dialect(declaration):
    return [f"{declaration}/parametersJsonSchema", f"{declaration}/parameters"]


class TestTargets:
    def test_a_message_and_a_tool_lead_to_their_places(self):
        request = {
            "model": "gemini-3.5-flash",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "seed": 7,
        }
        told = shown_by(dry_run({}), request)
        targets = {note["path"]: note["targets"] for note in told["notes"]}
        assert targets["messages[0]"] == ["/systemInstruction/parts/0"]
        assert targets["messages[1].role"] == ["/contents/0/role"]
        assert targets["messages[1].content[1]"] == ["/contents/0/parts/1"]
        assert targets["tools[0].function"] == ["/tools/0/functionDeclarations/0"]
        assert targets["seed"] == ["/generationConfig/seed"]

    def test_each_tool_leads_to_its_place_whatever_its_form(self):
        tools = [
            {"type": "web_search"},
            {"type": "unheard_of"},
            {"type": "function", "function": {"name": "a b", "parameters": {}}},
            {"type": "custom", "custom": {"name": "c"}},
            {"url_context": {}},
        ]
        assert anchors_of_tools("gemini-3.5-flash", tools=tools) == {
            "tools[2].function": ["/tools/0/functionDeclarations/0"],
            "tools[2].function.parameters": in_either_dialect("/tools/0/functionDeclarations/0"),
            "tools[3].custom": ["/tools/0/functionDeclarations/1"],
            "tools[3].custom.parameters": in_either_dialect("/tools/0/functionDeclarations/1"),
            "tools[0]": ["/tools/1"],
            "tools[4]": ["/tools/2"],
        }

    @pytest.mark.parametrize("extension", ["google", "extra_body"])
    def test_tools_of_older_fields_and_of_extensions_lead_to_theirs(self, extension):
        own = {"tools": [{"google_search": {}}, {"functionDeclarations": [{"name": "h"}]}]}
        given = {extension: own if extension == "google" else {"google": own}}
        found = anchors_of_tools("gemini-3.5-flash", functions=[{"name": "f"}, {"name": "g"}], **given)
        assert found["functions[1]"] == ["/tools/0/functionDeclarations/1"]
        declaration = "/tools/0/functionDeclarations/2"
        assert found[extension] == [declaration, *in_either_dialect(declaration), "/tools/1"]
        found = anchors_of_tools("gemini-3.5-flash", web_search_options={}, **given)
        assert found["web_search_options"] == ["/tools/0"]

    def test_a_function_that_stands_for_an_answers_schema_leads_to_the_schema(self):
        schema = {"type": "object", "properties": {"a": {"type": "string"}}}
        form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        found = anchors_of_tools("gemini-2.5-flash", functions=[{"name": "f"}], response_format=form)
        assert found["response_format"] == ["/tools/0/functionDeclarations/1"]
        assert found["response_format.json_schema.schema"] == in_either_dialect("/tools/0/functionDeclarations/1")

    def test_what_is_told_in_a_schema_points_at_the_property_that_tells_it(self):
        parameters = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x$"}}}
        tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
        request = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "x"}], "tools": [tool]}
        told = shown_by(dry_run({}), request)
        pattern = next(note for note in told["notes"] if note["path"].endswith(".pattern"))
        assert pattern["targets"] == ["/tools/0/functionDeclarations/0/parametersJsonSchema/properties/a"]

    @pytest.mark.parametrize(("dialect", "member"), [("json", "responseJsonSchema"), ("openapi", "responseSchema")])
    def test_what_is_told_in_an_answers_schema_points_at_the_property_that_tells_it(self, dialect, member):
        schema = {"type": "object", "properties": {"a": {"type": "string", "format": "x"}}}
        form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        request = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "x"}], "response_format": form}
        told = shown_by(dry_run({"upstream_schema": dialect}), request)
        found = next(note for note in told["notes"] if note["path"].endswith(".format"))
        assert found["path"] == "response_format.json_schema.schema.properties.a.format"
        assert found["targets"] == [f"/generationConfig/{member}/properties/a"]

    @pytest.mark.parametrize("setting", [{}, {"threshold": "OFF"}, {"category": "HARM_CATEGORY_HARASSMENT"}])
    @pytest.mark.parametrize("field", ["google", "extra_body"])
    def test_a_safety_setting_points_at_the_extension_that_brought_it_even_without_a_category(self, field, setting):
        google = {"safety_settings": [setting]}
        sent = google if field == "google" else {"google": google}
        request = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "x"}], field: sent}
        told = shown_by(dry_run({}), request)
        assert told["body"]["safetySettings"] == [setting]
        assert {note["path"]: note["targets"] for note in told["notes"]}[field] == ["/safetySettings/0"]

    def test_values_are_shortened_and_secrets_left_out(self):
        run = dry_run({})._replace(values=True)
        picture = "data:image/png;base64," + "A" * 400
        content = [{"type": "image_url", "image_url": {"url": picture}}]
        told = shown_by(
            run, {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": content}], "seed": 7}
        )
        text = json.dumps([note.get("before") for note in told["notes"]]) + json.dumps(
            [note.get("after") for note in told["notes"]]
        )
        assert "A" * 121 not in text
        seed = next(note for note in told["notes"] if note["path"] == "seed")
        assert (seed["before"], seed["after"]) == (7, [7])
        assert shortened_value({"api_key": "sk-1", "x": 1}) == {"api_key": "[redacted]", "x": 1}


def test_pointers_are_those_of_rfc_6901():
    body = {"a/b": [{"m~n": 1}]}
    assert value_at(body, "/a~1b/0/m~0n") == 1
    assert value_at(body, "/a~1b/1") is MISSING
    assert [pointer for pointer, _ in leaves(body)] == ["/a~1b/0/m~0n"]
    assert msgspec.json.decode(b"1") == 1
