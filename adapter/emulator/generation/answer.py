"""The text of an answer without function calls; the rules are in the package's docstring."""

import re
from typing import Any

import orjson

from adapter.emulator.core.conversation import (
    EXACTLY,
    Request,
    generation_config,
    media,
    output_format,
    starts_turn,
    task,
    turn_results,
    turn_start,
    visible_text,
)
from adapter.emulator.generation.media import describe
from adapter.emulator.schemas.hints import hints
from adapter.emulator.schemas.openapi import to_json_schema
from adapter.emulator.schemas.sample import sample

WORD_COUNT = re.compile(r"\b(\d{1,6}) words\b", re.IGNORECASE)
MAX_WORDS = 100_000
EXCERPT = 200
FILLER = "The emulator writes as many words as it was asked for and counts them while it goes"
VOCABULARY = FILLER.split()


def answer_text(request: Request) -> str:
    """Return the answer's text, or its JSON."""
    mime, schema = output_format(request)
    config = generation_config(request)
    if "responseSchema" in config:
        schema = to_json_schema(config["responseSchema"])
    mentioned = hints(task(request["contents"]))
    if mime == "text/x.enum" and schema is not None:
        return str(sample(schema, mentioned))
    if mime != "application/json":
        return plain_answer(request)
    value = {"answer": plain_answer(request)} if schema is None else sample(schema, mentioned)
    return dumps(value)


def plain_answer(request: Request) -> str:
    """Return the text of the first rule that applies."""
    text = task(request["contents"])
    if answered := turn_results(request["contents"]):
        return " ".join(f"{result['name']} returned {quote_result(result.get('response', {}))}." for result in answered)
    if exact := EXACTLY.search(text):
        return exact[1]
    if count := WORD_COUNT.search(text):
        return words(int(count[1]))
    return " ".join(filter(None, [repeat_user(request), describe_files(request), quote_instruction(request)]))


def quote_result(response: dict[str, Any]) -> str:
    """Quote a lone string as it is, anything else as JSON."""
    values = list(response.values())
    return values[0] if len(values) == 1 and isinstance(values[0], str) else dumps(response)


def words(count: int) -> str:
    """Return a text of `count` words, at most `MAX_WORDS`."""
    return " ".join(VOCABULARY[index % len(VOCABULARY)] for index in range(min(count, MAX_WORDS)))


def repeat_user(request: Request) -> str:
    """Return the user's words, and how often the user spoke."""
    turns = sum(starts_turn(content) for content in request["contents"])
    return f'You said: "{task(request["contents"])}". This is turn {turns} of our conversation.'


def describe_files(request: Request) -> str:
    """Describe the files of the current turn."""
    contents = request["contents"]
    files = [describe(part) for part in media(contents[turn_start(contents) :])]
    return f"I received {'; '.join(files)}." if files else ""


def quote_instruction(request: Request) -> str:
    """Quote the start of the system instruction."""
    text = visible_text(request.get("systemInstruction", {}))
    if not text:
        return ""
    return f'My instructions are: "{text if len(text) <= EXCERPT else text[:EXCERPT] + "…"}".'


def dumps(value: Any) -> str:
    """Write a value as JSON, large integers too."""
    return orjson.dumps(value).decode()
