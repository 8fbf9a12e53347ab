"""The headers that tell of the ledger: short whatever a request loses, the gravest losses first, on every endpoint."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.emulator import EmulatorSettings
from adapter.server.pipeline.ledger_headers import MAX_HEADER, summary
from adapter.server.routes import ENDPOINTS
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Severity
from adapter.translate.core.notes import Fate, Note
from tests.support.scripted import adapter, run_emulator

GRAVEST_FIRST = list(Severity)

NOTES = st.builds(Note, st.text(), st.sampled_from([Fate.APPROXIMATED, Fate.DROPPED]), st.sampled_from(sorted(CODES)))


def check(header: str) -> list[str]:
    """The header's codes: they fit, and stand by severity, as the counts before them do."""
    assert len(header.encode()) <= MAX_HEADER
    counts, *codes = header.split("; ")
    named = [one.partition("=")[0] for one in counts.split(", ")]
    assert named == [one.value for one in GRAVEST_FIRST if one.value in named]
    known = [code for code in codes if code != "..."]
    gravity = [GRAVEST_FIRST.index(CODES[code].severity) for code in known]
    assert gravity == sorted(gravity)
    assert "..." not in codes[:-1]
    return known


@given(st.lists(NOTES, min_size=1, max_size=200))
def test_the_header_of_any_ledger_is_short_with_the_gravest_codes_first(notes):
    known = check(summary(notes))
    assert CODES[known[0]].severity == min((note.severity for note in notes), key=GRAVEST_FIRST.index)


def test_every_code_at_once_leaves_out_the_lightest():
    header = summary([Note("x", Fate.DROPPED, code) for code in reversed(CODES)])
    known = check(header)
    assert header.endswith("; ...")
    breaking = {code for code, one in CODES.items() if one.severity is Severity.BREAKS}
    assert set(known[: len(breaking)]) == breaking


UNKNOWN = {f"unknown_field_{number}": number for number in range(900)}
MESSAGE = {"role": "user", "content": "hi", **UNKNOWN}
QUESTION = {"type": "predicate", "instructions": "Does it?", **UNKNOWN}

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-6-astra", "messages": [MESSAGE], "user": "me", "frequency_penalty": 1},
    "/v1/responses": {"model": "gpt-6-astra", "input": [MESSAGE], "user": "me", "truncation": "auto"},
    "/v1/completions": {"model": "gpt-6-astra", "prompt": "hi", "best_of": 3, "logprobs": 2, "user": "me", **UNKNOWN},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hi", "user": "me", **UNKNOWN},
    "/v1/decisions": {"model": "gemini-decision-1", "input": "hi", "questions": [QUESTION], "safety_identifier": "me"},
    "/v1/moderations": {"model": "omni-moderation-latest", "input": "hi", **UNKNOWN},
    "/v1/responses/compact": {"model": "gpt-6-astra", "input": "hi", **UNKNOWN},
    "/v1/responses/input_tokens": {"model": "gpt-6-astra", "input": "hi", **UNKNOWN},
    "/v1/images/generations": {"model": "gpt-image-2", "prompt": "a cat", "user": "me", **UNKNOWN},
    "/v1/images/edits": {"model": "gpt-image-2", "prompt": "a cat", "image": PIXEL, "user": "me", **UNKNOWN},
    "/v1/images/variations": {"model": "gpt-image-2", "image": PIXEL, "user": "me", **UNKNOWN},
    "/v1/audio/speech": {"model": "gpt-4o-mini-tts", "input": "hi", "voice": "alloy", "speed": 2, **UNKNOWN},
}


def test_every_endpoint_with_a_ledger_is_tried():
    asking = {one.path for one in ENDPOINTS if one.asks_gemini and one.takes is not None and "{" not in one.path}
    assert asking == set(REQUESTS)


@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_request_that_loses_very_much_has_a_short_header(path, is_streamed):
    body = {**REQUESTS[path], **({"stream": True} if is_streamed else {})}
    async with run_emulator(EmulatorSettings()) as upstream, adapter(upstream, retries=0) as client:
        response = await client.post(path, content=json.dumps(body))
    assert response.status_code == 200, response.text
    header = response.headers["x-adapter-notes"]
    known = check(header)
    assert known
    assert sum(int(one.partition("=")[2]) for one in header.split("; ")[0].split(", ")) >= 900
