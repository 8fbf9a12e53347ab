"""Random requests and answers, made from the seeds."""

import json
from random import Random
from typing import Any

from tests.tools.fuzz import mutations, seeds

MODELS = ("gemini-3.8-flash", "gemini-3.5-flash", "gemini-2.5-flash", "gemini-2.5-pro", "gpt-4o")

PATHS = {
    "/v1/chat/completions": ("chat/completions", 6),
    "/v1/responses": ("responses", 4),
    "/v1/responses/input_tokens": ("responses", 1),
    "/v1/responses/compact": ("responses", 1),
    "/v1/conversations": ("responses", 1),
    "/translate": ("chat/completions", 1),
}
"""The kinds of requests, the seeds that are changed for them, and how often each is drawn."""

ASKING: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"input": "hi"},
}
"""A request for each path where Gemini's answer is told."""


def path(random: Random) -> str:
    """A path to ask."""
    (chosen,) = random.choices(list(PATHS), [weight for _, weight in PATHS.values()])
    return chosen


def request(random: Random, path: str) -> bytes:
    """A body for a path."""
    endpoint, _ = PATHS[path]
    document = random.choice(seeds.requests(endpoint))
    if path == "/v1/conversations":
        document = {"items": document.get("input"), "metadata": document.get("metadata")}
    if random.random() < 0.7:
        document = {**document, "model": random.choice(MODELS)}
    if random.random() < 0.3:
        document = {**document, "stream": random.random() < 0.7}
    return mutations.body_of(document, random)


def answer(random: Random) -> tuple[bytes, list[bytes]]:
    """A chat request, and the events that Gemini might answer."""
    asked, said = random.choice(seeds.answers())
    changed = [mutations.mutate(one, random, random.choice((0, 1, 1, 2, 3))) for one in said]
    return encode_line(asked), [mutations.encode_oddly(one, random) for one in changed]


def asking(path: str, *, stream: bool) -> bytes:
    """A small request for a path of `ASKING`."""
    return encode_line({"model": MODELS[1], **ASKING[path], "stream": stream})


def answer_body(events: list[bytes], *, stream: bool) -> bytes:
    """Events as Gemini sends them: framed, or the last one alone."""
    return b"".join(b"data: %s\r\n\r\n" % event for event in events) if stream else events[-1]


def encode_line(document: Any) -> bytes:
    """Return a value as JSON in one line."""
    return json.dumps(document).encode()
