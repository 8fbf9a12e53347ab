"""Faults of a full ledger, and requests without one."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from adapter.server.pipeline.errors import TABLE
from adapter.server.pipeline.service import DECODING_ERRORS
from adapter.settings import Catalogue, Settings, catalogue, load
from adapter.translate.core.notes import Fate
from adapter.translate.ledger import MISSING, leaves, value_at
from conformance.cases import TODAY

_GIVEN = {"upstream_url": "http://127.0.0.1:1", "upstream_keys": "k", "upstream_name": "studio"}

REFUSALS: tuple[type[Exception], ...] = (*TABLE, *DECODING_ERRORS, TypeError)
"""The last: what is no JSON of orjson's, such as integers beyond 64 bits."""


def settings_of(given: Mapping[str, str]) -> tuple[Settings, Catalogue]:
    """Return the settings of a case, as an operator gives them, and their models."""
    return _settings_of(tuple(given.items()))


@cache
def _settings_of(given: tuple[tuple[str, str], ...]) -> tuple[Settings, Catalogue]:
    chosen = load({**_GIVEN, **dict(given)}, {})
    return chosen, catalogue(chosen, TODAY)


def leaves_without_note(told: dict[str, Any]) -> list[str]:
    """Leaves of the body that no note's target is at or above."""
    targets = {target for note in told["notes"] for target in note["targets"]}
    found = []
    for pointer, _ in leaves(told["body"]):
        above = {pointer[:at] for at in [i for i, sign in enumerate(pointer) if sign == "/"][1:]} | {pointer}
        if not targets & above:
            found.append(pointer)
    return found


def faults_of(told: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """Return all faults: missing targets, targets of dropped fields, leaves without a note."""
    missing = [
        target for note in told["notes"] for target in note["targets"] if value_at(told["body"], target) is MISSING
    ]
    dropped = [note["path"] for note in told["notes"] if note["fate"] == Fate.DROPPED and note["targets"]]
    return missing, dropped, leaves_without_note(told)
