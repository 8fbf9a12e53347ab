"""Sensitivity: whatever a client changes in a request, or Gemini in an answer, something observable changes with it.

Each leaf of each recorded request and answer gets another value. Then what Gemini or the client gets is another, or a
note at that path or at a parent says that this is lost, or the value is refused under that path. A leaf for which none
of this holds was ignored in silence.
"""

import copy
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest

from adapter import settings
from adapter.translate import chat
from adapter.translate.core.context import Context
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.responses import fields as responses
from adapter.translate.signatures.history import look_up
from adapter.translate.translations import endpoints
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from conformance.cases import TODAY, Case, all_cases
from tests.corpus.answers import answers, context_of, stream_of
from tests.corpus.answers import read as read_answer
from tests.corpus.requests import requests
from tests.support.answering import STAMP
from tests.support.leaves import bare, leaves
from tests.support.pure import words_of
from tests.support.recordings import Recording, chat_requests, row_of
from tests.support.size import is_drawn

MODEL = "gemini-3.5-flash"
_PATH = re.compile(r" - at `\$\.?([^`]*)`")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")

REQUESTS = {
    "messages[].tool_calls[].type": "a call is a function's or a custom tool's by the field that it has",
    "messages[].tool_calls[].index": "the call's place in its list",
    "stream_options.include_usage": "read where the chunks are made",
    "response_format.json_schema.strict": "Gemini always follows the schema",
    "tools[].function.strict": "read as true or false by all tools together",
    "tools[].function.name": "a choice that names the tool is then refused under tool_choice",
    "n": "above what a call gives, the number of calls changes",
}
"""Chat: what may change without anything else that is compared here, and why."""

ITEMS = {
    "input[].id": "names the item; calls and results are paired by call_id",
    "input[].status": "says that the item is whole; unfinished ones have a note",
    "input[].execution": "whether the client ran the search for tools or OpenAI; its result is sent alike",
    "input[].container_id": "Gemini runs code in its own sandbox",
    "text.format.strict": "Gemini always follows the schema",
    "include[]": "what every answer has, or has a note",
    "store": "read where the answer is stored",
    "background": "read where the answer is made",
    "metadata": "echoed in the response",
    "reasoning.summary": "asks for thoughts; every word of OpenAI's asks alike",
    "reasoning.generate_summary": "the same, under its older name",
    "tools[].strict": "read as true or false by all tools together",
    "tools[].name": "where a choice names the tool, the other name is refused under tool_choice, not here",
    "input[].tools[].strict": "read as true or false by all tools together",
    "input[].role": "of an item that declares tools it says nothing; a message with another role is refused",
    "parallel_tool_calls": "means nothing without tools",
    "conversation": "read where the stored history is",
    "previous_response_id": "read where the stored history is",
}
"""Responses: the same."""

ANSWERS = {
    "candidates[].content.role": "an answer's role is always the model's",
    "candidates[].index": "orders the choices",
}
"""Answers: the same."""


Words = Mapping[str, Sequence[str]]
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}", re.ASCII)
MOST_WORDS = 12
ALIKE = [{"required", "any"}]
"""Words that mean the same."""


class Outcome(NamedTuple):
    """The result of an input: everything visible of it, its notes, or the path under which it is refused."""

    seen: Any
    notes: list[Note]
    refused: str | None = None


def change(leaf: Any) -> Any:
    """Another value of the same kind."""
    match leaf:
        case bool():
            return not leaf
        case int() | float():
            return leaf + 1
    return f"{leaf}x"


def values_for(path: str, leaf: Any, words: Words) -> list[Any]:
    """Other values for a leaf: one of its kind, one of another kind, and another word that is sent in this place."""
    others = [word for word in words.get(bare(path), ()) if leaf in words[bare(path)] and {word, leaf} not in ALIKE]
    return [change(leaf), ["x"] if isinstance(leaf, str) else "x", *[word for word in others if word != leaf][:1]]


def words_in(wholes: Iterable[Any]) -> Words:
    """The words that stand in each place of these values, where there are only a few: they are the field's own.

    Not those of `type`: an object that names another kind has not the fields of that kind.
    """
    found: dict[str, set[str]] = {}
    for whole in wholes:
        for path, leaf in leaves(whole):
            if isinstance(leaf, str) and _WORD.fullmatch(leaf) and not path.endswith("type"):
                found.setdefault(bare(path), set()).add(leaf)
    return {path: sorted(words) for path, words in found.items() if 1 < len(words) <= MOST_WORDS}


def steps_of(path: str) -> Iterator[str | int]:
    """A leaf's path as keys and indexes."""
    for key, index in _STEP.findall(path):
        yield int(index) if index else key


def variants(value: Any, words: Words) -> Iterator[tuple[str, Any]]:
    """Each leaf's path, and the whole value with each of the other values in its place."""
    for path, leaf in leaves(value):
        for other in values_for(path, leaf, words):
            # What is not on the way to the leaf is shared with `value`: nobody changes it.
            inner = whole = copy.copy(value)
            *steps, last = steps_of(path)
            try:
                for step in steps:
                    inner[step] = inner = copy.copy(inner[step])
                if inner[last] != leaf:
                    continue
                inner[last] = other
            except (KeyError, IndexError, TypeError):
                # A key with a dot or a bracket in it: such keys are the client's own names.
                continue
            yield path, whole


def of_chat(request: Any) -> Outcome:
    try:
        typed, unknown = decode(json.dumps({**request, "model": MODEL}).encode(), ChatCompletionRequest)
        body, notes = chat.to_gemini(Context(request=typed, capabilities=row_of(MODEL)), unknown)
    except Rejected as error:
        return Outcome(None, error.notes, error.note.path)
    except msgspec.ValidationError as error:
        return Outcome(None, [], _path(error))
    return Outcome((encode(body), typed.stream), notes)


def of_responses(request: Any) -> Outcome:
    view = None
    try:
        view = responses.to_chat(*decode(json.dumps({**request, "model": MODEL}).encode(), ResponsesRequest))
        history = look_up(view.request, {}, view.carried)
        body, notes = chat.to_gemini(Context(request=view.request, capabilities=row_of(MODEL), history=history))
    except Rejected as error:
        told = view.with_client_path(error) if view is not None else error
        return Outcome(None, told.notes, told.note.path)
    except msgspec.ValidationError as error:
        return Outcome(None, [], _path(error))
    return Outcome((encode(body), view.request.stream), view.ledger(notes))


def _path(error: msgspec.ValidationError) -> str:
    match = _PATH.search(str(error))
    return match[1] if match else ""


def of_answer(recording: Recording) -> Callable[[Any], Outcome]:
    context = context_of(recording)

    def read(body: Any) -> Outcome:
        try:
            response, unknown = read_answer(body)
            completion, notes, issued = chat.from_gemini(response, context, STAMP, unknown)
        except (AnswerError, msgspec.ValidationError) as error:
            return Outcome(str(error), [], None)
        return Outcome((encode(completion), [one.signature for one in issued]), notes)

    return read


def find_ignored(
    value: Any, read: Callable[[Any], Outcome], constant: dict[str, str], name: str, words: Words = MappingProxyType({})
) -> list[str]:
    """The leaves whose value makes no difference, without a note."""
    before = read(value)
    if before.refused is not None or isinstance(before.seen, str):
        # A refused request and an answer that is an error say one thing, whatever else they hold.
        return []
    return [
        path
        for path, other in variants(value, words)
        if is_drawn(f"{name} {path}") and not _is_constant(path, constant) and not _is_told(path, before, read(other))
    ]


def _is_constant(path: str, constant: dict[str, str]) -> bool:
    form = bare(path)
    return form in ("model", "modelVersion") or any(form == one or form.startswith(f"{one}.") for one in constant)


def _is_told(path: str, before: Outcome, after: Outcome) -> bool:
    if after.refused is not None:
        return _is_refused(after.refused, path) or any(_belongs(note.path, path) for note in after.notes)
    if after.seen != before.seen:
        return True
    notes = [note for note in (*before.notes, *after.notes) if note.fate is not Fate.EXACT]
    # A message that says nothing is left out, whoever sent it.
    empty = {note.path.removesuffix(".content") for note in notes if note.code == "empty-content-dropped"}
    return path.removesuffix(".role") in empty or any(_belongs(note.path, path) for note in notes)


def _is_refused(told: str, path: str) -> bool:
    """Return whether a 400 names a leaf: its path, its path in Google's names, or another one of a mixed list."""
    told = told.partition("[...]")[0]
    names = [re.sub(r"_([a-z])", lambda letter: letter[1].upper(), one.rpartition(".")[2]) for one in (told, path)]
    is_googles = "google" in path and names[0] == names[1]
    return _belongs(told, path) or is_googles or bare(told) == bare(path)


def _belongs(told: str, path: str) -> bool:
    """Return whether a note's path is a leaf's, contains it, or lies inside the leaf (a JSON text)."""
    told, path = (bare(told), bare(path)) if "[]" in told else (told, path)
    return (
        path == told
        or (told and path.startswith((f"{told}.", f"{told}[")))
        or told.startswith((f"{path}.", f"{path}["))
    )


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_no_leaf_of_a_request_is_ignored_in_silence(endpoint, count):
    recorded, read, constant = {
        "chat": (chat_requests(), of_chat, REQUESTS),
        "responses": (requests(), of_responses, ITEMS),
    }[endpoint]
    silent: dict[str, str] = {}
    words = words_in(recording.request for recording in recorded)
    for recording in recorded:
        for path in find_ignored(recording.request, read, constant, recording.id, words):
            silent.setdefault(bare(path), f"{recording.id} {path}")
        count("requests")
    assert not silent


def test_no_leaf_of_an_answer_is_ignored_in_silence(count):
    silent: dict[str, str] = {}
    recorded = list(answers(streamed=False))
    words = words_in(recording.body for recording in recorded)
    for recording in recorded:
        for path in find_ignored(recording.body, of_answer(recording), ANSWERS, recording.id, words):
            silent.setdefault(bare(path), f"{recording.id} {path}")
        count("answers")
    assert not silent


MOST_EVENTS = 12
"""Streams of more events are left to the shorter ones: each leaf takes a run through the whole stream."""

_PIECES = "whether pieces of a call follow: those that come say so themselves"
LAST_EVENT = ANSWERS | {
    "candidates[].content.parts[].functionCall.willContinue": _PIECES,
    "candidates[].content.parts[].functionCall.partialArgs[].willContinue": _PIECES,
}
"""The last event: the same."""

EVENTS = LAST_EVENT | {"usageMetadata": "counts run on: the last event that has them says what counts"}
"""All others: the same."""


def of_event(recording: Recording, events: list[Any], index: int) -> Callable[[Any], Outcome]:
    """The result of a stream in which one event is replaced."""

    def read(event: Any) -> Outcome:
        try:
            stream = stream_of(recording, [*events[:index], event, *events[index + 1 :]])
        except (AnswerError, msgspec.ValidationError) as error:
            return Outcome(str(error), [], None)
        return Outcome((stream.chunks, [one.signature for one in stream.issued]), stream.notes)

    return read


def test_no_leaf_of_an_event_is_ignored_in_silence(count):
    silent: dict[str, str] = {}
    recorded = list(answers(streamed=True))
    words = words_in(event for recording in recorded for event in recording.events())
    for recording in recorded:
        events = list(recording.events())
        if len(events) > MOST_EVENTS:
            continue
        for index, event in enumerate(events):
            constant = LAST_EVENT if index == len(events) - 1 else EVENTS
            name = f"{recording.id} {index}"
            for path in find_ignored(event, of_event(recording, events, index), constant, name, words):
                silent.setdefault(bare(path), f"{name} {path}")
        count("streams")
    assert not silent


CASES = {
    "encoding_format": "read where the answer is made",
    "response_format": "the same: of a file or a sound it says how the answer is written",
    "stream_format": "the same",
    "echo": "read where the answer is made",
    "questions[].name": "comes back with its answer",
    "output_compression": "read where the answer's images are made",
    "image_config.output_format": "the same",
    "image_config.output_compression": "the same",
    "tools[].output_format": "the same",
    "tools[].output_compression": "the same",
    "background_options": "means nothing for a response that nobody waits for here",
    "messages[].images[].type": "there is one type",
    "messages[].tool_calls[].provider_specific_fields": "of several carriers of a signature Google's own is read",
    "tools[].type": "Google's own form tells the tool",
    "functions[].name": "where a choice names the function, the other name is refused under function_call",
    "google.thinking_config": "has its note under the field that it is part of, google.generationConfig",
    "input[].call_id": "where an output names the call, it is refused as an output without one",
    "input[].outputs[].type": "an output of code is told by the field that it has",
    "input[].output.type": "a screenshot is the only output that a computer has",
    "input[].output.image_url": "a letter more at the end of base64 is no other picture",
    "input[].result": "the same",
    "input[].outputs[].url": "the same",
    "task_type": "beside a title it must be the task of documents",
}
"""Cases: the same."""

SAID_TWICE = (
    "chat/reasoning_effort/no-effort-for-a-model-that-does-not-think",
    "transcriptions/languages/several-languages-are-settings-each-once",
    "chat/tool_choice/allowed-tools-are-the-only-declared-ones",
    "chat/tools/for-a-relay-in-a-schema-an-enum-of-numbers",
    "chat/tools/function-declared-twice",
    "chat/tools/in-a-schema-",
    "chat/tools/limits-of-a-number",
    "chat/tools/nullable-enum",
    "chat/tools/two-lists-of-required-names",
)
"""Cases of what a request says twice, or of a keyword beside a tighter one: the other one decides."""


def of_case(case: Case) -> Callable[[Any], Outcome]:
    """The result of another request in a case's place, by the endpoint's own translation."""
    chosen = settings.load({"upstream_url": "http://127.0.0.1:1", "upstream_keys": "k", **case.settings}, {})
    names, endpoint = settings.catalogue(chosen, TODAY), TRANSLATED[f"/v1/{case.endpoint}"]
    chosen_options = settings.options(chosen)
    kind = "chat/completions" if case.endpoint == "completions" else case.endpoint

    def read(request: Any) -> Outcome:
        try:
            typed, unknown = endpoint.decode(json.dumps(request).encode())
            name = getattr(typed, "model", None) or endpoint.default_model
            served = settings.find_served_model(name, names, kind)
            made = endpoint.translate(typed, unknown, served, chosen_options)
        except Rejected as error:
            return Outcome(None, error.notes, error.note.path)
        except msgspec.ValidationError as error:
            return Outcome(None, [], _path(error))
        seen = [encode(body) for body in made.bodies], made.calls, made.served.model, getattr(typed, "stream", None)
        return Outcome(seen, made.notes)

    return read


TRANSLATED = endpoints(words_of)


def test_no_leaf_of_a_cases_request_is_ignored_in_silence(count):
    silent: dict[str, str] = {}
    sent = defaultdict[str, list[Any]](list)
    for case in all_cases():
        sent[case.endpoint].append(case.turns[0].request)
    words = {endpoint: words_in(some) for endpoint, some in sent.items()}
    for case in all_cases():
        if f"/v1/{case.endpoint}" in TRANSLATED and not case.id.startswith(SAID_TWICE):
            constant = REQUESTS | ITEMS | CASES
            for path in find_ignored(case.turns[0].request, of_case(case), constant, case.id, words[case.endpoint]):
                silent[f"{case.id} {bare(path)}"] = path
            count("cases")
    assert not silent
