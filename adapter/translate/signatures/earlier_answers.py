"""The records found for a history's first answers, for the next request that begins with the same ones."""

from collections.abc import Sequence
from typing import NamedTuple

from adapter.translate.signatures.known_answers import Found
from adapter.translate.signatures.prefix_digest import PrefixDigest
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.base import ABSENT
from adapter.wire.signatures import Signature


class EarlierAnswer(NamedTuple):
    """The records found for one answer: for each of its calls, and for the whole."""

    found: tuple[Found | None, ...]
    whole: Found | None


class EarlierAnswers(NamedTuple):
    """The records found for the answers among a history's first messages, up to the index `end`.

    `digest` is that of these messages. `misses_records`: nothing is known of some answer.
    `has_calls`; `keeps_call_ids`: the client sent the ids of all calls back.
    """

    end: int
    digest: PrefixDigest
    answers: tuple[EarlierAnswer, ...] = ()
    misses_records: bool = False
    has_calls: bool = False
    keeps_call_ids: bool = True
    size_bytes: int = 0

    def extend(self, end: int, digest: PrefixDigest, answers: Sequence[EarlierAnswer]) -> "EarlierAnswers":
        """Return these records together with those of the next messages, up to `end`; `answers` are the new ones."""
        found = [one for answer in answers for one in answer.found]
        records = [one.record for one in (*found, *[answer.whole for answer in answers]) if one is not None]
        return EarlierAnswers(
            end,
            digest,
            self.answers + tuple(answers),
            self.misses_records or any(None in (answer.found or (answer.whole,)) for answer in answers),
            self.has_calls or bool(found),
            self.keeps_call_ids and all(one is not None and one.source is SignatureSource.ID for one in found),
            self.size_bytes + _RECORD * (len(answers) + len(records)) + sum(map(_size_of, records)),
        )


_RECORD = 300
"""Bytes of memory that an answer takes, or its record without the signatures."""


def _size_of(record: Signature) -> int:
    parts = 0 if record.parts is ABSENT else len(memoryview(record.parts))
    return len(record.value) + parts + sum(map(len, record.images)) + sum(map(_size_of, record.calls))
