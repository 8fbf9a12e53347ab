"""A masked page shows shapes and names, never the contents of a request."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from adapter.cli import main
from adapter.report.examples import mask, masked_schema, masked_text
from tests.support.recordings import ROOT, drawn_records


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Gemini's enums do not know 'red'", "Gemini's enums do not know '…'"),
        ("'it's secret' is no name", "'…' is no name"),
        ('it is "one "two" three" here', "it is '…' here"),
        ("Expected `int | null`, got `str` - at `$.a[0].n`", "Expected `int | null`, got `str` - at `$.a[0].n`"),
        ("the tool `Private Name` is missing", "the tool '…' is missing"),
    ],
)
def test_messages_lose_what_they_quote(text, shown):
    assert masked_text(text) == shown


def test_bodies_keep_their_shape_and_the_names_of_functions():
    body = {
        "model": "gpt-4o",
        "temperature": 0.5,
        "messages": [
            {"role": "user", "name": "Ann", "content": "private"},
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "pay", "arguments": '{"sum": 5}'}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}],
        "metadata": {"age": 44, "role": "private"},
    }
    assert mask(body) == {
        "model": "gpt-4o",
        "temperature": 0.5,
        "messages": [
            {"role": "user", "name": "<3 characters>", "content": "<7 characters>"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "<1 characters>", "function": {"name": "pay", "arguments": "<10 characters>"}},
                ],
            },
        ],
        "tools": [{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}],
        "metadata": {"age": 0, "role": "<7 characters>"},
    }


def test_schemas_keep_their_structure_and_limits():
    schema = {
        "type": "object",
        "description": "private",
        "properties": {
            "default": {"type": "string", "enum": ["private", 44], "minLength": 3},
            "size": {"type": ["integer", "null"], "default": {"type": "private"}},
        },
        "required": ["default"],
        "anyOf": [{"const": "private"}, True],
        "x-private": {"properties": "private"},
    }
    assert masked_schema(schema) == {
        "type": "object",
        "description": "<7 characters>",
        "properties": {
            "default": {"type": "string", "enum": ["<7 characters>", 0], "minLength": 3},
            "size": {"type": ["integer", "null"], "default": {"type": "<7 characters>"}},
        },
        "required": ["default"],
        "anyOf": [{"const": "<7 characters>"}, True],
        "x-private": {"properties": "<7 characters>"},
    }


def texts_of(value: Any) -> Iterator[str]:
    """Texts inside a value that are long enough to be somebody's words."""
    if isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, str) and len(value) > 20 and " " in value:
        yield value


@pytest.mark.corpus
@pytest.mark.skipif(ROOT is None, reason="ADAPTER_CORPUS is not set: no recorded traffic")
@pytest.mark.parametrize("name", ["openai_chat_exchanges", "openai_responses_exchanges", "openai_other_exchanges"])
def test_no_text_of_recorded_traffic_is_on_the_masked_page(tmp_path, name):
    records = [record for record in drawn_records(name) if isinstance(record["request"], dict)]
    recording, page = tmp_path / "traffic.jsonl", tmp_path / "page.html"
    lines = [{"request": record["request"], "url": record["url_path"]} for record in records]
    recording.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    options = ["--processes", "1", "--on", "2026-11-30", "--targets", "mapped", "--html", str(page)]
    result = CliRunner().invoke(main, ["report", str(recording), *options])
    assert result.exit_code == 0, result.output
    data = json.loads(page.read_text().split('id="data">')[1].split("</script>")[0])
    shown = "\n".join(texts_of(data))
    assert "characters>" in json.dumps(data)
    leaked = {text for record in records for text in texts_of(record["request"]) if text in shown}
    assert leaked == set()
