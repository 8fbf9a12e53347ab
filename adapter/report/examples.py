"""Examples of losses with both bodies, and the masking of bodies."""

import re
from typing import Any

import msgspec
import orjson

from adapter.report.document import Lint, Report, SchemaReport
from adapter.report.records import RecordedRequest
from adapter.report.tally import Example, TargetTally
from adapter.report.verdicts import Judge
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.notes import Fate
from adapter.translate.ledger import LedgerEntry

MOST_EXAMPLES = 60
LONGEST_TEXT = 2_000
"""Characters of a text that is shown; a longer one is cut, with its length."""

_SHOWN_VALUES = frozenset({
    "type", "role", "model", "object", "format", "detail", "status", "mode", "effort", "reasoning_effort", "verbosity",
    "tool_choice", "truncation", "responseMimeType", "mimeType", "mime_type", "category", "threshold", "thinkingLevel",
    "service_tier", "strict", "summary",
})  # fmt: skip
"""Keys whose texts belong to the API and say nothing about people: they are shown in a masked body."""

_SETTINGS = ("generationConfig", "reasoning", "thinking", "stream_options", "thinkingConfig")
_SCHEMAS = ("parameters", "schema", "parametersJsonSchema", "responseJsonSchema", "responseSchema")
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SUBSCHEMAS = ("items", "additionalProperties", "prefixItems", "anyOf", "oneOf", "allOf", "not", "if", "then", "else")
_SHOWN_KEYWORDS = ("type", "format", "required", "propertyOrdering", "$ref", "nullable", "$schema")
_FREE_FORM = {"args", "arguments", "response", "metadata", "variables", "logit_bias", "output"}
"""Fields whose members are the user's own."""

_OF_FUNCTIONS = {"parameters", "parametersJsonSchema", "arguments", "args", "response"}
"""Beside one of these keys a `name` is a function's."""

_QUOTED = re.compile(r"\".*\"|(?<!\w)'.*'(?!\w)", re.DOTALL)
"""A quoted text, from the first quote of a kind to the last, since it may contain quotes."""

_CODE = re.compile(r"`([^`]*)`")
_PATH_OR_TYPE = re.compile(r"[$a-z][\w.$\[\]…| ]{0,80}")


class ExampleNote(msgspec.Struct, frozen=True, kw_only=True):
    """One note of the ledger: JSON path in OpenAI's body, JSON pointers in Gemini's."""

    path: str
    fate: str
    code: str
    severity: str
    reason: str
    targets: list[str]


class ShownExample(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its translation: `gemini` is the body of the first of `calls` calls, None if refused."""

    file: str
    position: str
    path: str
    openai: Any
    gemini: Any
    calls: int
    failure: str
    notes: list[ExampleNote]


def examples_of(target: TargetTally, judge: Judge, name: str, *, is_masked: bool) -> list[ShownExample]:
    """Return the kept examples of a target's losses; each request is translated once more."""
    by_place = {example.place: example for count in target.codes.values() for example in count.examples if example.body}
    return [_show(example, judge, name, is_masked) for example in list(by_place.values())[:MOST_EXAMPLES]]


def _show(example: Example, judge: Judge, name: str, is_masked: bool) -> ShownExample:
    recorded = RecordedRequest(path=example.path, body=example.body, place=example.place)
    verdict = next(one for one in judge.judge(recorded).verdicts if one.target == name)
    bodies = verdict.translation.as_json() if verdict.translation else []
    entries = (
        [_in_the_first_call(entry, len(bodies)) for entry in verdict.translation.ledger(bodies)]
        if verdict.translation
        else [LedgerEntry(note, []) for note in verdict.notes]
    )
    notes = [_note(entry, is_masked) for entry in entries if entry.note.fate is not Fate.EXACT or entry.targets]
    show = mask if is_masked else shorten
    return ShownExample(
        file=example.place.file,
        position=example.place.position,
        path=example.path,
        openai=show(orjson.loads(example.body)),
        gemini=show(bodies[0]) if bodies else None,
        calls=verdict.translation.calls if verdict.translation else 0,
        failure=masked_text(verdict.failure) if is_masked else verdict.failure,
        notes=notes,
    )


def _in_the_first_call(entry: LedgerEntry, calls: int) -> LedgerEntry:
    """Return the entry with its places in the body that is shown."""
    if calls == 1:
        return entry
    return entry._replace(targets=[target.removeprefix("/0") for target in entry.targets if target.startswith("/0/")])


def _note(entry: LedgerEntry, is_masked: bool) -> ExampleNote:
    """Mask a note: give the meaning of its code, since its own reason may hold values of the request."""
    note = entry.note
    meaning = CODES[note.code].sentence if note.code else ""
    return ExampleNote(
        path=note.path,
        fate=note.fate.value,
        code=note.code,
        severity=str(note.severity or ""),
        reason=meaning if is_masked else note.reason,
        targets=entry.targets,
    )


def mask(value: Any, key: str = "", depth: int = 0) -> Any:
    """Mask a JSON value: its shape stays, texts and numbers of users become placeholders."""
    if isinstance(value, dict):
        inner = depth if key in _SETTINGS else depth + 1
        is_function = not _OF_FUNCTIONS.isdisjoint(value)
        return {name: _masked_field(name, item, inner, is_function=is_function) for name, item in value.items()}
    if isinstance(value, list):
        return [mask(item, key, depth + 1) for item in value]
    if isinstance(value, str):
        return value if key in _SHOWN_VALUES and len(value) < 64 else f"<{len(value)} characters>"
    if isinstance(value, bool) or value is None or depth <= 1:
        return value
    return 0


def _masked_field(name: str, value: Any, depth: int, *, is_function: bool) -> Any:
    if name in _FREE_FORM:
        return hide(value)
    if name in _SCHEMAS and isinstance(value, dict):
        return masked_schema(value)
    return value if name == "name" and is_function and isinstance(value, str) else mask(value, name, depth)


def hide(value: Any) -> Any:
    """Mask a value that is the user's altogether: names and nesting stay."""
    if isinstance(value, dict):
        return {name: hide(item) for name, item in value.items()}
    if isinstance(value, list):
        return [hide(item) for item in value]
    return f"<{len(value)} characters>" if isinstance(value, str) else 0 if isinstance(value, int | float) else None


def masked_schema(schema: Any) -> Any:
    """Mask a schema: structure and limits stay, its words and listed values do not."""
    if isinstance(schema, list):
        return [masked_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {keyword: _masked_keyword(keyword, value) for keyword, value in schema.items()}


def _masked_keyword(keyword: str, value: Any) -> Any:
    if keyword in _NAMED_SCHEMAS and isinstance(value, dict):
        return {name: masked_schema(one) for name, one in value.items()}
    if keyword in _SHOWN_KEYWORDS or isinstance(value, bool | int | float):
        return value
    if keyword in _SUBSCHEMAS:
        return masked_schema(value)
    return hide(value)


def masked_text(text: str) -> str:
    """Mask what a message quotes: names and values of the request. JSON paths and names of types stay."""
    return _CODE.sub(_masked_code, _QUOTED.sub("'…'", text))


def _masked_code(match: re.Match[str]) -> str:
    return match[0] if _PATH_OR_TYPE.fullmatch(match[1]) else "'…'"


def shorten(value: Any) -> Any:
    """Cut the long texts of a JSON value."""
    if isinstance(value, dict):
        return {name: shorten(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… ({len(value)} characters)"
    return value


def masked_report(report: Report, lint: Lint) -> Report:
    """Mask a report: expected errors and schemas lose the texts of requests.

    A masked schema is linted once more, so that what the linting adds can be read.
    """
    targets = [msgspec.structs.replace(target, errors=masked_errors(target.errors)) for target in report.targets]
    schemas = [_masked_losses(schema, lint) for schema in report.schemas]
    return msgspec.structs.replace(report, targets=targets, schemas=schemas)


def _masked_losses(schema: SchemaReport, lint: Lint) -> SchemaReport:
    sent = masked_schema(schema.sent)
    linted = None if schema.linted is None else lint(orjson.dumps(sent)) or masked_schema(schema.linted)
    losses = [loss._replace(reason=CODES[loss.code].sentence) for loss in schema.losses]
    return msgspec.structs.replace(schema, sent=sent, linted=linted, losses=losses)


def masked_errors(errors: dict[str, int]) -> dict[str, int]:
    """Return expected errors with their counts; those that masking makes equal are added up."""
    counts: dict[str, int] = {}
    for text, count in errors.items():
        counts[masked_text(text)] = counts.get(masked_text(text), 0) + count
    return counts
