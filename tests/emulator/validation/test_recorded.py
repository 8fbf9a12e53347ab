"""Requests that Google answered with 200 must pass the emulator's checks; its recorded refusals must be repeated."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from adapter.emulator import EmulatorSettings, service
from adapter.emulator.core.errors import Refusal
from adapter.emulator.core.models import models
from adapter.emulator.parsing.parser import parse
from tests.support.recordings import drawn_records
from tests.support.size import IS_LARGE

pytestmark = pytest.mark.corpus

DEVELOPER_HOSTS = ("generativelanguage.googleapis.com", "")

FOREIGN = EmulatorSettings(verify_signatures=False)
"""The recorded signatures are Google's."""

EXCEPTIONS = {
    "not a model of the table": "retired before 2026 and served by no relay we know of",
    "cachedContent": "the emulator keeps no caches",
    "gemini-googleapis-c78a514030": "gemini-2.0-flash let a user text follow a call that was never answered",
    "gemini-googleapis-3a0e7eef7d": "gemini-2.5-flash let a function response stand in a model turn",
}
"""Why a request that Google took is refused here."""


def recordings() -> Iterator[dict[str, Any]]:
    """Exchanges of the Developer API, close to the wire."""
    if "ADAPTER_CORPUS" not in os.environ:
        pytest.skip("ADAPTER_CORPUS is not set")
    yield from filter(usable, drawn_records("gemini_exchanges"))


def usable(record: dict[str, Any]) -> bool:
    """A request of a method that the emulator has, not sent to Vertex."""
    near = record["fidelity"] in {"wire", "parsed"} and record["host"] in DEVELOPER_HOSTS
    sent = record["op"] in service.MESSAGES and record["request"] is not None
    return bool(near and sent and record["url_path"]) and "publishers" not in record["url_path"]


def ask(record: dict[str, Any]) -> None:
    """Raise what the emulator raises."""
    name, method = record["model"].removeprefix("models/"), record["op"]
    version = record["url_path"].strip("/").split("/")[0]
    body = parse(record["request"], service.MESSAGES[method])
    model = service.find_model(name, version if version in {"v1", "v1beta"} else "v1beta", method)
    match method:
        case "countTokens":
            service.count_tokens(body, model)
        case "embedContent":
            service.embed(body, model)
        case "batchEmbedContents":
            service.embed_batch(body, model)
        case _:
            service.answer(body, model, FOREIGN, streaming=method == "streamGenerateContent")


def exception(record: dict[str, Any]) -> str:
    """The named reason why this one may be refused; nothing otherwise."""
    if record["model"].removeprefix("models/") not in models():
        return "not a model of the table"
    if "cachedContent" in record["request"]:
        return "cachedContent"
    return record["id"] if record["id"] in EXCEPTIONS else ""


def test_recorded_requests_are_taken() -> None:
    counts: Counter[str] = Counter()
    failures = []
    for record in recordings():
        if record["status"] != 200:
            continue
        try:
            ask(record)
            counts[f"{record['op']} taken"] += 1
        except Refusal as refusal:
            reason = exception(record)
            counts[f"refused: {reason or 'UNEXPLAINED'}"] += 1
            if not reason:
                failures.append(f"{record['id']} ({record['model']}): {refusal.message[:200]}")
    print("recorded requests:", dict(sorted(counts.items())))
    assert not failures
    assert counts["generateContent taken"] > (690 if IS_LARGE else 30)
    assert counts["streamGenerateContent taken"] > (210 if IS_LARGE else 10)
    if IS_LARGE:
        assert all(counts[f"refused: {reason}"] for reason in EXCEPTIONS)


REPEATED = ("is not found for API version", "LogProbs", "Logprobs")
"""Texts of recorded refusals that depend on the request alone."""


def test_recorded_refusals_are_repeated() -> None:
    repeated = 0
    for record in recordings():
        recorded = record["response"].get("error", {}) if isinstance(record["response"], dict) else {}
        text = recorded.get("message", "")
        if not any(part in text for part in REPEATED) or (record["model"] in models() and recorded["code"] == 404):
            continue
        with pytest.raises(Refusal) as caught:
            ask(record)
        assert caught.value.code == recorded["code"], record["id"]
        assert normal(caught.value.message) == normal(text), record["id"]
        repeated += 1
    print("recorded refusals repeated:", repeated)
    assert repeated >= (15 if IS_LARGE else 1), "no recorded refusal was tried"


def normal(text: str) -> str:
    """The server changed how it calls the list of models in 2026; recordings have both."""
    return text.replace("ModelService.ListModels", "ListModels")
