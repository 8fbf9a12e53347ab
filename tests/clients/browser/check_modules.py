"""The page's pure functions against Python's: JSON as lines, shell words, streams, snippets."""

import json
import shlex
from random import Random
from typing import Any

from driving import Live
from playwright.sync_api import Page

DRAWS = 300

LINES = """async (texts) => {
  const { linesOf } = await import('./inspector/ledger/lines.js');
  return texts.map((text) => linesOf(text));
}"""
WORDS = """async (commands) => {
  const { requestsOf } = await import('./inspector/ledger/paste.js');
  return commands.map((command) => requestsOf(command)[0].body);
}"""
EVENTS = """async ([text, cuts]) => {
  const { eventsOf } = await import('./inspector/base/sse.js');
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream({ start(sink) {
    let before = 0;
    for (const cut of [...cuts, bytes.length]) { sink.enqueue(bytes.slice(before, cut)); before = cut; }
    sink.close();
  } });
  const events = [];
  for await (const event of eventsOf(body)) events.push(event);
  return events;
}"""
JOIN = """async (frames) => {
  const { eventsOfFrames, joined } = await import('./inspector/ledger/join.js');
  return joined(eventsOfFrames(frames));
}"""


def check(live: Live) -> None:
    random = Random(11)
    with live.page("#/setup") as page:
        lines_tell_each_value_and_its_path(page, random)
        words_are_those_of_a_shell(page, random)
        events_are_the_same_wherever_bytes_are_cut(page, random)
        deltas_join_to_what_was_cut(page, random)


def draw_value(random: Random, depth: int = 3) -> Any:
    """A JSON value."""
    kind = random.randrange(7 if depth else 5)
    if kind == 5:
        return [draw_value(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 6:
        return {text(random): draw_value(random, depth - 1) for _ in range(random.randrange(4))}
    return [None, True, random.randrange(-(10**18), 10**18), random.uniform(-9, 9), text(random)][kind]


def text(random: Random) -> str:
    return "".join(random.choice("ab \"'\\/\n\t$~.[]{}é😀") for _ in range(random.randrange(8)))


def lines_tell_each_value_and_its_path(page: Page, random: Random) -> None:
    values = [draw_value(random) for _ in range(DRAWS)]
    texts = [json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice([None, 1])) for value in values]
    for value, given, lines in zip(values, texts, page.evaluate(LINES, texts), strict=True):
        again = "".join(
            f"{'' if line['key'] is None else line['key'] + ':'}{line['text']}{',' if line['comma'] else ''}"
            for line in lines
        )
        assert json.loads(again) == value, given
        for line in lines:
            if line["kind"] in ("string", "number", "word", "empty"):
                assert json.loads(line["text"]) == at(value, line["pointer"]), (given, line)


def at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def words_are_those_of_a_shell(page: Page, random: Random) -> None:
    bodies = [json.dumps({"a": draw_value(random)}) for _ in range(DRAWS)]
    commands = [
        f"curl http://127.0.0.1/v1/chat/completions -H 'a: b' \\\n --data {shlex.quote(body)}" for body in bodies
    ]
    assert page.evaluate(WORDS, commands) == bodies
    assert page.evaluate(
        WORDS, [r"""curl -d "{\"a\": \"\$b\"}" x""", r"curl x -d $'{\'a\': \'\\n\'}'", "curl x '-d{}'"]
    ) == [
        '{"a": "$b"}',
        r"{'a': '\n'}",
        "{}",
    ]


def events_are_the_same_wherever_bytes_are_cut(page: Page, random: Random) -> None:
    stream = ': alive\n\nid: a-1\nevent: changes\ndata: {"é": "😀"}\n\ndata: one\ndata: two\n\n'
    size = len(stream.encode())
    expected = [
        {"id": None, "name": "message", "data": None},
        {"id": "a-1", "name": "changes", "data": '{"é": "😀"}'},
        {"id": None, "name": "message", "data": "one\ntwo"},
    ]
    for _ in range(60):
        cuts = sorted(random.sample(range(size), random.randrange(8)))
        assert page.evaluate(EVENTS, [stream, cuts]) == expected


def deltas_join_to_what_was_cut(page: Page, random: Random) -> None:
    for _ in range(40):
        said = [text(random) for _ in range(random.randrange(1, 5))]
        pieces = [text(random) for _ in range(random.randrange(1, 5))]
        start = {
            "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]
        }
        deltas: list[dict[str, Any]] = [
            {"role": "assistant", "content": ""},
            *({"content": one} for one in said),
            start,
            *({"tool_calls": [{"index": 0, "function": {"arguments": one}}]} for one in pieces),
        ]
        chunks: list[Any] = [
            {
                "id": "c",
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
            }
            for delta in deltas
        ]
        chunks[-1]["choices"][0]["finish_reason"] = "tool_calls"
        frames = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        whole = page.evaluate(JOIN, frames)
        [choice] = whole["choices"]
        assert whole["object"] == "chat.completion"
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] == "".join(said)
        assert choice["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "".join(pieces)}
