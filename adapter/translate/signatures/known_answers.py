"""The answers of a history, each with the records found for it."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from adapter.translate.signatures.keys import signatures_in_details, split_id
from adapter.translate.signatures.prefix_digest import (
    RESULT_ROLES,
    answer_form,
    call_digest,
    calls_of,
    image_urls,
    name_and_arguments,
    text_of,
)
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.openai.chat_request import FunctionCall, Message, ToolCall
from adapter.wire.signatures import Signature


class Found(msgspec.Struct, frozen=True, gc=False):
    """A record and the kind of key that found it.

    `agrees`: it belongs to what the history has in this place; None: version 0.1 stored it, and nothing tells.
    """

    record: Signature
    source: SignatureSource
    agrees: bool | None = True


PlainCall = tuple[str, str, str, str, str, int]
"""A call that has an id, a name and arguments and nothing else, and its result, which is a text: id, name, arguments,
the result's text, the path of the call, the index of the result's message. Not a named tuple, which takes four times as
long to make."""


class KnownAnswer(msgspec.Struct, gc=False):
    """One answer of the history, and the records of each of its calls and of the whole.

    `plain` are its calls if it is plain (`_plain_calls`), else None.
    """

    index: int
    message: Message
    calls: Sequence[ToolCall]
    plain: list[PlainCall] | None
    found: list[Found | None]
    whole: Found | None = None
    digests: list[str] | None = None
    _details: dict[str, str] | None = None

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
                one.record.digest
                if one is not None and one.agrees and one.record.digest
                else call_digest(*name_and_arguments(call))
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
    def is_known(self) -> bool:
        """Return whether no record of the answer has to be found by words."""
        return None not in self.found if self.calls else self.whole is not None


def _others(type_: type[msgspec.Struct], *names: str) -> tuple[Callable[[tuple[Any, ...]], Any], tuple[Any, ...]]:
    """Return a getter for the values of all fields but these, and the defaults of those fields."""
    fields = [(place, one) for place, one in enumerate(msgspec.structs.fields(type_)) if one.name not in names]
    return itemgetter(*[place for place, _ in fields]), tuple(one.default for _, one in fields)


_BESIDE_MESSAGE, _BARE_MESSAGE = _others(Message, "role", "content", "tool_calls", "tool_call_id")
_BESIDE_CALL, _BARE_CALL = _others(ToolCall, "id", "type", "function")
_BESIDE_FUNCTION, _BARE_FUNCTION = _others(FunctionCall, "name", "arguments")


def known_answers(some: Sequence[Message], start: int) -> dict[int, KnownAnswer]:
    """Return the answers among some messages by index, the first message's being `start`; nothing is known of them."""
    places = [place for place, message in enumerate(some) if message.role == "assistant"]
    are_bare = list(map(_BARE_MESSAGE.__eq__, map(_BESIDE_MESSAGE, map(astuple, some)))) if places else []
    answers: dict[int, KnownAnswer] = {}
    for place in places:
        message = some[place]
        calls = calls_of(message)
        plain = _plain_calls(some, place, start, are_bare) if message.tool_calls and are_bare[place] else None
        answers[start + place] = KnownAnswer(start + place, message, calls, plain, [None] * len(calls))
    return answers


def _plain_calls(some: Sequence[Message], place: int, start: int, are_bare: Sequence[bool]) -> list[PlainCall] | None:
    """Return the calls of the answer at this place, if it is plain; None for any other.

    A plain answer is a text and calls with nothing beside them, and the calls' results follow as texts in their order
    and are all that follows before the next message of another kind. Nearly all steps of agents are plain.
    """
    message = some[place]
    calls, content = message.tool_calls or (), message.content
    end = place + 1 + len(calls)
    if (
        end > len(some)
        or (content is not None and type(content) is not str)
        or message.tool_call_id is not None
        or (end < len(some) and some[end].role in RESULT_ROLES)
        or False in are_bare[place:end]
    ):
        return None
    plain: list[PlainCall] = []
    path = f"messages[{start + place}].tool_calls["
    for call in calls:
        place += 1
        result, id_, function = some[place], call.id, call.function
        text = result.content
        if (
            not id_
            or result.tool_call_id != id_
            or function is None
            or type(text) is not str
            or result.role != "tool"
            or result.tool_calls is not None
            or _BESIDE_CALL(astuple(call)) != _BARE_CALL
            # A mark of a signature in the id.
            or ("_t" in id_ and split_id(id_)[1] is not None)
        ):
            return None
        name = function.name
        if not name or _BESIDE_FUNCTION(astuple(function)) != _BARE_FUNCTION:
            return None
        plain.append((id_, name, function.arguments or "", text, f"{path}{len(plain)}]", start + place))
    return plain


def is_in_order(known: KnownAnswer) -> bool:
    """Return whether parallel calls stand as Gemini made them, each with an id of its own."""
    ids = {
        found.record.id or call.id if found is not None else call.id
        for call, found in zip(known.calls, known.found, strict=True)
    }
    return len(ids) == len(known.calls) and original_order(known.found) == list(range(len(known.calls)))


def original_order(found: Sequence[Found | None]) -> list[int]:
    """Return the order in which Gemini made these calls: only the first of them has a signature (gemini.md).

    A call of which nothing is known takes a place that is left.
    """
    places: dict[int, int] = {}
    for number, one in enumerate(found):
        place = one.record.position if one is not None and one.agrees else None
        if place is not None and (place in places or place >= len(found)):
            return list(range(len(found)))
        if place is not None:
            places[place] = number
    left = iter([number for number in range(len(found)) if number not in places.values()])
    return [places[place] if place in places else next(left) for place in range(len(found))]
