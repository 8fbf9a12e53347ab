"""Paths inside Google's extension are the client's own, in whichever spelling."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.chat import to_gemini
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Rejected
from adapter.translate.ledger import MISSING, value_at
from adapter.wire.base import decode
from adapter.wire.openai.chat_request import ChatCompletionRequest

ROW = ModelCapabilities(pattern="*", source="", date="")
NAMES = ["generation_config", "generationConfig", "thinking_config", "thinkingConfig", "top_k", "topK", "labels"]
VALUES = st.recursive(
    st.sampled_from([None, 1, "x", True]),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.sampled_from([*NAMES, "mood", "threshold"]), one),
    max_leaves=6,
)
MEMBERS = st.dictionaries(st.sampled_from([*NAMES, "safety_settings", "safetySettings", "mood"]), VALUES)


def context_of(google):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "google": google}
    return Context(request=decode(json.dumps(body).encode(), ChatCompletionRequest)[0], capabilities=ROW)


def pointer_of(path):
    return path.replace("[", "/").replace("]", "").replace(".", "/").removeprefix("google")


@given(MEMBERS)
def test_a_note_or_a_refusal_leads_to_a_value_that_the_client_sent(members):
    try:
        notes = to_gemini(context_of(members))[1]
    except Rejected as error:
        notes = error.notes
    for note in notes:
        # Where a member is given in both spellings, one of them is named, and not always the one that counts.
        if note.path.startswith("google.") and len({name.replace("_", "").lower() for name in members}) == len(members):
            assert value_at(members, pointer_of(note.path)) is not MISSING


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"labels": {"a_b": 1}}, "google.labels[...]"),
        ({"generationConfig": 1, "top_k": 3}, "google.generationConfig"),
        ({"generation_config": {"topK": 1}, "generationConfig": 1}, "google.generation_config"),
        ({"generation_config": {"topK": "x"}}, "google.generation_config.topK"),
        ({"top_k": "x", "generationConfig": {}}, "google.top_k"),
        ({"safety_settings": "x", "safetySettings": [{}, {"threshold": 1}]}, "google.safety_settings[1].threshold"),
        ({"generation_config": {"thinkingConfig": {"thinking_budget": "x"}}}, ".thinkingConfig.thinking_budget"),
    ],
)
def test_a_refused_field_has_the_clients_name(members, path):
    with pytest.raises(Rejected) as error:
        to_gemini(context_of(members))
    assert path in error.value.note.path
