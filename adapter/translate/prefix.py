"""The remembered beginning of a chat request, for the next one that begins with the same messages.

An agent sends its whole history with every turn, and what is new is its end. So a history is cut where its last block
of messages begins (`request.cut`), and of all before that is kept: the bytes, to be compared; what the store knew of
the answers; what the messages became for one model at one place, with the notes.

The messages of a Responses request stand in no body, and some of them may be stored: they are compared as JSON that is
written here (`view_reading`), with what the items carry for them.

A history that was read so is the same in all that is seen of it: Gemini's request, the notes, the keys under which
signatures are stored. Whoever wants its first messages themselves has them decoded (`PartlyDecoded`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Options
from adapter.translate.core.earlier_turns import EarlierTurns
from adapter.translate.plan import Plan
from adapter.translate.signatures.earlier_answers import EarlierAnswers
from adapter.translate.signatures.history import Carried
from adapter.wire.base import WHOLE, encode
from adapter.wire.beginnings import Beginning, end_of_items, read_rest, start_of_list, text_of_items
from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import LimitExceeded, Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.reader import FEW, read, read_outlined
from adapter.wire.surrogates import REPLACED

LEAST = 16 * 1024
"""Bytes of messages from which on it is worth to remember them."""

FIELD = "messages"


NOTHING_CARRIED = Carried()


class Prefix(msgspec.Struct, frozen=True, gc=False):
    """The first messages of a history and their translation.

    `dialect` is of what else that depends: the tools, where arguments are spelled as their declarations want it.
    `since`: when the store was asked first for one of the answers, by the clock of who remembers it. `carried` is what
    the items of a Responses request carry for the messages.
    """

    beginning: Beginning
    answers: EarlierAnswers
    turns: EarlierTurns
    options: Options
    row: ModelCapabilities
    dialect: bytes
    since: float
    size_bytes: int
    carried: Carried = NOTHING_CARRIED

    def turns_for(
        self, request: ChatCompletionRequest, options: Options, row: ModelCapabilities
    ) -> EarlierTurns | None:
        """Return what the messages became, if they become the same for this model at this place."""
        is_same = (
            options == self.options
            and row.of_turns == self.row.of_turns
            and dialect_of(request, options) == self.dialect
        )
        return self.turns if is_same else None


def dialect_of(request: ChatCompletionRequest, options: Options) -> bytes:
    """Return what of the tools the translation of messages depends on."""
    return bytes(request.tools) + b"\n" + bytes(request.functions) if options.schema == "openapi" else b""


class Reading(NamedTuple):
    """A chat request as it was read, and by which prefix, if by any.

    `start` is where the messages stand in the body; `pieces` are those that are new, as they were written. `values` is
    a bound for the number of JSON values in a body that was read as a whole. Where the messages stand in no body,
    `texts` are all messages as JSON, joined in `body`, and `carried` is what the items carry for them. `has_tools`: the
    tools stand in `body`.
    """

    request: ChatCompletionRequest
    unknown: dict[str, msgspec.Raw]
    body: bytes
    start: int = 0
    prefix: Prefix | None = None
    pieces: Sequence[msgspec.Raw] = ()
    values: int = 0
    texts: list[bytes] | None = None
    carried: Carried = NOTHING_CARRIED
    has_tools: bool = True

    @property
    def size_bytes(self) -> int:
        """The size of the messages, about."""
        is_whole = self.has_tools and self.texts is None
        return len(self.body) - len(memoryview(self.request.tools)) if is_whole else len(self.body)


def read_whole(body: bytes, limits: Limits, values: int) -> Reading:
    """Read a body of at most so many values. Raises as `wire.reader.read` does."""
    if _ANSWER not in body:
        return Reading(*read(body, ChatCompletionRequest, limits, has_few=values <= FEW), body)
    request, unknown, lists = read_outlined(body, ChatCompletionRequest, limits, values)
    return Reading(request, unknown, body, pieces=lists[FIELD], values=values)


_ANSWER = b'"assistant"'
"""Without it there is nothing to be remembered: a history is cut before an answer."""


def view_reading(request: ChatCompletionRequest, carried: Carried) -> Reading:
    """Return the reading of a chat request that was made of another one."""
    texts = list(map(encode, request.messages))
    return Reading(request, {}, b",".join(texts), texts=texts, carried=carried)


def with_prefix(reading: Reading, prefix: Prefix) -> Reading:
    """Return the reading of such a request with what is remembered of its first messages, if that holds for it."""
    count, messages = prefix.beginning.count, reading.request.messages
    if messages[count].role != "assistant" or reading.carried.before(count, messages) != prefix.carried:
        return reading
    return reading._replace(prefix=prefix)


def read_short(body: bytes, limits: Limits, values: int) -> Reading | None:
    """Read a body from which something was cut out; None where the whole must be read, since it is at fault."""
    try:
        return read_whole(body, limits, values)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded):
        # The error is told with the paths of the whole body.
        return None


def read_with(body: bytes, start: int, prefix: Prefix, limits: Limits) -> Reading | None:
    """Read a body that begins with a prefix's messages; None where it must be read as a whole."""
    rest = read_rest(body, start, prefix.beginning, ChatCompletionRequest, FIELD, limits)
    if (
        rest is None
        or prefix.carried != NOTHING_CARRIED
        or rest.request.messages[prefix.beginning.count].role != "assistant"
    ):
        # Another message belongs to the last block before it: a late result, what a user adds.
        return None
    return Reading(rest.request, rest.unknown, body, start, prefix, rest.pieces)


def next_prefix(
    reading: Reading, plan: Plan, answers_before: Callable[[], EarlierAnswers], now: float
) -> Prefix | None:
    """Return what is to be remembered of a request that has its plan; None where nothing can be."""
    turns = plan.earlier
    if turns is None or any(value is WHOLE or value is REPLACED for value in reading.unknown.values()):
        # The notes on such values name one place, or some, and not all.
        return None
    beginning = _beginning(reading, turns.count)
    if beginning is None or len(beginning.text) < LEAST:
        return None
    context, answers = plan.context, answers_before()
    dialect = dialect_of(context.request, context.options)
    size = len(beginning.text) + sum([len(path) + len(memoryview(raw)) for path, raw in beginning.unknown.items()])
    size += answers.size_bytes + turns.size_bytes + len(dialect)
    since = now if reading.prefix is None else reading.prefix.since
    carried = reading.carried.before(turns.count, reading.request.messages)
    return Prefix(beginning, answers, turns, context.options, context.capabilities, dialect, since, size, carried)


def _beginning(reading: Reading, count: int) -> Beginning | None:
    """Return the first messages as they stand in the body."""
    if reading.texts is not None:
        text = b",".join(reading.texts[:count])
        return Beginning(text, count, values_at_most(text), {})
    body, prefix, pieces = reading.body, reading.prefix, reading.pieces
    if prefix is None:
        start = start_of_list(body, FIELD)
        found = text_of_items(body, start, pieces[:count]) if start else None
        if found is None:
            return None
        text, end = found, start + len(found)
        values = reading.values - values_at_most(body[:start]) - values_at_most(body[end:]) + 2
    else:
        first = prefix.beginning
        begun = reading.start + len(first.text)
        end = end_of_items(body, begun, pieces[: count - first.count])
        text, values = body[reading.start : end], first.values + values_at_most(body[begun:end])
    unknown = {path: raw for path, raw in reading.unknown.items() if _is_before(path, count)}
    return Beginning(text, count, values, unknown)


def _is_before(path: str, count: int) -> bool:
    """Return whether a path leads into the first messages."""
    name, _, index = path.partition("]")[0].partition("[")
    return name == FIELD and index.isdigit() and int(index) < count
