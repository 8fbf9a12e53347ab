"""A client's next body: always the same, or the history of a tool loop, which grows with each answer.

A script gives the bytes of a body; `head` puts the rest of the request before them.
"""

import json
import re
from collections.abc import Iterable
from itertools import count
from typing import Any, Protocol

from benchmarks import agents

FRESH = b"@@@@@@@@"
"""Stands in a history that nobody has seen before; every request has a number there."""


class Script(Protocol):
    """The bodies that one connection sends."""

    def body(self) -> bytes:
        """Return the next body."""
        ...

    def read(self, answer: bytes) -> None:
        """Ignore the answer: no body depends on it."""
        ...


class Same:
    """The same body again and again."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def body(self) -> bytes:
        """Return the next body."""
        return self._body

    def read(self, answer: bytes) -> None:
        """Ignore the answer: no body depends on it."""


class Seeds:
    """Asks for calls, so that the gateway knows their ids; `calls` are the received ones."""

    def __init__(self, model: str) -> None:
        user = {"role": "user", "content": "Go on."}
        self._body = compact({"messages": [user], "model": model, "tools": agents.tools()[-1:]})
        self.calls: list[dict[str, Any]] = []

    def body(self) -> bytes:
        """Return the next body."""
        return self._body

    def read(self, answer: bytes) -> None:
        """Keep the call."""
        self.calls += chat_calls(answer)[:1]


class Conversation:
    """A tool loop over chat or Responses.

    `calls` are the calls of its past, with their ids. If the gateway only passes bodies on (`is_translated` is false),
    the calls of its answers are not read, and others of the same size stand in their place.
    """

    def __init__(
        self, number: int, spec: dict[str, Any], body: dict[str, Any], calls: list[dict[str, Any]], is_translated: bool
    ) -> None:
        self._spec = spec
        self._is_translated = is_translated
        self._is_chat = spec["over"] == "chat"
        self._steps = count()
        self._numbers = count(number * 1_000_000)
        functions = agents.tools()
        rest = {**body, "tools": functions if self._is_chat else agents.flat(functions)}
        self._rest = compact(rest)[1:]
        begin = {"role": "user", "content": f"Conversation {number} {FRESH.decode()}: do it step by step."}
        self._items = self._json([{"role": "system", "content": agents.SYSTEM}, begin])
        for call in calls:
            self._add([call])
        self._previous = ""

    def body(self) -> bytes:
        """Return the next body: the history, the model and the tools, in the order of the openai package."""
        name = b"messages" if self._is_chat else b"input"
        body = b'{"%b":[%b],%b' % (name, self._items, self._rest)
        if self._previous:
            body = b'{"previous_response_id":"%b",%b' % (self._previous.encode(), body[1:])
        return body.replace(FRESH, b"%08d" % next(self._numbers)) if self._spec["fresh"] else body

    def read(self, answer: bytes) -> None:
        """Append the answer, and the results of its calls."""
        if not self._spec["appended"]:
            return
        if self._spec["over"] == "previous_response_id" and self._is_translated:
            told = json.loads(payload(answer))
            self._previous, self._items = told["id"], b""
            self._append_results(response_calls(told))
        elif self._is_translated:
            calls = chat_calls(answer) if self._is_chat else response_calls(json.loads(payload(answer)))
            self._add(calls if self._spec["known"] else [{**call, "id": self._new_id()} for call in calls])
        else:
            self._add([{"id": self._new_id(), **agents.call(next(self._numbers))}])

    def _new_id(self) -> str:
        return f"call_{next(self._numbers):024d}"

    def _add(self, calls: list[dict[str, Any]]) -> None:
        """Add a turn of the model, and the results of its calls."""
        if self._is_chat:
            functions = [{"id": call["id"], "type": "function", "function": _function(call)} for call in calls]
            self._extend([{"role": "assistant", "content": None, "tool_calls": functions}])
        else:
            self._extend({"type": "function_call", "call_id": call["id"], **_function(call)} for call in calls)
        self._append_results(calls)

    def _append_results(self, calls: list[dict[str, Any]]) -> None:
        for call in calls:
            text = agents.result(next(self._steps))
            if self._is_chat:
                self._extend([{"role": "tool", "tool_call_id": call["id"], "content": text}])
            else:
                self._extend([{"type": "function_call_output", "call_id": call["id"], "output": text}])

    def _extend(self, items: Iterable[dict[str, Any]]) -> None:
        self._items += (b"," if self._items else b"") + self._json(items)

    @staticmethod
    def _json(items: Iterable[dict[str, Any]]) -> bytes:
        return b",".join(map(compact, items))


def compact(value: object) -> bytes:
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":")).encode()


def _function(call: dict[str, Any]) -> dict[str, Any]:
    return {"name": call["name"], "arguments": call["arguments"]}


def payload(answer: bytes) -> bytes:
    """Return the body of an answer."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    pieces = []
    while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
        rest = rest.partition(b"\r\n")[2]
        pieces.append(rest[:size])
        rest = rest[size + 2 :]
    return b"".join(pieces)


def chat_calls(answer: bytes) -> list[dict[str, Any]]:
    """Return the calls of the first choice, of a whole answer or of a stream."""
    body = payload(answer)
    if not body.startswith(b"{"):
        return _streamed_calls(body)
    calls = json.loads(body)["choices"][0]["message"]["tool_calls"]
    return [{"id": call["id"], **_function(call["function"])} for call in calls]


def _streamed_calls(body: bytes) -> list[dict[str, Any]]:
    calls: dict[int, dict[str, Any]] = {}
    for line in re.findall(rb"^data: (\{.*)$", body, re.MULTILINE):
        for choice in json.loads(line)["choices"]:
            for piece in choice["delta"].get("tool_calls") or () if choice["index"] == 0 else ():
                call = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
                call["id"] += piece.get("id") or ""
                for name in ("name", "arguments"):
                    call[name] += piece["function"].get(name) or ""
    return list(calls.values())


def response_calls(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of a response."""
    items = (item for item in response["output"] if item["type"] == "function_call")
    return [{"id": item["call_id"], **_function(item)} for item in items]


def unknown_calls(number: int) -> list[dict[str, Any]]:
    """Calls of another gateway; if the history is new each time, so are their ids."""
    return [{"id": f"call_{FRESH.decode()}{step:016d}", **agents.call(step)} for step in range(number)]
