"""The beginning of a history and its translation, kept for the next request that begins with the same messages.

An agent sends its whole history with every turn; only the end of it is new. So a history is cut before its last block
of messages (`request.cut`), and of the part before the cut this is kept (`Prefix`):

- its bytes, to compare them with the next request's;
- the stored signatures of its answers;
- its translation for one model at one place, with the notes.

In a Responses request items are compared and cut, not messages. They are in its body or in the store (`ItemText`).
What items become besides messages is kept too (`EarlierItems`).

Reading with a prefix changes nothing that is visible: Gemini's request, the notes and the keys under which signatures
are stored are the same. Code that needs the first messages themselves has them decoded then (`PartlyDecoded`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Options
from adapter.translate.core.earlier_turns import EarlierTurns
from adapter.translate.plan import Plan
from adapter.translate.responses.chat_view import View
from adapter.translate.responses.earlier_items import NO_ITEMS, EarlierItems, StaleItems
from adapter.translate.responses.fields import to_chat
from adapter.translate.signatures.earlier_answers import EarlierAnswers
from adapter.wire.base import BYTE_ORDER_MARK, WHOLE, decoder
from adapter.wire.beginnings import Beginning, end_of_items, read_rest, start_of_list, text_before, text_of_items
from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import LimitExceeded, Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.reader import FEW, outline, read, read_outlined
from adapter.wire.surrogates import REPLACED

R = TypeVar("R", bound=ResponsesRequest)
T = TypeVar("T")

LEAST = 16 * 1024
"""The least bytes of messages that are remembered: fewer are read quickly anyway."""

FIELD = "messages"
ITEMS = "input"
"""The lists whose beginnings are remembered: of a chat request, and of a Responses request."""


class Prefix(msgspec.Struct, frozen=True, gc=False):
    """The first messages of a history and their translation.

    `dialect` has the bytes of the tools if the translation depends on them (`dialect_of`). `since` is the time at which
    the store was first asked for one of the answers, in seconds of the caller's clock. `items` is the translation of
    the first items if the history is of a Responses request.
    """

    beginning: Beginning
    answers: EarlierAnswers
    turns: EarlierTurns
    options: Options
    row: ModelCapabilities
    dialect: bytes
    since: float
    size_bytes: int
    items: EarlierItems | None = None

    @property
    def field(self) -> str:
        """The field of the request in which the history stands."""
        return FIELD if self.items is None else ITEMS

    @property
    def count(self) -> int:
        """The number of messages."""
        return self.turns.count

    def turns_for(
        self, request: ChatCompletionRequest, options: Options, row: ModelCapabilities
    ) -> EarlierTurns | None:
        """Return the translated messages if this model at this place gets the same translation, else None."""
        is_same = (
            options == self.options
            and row.of_turns == self.row.of_turns
            and dialect_of(request, options) == self.dialect
        )
        return self.turns if is_same else None


def dialect_of(request: ChatCompletionRequest, options: Options) -> bytes:
    """Return the tools' bytes if the translation of messages depends on them: arguments follow an OpenAPI schema."""
    return bytes(request.tools) + b"\n" + bytes(request.functions) if options.schema == "openapi" else b""


class ItemText(NamedTuple):
    """The items of a Responses request as JSON: they begin at `start` of `body`; stored ones are all of it (`start` 0).

    `pieces` is the JSON of each item, or of each one after the prefix if there is one. `values` is at least the number
    of JSON values in a body that was read as a whole. `unknown` has the unknown fields. `has_tools` is false if the
    tools were cut out of `body`.
    """

    body: bytes
    start: int = 0
    prefix: Prefix | None = None
    pieces: Sequence[msgspec.Raw] = ()
    values: int = 0
    unknown: Mapping[str, msgspec.Raw] = {}
    has_tools: bool = True

    @property
    def earlier(self) -> EarlierItems:
        """The remembered translation of the first items, if there is one."""
        return (self.prefix is not None and self.prefix.items) or NO_ITEMS

    def without_prefix(self) -> "ItemText":
        """Return the items as they would be if they had been read without the prefix."""
        assert self.prefix is not None, "only what was remembered can be stale"
        beginning, start = self.prefix.beginning, self.start
        first = decoder(list[msgspec.Raw]).decode(b"[%b]" % beginning.text)
        beside = values_at_most(self.body[:start]) + values_at_most(self.body[start + len(beginning.text) :])
        return self._replace(prefix=None, pieces=[*first, *self.pieces], values=beginning.values + beside)


class Reading(NamedTuple):
    """A chat request that was read, and the prefix that helped, if any.

    `start` is the offset of the messages in the body, or of the items if a Responses request was made into this chat
    request (`view`). `pieces` is the JSON of the new ones. `values` is at least the number of JSON values in a body
    that was read as a whole. `has_tools` is false if the tools were cut out of `body`.
    """

    request: ChatCompletionRequest
    unknown: Mapping[str, msgspec.Raw]
    body: bytes
    start: int = 0
    prefix: Prefix | None = None
    pieces: Sequence[msgspec.Raw] = ()
    values: int = 0
    view: View | None = None
    has_tools: bool = True

    @property
    def size_bytes(self) -> int:
        """The approximate size of the messages in bytes."""
        tools = self.request.tools if self.view is None else self.view.asked.tools
        return len(self.body) - (len(memoryview(tools)) if self.has_tools else 0)


def read_whole(body: bytes, limits: Limits, values: int) -> Reading:
    """Read a body of at most so many values. Raises as `wire.reader.read` does."""
    if values <= FEW or _ANSWER not in body:
        return Reading(*read(body, ChatCompletionRequest, limits, has_few=values <= FEW), body, values=values)
    request, unknown, lists = read_outlined(body, ChatCompletionRequest, limits, values)
    return Reading(request, unknown, body, pieces=lists[FIELD], values=values)


_ANSWER = b'"assistant"'
"""A history is cut before an answer, so only bodies with this text can be remembered."""


def read_whole_items(body: bytes, type_: type[R], limits: Limits, values: int) -> tuple[R, ItemText]:
    """Read a Responses request of at most so many values. Raises as `wire.reader.read` does."""
    request, unknown, lists = read_outlined(body, type_, limits, values)
    pieces = lists.get(ITEMS, ())
    return request, ItemText(body, start_of_list(body, ITEMS), pieces=pieces, values=values, unknown=unknown)


def read_short(read_one: Callable[..., T], *arguments: object) -> T | None:
    """Read a body from which known tools were cut out; None if it is at fault: then the whole body must be read."""
    try:
        return read_one(*arguments)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded):
        # Only an error of the whole body has the right offsets and paths.
        return None


def read_with(body: bytes, start: int, prefix: Prefix, limits: Limits) -> Reading | None:
    """Read a chat request that begins with a prefix's messages; None if it must be read as a whole."""
    rest = read_rest(body, start, prefix.beginning, ChatCompletionRequest, FIELD, limits)
    if rest is None or rest.request.messages[prefix.count].role != "assistant":
        # A result or a user's message continues the last block of the prefix, whose translation it may change.
        return None
    return Reading(rest.request, rest.unknown, body, start, prefix, rest.pieces)


def read_view(
    request: ResponsesRequest, unknown: Mapping[str, msgspec.Raw], text: ItemText | None
) -> tuple[View, Reading | None]:
    """Translate a Responses request to a chat request; return also its reading if its items may be remembered.

    Raises `Rejected`.
    """
    if text is None:
        return to_chat(request, unknown), None
    try:
        view = to_chat(request, unknown, text.earlier)
    except StaleItems:
        view, text = to_chat(request, unknown), text.without_prefix()
    body, start, prefix, pieces, values, left, has_tools = text
    return view, Reading(view.request, left, body, start, prefix, pieces, values, view, has_tools)


def next_prefix(
    reading: Reading, plan: Plan, answers_before: Callable[[], EarlierAnswers], now: float
) -> Prefix | None:
    """Return the prefix to remember after a request was translated; None if nothing can be remembered."""
    turns = plan.earlier
    if turns is None or is_repaired(reading.unknown):
        # The notes on repaired values do not name every place, so they cannot be split at the cut.
        return None
    items = None if reading.view is None else reading.view.earlier()
    if reading.view is not None and (items is None or items.messages != turns.count):
        return None
    count, limits = turns.count if items is None else items.count, plan.context.options.limits
    beginning = _beginning(reading, count, limits)
    if beginning is None or len(beginning.text) < LEAST:
        return None
    context, answers = plan.context, answers_before()
    dialect = dialect_of(context.request, context.options)
    size = len(beginning.text) + sum([len(path) + len(memoryview(raw)) for path, raw in beginning.unknown.items()])
    size += answers.size_bytes + turns.size_bytes + len(dialect) + (0 if items is None else items.size_bytes)
    since = now if reading.prefix is None else reading.prefix.since
    return Prefix(beginning, answers, turns, context.options, context.capabilities, dialect, since, size, items)


def is_repaired(unknown: Mapping[str, msgspec.Raw]) -> bool:
    """Return whether values of a body were changed to make it readable, such as lone surrogates."""
    return any(value is WHOLE or value is REPLACED for value in unknown.values())


def _beginning(reading: Reading, count: int, limits: Limits) -> Beginning | None:
    """Return the first messages, or items, as bytes of the body; None if they cannot be found in it."""
    body, prefix, pieces = reading.body, reading.prefix, reading.pieces
    field = FIELD if reading.view is None else ITEMS
    new = count - (0 if prefix is None else prefix.beginning.count)
    if prefix is None:
        start = reading.start if reading.view is not None else start_of_list(body, FIELD)
        first_text = _first_text(reading, start, new, limits)
        if first_text is None:
            return None
        text, end = first_text, start + len(first_text)
        values = reading.values - values_at_most(body[:start]) - values_at_most(body[end:]) + 2
    elif len(pieces) < new:
        return None
    else:
        first = prefix.beginning
        begun = reading.start + len(first.text)
        end = end_of_items(body, begun, pieces[:new])
        text, values = body[reading.start : end], first.values + values_at_most(body[begun:end])
    unknown = {path: raw for path, raw in reading.unknown.items() if _is_before(path, field, count)}
    return Beginning(text, count, values, unknown)


def _first_text(reading: Reading, start: int, count: int, limits: Limits) -> bytes | None:
    """Return the text of the first `count` messages, or items, which stand at an offset of the body."""
    body, pieces = reading.body, reading.pieces
    if reading.view is None and not start:
        return None
    if reading.view is None and not pieces:
        messages = reading.request.messages
        end = _start_of_answers(body, messages[count:])
        text = text_before(body, start, end, (count, len(messages)), ChatCompletionRequest, FIELD, limits)
        if text is not None:
            return text
        pieces = outline(msgspec.Raw(body.removeprefix(BYTE_ORDER_MARK)), ChatCompletionRequest, limits).lists[FIELD]
    return text_of_items(body, start, pieces[:count]) if len(pieces) >= count else None


def _start_of_answers(body: bytes, last: Sequence[Message]) -> int:
    """Guess the offset at which the last messages of a body begin, the first of which is an assistant's."""
    end = len(body)
    for message in last:
        if message.role == "assistant":
            end = body.rfind(_ANSWER, 0, end)
    return body.rfind(b"{", 0, end)


def own_text(text: ItemText) -> bytes | None:
    """Return all items of a request as bytes of its body; None if their place is not known."""
    body, start, prefix, pieces = text.body, text.start, text.prefix, text.pieces
    if prefix is None:
        return text_of_items(body, start, pieces) if pieces else None
    return body[start : end_of_items(body, start + len(prefix.beginning.text), pieces)]


def _is_before(path: str, field: str, count: int) -> bool:
    """Return whether a path leads into one of the first `count` messages, or items."""
    name, _, index = path.partition("]")[0].partition("[")
    return name == field and index.isdigit() and int(index) < count
