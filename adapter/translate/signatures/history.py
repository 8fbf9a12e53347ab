"""The stored records of a history: the keys to look up, and which record belongs to which answer.

    history = History(request, carried)
    history.take(records of history.ids())        one look-up for all ids
    history.take_words(records of history.words())     only where an answer has no id, or an unknown one

Records are found by ids first: those of calls, which every client sends back, and those of Responses items. Where an
answer has none, the history is digested once, and the answer is asked for by all that was said up to its end. A record
counts only for the call or the answer that it came with: its digest must be that of what the history has now.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from adapter.translate.signatures.earlier_answers import EarlierAnswer, EarlierAnswers
from adapter.translate.signatures.keys import item_key, legacy_call_key
from adapter.translate.signatures.known_answers import Found, KnownAnswer, is_in_order, known_answers
from adapter.translate.signatures.prefix_digest import (
    PrefixDigest,
    Step,
    call_digest,
    call_spelling,
    digest,
    name_and_arguments,
    text_of,
)
from adapter.translate.signatures.sources import SignatureSource
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

    def behind(self, start: int) -> "Carried":
        """Return what the items carry for messages from this index on; a call's record is found wherever it stands."""
        answers = {index: one for index, one in self.answers.items() if index >= start}
        items = {index: ids for index, ids in self.items.items() if index >= start}
        return Carried(records=self.records, answers=answers, items=items)


class History:
    """The answers of a request. `is_complete`: the store could be read; `has_answers`: there is anything to look up.

    Of the first messages it may be known what was known of them `earlier`; then they are neither read nor looked up
    again, but by `recall`. `cut` is where a longer history may be cut to be remembered so.
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
        self._carried = carried if earlier is None or carried is None else carried.behind(earlier.end)
        self.earlier = earlier
        self._cut = cut
        start = earlier.end if earlier is not None else 0
        self._answers = known_answers(request.messages[start:], start)
        # The first request of a chat has no answer yet.
        self.has_answers = bool(self._answers)
        self._keys: dict[str, KnownAnswer] = {}
        self._legacy: dict[str, tuple[KnownAnswer, int, Signature]] = {}
        self._prefix: PrefixDigest | None = None
        self._digest_at_cut: PrefixDigest | None = None

    def recall(self) -> None:
        """Read the first messages again; what an earlier request knew of their answers is still used."""
        earlier, self.earlier = self.earlier, None
        if earlier is None:
            return
        later, self._answers = self._answers, known_answers(self._request.messages[: earlier.end], 0)
        for answer, known in zip(self._answers.values(), earlier.answers, strict=True):
            answer.found, answer.whole = list(known.found), known.whole
        self._answers |= later

    def answers_before_cut(self) -> EarlierAnswers:
        """Return the known records of the answers before the cut, after all look-ups."""
        # Each request goes on with the digest from where it ended: an answer that has no id will need it.
        self.prefix_digest()
        assert self._digest_at_cut is not None, "the history goes on behind the cut"
        earlier = self.earlier or EarlierAnswers(0, PrefixDigest())
        added = [
            EarlierAnswer(tuple(answer.found), answer.whole)
            for index, answer in self._answers.items()
            if index < self._cut
        ]
        return earlier.extend(self._cut, self._digest_at_cut, added)

    def answer(self, index: int) -> KnownAnswer:
        """Return the answer at this index, with its records."""
        return self._answers[index]

    def plain_steps(self, index: int, origins: Sequence[str], longest_name: int, end: int) -> list[KnownAnswer]:
        """Return the plain answers in a row from this index up to `end`, as far as each can be sent unchanged.

        Such a call has no record, or a valid one that one of `origins` issued, and its name is not too long.
        """
        get, steps = self._answers.get, list[KnownAnswer]()
        while index != end and (answer := get(index)) is not None and (plain := answer.plain) is not None:
            if (
                answer.whole is not None
                or len(plain[0][1]) > longest_name
                or (len(plain) > 1 and not _is_in_order_with(answer, longest_name))
                or (any(answer.found) and not _are_sent_with(answer.found, origins))
            ):
                break
            steps.append(answer)
            index += 1 + len(plain)
        return steps

    @property
    def misses_records(self) -> bool:
        """Return whether there are answers of which nothing is known."""
        return (self.earlier is not None and self.earlier.misses_records) or self._misses_later_records

    @property
    def _misses_later_records(self) -> bool:
        found = [answer.found if answer.calls else (answer.whole,) for answer in self._answers.values()]
        return None in chain.from_iterable(found)

    @property
    def keeps_call_ids(self) -> bool:
        """Return whether this client sent back the ids of all calls so far: nothing else need find the next ones."""
        found = [one for answer in self._answers.values() for one in answer.found]
        if (earlier := self.earlier) is not None:
            if not (earlier.keeps_call_ids and (earlier.has_calls or found)):
                return False
            return all(one is not None and one.source is SignatureSource.ID for one in found)
        return bool(found) and all(one is not None and one.source is SignatureSource.ID for one in found)

    def ids(self) -> list[str]:
        """Return the keys to look up first."""
        keys = [f"id:{call.id}" for answer in self._answers.values() for call in answer.calls if call.id]
        if self._carried is not None:
            keys += [item_key(id_) for ids in self._carried.items.values() for id_ in ids]
        return keys

    def take(self, found: Records) -> None:
        """Assign the records that were found by ids to their calls and answers."""
        sealed = self._carried.records if self._carried is not None else {}
        for answer in self._answers.values() if found or sealed else ():
            for number, call in enumerate(answer.calls):
                key = f"id:{call.id}"
                record = found.get(key)
                if record is None:
                    if key in sealed:
                        answer.found[number] = _of_call(sealed[key], _CLIENT, answer, number)
                elif record.digest:
                    answer.found[number] = _of_call(record, _ID, answer, number)
                else:
                    answer.found[number] = self._of_legacy_call(record, answer, number)
        if self._carried is not None:
            self._take_whole(self._carried, found)

    def _of_legacy_call(self, record: Signature, answer: KnownAnswer, number: int) -> Found:
        """Return a record of version 0.1, and whether it agrees: its copy under the call's words says that."""
        before = self._request.messages[answer.index - 1].content if answer.index else None
        place = text_of(answer.message.content), text_of(before)
        key = legacy_call_key(*name_and_arguments(answer.calls[number]), *place)
        self._legacy[key] = (answer, number, record)
        return Found(record, SignatureSource.ID, agrees=None)

    def _take_whole(self, carried: Carried, found: Records) -> None:
        for index, ids in carried.items.items():
            records = [record for id_ in ids if (record := found.get(item_key(id_))) is not None]
            if records:
                self._answers[index].whole = _of_answer(records, SignatureSource.ID, self._answers[index])
        for index, own in carried.answers.items():
            answer = self._answers[index]
            if answer.whole is None or not answer.whole.agrees:
                answer.whole = _of_answer([own], SignatureSource.CLIENT, answer)

    def words(self) -> list[str]:
        """Return the keys to look up next, for answers that ids do not identify."""
        if self._misses_later_records:
            self.prefix_digest()
        return [*self._keys, *self._legacy]

    def prefix_digest(self) -> PrefixDigest:
        """Return the digest of the whole history, and collect the keys of unknown answers on the way."""
        if self._prefix is None:
            index, cut, messages = 0, self._cut or -1, self._request.messages
            prefix = PrefixDigest()
            if self.earlier is not None:
                prefix, index = self.earlier.digest.copy(), self.earlier.end
            self._prefix = prefix
            while index < len(messages):
                if index == cut:
                    self._digest_at_cut = prefix.copy()
                answer = self._answers.get(index)
                if answer is None:
                    prefix.add(messages[index])
                    index += 1
                elif added := self._add_steps(prefix, index):
                    index += 2 * added
                else:
                    prefix.add_answer(answer.form(), answer.calls, answer.call_digests())
                    if not answer.is_known:
                        self._keys[prefix.key()] = answer
                    index += 1
        return self._prefix

    def _add_steps(self, prefix: PrefixDigest, index: int) -> int:
        """Add plain answers of one call in a row, the first of which is at this index; return how many these are."""
        answers, some, end = self._answers, list[KnownAnswer](), self._cut if index < self._cut else 0
        while (answer := answers.get(index)) is not None and answer.plain is not None and len(answer.plain) == 1:
            some.append(answer)
            index += 2
            if index == end:
                break
        unknown = {number: answer for number, answer in enumerate(some) if answer.found[0] is None}
        for number, key in prefix.add_steps(list(map(_step_of, some)), unknown).items():
            self._keys[key] = unknown[number]
        return len(some)

    def take_words(self, found: Records) -> None:
        """Assign the records that were found by words to their answers, and to calls without a record."""
        for key, (answer, number, record) in self._legacy.items():
            stored = found.get(key)
            if stored is not None and (stored.value, stored.id) == (record.value, record.id):
                answer.found[number] = Found(record, SignatureSource.ID)
        for key, answer in self._keys.items():
            if key in found and not found[key].is_ambiguous and found[key] != NOTHING:
                _take_words(answer, found[key])

    def sources(self) -> list[dict[str, str | int]]:
        """Return where the record of each call was found, and which upstream issued it."""
        self.recall()
        return [
            {
                "message": answer.index,
                "call": call.id or "",
                "name": name_and_arguments(call)[0],
                "source": "" if found is None else found.source.value,
                "upstream": "" if found is None else found.record.origin,
            }
            for answer in self._answers.values()
            for call, found in zip(answer.calls, answer.found, strict=True)
        ]


def _is_in_order_with(answer: KnownAnswer, longest_name: int) -> bool:
    """Return whether parallel calls stand as Gemini made them, and have no name that is too long."""
    return is_in_order(answer) and all(len(call[1]) <= longest_name for call in answer.plain or ())


def _are_sent_with(records: Sequence[Found | None], origins: Sequence[str]) -> bool:
    """Return whether those of calls' records that are known are valid at one of `origins`, and only have signatures."""
    for found in records:
        if found is not None and not (
            found.agrees and (record := found.record).origin in origins and record.parts is ABSENT
        ):
            return False
    return True


def _step_of(answer: KnownAnswer) -> Step:
    """Return a plain answer of one call as it is digested."""
    plain, text = answer.plain, answer.message.content
    assert plain
    return text if type(text) is str else "", answer.call_digests()[0], plain[0][3]


def _take_words(answer: KnownAnswer, record: Signature) -> None:
    answer.whole = answer.whole or Found(record, SignatureSource.HASH)
    left = list(record.calls)
    for number, own_digest in enumerate(answer.call_digests()):
        own = next((one for one in left if one.digest == own_digest), None)
        if own is not None:
            left.remove(own)
            answer.found[number] = answer.found[number] or Found(own, SignatureSource.HASH)


def _of_call(record: Signature, source: SignatureSource, answer: KnownAnswer, number: int) -> Found:
    """Return a record, and whether it belongs to a call, which sealed ones of version 0.1 do not tell.

    Nearly always a client sends the call as it was spelled, and then nothing of it has to be parsed.
    """
    plain = answer.plain
    if plain is not None:
        _, name, arguments, _, _, _ = plain[number]
    else:
        name, arguments = name_and_arguments(answer.calls[number])
    if not record.digest or record.spelling == call_spelling(name, arguments):
        return Found(record, source)
    return Found(record, source, record.digest == call_digest(name, arguments))


_ID, _CLIENT = SignatureSource.ID, SignatureSource.CLIENT


def _of_answer(records: Sequence[Signature], source: SignatureSource, answer: KnownAnswer) -> Found:
    """Return the record that belongs to an answer; if there is none, one that does not belong to it."""
    own_digest = digest(answer.form())
    own = next((record for record in records if record.digest == own_digest or record == NOTHING), None)
    return Found(records[0], source, agrees=False) if own is None else Found(own, source)


def look_up(request: ChatCompletionRequest, records: Records, carried: Carried | None = None) -> History:
    """Return the history with the looked-up records."""
    history = History(request, carried)
    history.take({key: records[key] for key in history.ids() if key in records})
    history.take_words({key: records[key] for key in history.words() if key in records})
    return history
