"""Two sets of recorded requests, judged by hand, are told apart: those that lose nothing that matters, and the others.

The verdicts of losses.toml were written from the two APIs' documentation before the ledger was asked.
"""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapter.server.dry_run.dry_run import DryRun, dry_run_of
from adapter.settings import Settings
from adapter.translate.core.codes import Severity
from tests.support.recordings import ROOT

JUDGED: dict[str, dict[str, str]] = tomllib.loads((Path(__file__).parent / "losses.toml").read_text())
FILES = ("openai_chat_exchanges", "openai_responses_exchanges", "openai_like_exchanges", "compat_exchanges")
PATHS = {"chat.completions": "/v1/chat/completions", "responses": "/v1/responses"}
DAY = 1_796_000_000
"""A moment of 2026-11-30, when the sets were judged: a model that retires later does not change them."""


@cache
def lines() -> dict[str, bytes]:
    """The judged requests as lines of OpenAI's batch files, by record id; also those that this run does not draw."""
    assert ROOT is not None
    wanted = {id_ for judged in JUDGED.values() for id_ in judged}
    found: dict[str, bytes] = {}
    for name in FILES:
        with (Path(ROOT) / f"{name}.jsonl").open(encoding="utf-8") as records:
            for record in map(json.loads, records):
                if record["id"] in wanted:
                    found[record["id"]] = _line(record)
    return found


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps({"custom_id": "1", "url": PATHS[record["op"]], "body": record["request"]}).encode()


def grave_codes(run: DryRun, line: bytes) -> list[str]:
    """The codes of a request's losses that are more than cosmetic; a refusal is one of them."""
    shown = run.line(line)
    if "error" in shown:
        return ["refused"]
    notes = [note for note in shown["notes"] if note.get("severity") not in (None, Severity.COSMETIC)]
    return [f"{note['path']}: {note['code']}" for note in notes]


@pytest.mark.parametrize("judgement", ["lossless", "lossy"])
def test_what_loses_nothing_but_cosmetics_is_told_from_what_does(judgement):
    run = dry_run_of(Settings(), DAY, None)
    assert len(JUDGED[judgement]) == 60
    found = {id_: grave_codes(run, lines()[id_]) for id_ in JUDGED[judgement]}
    wrong = {id_: codes for id_, codes in found.items() if bool(codes) != (judgement == "lossy")}
    assert not wrong


def test_no_request_is_in_both_sets():
    assert not set(JUDGED["lossless"]) & set(JUDGED["lossy"])
