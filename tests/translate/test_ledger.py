"""The full ledger of completions, embeddings, decisions and moderations accounts for all that goes to Gemini.

Over all cases and recorded requests; tests/translate/test_targets.py does the same for chat and Responses.
"""

import json
from typing import Any

import orjson
import pytest

from adapter.server.dry_run.dry_run import DryRun
from adapter.translate.core.strictness import Strictness
from adapter.translate.ledger import MISSING, value_at
from adapter.translate.plan import PLANNERS
from adapter.translate.translations import endpoints
from adapter.wire.base import encode
from conformance.cases import all_cases
from tests.support.ledgers import REFUSALS, faults_of, settings_of
from tests.support.pure import Core, words_of
from tests.support.recordings import ROOT, drawn_records

OTHERS = sorted(set(endpoints(None)) - set(PLANNERS))

CASES = [
    (f"{case.id}-{number}", case.settings, f"/v1/{case.endpoint}", turn.request)
    for case in all_cases()
    if f"/v1/{case.endpoint}" in OTHERS
    for number, turn in enumerate(case.turns)
]

CUT = {"transcriptions/file/long-wav-file-is-heard-in-pieces-whose-times-are-put-together"}
"""Cases of a form's file that the server cuts before it is translated: a dry run gets no form, and refuses it."""

OP = {"completions": "/v1/completions", "embeddings": "/v1/embeddings", "moderations": "/v1/moderations"}


def dry_run(endpoint: str, request: Any, **given: Any) -> Any:
    """Return the output of the dry run; None for a refused request."""
    chosen, names = settings_of(given)
    run = DryRun(chosen, names, Strictness(chosen.strict), endpoint=endpoint, values=True)
    try:
        return orjson.loads(encode(run.whole(orjson.dumps(request))))
    except REFUSALS:
        return None


def faults(rows: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the faults in the ledgers of requests, by id, and the endpoints that were looked at."""
    found, seen = {}, set()
    for id_, given, endpoint, request in rows:
        told = dry_run(endpoint, request, **given)
        if told is not None:
            seen.add(endpoint)
            if (wrong := faults_of(told)) != ([], [], []):
                found[id_] = wrong
    return found, seen


def test_every_target_exists_and_every_leaf_is_a_target():
    found, seen = faults(CASES)
    assert not found, "targets that are missing, targets of what was dropped, leaves that no note accounts for"
    assert seen == set(OTHERS)


def test_the_dry_run_gives_the_served_calls_verdict_body_and_notes(monkeypatch):
    monkeypatch.setattr("adapter.server.dry_run.dry_run.detokenizer", lambda: words_of)
    differing = {}
    for case in all_cases():
        if f"/v1/{case.endpoint}" not in OTHERS:
            continue
        observed = Core(case).run(case.turns[0], case.turns[0].request)
        told = dry_run(f"/v1/{case.endpoint}", case.turns[0].request, **case.settings)
        if case.id in CUT:
            same = told is None and len(observed.bodies) > 1
        elif told is None:
            same = observed.status == 400 and not observed.bodies
        else:
            bodies = told["body"] if isinstance(told["body"], list) else [told["body"]]
            losses = [f"{note['path']} {note['fate']}" for note in told["notes"] if note["fate"] != "exact"]
            same = (observed.bodies[:1], observed.notes) == (bodies[:1], losses)
        if not same:
            differing[case.id] = told and (observed.status, observed.bodies[:1], observed.notes)
    assert not differing


def test_every_path_of_a_note_without_a_loss_is_the_clients():
    """The model is left out: a moderation need not name one."""
    strangers = {
        f"{id_} {note['path']}"
        for id_, given, endpoint, request in CASES
        for note in (dry_run(endpoint, request, **given) or {"notes": []})["notes"]
        if note["fate"] == "exact" and "before" not in note and note["path"] != "model"
    }
    assert not strangers


@pytest.mark.skipif(ROOT is None, reason="ADAPTER_CORPUS names no recorded traffic")
def test_every_leaf_of_recorded_requests_is_a_target():
    recorded = [
        (record["id"], {}, OP[record["op"]], record["request"])
        for record in drawn_records("openai_other_exchanges")
        if record["op"] in OP and isinstance(record["request"], dict)
    ]
    found, seen = faults(recorded)
    assert not found
    assert seen


def targets(endpoint: str, request: Any, **given: Any) -> dict[str, list[str]]:
    """The targets by path; with those of two notes on one path together."""
    told = dry_run(endpoint, request, **given)
    found: dict[str, list[str]] = {}
    for note in told["notes"]:
        found[note["path"]] = sorted({*found.get(note["path"], ()), *note["targets"]})
    return found


class TestCompletions:
    def test_each_prompt_leads_to_its_own_call(self):
        request = {"model": "gemini-2.5-flash", "prompt": ["a", "b"], "suffix": "z", "max_tokens": 9}
        found = targets("/v1/completions", request)
        assert found["prompt[1]"] == ["/1/contents/0/parts/0", "/1/contents/0/role"]
        assert found["suffix"] == ["/0/systemInstruction/parts/0", "/1/systemInstruction/parts/0"]
        assert found["max_tokens"] == ["/0/generationConfig/maxOutputTokens", "/1/generationConfig/maxOutputTokens"]

    def test_one_call_has_no_number(self):
        for prompt in ("a", [64, 65]):
            request = {"model": "gemini-2.0-flash", "prompt": prompt, "max_tokens": 9}
            told = dry_run("/v1/completions", request)
            if told is not None:
                assert targets("/v1/completions", request)["prompt"][0] == "/contents/0/parts/0"


class TestEmbeddings:
    def test_each_input_and_each_field_lead_to_their_places(self):
        parts = [{"type": "text", "text": "b"}, {"type": "text", "text": ""}, {"type": "text", "text": "c"}]
        request = {
            "model": "gemini-embedding-2",
            "input": ["a", parts, parts[0]],
            "google": {"outputDimensionality": 8},
        }
        found = targets("/v1/embeddings", request)
        assert found["input[1][2]"] == ["/requests/1/content/parts/1"]
        assert found["input[2]"] == ["/requests/2/content/parts/0"]
        assert found["google.outputDimensionality"] == [f"/requests/{one}/outputDimensionality" for one in range(3)]

    def test_what_is_added_leads_to_what_was_added(self):
        found = targets("/v1/embeddings", {"model": "text-embedding-3-small", "input": ["a"] * 101, "title": "t"})
        assert len(found["task_type"]) == len(found["dimensions"]) == 101
        assert "/1/requests/0/taskType" in found["task_type"]


class TestDecisions:
    def test_items_questions_and_options_lead_to_their_places(self):
        content = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
        request = {
            "model": "gemini-decision-1",
            "input": [
                {"type": "message", "role": "user", "content": content},
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": ""},
            ],
            "questions": [
                {"type": "choice", "instructions": "x", "choices": [{"value": "a/b"}, {"value": True}]},
                {"type": "score", "instructions": "y", "levels": [{"label": "l"}, {"label": "m"}]},
            ],
        }
        told = dry_run("/v1/decisions", request)
        history = next(note for note in told["notes"] if note["code"] == "history-as-text")
        assert history["targets"] == ["/input/0", "/input/1", "/input/2"]
        found = targets("/v1/decisions", request)
        assert found["questions[0].choices[0]"] == ["/questions/q0/criteria/a~1b"]
        assert found["questions[1].levels[1]"] == ["/questions/q1/criteria/1"]


class TestModerations:
    def test_contents_lead_to_their_texts_and_questions(self):
        found = targets("/v1/moderations", {"input": ["a", "b"]})
        assert {"/input/1", "/questions/1 hate~1threatening"} <= set(found["input[1]"])
        found = targets("/v1/moderations", {"input": [{"type": "text", "text": "a"}]})
        assert found["input[0]"] == ["/input/0"]
        assert len(found["input"]) == 13

    def test_ratings_are_asked_of_the_model_that_gives_them(self):
        told = dry_run("/v1/moderations", {"input": ["a", "b"]}, upstream_platform="vertex")
        assert told["url"].endswith("gemini-3.5-flash-lite:generateContent")
        found = targets("/v1/moderations", {"input": ["a", "b"]}, upstream_platform="vertex")
        assert found["input[1]"] == ["/1/contents/0/parts/0"]
        assert "/1/safetySettings" in found["results"]


@pytest.mark.parametrize("endpoint", OTHERS)
def test_values_are_those_at_the_targets(endpoint):
    for id_, given, _, request in (row for row in CASES if row[2] == endpoint):
        for note in (dry_run(endpoint, request, **given) or {"body": {}, "notes": []})["notes"]:
            assert len(note.get("after", [])) == len(note["targets"]), id_
            assert note["fate"] != "dropped" or "after" not in note


def test_pointers_into_several_bodies_begin_with_the_calls_number():
    told = dry_run("/v1/completions", {"model": "gemini-2.0-flash", "prompt": ["a", "b"], "max_tokens": 9})
    assert isinstance(told["body"], list)
    assert all(value_at(told["body"], one) is not MISSING for note in told["notes"] for one in note["targets"])
    assert json.dumps(told["body"][1]["contents"]) == '[{"role": "user", "parts": [{"text": "b"}]}]'
