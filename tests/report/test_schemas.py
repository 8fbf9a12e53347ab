"""Linted schemas: what to send in place of a schema that loses something."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from click.testing import CliRunner

from adapter.cli import main
from adapter.cli.prediction import predicted_error
from adapter.cli.report import accepts_schema
from adapter.report.schemas import lint, lossy_schemas
from adapter.translate.core.notes import Fate, Note
from adapter.translate.schema.json_schema import to_json_schema
from adapter.translate.schema.openapi import to_openapi_schema
from tests.support.recordings import ROOT, drawn_records

SENT = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "day": {"type": "string", "pattern": "^[0-9-]+$"},
        "kind": {"const": "launch"},
        "size": {"oneOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["day", "place"],
}
LINTED = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "description": '(pattern: "^[0-9-]+$")'},
        "kind": {"enum": ["launch"], "type": "string"},
        "size": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["day"],
}


def request(schema):
    tool = {"type": "function", "function": {"name": "plan", "parameters": schema}}
    return {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "a"}], "tools": [tool]}


def report(tmp_path: Path, *bodies: Any, options=()) -> dict[str, Any]:
    recording, path = tmp_path / "traffic.jsonl", tmp_path / "report.json"
    recording.write_bytes(b"\n".join(map(orjson.dumps, bodies)))
    arguments = ["report", "--processes", "1", "--on", "2026-11-30", "--targets", "mapped", "--json", str(path)]
    result = CliRunner().invoke(main, [*arguments, str(recording), *options])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_a_schema_is_told_with_its_losses_and_what_to_send_instead(tmp_path):
    response = {
        "model": "gemini-3.8-flash",
        "input": "a",
        "text": {"format": {"type": "json_schema", "name": "visit", "schema": SENT}},
    }
    document = report(tmp_path, request(SENT), request({"type": "object"}), request(SENT), response)
    first, second = document["schemas"]
    assert (first["name"], first["field"], first["requests"]) == ("plan", "tools.function.parameters", 2)
    assert (second["name"], second["field"], second["requests"]) == ("visit", "text.format.schema", 1)
    for one in (first, second):
        assert (one["sent"], one["linted"]) == (SENT, LINTED)
        assert {(path, code) for path, code, _, _ in one["losses"]} == {
            ("$schema", "schema-annotation-dropped"),
            ("properties.day.pattern", "schema-constraint-described"),
            ("required", "schema-loosened"),
        }
    assert first["example"]["position"] == "line 1"


def test_a_pull_request_shows_what_to_send_instead(tmp_path):
    report(tmp_path, request(SENT), options=["--markdown", str(tmp_path / "report.md")])
    text = (tmp_path / "report.md").read_text()
    assert "### plan, tools.function.parameters: 1 request\n" in text
    assert "| `properties.day.pattern` | `schema-constraint-described` | changes-answers |" in text
    assert json.loads(text.split("```json\n")[1].split("\n```")[0]) == LINTED


def test_the_linted_schema_loses_nothing(tmp_path):
    assert report(tmp_path, request(LINTED))["schemas"] == []
    assert report(tmp_path, request(LINTED))["targets"][0]["requests"]["lossless"] == 1


def test_a_schema_that_no_other_can_stand_for_has_none():
    assert lint(b"false", "json", lambda schema: True) is None
    deep: Any = {}
    for _ in range(20):
        deep = {"type": "object", "properties": {"a": deep}}
    assert lint(orjson.dumps(deep), "json", lambda schema: True) is None
    assert lint(orjson.dumps(SENT), "json", lambda schema: False) is None


def test_notes_on_something_else_are_no_losses_of_a_schema():
    body = orjson.dumps(request(SENT))
    notes = [
        Note("tools[0].function.strict", Fate.DROPPED, "schema-constraint-described", ""),
        Note("tools[0].function.parameters.x", Fate.DROPPED, "tool-option-ignored", ""),
    ]
    assert list(lossy_schemas(body, notes)) == []


def test_the_masked_page_has_no_words_of_a_schema(tmp_path):
    schema = SENT | {"description": "Rockets of 1969", "properties": {"day": {"type": "string", "default": "9 May"}}}
    page = tmp_path / "page.html"
    report(tmp_path, request(schema), options=["--html", str(page)])
    assert "Rockets of 1969" not in page.read_text()
    assert "9 May" not in page.read_text()
    report(tmp_path, request(schema), options=["--html", str(page), "--no-redact"])
    assert "Rockets of 1969" in page.read_text()


def recorded_schemas() -> Iterator[tuple[str, Any]]:
    assert ROOT is not None
    for record in drawn_records("tool_schemas"):
        yield record["id"], record["schema"]
    for server, tools in json.loads((Path(ROOT) / "mcp_tools.json").read_text()).items():
        for tool in tools:
            yield f"{server} {tool['name']}", tool["inputSchema"]


@pytest.mark.corpus
@pytest.mark.skipif(ROOT is None, reason="ADAPTER_CORPUS is not set: no recorded schemas")
@pytest.mark.parametrize("dialect", ["json", "openapi"])
def test_every_recorded_schema_has_a_linted_one_that_the_emulator_takes_without_a_loss(dialect):
    convert = to_json_schema if dialect == "json" else to_openapi_schema
    number = 0
    for name, schema in recorded_schemas():
        number += 1
        found = lint(orjson.dumps(schema), dialect, lambda _: True)
        if schema is False:
            # It allows no value at all, which Gemini's schemas cannot say.
            assert found is None
            continue
        converted = convert(msgspec.Raw(orjson.dumps(found)))
        assert converted.notes == (), name
        assert accepts_schema(dialect, bytes(converted.schema)), name
        key = "responseJsonSchema" if dialect == "json" else "responseSchema"
        config = {"responseMimeType": "application/json", key: json.loads(bytes(converted.schema))}
        body = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": config}
        assert predicted_error("gemini-3.8-flash", "generateContent", body) is None, name
    assert number > 100
