"""What the store knows of a history: what to ask it, and which record belongs to which answer.

    history = History(request, carried)
    history.take(records of history.ids())        one look-up for all ids
    history.take_words(records of history.words())     only where an answer has no id, or an unknown one

Records are found by ids first: those of calls, which every client sends back, and those of Responses items. Where an
answer has none, the history is digested once, and the answer is asked for by all that was said up to its end. A record
counts only for the call or the answer that it came with: its digest must be that of what the history has now.
"""

from collections.abc import Mapping, Sequence

import msgspec

from adapter.translate.signatures.keys import call_key, detailed, item_key, legacy_call_key
from adapter.translate.signatures.prefix_digest import (
    PrefixDigest,
    answer_form,
    call_digest,
    call_spelling,
    calls_of,
    digest,
    image_urls,
    name_and_arguments,
    text_of,
)
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message, ToolCall
from adapter.wire.signatures import NOTHING, Signature

Records = Mapping[str, Signature]


class Found(msgspec.Struct, frozen=True, gc=False):
    """A record and by what it was found.

    `agrees`: it belongs to what the history has in this place; None: version 0.1 stored it, and nothing tells.
    """

    record: Signature
    source: SignatureSource
    agrees: bool | None = True


class KnownAnswer:
    """One answer of the history, and what is known of each of its calls and of the whole."""

    __slots__ = ("_details", "calls", "digests", "found", "index", "message", "whole")

    def __init__(self, index: int, message: Message) -> None:
        self.index = index
        self.message = message
        self.calls: Sequence[ToolCall] = calls_of(message)
        self.found: list[Found | None] = [None] * len(self.calls)
        self.whole: Found | None = None
        self.digests: list[str] | None = None
        self._details: dict[str, str] | None = None

    @property
    def details(self) -> dict[str, str]:
        """The signatures in the message's `reasoning_details`, which are read once for all its calls."""
        if self._details is None:
            self._details = detailed(self.message)
        return self._details

    def call_digests(self) -> list[str]:
        """The digest of each call: its record's, where that belongs to it."""
        if self.digests is None:
            self.digests = [
                call_digest(*name_and_arguments(call))
                if one is None or not one.agrees or not one.record.digest
                else one.record.digest
                for call, one in zip(self.calls, self.found, strict=True)
            ]
        return self.digests

    def form(self) -> bytes:
        """The whole answer in the form in which it is compared and digested."""
        message, content = self.message, self.message.content
        text = content if type(content) is str else text_of(content)
        images = image_urls(message) if message.images else ()
        return answer_form(text or message.refusal or "", images, self.digests or self.call_digests())

    @property
    def is_known(self) -> bool:
        """Whether nothing of it must be found by words."""
        return None not in self.found if self.calls else self.whole is not None


class Carried(msgspec.Struct, frozen=True):
    """What a Responses history carries for its messages.

    `records` are sealed ones by key; by the index of a message, `answers` are sealed records of whole answers, and
    `items` the ids of the items that the message is made of.
    """

    records: Records = {}
    answers: Mapping[int, Signature] = {}
    items: Mapping[int, Sequence[str]] = {}


class History:
    """The answers of a request. `is_complete`: the store could be read."""

    def __init__(self, request: ChatCompletionRequest, carried: Carried | None = None) -> None:
        self.is_complete = True
        self._request = request
        self._carried = carried
        self._answers = {
            index: KnownAnswer(index, message)
            for index, message in enumerate(request.messages)
            if message.role == "assistant"
        }
        self._keys: dict[str, KnownAnswer] = {}
        self._legacy: dict[str, tuple[KnownAnswer, int, Signature]] = {}
        self._prefix: PrefixDigest | None = None

    def answer(self, index: int) -> KnownAnswer:
        """What is known of the answer at this index."""
        return self._answers[index]

    @property
    def misses_records(self) -> bool:
        """Whether there are answers of which nothing is known."""
        return not all(answer.is_known for answer in self._answers.values())

    @property
    def keeps_call_ids(self) -> bool:
        """Whether this client sent back the ids of all calls so far: nothing else need find the next ones."""
        found = [one for answer in self._answers.values() for one in answer.found]
        return bool(found) and all(one is not None and one.source is SignatureSource.ID for one in found)

    def ids(self) -> list[str]:
        """The keys to look up first."""
        keys = [call_key(call.id) for answer in self._answers.values() for call in answer.calls if call.id]
        if self._carried is not None:
            keys += [item_key(id_) for ids in self._carried.items.values() for id_ in ids]
        return keys

    def take(self, found: Records) -> None:
        """Give the records that were found by ids to the calls and answers that they belong to."""
        sealed = self._carried.records if self._carried is not None else {}
        for answer in self._answers.values() if found or sealed else ():
            for number, call in enumerate(answer.calls):
                key = f"id:{call.id}"
                if (record := found.get(key)) is not None:
                    answer.found[number] = self._of_call(record, answer, number)
                elif key in sealed:
                    answer.found[number] = _of_call(sealed[key], SignatureSource.CLIENT, call)
        if self._carried is not None:
            self._take_whole(self._carried, found)

    def _of_call(self, record: Signature, answer: KnownAnswer, number: int) -> Found:
        """A record of a call's id; of version 0.1 what it stored under the call's words tells whether it agrees."""
        if record.digest:
            return _of_call(record, SignatureSource.ID, answer.calls[number])
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
        """The keys to look up next, where an answer is not known by ids."""
        if not all(answer.is_known for answer in self._answers.values()):
            self._digest()
        return [*self._keys, *self._legacy]

    def _digest(self) -> PrefixDigest:
        """The digest of the whole history; on the way the keys of answers that are not known."""
        if self._prefix is None:
            self._prefix = prefix = PrefixDigest()
            for index, message in enumerate(self._request.messages):
                answer = self._answers.get(index)
                if answer is None:
                    prefix.add(message)
                    continue
                digests = answer.call_digests()
                prefix.add_answer(answer.form(), answer.calls, digests)
                if not answer.is_known:
                    self._keys[prefix.key()] = answer
        return self._prefix

    def take_words(self, found: Records) -> None:
        """Give the records that were found by words to their answers and to calls without one."""
        for key, (answer, number, record) in self._legacy.items():
            said = found.get(key)
            if said is not None and (said.value, said.id) == (record.value, record.id):
                answer.found[number] = Found(record, SignatureSource.ID)
        for key, answer in self._keys.items():
            if key in found and not found[key].is_ambiguous and found[key] != NOTHING:
                _take_words(answer, found[key])

    def sources(self) -> list[dict[str, str | int]]:
        """Where the record of each call was found, and which upstream issued it."""
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

    def key_of_next(self, answer: bytes) -> str:
        """The key by words of an answer to this history, given in its form."""
        return self._digest().key_of_next(answer)


def _take_words(answer: KnownAnswer, record: Signature) -> None:
    answer.whole = answer.whole or Found(record, SignatureSource.HASH)
    left = list(record.calls)
    for number, own_digest in enumerate(answer.call_digests()):
        own = next((one for one in left if one.digest == own_digest), None)
        if own is not None:
            left.remove(own)
            answer.found[number] = answer.found[number] or Found(own, SignatureSource.HASH)


def _of_call(record: Signature, source: SignatureSource, call: ToolCall) -> Found:
    """A record and whether it belongs to a call; sealed ones of version 0.1 cannot be told.

    Nearly always a client sends the call as it was spelled, and then nothing of it has to be parsed.
    """
    if not record.digest:
        return Found(record, source)
    name, arguments = name_and_arguments(call)
    if record.spelling == call_spelling(name, arguments):
        return Found(record, source)
    return Found(record, source, record.digest == call_digest(name, arguments))


def _of_answer(records: Sequence[Signature], source: SignatureSource, answer: KnownAnswer) -> Found:
    """The record that belongs to an answer, else one that does not."""
    own_digest = digest(answer.form())
    own = next((record for record in records if record.digest == own_digest or record == NOTHING), None)
    return Found(records[0], source, agrees=False) if own is None else Found(own, source)


def look_up(request: ChatCompletionRequest, records: Records, carried: Carried | None = None) -> History:
    """The history with what these records say of it."""
    history = History(request, carried)
    history.take({key: records[key] for key in history.ids() if key in records})
    history.take_words({key: records[key] for key in history.words() if key in records})
    return history
