"""JSON documents made slightly wrong, and bytes made wrong altogether."""

import json
from random import Random
from typing import Any

NAMES = (
    "type",
    "text",
    "role",
    "content",
    "id",
    "name",
    "function",
    "arguments",
    "parameters",
    "$ref",
    "x-unknown",
    "",
)

SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40,
    "@huge@", "a@character@", "@half@", "@deep@",
    "", " ", "0", "\u0000", "\u2028", "é😀", "a" * 300, "../..", "models/x", "auto", "none", "required", "null",
    "{}",
    "{", "[]", '{"a": 1}', "data:image/png;base64,", "data:image/png;base64,AAAA", "http://127.0.0.1/x", "system",
    "developer", "tool", "assistant", "user", "function", "custom", "image_url", "file", "input_audio", "refusal",
    "json_schema", "object", "array", "#/$defs/a", "call_1", "gemini-3.5-flash", "gemini-2.5-pro", "gpt-4o",
)  # fmt: skip

CONTAINERS: tuple[Any, ...] = (
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": None},
    {"a": {"a": {}}},
    {"type": "text"},
    {"$ref": "#"},
)


DEEPEST = 400
"""Levels below which nothing is changed."""


def _paths(document: Any) -> list[tuple[Any, ...]]:
    """Every place in a document, down to a depth where Python's own JSON still follows."""
    found = []
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        found.append(path)
        if len(path) < DEEPEST:
            inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            waiting += [((*path, step), item) for step, item in inner]
    return found


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def _value(random: Random, document: Any) -> Any:
    """Another value: a scalar, a container, a part of the same document, or a deep nest."""
    match random.randrange(10):
        case 0 | 1:
            return _copy(random.choice(CONTAINERS))
        case 2 | 3:
            return _copy(_at(document, random.choice(_paths(document))))
        case 4:
            nest: Any = 0
            for _ in range(random.choice((5, 70, 300))):
                nest = [nest] if random.random() < 0.5 else {random.choice(NAMES): nest}
            return nest
        case _:
            return random.choice(SCALARS)


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def mutate(document: Any, random: Random, times: int) -> Any:
    """A copy that differs in so many places."""
    document = _copy(document)
    for _ in range(times):
        path = random.choice(_paths(document))
        if not path:
            continue
        holder, step = _at(document, path[:-1]), path[-1]
        match random.randrange(8):
            case 0:
                del holder[step]
            case 1 if isinstance(holder, list):
                holder.insert(random.randrange(len(holder) + 1), _copy(holder[step]))
            case 2 if isinstance(holder, list):
                random.shuffle(holder)
            case 1 | 2:
                holder[random.choice(NAMES)] = holder.pop(step)
            case 3 if isinstance(holder, dict):
                holder[random.choice(NAMES)] = _value(random, document)
            case 4:
                holder[step] = [holder[step]] if random.random() < 0.5 else {random.choice(NAMES): holder[step]}
            case _:
                holder[step] = _value(random, document)
    return document


def spoilt(body: bytes, random: Random, times: int) -> bytes:
    """Bytes that were cut, turned over, repeated or filled up."""
    data = bytearray(body)
    for _ in range(times):
        place = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                del data[place:]
            case 1:
                data[place : place + 1] = bytes([random.randrange(256)])
            case 2:
                data[place:place] = random.choice(
                    (b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"NaN", b"1e999", b"\xef\xbb\xbf", b"//", b"'")
                )
            case 3:
                data[place:place] = b"[" * random.choice((1, 100, 2_000))
            case 4:
                length = random.randrange(50)
                data[place:place] = data[place : place + length]
            case _:
                del data[place : place + random.randrange(20)]
    return bytes(data)


def body_of(document: Any, random: Random) -> bytes:
    """A request's body: mostly JSON with a few changes, sometimes bytes that are no JSON."""
    changed = mutate(document, random, random.choice((0, 1, 1, 1, 2, 2, 3, 6)))
    body = encode_oddly(changed, random)
    return spoilt(body, random, random.choice((1, 1, 2, 5))) if random.random() < 0.15 else body


def encode_oddly(document: Any, random: Random) -> bytes:
    """Return JSON that Python itself would not write: with numbers and characters that do not exist."""
    text = json.dumps(document, ensure_ascii=random.random() < 0.3).encode("utf-8", "surrogatepass")
    deep = (b"[" * 900 + b"]" * 900) if random.random() < 0.5 else (b'{"a":' * 900 + b"0" + b"}" * 900)
    text = text.replace(b'"@deep@"', deep)
    return text.replace(b'"@huge@"', b"1e999").replace(b"@character@", b"\xff").replace(b"@half@", b"\\ud800")


HEADERS: dict[str, tuple[str, ...]] = {
    "content-type": ("application/json", "text/plain", "", "application/json; charset=utf-16", "\xff"),
    "authorization": ("Bearer x", "Bearer", "Basic !", "Bearer \xff", "Digest x", ""),
    "x-stainless-read-timeout": ("600", "nan", "inf", "-1", "0", "1e400", "", "x"),
    "x-client-request-id": ("a", "a" * 200, "\xff", "a b", ""),
    "x-adapter-strict": ("true", "false", "", "maybe", "\xff"),
    "x-adapter-notes": ("all", "", "\xff"),
    "host": ("localhost", "[", "a:b:c", "", "\xff"),
    "content-length": ("1", "-1", "x", "99999999999999999999"),
    "content-encoding": ("gzip", "identity"),
}


def headers(random: Random) -> list[tuple[bytes, bytes]]:
    """Some headers, few of them sensible."""
    names = random.sample(sorted(HEADERS), random.choice((0, 0, 1, 2, 4)))
    return [(name.encode(), random.choice(HEADERS[name]).encode("latin-1")) for name in names]
