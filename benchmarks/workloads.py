"""The workloads: small and large chats, images, long histories, streams."""

import json
from typing import Any, NamedTuple

from benchmarks.upstream import DIMENSIONS, EVENTS, MARK

MODEL = "gemini-3.5-flash"
EMBEDDING_MODEL = "gemini-embedding-2"
ABSENT_MODEL = "gemini-0-absent"
"""The canned Gemini has no such model; the adapter is told to ask `MODEL` then."""

RIVALS = ("Portkey", "LiteLLM")


class Workload(NamedTuple):
    """One kind of load. `gap`: seconds between Gemini's events; `unit`: the thing whose cost is measured.

    `path` is where it is sent, `method` what is asked of Gemini for it, and `mark` stands in every right answer.
    `rivals`: the other gateways that have such a path; nginx and the pass-throughs take everything. `answer`: what
    Gemini answers, a `text` or a `call`. `turns` is about the history of a tool loop (`conversations.py`).
    """

    name: str
    body: dict[str, Any]
    concurrency: int
    requests: int
    stream: bool = False
    gap: float = 0.0
    path: str = "/v1/chat/completions"
    method: str = f"{MODEL}:generateContent"
    mark: str = MARK
    rivals: tuple[str, ...] = RIVALS
    answer: str = "text"
    turns: dict[str, Any] | None = None

    @property
    def units(self) -> int:
        """The units of one answer."""
        return EVENTS if self.unit == "chunk" else 1

    def is_of(self, name: str) -> bool:
        """Return whether a gateway has such a path."""
        return name not in RIVALS or name in self.rivals

    @property
    def unit(self) -> str:
        """A chunk of a long stream, else a request."""
        return "chunk" if self.stream and self.answer == "text" else "request"


def _chat(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], **more}


def tools(count: int, size: int) -> list[dict[str, Any]]:
    """Functions of about `size` bytes each."""
    fields = max(1, size // 110)
    return [
        {
            "type": "function",
            "function": {
                "name": f"tool_{number}",
                "description": "Does something useful with the things that it is given.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        f"field_{index}": {"type": "string", "description": "What this field of the tool stands for."}
                        for index in range(fields)
                    },
                    "required": ["field_0"],
                },
            },
        }
        for number in range(count)
    ]


def history(turns: int) -> dict[str, Any]:
    """Return a tool loop: `turns` calls, each with its result."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Do it step by step."}]
    for turn in range(turns):
        call = {"name": "tool_0", "arguments": json.dumps({"field_0": f"step {turn}"})}
        calls = [{"id": f"call_{turn:024d}", "type": "function", "function": call}]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        result = json.dumps({"ok": True, "said": "a result of some length " * 4})
        messages.append({"role": "tool", "tool_call_id": calls[0]["id"], "content": result})
    return {"model": MODEL, "messages": messages, "tools": tools(1, 300)}


def image(size: int) -> dict[str, Any]:
    """Return an image as a data URL of about `size` bytes."""
    url = "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAA" * (size // 24)
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return _chat(parts)


def _native(size: int = 0) -> dict[str, Any]:
    """Return a request in Gemini's own form, with an image of about `size` bytes."""
    parts: list[dict[str, Any]] = [{"text": "Hello"}]
    if size:
        data = "iVBORw0KGgoAAAANSUhEUgAA" * (size // 24)
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
    return {"contents": [{"role": "user", "parts": parts}]}


_NATIVE: dict[str, Any] = {"path": f"/v1beta/models/{MODEL}:generateContent", "rivals": ()}
_EMBEDDINGS: dict[str, Any] = {
    "path": "/v1/embeddings",
    "method": f"{EMBEDDING_MODEL}:batchEmbedContents",
    "mark": '"embedding',
    "rivals": (),
}


def embeddings(inputs: int, encoding: str = "base64") -> dict[str, Any]:
    """Texts of some words each; as base64, which is what the openai package asks for, or as numbers."""
    texts = [f"The sentence with the number {number} is about as long as a title is." for number in range(inputs)]
    return {"model": EMBEDDING_MODEL, "input": texts, "dimensions": DIMENSIONS, "encoding_format": encoding}


ALL = [
    Workload("small chat, 1", _chat(), 1, 1_500),
    Workload("small chat, 16", _chat(), 16, 4_000),
    Workload("small chat, 64", _chat(), 64, 4_000),
    Workload("20 KB, 10 tools, 16", _chat(tools=tools(10, 1_800)), 16, 2_000),
    Workload("1 MB image, 8", image(1 << 20), 8, 300),
    Workload("history of 200 calls, 8", history(200), 8, 400),
    Workload("history of 400 calls, 8", history(400), 8, 200),
    Workload("stream, 1, paced", _chat(stream=True), 1, 3, stream=True, gap=0.01),
    Workload("streams, 20, paced", _chat(stream=True), 20, 40, stream=True, gap=0.02),
    Workload("streams, 100, paced", _chat(stream=True), 100, 100, stream=True, gap=0.05),
    Workload("streams, 50, unpaced", _chat(stream=True), 50, 150, stream=True),
    Workload("native call, 16", _native(), 16, 4_000, **_NATIVE),
    Workload("native call of 1.2 MB, 8", _native(1_200_000), 8, 300, **_NATIVE),
    Workload("100 embeddings, 8", embeddings(100), 8, 300, **_EMBEDDINGS),
    Workload("100 embeddings as numbers, 8", embeddings(100, "float"), 8, 300, **_EMBEDDINGS),
]
