"""The answers of a history, each with the records found for it."""

from collections.abc import Iterable, Sequence

import msgspec

from adapter.translate.signatures.keys import signatures_in_details
from adapter.translate.signatures.prefix_digest import (
    answer_form,
    call_digest,
    image_urls,
    name_and_arguments,
    text_of,
)
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.openai.chat_request import Message, ToolCall
from adapter.wire.signatures import Signature


class FoundRecord(msgspec.Struct, frozen=True, gc=False):
    """A record and the kind of key that found it.

    `agrees`: it belongs to what the history has in this place; None: version 0.1 stored it, and nothing tells.
    """

    record: Signature
    source: SignatureSource
    agrees: bool | None = True


class KnownAnswer(msgspec.Struct, gc=False):
    """One answer of the history, and the records of each of its calls and of the whole."""

    index: int
    message: Message
    calls: Sequence[ToolCall]
    found: list[FoundRecord | None]
    whole: FoundRecord | None = None
    digests: list[str] | None = None
    _details: dict[str, str] | None = None

    @property
    def end(self) -> int:
        """The index of the next message."""
        return self.index + 1

    @property
    def ids(self) -> list[str]:
        """The ids of its calls; empty where one has none."""
        return [call.id or "" for call in self.calls]

    def calls_in_words(self) -> Iterable[tuple[str, str, str]]:
        """Return the id, the name and the arguments of each call."""
        return [(call.id or "", *name_and_arguments(call)) for call in self.calls]

    def index_of(self, _step: int) -> int:
        """Return its index: it is the only step."""
        return self.index

    def step_of(self, _call: int) -> int:
        """Return the number of the only step."""
        return 0

    def calls_of_step(self, _step: int) -> range:
        """Return the places of its calls."""
        return range(len(self.calls))

    def whole_records(self) -> dict[int, FoundRecord]:
        """Return the record of the whole, if there is one, by its index."""
        return {} if self.whole is None else {self.index: self.whole}

    @property
    def details(self) -> dict[str, str]:
        """The signatures in the message's `reasoning_details`, which are read once for all its calls."""
        if self._details is None:
            self._details = signatures_in_details(self.message)
        return self._details

    def call_digests(self) -> list[str]:
        """Return the digest of each call: its record's, where that belongs to it."""
        if self.digests is None:
            self.digests = [
                known_digest(one) or call_digest(*name_and_arguments(call))
                for call, one in zip(self.calls, self.found, strict=True)
            ]
        return self.digests

    def form(self) -> bytes:
        """Return the whole answer in the form in which it is compared and digested."""
        message, content = self.message, self.message.content
        text = content if type(content) is str else text_of(content)
        images = image_urls(message) if message.images else ()
        return answer_form(text or message.refusal or "", images, self.digests or self.call_digests())

    @property
    def misses_records(self) -> bool:
        """Return whether the ids left a record missing, which may be found by the words of the history."""
        return None in self.found if self.calls else self.whole is None


def are_found_by_id(found: Iterable[FoundRecord | None]) -> bool:
    """Return whether all calls have records, which were found by their ids."""
    return all(one is not None and one.source is SignatureSource.ID for one in found)


def known_digest(one: FoundRecord | None) -> str:
    """Return the digest of a call as its record has it; empty where none that belongs to the call does."""
    return one.record.digest if one is not None and one.agrees else ""


def is_in_order(ids: Sequence[str], found: Sequence[FoundRecord | None]) -> bool:
    """Return whether parallel calls, by their ids, stand as Gemini made them, each with an id of its own."""
    own = {one.record.id or id_ if one is not None else id_ for id_, one in zip(ids, found, strict=True)}
    return len(own) == len(ids) and original_order(found) == list(range(len(ids)))


def original_order(found: Sequence[FoundRecord | None]) -> list[int]:
    """Return the order in which Gemini made these calls: only the first of them has a signature (gemini.md).

    A call of which nothing is known takes a place that is left.
    """
    places: dict[int, int] = {}
    for number, entry in enumerate(found):
        place = entry.record.position if entry is not None and entry.agrees else None
        # Records of several answers, or a call is missing: then the client's order is the better guess.
        if place is not None and (place in places or place >= len(found)):
            return list(range(len(found)))
        if place is not None:
            places[place] = number
    left = iter([number for number in range(len(found)) if number not in places.values()])
    return [places[place] if place in places else next(left) for place in range(len(found))]
