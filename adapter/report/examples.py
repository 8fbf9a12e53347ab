"""Examples of losses with both bodies, and the masking of what a body says."""

import re
from typing import Any

import msgspec
import orjson

from adapter.report.records import RecordedRequest
from adapter.report.tally import Example, TargetTally
from adapter.report.verdicts import Judge
from adapter.translate.core.notes import Fate
from adapter.translate.targets import Entry, full_ledger
from adapter.wire.base import encode

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
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")


class ExampleNote(msgspec.Struct, frozen=True, kw_only=True):
    """One note of the ledger: JSON path in OpenAI's body, JSON pointers in Gemini's."""

    path: str
    fate: str
    code: str
    severity: str
    reason: str
    targets: list[str]


class ShownExample(msgspec.Struct, frozen=True, kw_only=True):
    """A request and what it becomes; `gemini` is None where it is refused."""

    file: str
    position: str
    path: str
    openai: Any
    gemini: Any
    failure: str
    notes: list[ExampleNote]


def examples_of(target: TargetTally, judge: Judge, name: str, *, is_masked: bool) -> list[ShownExample]:
    """The kept examples of a target's losses, each request once, translated once more."""
    by_place = {example.place: example for count in target.codes.values() for example in count.examples if example.body}
    return [_shown(example, judge, name, is_masked) for example in list(by_place.values())[:MOST_EXAMPLES]]


def _shown(example: Example, judge: Judge, name: str, is_masked: bool) -> ShownExample:
    recorded = RecordedRequest(path=example.path, body=example.body, place=example.place)
    verdict = next(one for one in judge.verdicts(recorded) if one.target == name)
    plan = verdict.plan
    body: dict[str, Any] | None = orjson.loads(encode(plan.body)) if plan is not None else None
    entries = full_ledger(plan, body) if plan is not None and body is not None else []
    notes = [_note(entry, is_masked) for entry in entries if entry.note.fate is not Fate.EXACT or entry.targets]
    show = masked if is_masked else shortened
    return ShownExample(
        file=example.place.file,
        position=example.place.position,
        path=example.path,
        openai=show(orjson.loads(example.body)),
        gemini=show(body),
        failure=masked_text(verdict.failure) if is_masked else verdict.failure,
        notes=notes,
    )


def _note(entry: Entry, is_masked: bool) -> ExampleNote:
    note = entry.note
    return ExampleNote(
        path=note.path,
        fate=note.fate.value,
        code=note.code,
        severity=str(note.severity or ""),
        reason=masked_text(note.reason) if is_masked else note.reason,
        targets=entry.targets,
    )


def masked(value: Any, key: str = "", depth: int = 0) -> Any:
    """A JSON value with its shape but without what it says: texts and numbers of users become placeholders."""
    if isinstance(value, dict):
        inner = depth if key in _SETTINGS else depth + 1
        return {name: masked(item, name, inner) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, key, depth + 1) for item in value]
    if isinstance(value, str):
        return value if key in _SHOWN_VALUES and len(value) < 64 else f"<{len(value)} characters>"
    if isinstance(value, bool) or value is None or depth <= 1:
        return value
    return 0


def masked_text(text: str) -> str:
    """A message without what it quotes: names and values of the request."""
    return _QUOTED.sub("'…'", text)


def shortened(value: Any) -> Any:
    """A JSON value with long texts cut."""
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… ({len(value)} characters)"
    return value


def masked_errors(errors: dict[str, int]) -> dict[str, int]:
    """Expected errors with their counts, added up where masking makes them equal."""
    counts: dict[str, int] = {}
    for text, count in errors.items():
        counts[masked_text(text)] = counts.get(masked_text(text), 0) + count
    return counts
