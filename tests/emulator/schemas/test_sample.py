"""Values made for schemas are valid, by the `jsonschema` package's judgement, wherever a valid value exists."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from adapter.emulator.parsing.parser import parse
from adapter.emulator.schemas.hints import hints
from adapter.emulator.schemas.openapi import to_json_schema
from adapter.emulator.schemas.sample import sample, satisfies
from adapter.emulator.schemas.strings import by_pattern
from tests.support.recordings import drawn_records

NO_VALUE_EXISTS = "no value exists"
UNRESOLVABLE = "a $ref leaves the document"
UNREADABLE = "the judge cannot read the schema"
DYNAMIC = "a $dynamicRef changes its target by the path that led there"
HIDDEN_ID = "draft 7 ignores an $id beside a $ref"

NAMED = {
    "tool-bfcl-8b5572134c": NO_VALUE_EXISTS,  # an array that must be one of three strings
    "tool-bfcl-f601b7b1bf": NO_VALUE_EXISTS,  # an integer that must be one of nine strings
    "tool-bfcl-85c307678f": NO_VALUE_EXISTS,  # an array that must be one of ten strings
    "tool-jsts-a97b86cebe": HIDDEN_ID,
}

BFCL_TYPES = {
    "dict": "object",
    "HashMap": "object",
    "tuple": "array",
    "Array": "array",
    "ArrayList": "array",
    "float": "number",
    "double": "number",
    "long": "integer",
    "Boolean": "boolean",
    "String": "string",
    "char": "string",
    "any": None,
    "": None,
}
"""Type names of that data set (Python's, Java's and JavaScript's), which are no JSON Schema."""

EMPTY = (
    {"not": {}},
    {"not": True},
    {"enum": []},
    {"$ref": "#/$defs/bool"},
    {"allOf": [{"$ref": "#/definitions/bool"}]},
)


def schemas() -> Iterator[tuple[dict[str, Any], Any]]:
    """Every recorded schema, as JSON Schema."""
    if "ADAPTER_CORPUS" not in os.environ:
        pytest.skip("ADAPTER_CORPUS is not set")
    for record in drawn_records("tool_schemas"):
        yield record, as_json_schema(record)


def as_json_schema(record: dict[str, Any]) -> Any:
    """The Schema message and the one data set with types of its own are converted."""
    if record["dialect"] == "bfcl":
        return rename_types(record["schema"])
    if record["dialect"] == "gemini-openapi":
        body = {"generationConfig": {"responseSchema": record["schema"]}}
        return to_json_schema(parse(body, "GenerateContentRequest")["generationConfig"]["responseSchema"])
    if record["dialect"] == "draft7" and isinstance(record["schema"], dict):
        return {"$schema": "http://json-schema.org/draft-07/schema#", **record["schema"]}
    return record["schema"]


def rename_types(schema: Any) -> Any:
    """BFCL's type names; `any` is no type at all."""
    if isinstance(schema, list):
        return [rename_types(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: rename_types(value) for key, value in schema.items()}
    if isinstance(schema.get("type"), str):
        kept["type"] = BFCL_TYPES.get(schema["type"], schema["type"])
        if kept["type"] is None:
            del kept["type"]
    return kept


def judge(schema: Any) -> Any:
    """The judge for a schema's dialect."""
    kind = validator_for(schema, default=Draft202012Validator) if isinstance(schema, dict) else Draft202012Validator
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


UNRESOLVED: type[Exception] = vars(jsonschema.exceptions)["_WrappedReferencingError"]
"""The judge's exception about a reference, which its package does not export."""

UNREADABLE_BY = (re.error, AttributeError, RecursionError, jsonschema.exceptions.UnknownType)
"""The judge's exceptions about a schema rather than a value."""


def explain(record: dict[str, Any], schema: Any, problem: Exception | None) -> str:
    """`valid`, or why not; nothing for a failure that has no excuse."""
    if isinstance(problem, UNRESOLVED):
        return UNRESOLVABLE
    if isinstance(problem, UNREADABLE_BY):
        return UNREADABLE
    if problem is None:
        return "valid"
    if record["group"] == "jsts" and not any(test["valid"] for test in record["tests"]):
        return NO_VALUE_EXISTS
    return DYNAMIC if "$dynamicRef" in json.dumps(schema) else NAMED.get(record["id"], "")


def problem_of(validator: Any, value: Any) -> Exception | None:
    """The reason why a value, or the schema itself, is invalid."""
    try:
        validator.validate(value)
    except (jsonschema.ValidationError, UNRESOLVED, *UNREADABLE_BY) as error:
        return error
    return None


@pytest.mark.corpus
@pytest.mark.parametrize("variant", [0, 1])
def test_every_recorded_schema_gets_a_valid_value(variant: int) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    failures = []
    for record, schema in schemas():
        value = sample(schema, None, variant)
        outcome = explain(record, schema, problem_of(judge(schema), value))
        counts[record["group"], outcome] += 1
        if not outcome:
            failures.append(f"{record['id']}: {json.dumps(schema)[:300]} -> {json.dumps(value)[:100]}")
    for (group, outcome), count in sorted(counts.items()):
        print(f"schemas of {group}: {outcome or 'FAILED'} {count}")
    assert not failures, "\n".join(failures)
    valid = sum(count for (_, outcome), count in counts.items() if outcome == "valid")
    assert valid > 0.98 * counts.total()


@pytest.mark.corpus
def test_the_emulators_own_validator_agrees_with_the_test_suite() -> None:
    counts: Counter[str] = Counter()
    wrong = []
    for record, schema in schemas():
        for test in record.get("tests") or []:
            agrees = satisfies(schema, test["data"]) is test["valid"]
            excused = any(word in json.dumps(schema) for word in OUTSIDE)
            counts["agree" if agrees else "excused" if excused else "WRONG"] += 1
            if not agrees and not excused:
                wrong.append(f"{record['id']} {json.dumps(schema)[:200]} {json.dumps(test)[:120]}")
    print("instances of the test suite:", dict(counts))
    assert not wrong, "\n".join(wrong)


OUTSIDE = (
    "$dynamicRef",
    "$vocabulary",
    "http://localhost:1234",
    ".json",
    '"$ref": "https://json-schema.org/',
    '"$ref": "http://json-schema.org/',
)
"""References that leave the document, or depend on how it was reached."""


REASONABLE: dict[str, tuple[Any, str, Any]] = {
    "nothing required": ({"properties": {"a": {"type": "string"}, "b": {}}}, "", {"a": "a"}),
    "named in the text": ({"properties": {"a": {}, "size": {"type": "integer"}}}, "size 4", {"size": 4}),
    "default": ({"type": "string", "default": "red"}, "", "red"),
    "bounds": ({"type": "integer", "exclusiveMinimum": 3, "maximum": 4}, "", 4),
    "multiple": ({"type": "number", "multipleOf": 0.5, "minimum": 0.3}, "", 0.5),
    "format": ({"type": "string", "format": "date"}, "", "2026-01-01"),
    "nullable": ({"type": ["null", "string"]}, "", "value"),
    "text that does not fit": ({"type": "string", "maxLength": 3}, 'the "whole thing"', "val"),
    "either": ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, "", 1),
    "together": ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"const": 1}}}]}, "", {"a": 1}),
    "if": ({"if": {"required": ["b"]}, "then": False, "properties": {"b": {}}}, "", {}),
    "unique": ({"items": {"enum": [1, 2]}, "minItems": 2, "uniqueItems": True}, "", [1, 2]),
    "recursive": ({"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}}}}}, "", None),
}


@pytest.mark.parametrize(("schema", "asked", "expected"), REASONABLE.values(), ids=REASONABLE)
def test_values_are_reasonable(schema: Any, asked: str, expected: Any) -> None:
    value = sample(schema, hints(asked))
    Draft202012Validator(schema).validate(value)
    assert expected is None or value == expected


PATTERNS = [
    r"^[0-9a-f]{8}-[0-9a-f]{4}$",
    r"^(?!(?:meta|local)$).*$",
    r"^(npm|pypi)/.+$",
    r"^\d{4}-(0[1-9]|1[0-2])-01$",
    r"^\p{Letter}+$",
    r"[^\n]{1,64}",
    r"^(?<year>\d{2})\1?$",
    r"^[\w.]+@[A-Z-]{2,}$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_matched(pattern: str) -> None:
    assert next(by_pattern(pattern)) is not None
    value = sample({"type": "string", "pattern": pattern, "minLength": 2})
    assert satisfies({"pattern": pattern, "minLength": 2}, value)


def test_what_cannot_be_is_an_empty_object_and_takes_no_long_time() -> None:
    for schema in EMPTY:
        assert sample({**schema, "$defs": {"bool": False}, "definitions": {"bool": False}}) == {}
    loop = {"$ref": "#/$defs/a", "$defs": {"a": {"required": ["b"], "properties": {"b": {"$ref": "#/$defs/a"}}}}}
    assert sample(loop) == {} or satisfies(loop, sample(loop))


def test_a_puzzle_is_given_up() -> None:
    level: Any = False
    for _ in range(5):
        level = {"required": ["a", "b"], "properties": {"a": {"anyOf": [level, level]}, "b": {"oneOf": [level, level]}}}
    assert sample({"type": "object", **level}) == {}
