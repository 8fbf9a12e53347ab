"""Recorded traffic, as much as one wants: `.venv/bin/python -m tests.tools.traffic 100000 traffic.jsonl`.

Requests and answers of the corpus (ADAPTER_CORPUS, a folder of recordings), repeated with changes: texts, ids and
models differ from copy to copy, so that nothing is found in a cache, and conversations stay apart. The same number
gives the same file.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tests.support.recordings import ROOT

FILES = ("openai_chat_exchanges.jsonl", "openai_responses_exchanges.jsonl", "openai_other_exchanges.jsonl")
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5.4", "gpt-5.4-mini", "o4-mini")


def exchanges() -> list[dict[str, Any]]:
    """The corpus's exchanges that hold a request."""
    assert ROOT is not None, "ADAPTER_CORPUS is not set"
    lines = (line for name in FILES for line in (Path(ROOT) / name).read_bytes().splitlines())
    records = (orjson.loads(line) for line in lines)
    return [
        {"url": record["url_path"], "request": record["request"], "response": record["response"]}
        for record in records
        if isinstance(record["request"], dict)
    ]


def traffic() -> Iterator[bytes]:
    """Lines without an end."""
    originals = exchanges()
    for copy in count():
        random = Random(copy)
        for exchange in originals:
            yield orjson.dumps(_change(exchange, copy, random) if copy else exchange)


def _change(exchange: dict[str, Any], copy: int, random: Random) -> dict[str, Any]:
    request = _mark(exchange["request"], copy)
    if "model" in request and "embedding" not in str(request["model"]):
        request["model"] = random.choice(MODELS)
    if "temperature" in request:
        request["temperature"] = round(random.random(), 3)
    return exchange | {"request": request, "response": _mark(exchange["response"], copy)}


def _mark(value: Any, copy: int, key: str = "") -> Any:
    """A value whose texts and ids differ from those of other copies."""
    if isinstance(value, dict):
        return {name: _mark(item, copy, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_mark(item, copy, key) for item in value]
    if isinstance(value, str) and key in ("content", "text", "input", "id", "call_id", "tool_call_id"):
        return f"{value} {copy}" if key in ("content", "text", "input") else f"{value}{copy}"
    return value


def write(number: int, path: Path) -> None:
    """Write so many requests to a file of JSON lines."""
    with path.open("wb") as file:
        for line in islice(traffic(), number):
            file.write(line + b"\n")


def main(arguments: Sequence[str]) -> str:
    """Write what the arguments ask for; the answer says why that is not possible, "" where it was."""
    if len(arguments) != 2 or not arguments[0].isdecimal():
        return "Say how many requests to write, and into which file: 100000 traffic.jsonl"
    missing = [name for name in FILES if ROOT is None or not (Path(ROOT) / name).is_file()]
    if missing:
        return f"ADAPTER_CORPUS must name a folder of recordings that has {', '.join(missing)}."
    write(int(arguments[0]), Path(arguments[1]))
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
