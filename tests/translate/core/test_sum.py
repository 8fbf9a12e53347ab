"""The sum of fragments, in situations that no request can show."""

import msgspec
import pytest

from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context, Options
from adapter.translate.core.notes import Fate, Note, Rejected, exact
from adapter.translate.core.rules import Rules, add, apply, camel, remove_field, restrict
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import GenerateContentRequest, GenerationConfig
from adapter.wire.openai.chat_request import ChatCompletionRequest


def config(**fields):
    return GenerateContentRequest(generation_config=GenerationConfig(**fields))


def context(options=None, **fields):
    row = ModelCapabilities(pattern="*", source="test", date="2026-11-24")
    request = ChatCompletionRequest(model="m", messages=[], **fields)
    return Context(request=request, capabilities=row, options=options or Options())


def test_two_fields_that_disagree_are_rejected_unless_a_rule_says_who_wins():
    rules = {"top_p": lambda *_: exact(config(seed=1)), "top_k": lambda *_: exact(config(seed=2, top_k=3.0))}
    body, notes, _ = apply(Rules(rules), context(top_p=1.0, top_k=1.0))
    reason = "top_p asks for another generationConfig.seed"
    assert notes[-1] == Note("top_k", Fate.REJECTED, "fields-contradict", reason)
    assert body == config(seed=1, top_k=3.0)


def test_the_winner_may_come_first():
    rules = {
        "max_completion_tokens": lambda *_: exact(config(max_output_tokens=1)),
        "max_tokens": lambda *_: exact(config(max_output_tokens=2)),
    }
    body, notes, _ = apply(Rules(rules), context(max_tokens=1, max_completion_tokens=1))
    assert body == config(max_output_tokens=1)
    assert [note.path for note in notes if note.fate == Fate.DROPPED] == ["max_tokens"]


def test_the_winner_may_come_last():
    rules = {
        "max_tokens": lambda *_: exact(config(max_output_tokens=2)),
        "max_completion_tokens": lambda *_: exact(config(max_output_tokens=1)),
    }
    body, notes, _ = apply(Rules(rules), context(max_tokens=1, max_completion_tokens=1))
    assert body == config(max_output_tokens=1)
    assert [note.path for note in notes if note.fate == Fate.DROPPED] == ["max_tokens"]


def test_the_same_rejection_by_two_rules_is_told_once():
    def refuse(*_):
        raise Rejected("tools", "tools-contradict", "no")

    _, notes, _ = apply(Rules({"top_p": refuse, "top_k": refuse}), context(top_p=1.0, top_k=1.0))
    assert notes == [Note("tools", Fate.REJECTED, "tools-contradict", "no")]


def test_adding_changes_neither_side():
    one, other = config(seed=1), config(top_k=2.0)
    assert add(one, other) == config(seed=1, top_k=2.0)
    assert (one, other) == (config(seed=1), config(top_k=2.0))


def test_lists_are_one_after_the_other():
    one, other = (GenerateContentRequest(contents=[Content(parts=[Part(text=text)])]) for text in "ab")
    assert [content.parts[0].text for content in add(one, other).contents] == ["a", "b"]


def test_a_field_can_be_taken_out():
    assert remove_field(config(seed=1, top_k=2.0), ("generation_config", "seed")) == config(top_k=2.0)


@pytest.mark.parametrize(
    ("allowed", "kept", "lost"),
    [
        (frozenset({"generationConfig"}), config(seed=1, top_k=2.0), []),
        (frozenset({"generationConfig.topK"}), config(top_k=2.0), ["generationConfig.seed"]),
        (frozenset(), GenerateContentRequest(), ["generationConfig.topK", "generationConfig.seed"]),
        (None, config(seed=1, top_k=2.0), []),
    ],
)
def test_an_upstream_gets_only_what_it_takes(allowed, kept, lost):
    assert restrict(config(seed=1, top_k=2.0), allowed) == (kept, lost)


def test_fields_inside_lists_are_restricted_too():
    fragment = GenerateContentRequest(contents=[Content(role="user"), Content(parts=[Part(text="a")])])
    kept, lost = restrict(fragment, frozenset({"contents.parts"}))
    assert (kept, lost) == (GenerateContentRequest(contents=[fragment.contents[1]]), ["contents.role"])


def test_names_are_written_as_gemini_writes_them():
    fields = msgspec.structs.fields(GenerationConfig)
    assert {camel(field.name) for field in fields} == {field.encode_name for field in fields}
