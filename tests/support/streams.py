"""Any answer, and any stream that says the same."""

import base64
import gc
import itertools
import weakref
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.support.answering import Object

SIGNATURE = st.sampled_from(["", "", "U0lH", "T1RIRVI="])
TEXT = st.text(st.sampled_from('ab čž😀\n\u2028"\\'), min_size=1, max_size=12)
PIXEL = "iVBORw0KGgo="


def sign_part(part: Object, signature: str) -> Object:
    return {**part, "thoughtSignature": signature} if signature else part


texts = st.builds(lambda text, signature: sign_part({"text": text}, signature), TEXT, SIGNATURE)


thoughts = st.builds(lambda text: {"text": text, "thought": True}, TEXT)


arguments = st.dictionaries(st.sampled_from("abc"), st.one_of(TEXT, st.integers(-5, 5), st.none()), max_size=2)


calls = st.builds(
    lambda name, args, id_, signature: sign_part(
        {"functionCall": {"name": name, **({"args": args} if args else {}), **({"id": id_} if id_ else {})}}, signature
    ),
    st.sampled_from(["f", "g", "not_declared"]),
    arguments,
    st.sampled_from(["", "id1", "id2"]),
    SIGNATURE,
)


images = st.builds(
    lambda signature: sign_part({"inlineData": {"mimeType": "image/png", "data": PIXEL}}, signature), SIGNATURE
)


sounds = st.builds(
    lambda data: {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": base64.b64encode(data).decode()}},
    st.binary(max_size=7),
)


opaque = st.sampled_from(
    [
        {"executableCode": {"language": "PYTHON", "code": "1+1\n"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "x"}, "thoughtSignature": "U0lH"},
        {"functionCall": {"name": "mcp", "args": {"q": 1}}},
        {"functionResponse": {"name": "mcp", "response": {"r": 1}}},
        {"text": ""},
        {"text": "", "thoughtSignature": "RU1QVFk="},
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}, "thought": True},
        {"text": "beside", "partMetadata": {"m": 1}},
    ]
)


parts = st.lists(st.one_of(texts, texts, thoughts, calls, images, sounds, opaque), max_size=7)


endings = st.sampled_from(
    [{"finishReason": "STOP"}, {"finishReason": "MAX_TOKENS"}, {"finishReason": "SAFETY", "finishMessage": "why"}]
)


extras = st.sampled_from(
    [
        {},
        {"safetyRatings": [{"category": "C", "probability": "LOW"}], "avgLogprobs": -0.5},
        {"citationMetadata": {"citationSources": [{"uri": "https://e.x"}]}, "tokenCount": 3},
        {"urlContextMetadata": {"urlMetadata": [{"retrievedUrl": "https://e.x"}]}},
    ]
)


USAGE = {
    "promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 2, "totalTokenCount": 14,
    "serviceTier": "flex",
}  # fmt: skip


@st.composite
def candidates(draw: Any) -> list[Object]:
    """Return one to three candidates; their functions that Gemini answers itself come in the right order."""
    number = draw(st.integers(1, 3))
    return [
        {"content": {"role": "model", "parts": draw(parts)}, **draw(extras), **draw(endings)} for _ in range(number)
    ]


def cut_part(draw: Any, part: Object) -> list[Object]:
    """Cut one part into the pieces of a stream; the last one has its signature."""
    text = part.get("text")
    if not text or set(part) - {"text", "thought", "thoughtSignature"}:
        return [part]
    at = sorted(draw(st.sets(st.integers(1, len(text) - 1), max_size=3))) if len(text) > 1 else []
    pieces = [text[start:end] for start, end in itertools.pairwise([0, *at, len(text)])]
    side = {"thought": True} if part.get("thought") else {}
    return [
        *({"text": piece, **side} for piece in pieces[:-1]),
        sign_part({"text": pieces[-1], **side}, part.get("thoughtSignature", "")),
    ]


@st.composite
def streams(draw: Any) -> tuple[Object, list[Object]]:
    """Return a whole answer, and the events of a stream with the same content."""
    said = draw(candidates())
    top = {"modelVersion": "gemini-x", "responseId": "r1"}
    body = {**top, "candidates": [{"index": i, **one} for i, one in enumerate(said)], "usageMetadata": USAGE}
    queues: list[list[Object]] = []
    for index, one in enumerate(said):
        end = {name: value for name, value in one.items() if name != "content"}
        queue: list[Object] = []
        for part in one["content"]["parts"]:
            for piece in cut_part(draw, part):
                if queue and draw(st.booleans()):
                    queue[-1]["content"]["parts"].append(piece)
                else:
                    queue.append({"index": index, "content": {"role": "model", "parts": [piece]}})
        if queue and draw(st.booleans()):
            queue[-1].update(end)
        else:
            queue.append({"index": index, **end})
        queues.append(queue)
    events: list[Object] = []
    while any(queues):
        ready = [queue for queue in queues if queue]
        chosen = draw(st.lists(st.sampled_from(range(len(ready))), min_size=1, unique=True))
        events.append({**top, "candidates": [ready[number].pop(0) for number in sorted(chosen)]})
    for passing in draw(st.lists(st.sampled_from(range(len(events))), max_size=3)):
        events[passing]["usageMetadata"] = {"promptTokenCount": 5, "totalTokenCount": 5, "serviceTier": "flex"}
    if draw(st.booleans()):
        events[-1]["usageMetadata"] = USAGE
    else:
        events.append({**top, "usageMetadata": USAGE})
    return body, events


def survivors(make: Callable[[], Any]) -> list[Any]:
    """Return what still lives of a stream that nobody refers to: it, or its reader.

    Nothing of it may refer to itself: else its request would wait for the garbage collector, 8 MB for each client.
    """
    gc.disable()
    try:
        machine = make()
        seen = [weakref.ref(machine), weakref.ref(machine._reader)]
        del machine
        return [alive for one in seen if (alive := one()) is not None]
    finally:
        gc.enable()
