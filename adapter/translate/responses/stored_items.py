"""Items that outlive their request: which of them may be stored, and which a stored history has already."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from adapter.translate import chat
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.responses.earlier_items import NO_ITEMS, EarlierItems
from adapter.translate.responses.fields import to_chat
from adapter.translate.responses.input_items import type_of
from adapter.wire.base import encode
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest

_ANY_MODEL = ModelCapabilities(pattern="*", source="", date="")

_PERMANENT = frozenset(
    {
        "limit-exceeded", "malformed-value", "schema-unusable", "tools-contradict", "unknown-value", "value-missing",
        "wrong-endpoint",
    }
)  # fmt: skip
"""Codes of what is wrong with an item itself. What only some model or setting cannot take is not among them."""

_ISSUED = re.compile(r"[a-z]+_[0-9a-f]{48}[0-9a-z]*")
"""The ids of items that this adapter issues, for answers and for inputs."""

_TEXTS = ("input_text", "output_text", "text")
_ASIDE = ("id", "status", "type", "created_by")
"""Fields that say nothing about what an item is."""

_REPEATED = "the history that this response follows has it already"
_OTHER = "the history that this response follows has another output of this call"


def check_items(items: list[InputItem], field: str = "items") -> None:
    """Refuse items that every later request with them would be refused for. Raises `Rejected` under `field`."""
    try:
        view = to_chat(ResponsesRequest(model="", input=items))
        try:
            chat.to_gemini(Context(request=view.request, capabilities=_ANY_MODEL))
        except Rejected as error:
            raise view.with_client_path(error) from None
    except Rejected as error:
        for note in error.notes:
            if note.fate is Fate.REJECTED and note.code in _PERMANENT and note.path.startswith("input["):
                raise Rejected(note.path.replace("input", field, 1), note.code, note.reason) from None


class NewItems(NamedTuple):
    """The new items of a request: their indexes, and notes on omitted ones."""

    indexes: list[int]
    notes: list[Note]


def without_repeats(
    history: Sequence[InputItem], given: Sequence[InputItem], earlier: EarlierItems = NO_ITEMS
) -> NewItems:
    """Leave out items that the history in front of them has already.

    Some clients send all results of calls so far in each round, and the messages before them
    (semantic-kernel's OpenAIResponsesAgent), or refer to items that `previous_response_id` brings
    (https://github.com/vercel/ai/pull/15492). An item is the same one if it has the id that this adapter issued, or is
    a call or the result of a call under one id, and says the same. Messages go with a repeated item behind them, the
    question that is being answered with any result. The first items of the history are looked at only where the given
    ones may be among those, by what is remembered of these `earlier` items.
    Raises `Rejected` for another result of a call that has one.
    """
    repeated = _Repeats(history, given, earlier).find_repeated(given) if history and given else set()
    notes = [Note(f"input[{index}]", Fate.DROPPED, "item-repeated", _REPEATED) for index in sorted(repeated)]
    return NewItems([index for index in range(len(given)) if index not in repeated], notes)


class _Repeats:
    """The items of a history, by the keys by which repeated ones are found."""

    def __init__(self, history: Sequence[InputItem], given: Sequence[InputItem], earlier: EarlierItems) -> None:
        self._history = history
        recent = history[earlier.count :]
        if may_have(earlier, given):
            recent = history
        self._by_id = {item.id: item for item in recent if item.id and _ISSUED.fullmatch(item.id)}
        self._calls: dict[str, list[InputItem]] = {}
        self._results: dict[str, list[InputItem]] = {}
        self._open: Counter[str] = Counter()
        self._answer = -1
        for item in recent:
            self._add(item)

    def _add(self, item: InputItem) -> None:
        if item.call_id:
            is_result = type_of(item).endswith("_output")
            group = self._results if is_result else self._calls
            group.setdefault(item.call_id, []).append(item)
            self._open[item.call_id] += -1 if is_result else 1

    def find_repeated(self, given: Sequence[InputItem]) -> set[int]:
        """Return the indexes of items that the history has."""
        repeated = {index for index, item in enumerate(given) if self._has(item, index)}
        last = max(repeated, default=-1)
        # Other messages may stand before a repeated item, the question of this turn before any result of a call.
        before = [index for index in range(max(last, self._answer)) if type_of(given[index]) == "message"]
        if not before:
            return repeated
        messages = [_words_of(item) for item in self._history if type_of(item) == "message"]
        question = [message for message in messages if message[0] == "user"][-1:]
        words = frozenset(messages), frozenset(question)
        return repeated.union(index for index in before if _words_of(given[index]) in words[index > last])

    def _has(self, item: InputItem, index: int) -> bool:
        if (same := self._by_id.get(item.id or "")) is not None and _is_same(same, item):
            return True
        if not item.call_id:
            return False
        if not type_of(item).endswith("_output"):
            return self._is_repeated_call(item)
        results = self._results.get(item.call_id, ())
        if not results or self._open[item.call_id] > 0:
            self._answer = index if self._open[item.call_id] > 0 else self._answer
            self._open[item.call_id] -= 1
            return False
        if not any(_is_same(result, item) for result in results):
            raise Rejected(f"input[{index}].output", "fields-contradict", _OTHER)
        return True

    def _is_repeated_call(self, item: InputItem) -> bool:
        if any(_is_same(one, item) for one in self._calls.get(item.call_id or "", ())):
            return True
        self._open[item.call_id or ""] += 1
        return False


def _is_same(one: InputItem, other: InputItem) -> bool:
    return type_of(one) == type_of(other) and _substance(one) == _substance(other)


def _substance(item: InputItem) -> dict[str, Any]:
    """Return an item's meaning, so that two spellings of it are equal."""
    fields: dict[str, Any] = {name: value for name, value in _plain(item).items() if name not in _ASIDE}
    if type_of(item) == "message":
        fields["content"] = _content(item)
    if isinstance(arguments := fields.get("arguments"), str):
        fields["arguments"] = _parse(arguments)
    return fields


def _plain(item: InputItem) -> dict[str, Any]:
    # Numbers may be beyond a double's range, which other readers refuse.
    value: dict[str, Any] = json.loads(encode(item))
    return value


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _content(item: InputItem) -> list[bytes | str | None]:
    """Return a message's parts: texts as such, others as they are written."""
    if not isinstance(item.content, list):
        return [item.content]
    return [part.text if (part.type or _TEXTS[0]) in _TEXTS else encode(part) for part in item.content]


def _words_of(item: InputItem) -> tuple[str | None, tuple[bytes | str | None, ...]]:
    return item.role, tuple(_content(item))


def may_have(earlier: EarlierItems, given: Iterable[InputItem]) -> bool:
    """Return whether one of the given items, or its call, may be among the earlier ones."""
    return any(key in earlier.keys for item in given for key in (item.id, item.call_id))


def with_free_ids(given: Iterable[InputItem], taken: Iterable[str | None]) -> tuple[list[InputItem], list[int]]:
    """Return items with ids that are free in the conversation: one whose id is taken gets a new one.

    Returns the items, and the indexes of those that lost theirs.
    """
    used = {id_ for id_ in taken if id_}
    items: list[InputItem] = []
    lost: list[int] = []
    for index, item in enumerate(given):
        if item.id in used:
            lost.append(index)
            items.append(msgspec.structs.replace(item, id=None))
        else:
            items.append(item)
        used |= {item.id} if item.id else set()
    return items, lost
