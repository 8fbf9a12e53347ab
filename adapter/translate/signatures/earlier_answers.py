"""The records found for a history's first answers, for the next request that begins with the same ones."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from adapter.translate.signatures.known_answers import FoundRecord, KnownAnswer, are_found_by_id
from adapter.translate.signatures.prefix_digest import PrefixDigest
from adapter.translate.signatures.step_columns import StepColumns
from adapter.wire.base import ABSENT
from adapter.wire.signatures import Signature


class EarlierAnswers(NamedTuple):
    """The records found for the answers among a history's first messages, up to the index `end`.

    `found` are those of all calls in their order, `wholes` those of whole answers by their index; `digest` is that of
    the messages. `misses_records`: nothing is known of some answer. `keeps_call_ids`: the client sent the ids of all
    calls back.
    """

    end: int
    digest: PrefixDigest
    found: tuple[FoundRecord | None, ...] = ()
    wholes: Mapping[int, FoundRecord] = {}
    misses_records: bool = False
    keeps_call_ids: bool = True
    size_bytes: int = 0

    @property
    def has_calls(self) -> bool:
        """Return whether one of the answers has a call."""
        return bool(self.found)

    def extend(self, end: int, digest: PrefixDigest, parts: Sequence[StepColumns | KnownAnswer]) -> "EarlierAnswers":
        """Return these records together with those of the next messages, up to `end`; `parts` are the new answers."""
        found = tuple(chain.from_iterable([part.found for part in parts]))
        wholes = {index: one for part in parts for index, one in part.whole_records().items()}
        records = [one.record for one in (*found, *wholes.values()) if one is not None]
        return EarlierAnswers(
            end,
            digest,
            self.found + found,
            {**self.wholes, **wholes},
            self.misses_records or any(part.misses_records for part in parts),
            self.keeps_call_ids and are_found_by_id(found),
            self.size_bytes + _PLACE * len(found) + _RECORD * len(records) + sum(map(_size_of, records)),
        )


_PLACE = 8
"""Bytes of memory that a call takes of which nothing is known."""

_RECORD = 300
"""Bytes of memory that a record takes without the signatures."""


def _size_of(record: Signature) -> int:
    parts = 0 if record.parts is ABSENT else len(memoryview(record.parts))
    return len(record.value) + parts + sum(map(len, record.images)) + sum(map(_size_of, record.calls))
