"""The stored records of a history: the keys to look up, and which record belongs to which answer.

    history = History(request, carried)
    history.take(records of history.ids())        one look-up for all ids
    history.take_words(records of history.words())     only where an answer has no id, or an unknown one

Records are found by ids first: those of calls, which every client sends back, and those of Responses items. Where an
answer has none, the history is digested once, and the answer is asked for by all that was said up to its end. A record
counts only for the call or the answer that it came with: its digest must be that of what the history has now.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter

import msgspec

from adapter.translate.signatures.earlier_answers import EarlierAnswers
from adapter.translate.signatures.keys import item_key, legacy_call_key
from adapter.translate.signatures.known_answers import FoundRecord, KnownAnswer, are_found_by_id, is_in_order
from adapter.translate.signatures.prefix_digest import (
    PrefixDigest,
    call_digest,
    call_spelling,
    digest,
    text_of,
)
from adapter.translate.signatures.sources import SignatureSource
from adapter.translate.signatures.step_columns import StepColumns, read_answers
from adapter.wire.base import ABSENT
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import NOTHING, Signature

Records = Mapping[str, Signature]


class Carried(msgspec.Struct, frozen=True):
    """The records that a Responses history carries for its messages.

    `records` are sealed ones by key; by the index of a message, `answers` are sealed records of whole answers, and
    `items` the ids of the items that the message is made of.
    """

    records: Records = {}
    answers: Mapping[int, Signature] = {}
    items: Mapping[int, Sequence[str]] = {}

    def from_index(self, start: int) -> "Carried":
        """Return what the items carry for messages from this index on; a call's record is found wherever it stands."""
        answers = {index: one for index, one in self.answers.items() if index >= start}
        items = {index: ids for index, ids in self.items.items() if index >= start}
        return Carried(records=self.records, answers=answers, items=items)


class History:
    """The answers of a request. `is_complete`: the store could be read; `has_answers`: there is anything to look up.

    `earlier` has the records that an earlier request found for the first messages. These messages are then neither read
    nor looked up again, unless `recall` is called. `cut` is where this history may be cut to be remembered in this way.
    """

    def __init__(
        self,
        request: ChatCompletionRequest,
        carried: Carried | None = None,
        earlier: EarlierAnswers | None = None,
        cut: int = 0,
    ) -> None:
        self.is_complete = True
        self._request = request
        self._carried = carried if earlier is None or carried is None else carried.from_index(earlier.end)
        self.earlier = earlier
        self._cut = cut
        start = earlier.end if earlier is not None else 0
        self._parts = read_answers(request.messages[start:], start, cut)
        # The first request of a chat has no answer yet.
        self.has_answers = bool(self._parts)
        # By key: a part, and the number of the step in it.
        self._keys: dict[str, tuple[Part, int]] = {}
        self._legacy: dict[str, tuple[Part, int, Signature]] = {}
        self._prefix: PrefixDigest | None = None
        self._digest_at_cut: PrefixDigest | None = None

    def recall(self) -> None:
        """Read the first messages again; what an earlier request knew of their answers is still used."""
        earlier, self.earlier = self.earlier, None
        if earlier is None:
            return
        first = read_answers(self._request.messages[: earlier.end], 0, 0)
        self._parts = first + self._parts
        records = iter(earlier.found)
        for part in first:
            part.found = list(islice(records, len(part.found)))
        for index, whole in earlier.wholes.items():
            self._set_whole(index, whole)

    def answers_before_cut(self) -> EarlierAnswers:
        """Return the known records of the answers before the cut, after all look-ups."""
        # Each request goes on with the digest from where it ended: an answer that has no id will need it.
        self.prefix_digest()
        assert self._digest_at_cut is not None, "the history goes on behind the cut"
        earlier = self.earlier or EarlierAnswers(0, PrefixDigest())
        return earlier.extend(self._cut, self._digest_at_cut, [part for part in self._parts if part.index < self._cut])

    def answer(self, index: int) -> KnownAnswer:
        """Return the answer at this index, with its records."""
        part = self._part_at(index)
        return (
            part if isinstance(part, KnownAnswer) else part.answer(part.step_at(index), self._request.messages[index])
        )

    def _part_at(self, index: int) -> "Part":
        return self._parts[bisect_right(self._parts, index, key=_INDEX) - 1]

    def _set_whole(self, index: int, record: FoundRecord) -> None:
        """Take the record of a whole answer."""
        part = self._part_at(index)
        if isinstance(part, KnownAnswer):
            part.whole = record
        else:
            part.wholes[part.step_at(index)] = record

    def plain_steps(self, origins: Collection[str], longest_name: int) -> list[StepColumns]:
        """Return the plain steps that can be sent unchanged, those in a row together.

        Their calls have no record, or a valid one that one of `origins` issued, and their names are not too long.
        """
        runs = [part for part in self._parts if isinstance(part, StepColumns)]
        return [part for run in runs for part in run.select(_are_sent_unchanged(run, origins, longest_name))]

    @property
    def misses_records(self) -> bool:
        """Return whether there are answers of which nothing is known."""
        return (self.earlier is not None and self.earlier.misses_records) or self._misses_later_records

    @property
    def _misses_later_records(self) -> bool:
        return any(part.misses_records for part in self._parts)

    @property
    def keeps_call_ids(self) -> bool:
        """Return whether this client sent back the ids of all calls so far: nothing else need find the next ones."""
        earlier = self.earlier
        if earlier is not None and not earlier.keeps_call_ids:
            return False
        has_calls = (earlier is not None and earlier.has_calls) or any(part.found for part in self._parts)
        return has_calls and are_found_by_id(chain.from_iterable([part.found for part in self._parts]))

    def ids(self) -> list[str]:
        """Return the keys to look up first."""
        keys: list[str] = []
        for part in self._parts:
            keys += map(_ID_KEY, filter(None, part.ids))
        if self._carried is not None:
            keys += [item_key(id_) for ids in self._carried.items.values() for id_ in ids]
        return keys

    def take(self, found: Records) -> None:
        """Assign the records that were found by ids to their calls and answers."""
        sealed = self._carried.records if self._carried is not None else {}
        # Without any record no call of a long history has to be looked at.
        for part in self._parts if found or sealed else ():
            for number, (id_, name, arguments) in enumerate(part.calls_in_words()):
                key = f"id:{id_}"
                record = found.get(key)
                if record is None:
                    if key in sealed:
                        part.found[number] = _match_call(sealed[key], _CLIENT, name, arguments)
                # Records of version 0.1 have no digest.
                elif record.digest:
                    part.found[number] = _match_call(record, _ID, name, arguments)
                else:
                    part.found[number] = self._match_legacy_call(record, part, number, (name, arguments))
        if self._carried is not None:
            self._take_whole(self._carried, found)

    def _match_legacy_call(self, record: Signature, part: "Part", number: int, words: tuple[str, str]) -> FoundRecord:
        """Return a record of version 0.1, and whether it agrees: its copy under the call's words says that."""
        messages = self._request.messages
        index = part.index_of(part.step_of(number))
        before = messages[index - 1].content if index else None
        key = legacy_call_key(*words, text_of(messages[index].content), text_of(before))
        self._legacy[key] = (part, number, record)
        return FoundRecord(record, SignatureSource.ID, agrees=None)

    def _take_whole(self, carried: Carried, found: Records) -> None:
        for index, ids in carried.items.items():
            records = [record for id_ in ids if (record := found.get(item_key(id_))) is not None]
            if records:
                self._set_whole(index, _match_answer(records, SignatureSource.ID, self.answer(index)))
        for index, own in carried.answers.items():
            answer = self.answer(index)
            # The store comes first, since clients cannot change it; their own copy counts where the store has none for
            # this answer.
            if answer.whole is None or not answer.whole.agrees:
                self._set_whole(index, _match_answer([own], SignatureSource.CLIENT, answer))

    def words(self) -> list[str]:
        """Return the keys to look up next, for answers that ids do not identify."""
        # Only then: hashing the whole history is most of what a look-up costs.
        if self._misses_later_records:
            self.prefix_digest()
        return [*self._keys, *self._legacy]

    def prefix_digest(self) -> PrefixDigest:
        """Return the digest of the whole history, and collect the keys of unknown answers on the way."""
        if self._prefix is None:
            index, messages = 0, self._request.messages
            self._prefix = PrefixDigest()
            if self.earlier is not None:
                self._prefix, index = self.earlier.digest.copy(), self.earlier.end
            prefix = self._prefix
            for part in self._parts:
                prefix.add(messages[index : part.index])
                if part.index == self._cut:
                    self._digest_at_cut = prefix.copy()
                if isinstance(part, StepColumns):
                    unknown = part.unknown_steps() if part.misses_records else ()
                    keys = prefix.add_steps(part.texts, part.sizes, part.call_digests(), part.results, unknown)
                else:
                    prefix.add_answer(part.form(), part.calls, part.call_digests())
                    keys = {prefix.key(): 0} if part.misses_records else {}
                self._keys |= {key: (part, step) for key, step in keys.items()}
                index = part.end
            prefix.add(messages[index:])
        return self._prefix

    def take_words(self, found: Records) -> None:
        """Assign the records that were found by words to their answers, and to calls without a record."""
        for key, (part, number, record) in self._legacy.items():
            stored = found.get(key)
            if stored is not None and (stored.value, stored.id) == (record.value, record.id):
                part.found[number] = FoundRecord(record, SignatureSource.ID)
        for key, (part, step) in self._keys.items():
            if key in found and not found[key].is_ambiguous and found[key] != NOTHING:
                self._take_answer(part, step, found[key])

    def _take_answer(self, part: "Part", step: int, record: Signature) -> None:
        """Give an answer the record that was found by words, and its calls that have none theirs."""
        index = part.index_of(step)
        if self.answer(index).whole is None:
            self._set_whole(index, FoundRecord(record, SignatureSource.HASH))
        left, digests = list(record.calls), part.call_digests()
        for number in part.calls_of_step(step):
            own = next((one for one in left if one.digest == digests[number]), None)
            if own is not None:
                # Two equal calls of an answer have a record each.
                left.remove(own)
                part.found[number] = part.found[number] or FoundRecord(own, SignatureSource.HASH)

    def sources(self) -> list[dict[str, str | int]]:
        """Return where the record of each call was found, and which upstream issued it."""
        self.recall()
        return [
            {
                "message": part.index_of(part.step_of(number)),
                "call": id_,
                "name": name,
                "source": "" if found is None else found.source.value,
                "upstream": "" if found is None else found.record.origin,
            }
            for part in self._parts
            for number, ((id_, name, _), found) in enumerate(zip(part.calls_in_words(), part.found, strict=True))
        ]


Part = StepColumns | KnownAnswer
"""Plain steps in a row, or any other answer."""

_INDEX = attrgetter("index")
_ID_KEY: Callable[[str], str] = "id:".__add__


def _are_sent_unchanged(run: StepColumns, origins: Collection[str], longest_name: int) -> list[bool]:
    """Return for each call whether it can be sent unchanged; for one of a step, at least, if the step cannot."""
    names = {name for name in set(run.names) if len(name) <= longest_name}
    unchanged = list(map(names.__contains__, run.names))
    if any(run.found):
        unchanged = [
            is_short and (one is None or _is_sent_with(one, origins))
            for is_short, one in zip(unchanged, run.found, strict=True)
        ]
        for calls in () if run.is_serial else map(run.calls_of_step, range(len(run))):
            if not is_in_order(run.ids[calls.start : calls.stop], run.found[calls.start : calls.stop]):
                unchanged[calls.start] = False
    for step in run.wholes:
        unchanged[run.first_calls[step]] = False
    return unchanged


def _is_sent_with(found: FoundRecord, origins: Collection[str]) -> bool:
    """Return whether a call's record is valid at one of `origins`, and has nothing but a signature."""
    return bool(found.agrees) and found.record.origin in origins and found.record.parts is ABSENT


def _match_call(record: Signature, source: SignatureSource, name: str, arguments: str) -> FoundRecord:
    """Return a record, and whether it belongs to a call, which sealed ones of version 0.1 do not tell.

    Nearly always a client sends the call as it was spelled, and then nothing of it has to be parsed.
    """
    if not record.digest or record.spelling == call_spelling(name, arguments):
        return FoundRecord(record, source)
    return FoundRecord(record, source, record.digest == call_digest(name, arguments))


_ID, _CLIENT = SignatureSource.ID, SignatureSource.CLIENT


def _match_answer(records: Sequence[Signature], source: SignatureSource, answer: KnownAnswer) -> FoundRecord:
    """Return the record that belongs to an answer; if there is none, one that does not belong to it."""
    own_digest = digest(answer.form())
    own = next((record for record in records if record.digest == own_digest or record == NOTHING), None)
    return FoundRecord(records[0], source, agrees=False) if own is None else FoundRecord(own, source)


def look_up(request: ChatCompletionRequest, records: Records, carried: Carried | None = None) -> History:
    """Return the history with the looked-up records."""
    history = History(request, carried)
    history.take({key: records[key] for key in history.ids() if key in records})
    history.take_words({key: records[key] for key in history.words() if key in records})
    return history
