"""Each endpoint that is translated without a call: its bodies, its method, its ledger."""

import json
from typing import Any

import pytest

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Rejected
from adapter.translate.translations import PATHS, endpoint_at, endpoint_of_body, endpoints
from adapter.wire.base import encode

DECIDES = {"output": ("DECISION",)}
SPEAKS = {"output": ("AUDIO",)}
DRAWS = {"output": ("TEXT", "IMAGE")}
SOUND = "data:audio/wav;base64,AAAA"
IMAGE = "data:image/png;base64,AAAA"

REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any], str, int]] = {
    "/v1/chat/completions": ({"messages": [{"role": "user", "content": "hi"}], "user": "me"}, {}, "generateContent", 1),
    "/v1/responses": ({"input": "hi", "user": "me", "stream": True}, {}, "streamGenerateContent", 1),
    "/v1/completions": ({"prompt": ["a", "b"], "max_tokens": 9, "user": "me"}, {}, "generateContent", 2),
    "/v1/embeddings": (
        {"input": ["a", "b"], "user": "me"},
        {"dimensions": 3_072, "output": ("EMBEDDING",)},
        "batchEmbedContents",
        1,
    ),
    "/v1/decisions": (
        {"input": "It rains.", "questions": [{"type": "predicate", "instructions": "Does it?"}], "new": 1},
        DECIDES,
        "decisions",
        1,
    ),
    "/v1/moderations": ({"input": ["a", "b"], "new": 1}, DECIDES, "decisions", 1),
    "/v1/images/generations": ({"prompt": "a cat", "n": 2, "user": "me"}, DRAWS, "generateContent", 1),
    "/v1/images/edits": ({"prompt": "a cat", "image": IMAGE, "user": "me"}, DRAWS, "generateContent", 1),
    "/v1/images/variations": ({"image": IMAGE, "user": "me"}, DRAWS, "generateContent", 1),
    "/v1/audio/speech": ({"input": "hi", "voice": "alloy", "new": 1}, SPEAKS, "streamGenerateContent", 1),
    "/v1/audio/transcriptions": ({"file": SOUND, "new": 1}, {}, "generateContent", 1),
    "/v1/audio/translations": ({"file": SOUND, "new": 1}, {}, "generateContent", 1),
}


def translate(path, body, **row):
    endpoint = endpoints(None)[path]
    served = ServedModel("m", ModelCapabilities(pattern="*", source="", date="", **row), "", "m")
    request, unknown = endpoint.decode(json.dumps({"model": "m", **body}).encode())
    return endpoint.translate(request, unknown, served, Options())


@pytest.mark.parametrize("path", REQUESTS)
def test_each_endpoint_has_bodies_a_method_and_a_ledger(path):
    body, row, method, calls = REQUESTS[path]
    made = translate(path, body, **row)
    assert (made.method, len(made.bodies)) == (method, calls)
    assert all(json.loads(encode(one)) for one in made.bodies)
    assert {"user-not-sent", "unknown-field"} & {note.code for note in made.notes}


def test_the_list_is_whole():
    assert set(endpoints(None)) == set(REQUESTS)


def test_contents_are_rated_one_by_one_where_nothing_decides():
    made = translate("/v1/moderations", {"input": ["a", "b"]})
    assert (made.method, len(made.bodies)) == ("generateContent", 2)


def test_a_refusal_names_the_clients_field():
    with pytest.raises(Rejected) as refused:
        translate("/v1/completions", {"prompt": "a", "temperature": 9})
    assert refused.value.note.path == "temperature"


HALVES: dict[str, tuple[str, str]] = {
    "/v1/chat/completions": ('{"messages": [{"role": "user", "content": "a\\ud83d"}]', "messages[0].content"),
    "/v1/responses": ('{"input": "a\\ud83d"', "input"),
    "/v1/completions": ('{"prompt": "a\\ud83d"', "prompt"),
    "/v1/embeddings": ('{"input": ["a\\ud83d"]', "input[0]"),
    "/v1/decisions": (
        '{"input": "a\\ud83d", "questions": [{"type": "predicate", "instructions": "Does it?"}]',
        "input",
    ),
    "/v1/moderations": ('{"input": "a\\ud83d"', "input"),
    "/v1/images/generations": ('{"prompt": "a\\ud83d"', "prompt"),
    "/v1/audio/speech": ('{"input": "a\\ud83d"', "input"),
}


@pytest.mark.parametrize("path", HALVES)
def test_half_a_character_is_replaced_with_a_note_on_every_endpoint(path):
    """Clients cut emoji by UTF-16 length (github.com/elizaOS/eliza/issues/18079)."""
    (text, at), row = HALVES[path], REQUESTS[path][1]
    endpoint = endpoints(None)[path]
    served = ServedModel("m", ModelCapabilities(pattern="*", source="", date="", **row), "", "m")
    request, unknown = endpoint.decode(f'{text}, "model": "m"}}'.encode())
    made = endpoint.translate(request, unknown, served, Options())
    assert "a\ufffd" in encode(made.bodies[0]).decode()
    assert [note.path for note in made.notes if note.code == "character-replaced"] == [at]


MODELS = {
    "/v1/embeddings": "text-embedding-3-small",
    "/v1/moderations": "omni-moderation-latest",
    "/v1/images/generations": "gpt-image-2",
}
"""Models that tell the endpoint where the fields do not."""


def test_the_endpoint_of_a_body_is_told_by_its_fields():
    for path, (body, _, _, _) in REQUESTS.items():
        if path == "/v1/audio/translations":
            continue  # Its fields are those of transcriptions.
        model = MODELS.get(path, "m")
        known = {key: value for key, value in body.items() if key != "new"}
        assert endpoint_of_body({**known, "model": model}) == path
    assert endpoint_of_body({"input": "hi"}) == "/v1/moderations"
    assert endpoint_of_body({"prompt": "hi", "model": "dall-e-3"}) == "/v1/images/generations"
    assert endpoint_of_body({"model": "m", "prompt": {"id": "pmpt_1"}, "input": "hi"}) == "/v1/responses"


def test_the_endpoint_of_a_url_is_told_by_its_end():
    assert all(endpoint_at(f"https://gateway.example/openai{path}/?x=1") == path for path in PATHS)
    assert endpoint_at("/v1/fine_tuning/jobs") == ""


def test_several_choices_of_several_prompts_are_as_many_calls():
    made = translate("/v1/completions", {"prompt": ["a", "b"], "max_tokens": 9, "n": 3}, candidates=False)
    assert (len(made.bodies), made.calls) == (2, 6)
