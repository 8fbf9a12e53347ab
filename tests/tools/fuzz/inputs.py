"""Attempts as functions of bytes, which a fuzzer that is guided by coverage wants, and the inputs that it starts with.

An input is lines: where to ask or what was asked, then a body, documents or a stream.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.tools.fuzz import changing, driving, mutations, seeds
from tests.tools.fuzz.checks import Apps

FRAME = b"data: "


def _answer(_: Apps, data: bytes) -> None:
    asked, *said = data.split(b"\n")
    driving.answer(asked, said)


def _stream(_apps: Apps, data: bytes) -> None:
    request, _, said = data.partition(b"\n")
    driving.answer(request, driving.payloads(said, 1 + len(said) % 7))


def _ask(asked: Apps, data: bytes) -> None:
    path, _, body = data.partition(b"\n")
    driving.ask(asked.app, _known_path(path, changing.PATHS), body, [])


def _relay(asked: Apps, data: bytes) -> None:
    path, _, said = data.partition(b"\n")
    known = _known_path(path.removesuffix(b" stream"), changing.ASKING)
    body = changing.asking(known, stream=path.endswith(b" stream"))
    driving.relay(asked.fronting, asked.puppet, known, body, said)


def _known_path(path: bytes, paths: dict[str, Any]) -> str:
    """This path; the first one if there is no such."""
    text = path.decode(errors="replace")
    return text if text in paths else next(iter(paths))


KINDS: dict[str, Callable[[Apps, bytes], object]] = {
    "translate": lambda _, data: driving.translate(data),
    "answer": _answer,
    "stream": _stream,
    "ask": _ask,
    "relay": _relay,
}
"""A request or an answer through the pure core, a stream's bytes, a request or an answer through the whole server."""


def starting(kind: str) -> Iterator[bytes]:
    """Yield the seeds of a kind."""
    if kind == "translate":
        yield from map(changing.encode_line, seeds.requests("chat/completions"))
    elif kind == "ask":
        for path, (endpoint, _) in changing.PATHS.items():
            for document in seeds.requests(endpoint):
                yield path.encode() + b"\n" + changing.encode_line(document)
    for asked, said in seeds.answers() if kind in ("answer", "stream", "relay") else ():
        events = [changing.encode_line(one) for one in said]
        if kind == "answer":
            yield b"\n".join([changing.encode_line(asked), *events])
        elif kind == "stream":
            yield changing.encode_line(asked) + b"\n" + changing.answer_body(events, stream=True)
        else:
            for path in changing.ASKING:
                yield path.encode() + b" stream\n" + changing.answer_body(events, stream=True)
                yield path.encode() + b"\n" + changing.answer_body(events, stream=False)


def mutate(data: bytes, random: Random) -> bytes | None:
    """Another input, with another document in one of its lines; None where there is none."""
    lines = data.split(b"\n")
    number = random.randrange(len(lines))
    frame = FRAME if lines[number].startswith(FRAME) else b""
    try:
        lines[number] = frame + mutations.body_of(json.loads(lines[number].removeprefix(FRAME)), random)
    except (ValueError, RecursionError):
        return None
    return b"\n".join(lines)
