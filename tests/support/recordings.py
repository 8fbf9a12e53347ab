"""The recorded traffic at ADAPTER_CORPUS: its records, their events, and why a few of them are special.

The folder's README tells what each class of records may prove. Nothing of it is copied here.
"""

import datetime
import json
import os
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from adapter.settings import Settings, catalogue
from adapter.translate.core.capabilities import ModelCapabilities, capabilities_of
from tests.support.paths import REPOSITORY
from tests.support.size import IS_LARGE, is_drawn

Object = dict[str, Any]

ROOT = os.environ.get("ADAPTER_CORPUS")
RECORDED = {"wire", "parsed", "sse-rebuilt", "response-only", "reserialised-redacted"}
"""The classes of records that show what the APIs do; the others only must not break anything."""


ROWS = catalogue(Settings(), datetime.date(2026, 11, 30)).model


def row_of(model: str) -> ModelCapabilities:
    """Return the built-in capability row of a model."""
    return capabilities_of(model, ROWS)


class Recording(NamedTuple):
    """One exchange. `body` is the answer as JSON, `sse` the text of a stream; one of them is there."""

    id: str
    op: str
    fidelity: str
    status: int
    model: str
    query: Object
    request: Object
    body: Any
    sse: str | None
    source: tuple[str, str]
    position: int

    @property
    def is_stream(self) -> bool:
        """Return whether the answer came in pieces."""
        return self.sse is not None or isinstance(self.body, list)

    @property
    def integer_enums(self) -> bool:
        """Return whether the client asked for enums as integers, as this adapter never does."""
        return "enum-encoding=int" in str(self.query.get("$alt"))

    def events(self) -> Iterator[Object]:
        """Yield the answers inside: one, or those of a stream."""
        if self.sse is not None:
            lines = self.sse.replace("\r\n", "\n").split("\n")
            yield from (json.loads(line[5:]) for line in lines if line.startswith("data:"))
        elif isinstance(self.body, list):
            yield from self.body
        else:
            yield self.body


@cache
def recordings(name: str) -> list[Recording]:
    """Return the records of one file that this run tries."""
    return [_recording(record) for record in drawn_records(name)]


def drawn_records(name: str) -> Iterator[Object]:
    """Yield the lines of one file that this run tries, as JSON; neighbours are often of one conversation."""
    assert ROOT is not None
    with (Path(ROOT) / f"{name}.jsonl").open(encoding="utf-8") as lines:
        yield from (json.loads(line) for number, line in enumerate(lines) if is_drawn(f"{name} {number // 3}"))


def _recording(record: Object) -> Recording:
    return Recording(
        id=record["id"],
        op=record["op"],
        fidelity=record["fidelity"],
        status=record["status"],
        model=record["model"] or "",
        query=record["query"] or {},
        request=record["request"] or {},
        body=record["response"],
        sse=record.get("response_sse"),
        source=(record["source_repo"], record["source_path"]),
        position=record["index"],
    )


def gemini_answers() -> list[Recording]:
    """Answers of generateContent and streamGenerateContent with status 200."""
    operations = ("generateContent", "streamGenerateContent")
    return [one for one in recordings("gemini_exchanges") if one.op in operations and one.status == 200]


def chat_requests() -> list[Recording]:
    """Requests for /chat/completions to OpenAI, to hosts like it, and to Gemini behind such a host."""
    names = ("openai_chat_exchanges", "openai_like_exchanges", "compat_exchanges")
    return [one for name in names for one in recordings(name) if one.op == "chat.completions" and one.request]


SEVERAL = {"requests.live": ("requests", "requests.emulator")}
"""Tests whose exceptions are those of others."""


@cache
def exceptions(test: str) -> dict[str, str]:
    """Record id to the reason why it is an exception in one test."""
    table = tomllib.loads((REPOSITORY / "tests" / "corpus" / "exceptions.toml").read_text())
    rows = [row for name in SEVERAL.get(test, (test,)) for row in table.get(name, [])]
    return {id_: row["reason"] for row in rows for id_ in row["ids"]}


def compare(test: str, failures: dict[str, str]) -> None:
    """Raise unless exactly the records that are named as exceptions failed; a record that is not tried cannot."""
    known = exceptions(test)
    new = [f"{id_}: {reason}" for id_, reason in failures.items() if id_ not in known]
    assert not new, "not named in exceptions.toml:\n" + "\n".join(new)
    fine = set(known) - set(failures) if IS_LARGE else ()
    assert not fine, f"named in exceptions.toml, and fine: {sorted(fine)}"
