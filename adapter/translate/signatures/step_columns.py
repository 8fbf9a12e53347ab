"""The plain steps of a history, column by column.

A step of a tool loop is an answer with calls, and their results. It is plain if the answer is a text and calls with
nothing beside them, each call has an id, a name and arguments and nothing else, and the results are texts, in the order
of the calls. Nearly all steps of agents are plain, and a history has hundreds of them. So they are read in three
passes over whole columns, most of which loop in C:

    kinds      each message becomes a character (`_KINDS`): an answer the number of its calls, a result a "t"
    runs       a pattern (`_RUN`) finds steps in a row
    columns    what the calls and results of a run have becomes lists; steps with unusual calls are left out

All other code about steps uses these columns, too. Every other answer is a `KnownAnswer`.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import accumulate, chain, compress, groupby, pairwise
from operator import attrgetter, eq
from types import NoneType
from typing import Any

import msgspec

from adapter.translate.signatures.keys import split_id
from adapter.translate.signatures.known_answers import FoundRecord, KnownAnswer, known_digest
from adapter.translate.signatures.prefix_digest import RESULT_ROLES, call_digest, calls_of
from adapter.wire.openai.chat_request import FunctionCall, Message, ToolCall


class StepColumns(msgspec.Struct, gc=False):
    """Plain steps in a row; `index` is that of their first message.

    There is one of `ids`, `names`, `arguments`, `results` and `found` (its record, if one is known) for each call, and
    one of `texts` and `sizes` (the number of its calls) for each step. `first_calls` are the places of each step's
    first call, and then the number of all calls. `wholes` are the records of whole answers, by the number of the step.
    """

    index: int
    texts: Sequence[str | None]
    sizes: Sequence[int]
    first_calls: Sequence[int]
    ids: Sequence[str]
    names: Sequence[str]
    arguments: Sequence[str]
    results: Sequence[str]
    found: list[FoundRecord | None]
    wholes: dict[int, FoundRecord] = {}
    digests: list[str] = []

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def end(self) -> int:
        """The index of the message behind these steps."""
        return self.index_of(len(self.sizes))

    @property
    def is_serial(self) -> bool:
        """Return whether each step has one call."""
        return len(self.ids) == len(self.sizes)

    @property
    def misses_records(self) -> bool:
        """Return whether the store has no record for one of the calls."""
        return None in self.found

    def index_of(self, step: int) -> int:
        """Return the index of a step's answer."""
        return self.index + step + self.first_calls[step]

    def calls_of_step(self, step: int) -> range:
        """Return the places of a step's calls."""
        return range(self.first_calls[step], self.first_calls[step + 1])

    def calls_in_words(self) -> Iterable[tuple[str, str, str]]:
        """Return the id, the name and the arguments of each call."""
        return zip(self.ids, self.names, self.arguments, strict=True)

    def step_at(self, index: int) -> int:
        """Return the number of the step whose answer has this index."""
        return bisect_left(range(len(self.sizes)), index, key=self.index_of)

    def step_of(self, call: int) -> int:
        """Return the number of the step that has this call."""
        return bisect_right(self.first_calls, call) - 1

    def result_index(self, call: int) -> int:
        """Return the index of the message with a call's result."""
        return self.index + self.step_of(call) + 1 + call

    def paths(self) -> list[str]:
        """Return the path of each call in the request."""
        if self.is_serial:
            return [f"messages[{index}].tool_calls[0]" for index in range(self.index, self.end, 2)]
        places = [(self.index_of(step), number) for step, size in enumerate(self.sizes) for number in range(size)]
        return [f"messages[{index}].tool_calls[{number}]" for index, number in places]

    def unknown_steps(self) -> Container[int]:
        """Return the numbers of the steps with a call of which nothing is known."""
        if not any(self.found):
            return range(len(self.sizes))
        return {self.step_of(call) for call, one in enumerate(self.found) if one is None}

    def whole_records(self) -> dict[int, FoundRecord]:
        """Return the records of whole answers by their indexes."""
        return {self.index_of(step): one for step, one in self.wholes.items()}

    def call_digests(self) -> list[str]:
        """Return the digest of each call: its record's, where that belongs to it."""
        if not self.digests:
            self.digests = [
                known_digest(one) or call_digest(name, arguments)
                for one, name, arguments in zip(self.found, self.names, self.arguments, strict=True)
            ]
        return self.digests

    def are_ids_unique(self) -> list[bool]:
        """Return for each call whether no other one of its step has its id."""
        firsts = self.first_calls
        if self.is_serial:
            return [True] * len(self.ids)
        steps = [self.ids[begin:end] for begin, end in pairwise(firsts)]
        return [ids.count(id_) == 1 for ids in steps for id_ in ids]

    def answer(self, step: int, message: Message) -> KnownAnswer:
        """Return the answer of a step by itself, with copies of its records."""
        begin, end = self.first_calls[step], self.first_calls[step + 1]
        return KnownAnswer(
            self.index_of(step), message, calls_of(message), self.found[begin:end], self.wholes.get(step)
        )

    def part(self, first: int, last: int) -> "StepColumns":
        """Return the steps from one up to before another, with copies of their records."""
        begin, end = self.first_calls[first], self.first_calls[last]
        return StepColumns(
            self.index_of(first),
            self.texts[first:last],
            self.sizes[first:last],
            [place - begin for place in self.first_calls[first : last + 1]],
            self.ids[begin:end],
            self.names[begin:end],
            self.arguments[begin:end],
            self.results[begin:end],
            self.found[begin:end],
            {step - first: self.wholes[step] for step in range(first, last) if step in self.wholes}
            if self.wholes
            else {},
            self.digests[begin:end],
        )

    def split_at(self, index: int) -> list["StepColumns"]:
        """Return the steps before a message and those from it on; all together, if it is not between them."""
        if not self.index < index < self.end:
            return [self]
        step = self.step_at(index)
        return [self.part(0, step), self.part(step, len(self.sizes))]

    def select(self, are_wanted: Iterable[bool]) -> list["StepColumns"]:
        """Return those in a row of which each call is wanted; there is one of `are_wanted` for each call."""
        wanted = list(are_wanted)
        if False not in wanted:
            return [self]
        if not self.is_serial:
            firsts = self.first_calls
            wanted = [all(wanted[begin:end]) for begin, end in pairwise(firsts)]
        groups = [list(steps) for _, steps in groupby(range(len(wanted)), wanted.__getitem__)]
        return [self.part(steps[0], steps[-1] + 1) for steps in groups if wanted[steps[0]]]


def read_answers(some: Sequence[Message], start: int, cut: int) -> list[StepColumns | KnownAnswer]:
    """Return the answers among some messages in their order, the index of the first message being `start`.

    Steps before and behind the message `cut` are apart. Nothing is known of any of them yet.
    """
    if "assistant" not in map(_ROLE, some):
        return []
    kinds = _kinds_of(some)
    plain = [
        part
        for run in _RUN.finditer(kinds)
        for columns in _read_run(some[run.start() : run.end()], run[0], start + run.start())
        for part in columns.split_at(cut)
    ]
    parts: list[StepColumns | KnownAnswer] = []
    index = 0
    for columns in plain:
        parts += _other_answers(some, range(index, columns.index - start), start)
        parts.append(columns)
        index = columns.end - start
    return parts + _other_answers(some, range(index, len(some)), start)


def _other_answers(some: Sequence[Message], places: range, start: int) -> list[StepColumns | KnownAnswer]:
    """Return the answers at these places one by one."""
    return [
        KnownAnswer(start + place, message, calls := calls_of(message), [None] * len(calls))
        for place in places
        if (message := some[place]).role == "assistant"
    ]


def _read_run(run: Sequence[Message], kinds: str, index: int) -> list[StepColumns]:
    """Return steps in a row as columns, without those that have an unusual call; `index` is that of the first message.

    `kinds` has the kind of each message.
    """
    are_results = list(map("t".__eq__, kinds))
    results = list(compress(run, are_results))
    answers = [message for message, is_result in zip(run, are_results, strict=True) if not is_result]
    sizes = list(map(len, map(_CALLS, answers)))
    calls = list(chain.from_iterable(map(_CALLS, answers)))
    functions = [call.function or _NO_FUNCTION for call in calls]
    ids = [call.id or "" for call in calls]
    columns = StepColumns(
        index,
        list(map(_CONTENT, answers)),
        sizes,
        list(accumulate(sizes, initial=0)),
        ids,
        list(map(_NAME, functions)),
        [arguments or "" for arguments in map(_ARGUMENTS, functions)],
        list(map(_CONTENT, results)),
        [None] * len(calls),
    )
    are_plain = zip(
        ids,
        columns.names,
        map(eq, ids, map(_RESULT_ID, results)),
        map(_BARE_CALL.__eq__, map(_BESIDE_CALL, calls)),
        map(_BARE_FUNCTION.__eq__, map(_BESIDE_FUNCTION, functions)),
        # Not with a signature in the id.
        ["_t" not in id_ or split_id(id_)[1] is None for id_ in ids],
        columns.are_ids_unique(),
        strict=True,
    )
    return columns.select(map(all, are_plain))


def _kinds_of(some: Sequence[Message]) -> str:
    """Return the kind of each message."""
    contents, ids = map(type, map(_CONTENT, some)), map(type, map(_RESULT_ID, some))
    counts = [None if calls is None else len(calls) for calls in map(_CALLS, some)]
    are_bare = map(_BARE_MESSAGE.__eq__, map(_BESIDE_MESSAGE, some))
    keys = zip(map(_ROLE, some), contents, counts, ids, are_bare, strict=True)
    return "".join([_KINDS.get(key) or _OTHER_KINDS.get(key[0], "-") for key in keys])


def _others(type_: type[msgspec.Struct], *names: str) -> tuple[Callable[[Any], Any], tuple[Any, ...]]:
    """Return a getter of a Struct's fields that have none of these names, and their defaults."""
    fields = [one for one in msgspec.structs.fields(type_) if one.name not in names]
    return attrgetter(*[one.name for one in fields]), tuple([one.default for one in fields])


_BESIDE_MESSAGE, _BARE_MESSAGE = _others(Message, "role", "content", "tool_calls", "tool_call_id")
_BESIDE_CALL, _BARE_CALL = _others(ToolCall, "id", "type", "function")
_BESIDE_FUNCTION, _BARE_FUNCTION = _others(FunctionCall, "name", "arguments")
_ROLE, _CONTENT, _CALLS, _RESULT_ID = map(attrgetter, ("role", "content", "tool_calls", "tool_call_id"))
_NAME, _ARGUMENTS = map(attrgetter, ("name", "arguments"))
_NO_FUNCTION = FunctionCall()

_MOST_CALLS = 9
"""Calls of a plain step: their number is one digit."""

_KINDS: dict[tuple[Any, ...], str] = {
    ("tool", str, None, str, True): "t",
    **{
        ("assistant", content, count, NoneType, True): str(count)
        for content in (str, NoneType)
        for count in range(1, _MOST_CALLS + 1)
    },
}
"""The kinds of plain messages by role, type of the content, number of calls, type of the result's id, and whether they
have nothing beside these."""

_OTHER_KINDS = {"assistant": "a", **dict.fromkeys(RESULT_ROLES, "r")}
"""Other answers and other results; what is left is a "-"."""

_RUN = re.compile(
    "(?<![a1-9])(?:" + "|".join([f"{count}t{{{count}}}(?![tr])" for count in range(1, _MOST_CALLS + 1)]) + ")+"
)
"""Steps in a row: behind each answer are as many results as it has calls, and no more. No answer is before the first,
since the two would become one turn."""
