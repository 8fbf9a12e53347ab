"""Matches an answer's own parts with the client's history of it.

What a client can see of an answer are its text, its images and its calls; in Responses also executed code. The parts
go back only if all of this is what the client's history has, as clients keep it: the outer white space of a text, and
the spelling of arguments, do not count, nor does the order of parallel calls. What a client left out altogether, the
text or the images, stays out. What it cannot see (server-side tools, signed thoughts, in chat also code) stays where
it was.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import orjson

from adapter.translate.core.part_kinds import PartKind, kind_of
from adapter.translate.signatures.prefix_digest import canonical_json
from adapter.translate.turns.turn_builder import HistoryCall
from adapter.wire.base import present
from adapter.wire.gemini.content import FunctionCall, Part


class Visible(NamedTuple):
    """An answer as the client's history has it. `has_media`: its content has more than texts."""

    text: str
    images: list[Part]
    calls: list[HistoryCall]
    has_media: bool


def replay_parts(
    parts: list[Part], visible: Visible, code: list[Part] | None
) -> tuple[list[Part], list[HistoryCall]] | None:
    """Return the parts to send and the calls in their order; None where the client's history says something else.

    `code` are parts that the client's history has itself: what was executed in them must be the same.
    """
    if code is not None and code_of(code) != code_of(parts):
        return None
    sorting = _Sorting(visible, parts)
    replayed = [one for part in parts if (one := sorting.take(part)) is not None]
    return (replayed, sorting.calls) if sorting.is_whole() else None


class _Sorting:
    """Matches each part of the answer with the client's. `agrees`: all parts so far are the same."""

    def __init__(self, visible: Visible, parts: Sequence[Part]) -> None:
        answer_text = "".join([part.text or "" for part in parts if not part.thought])
        self.agrees = not visible.has_media and _agree(visible.text, answer_text, left_out=bool(visible.calls))
        self.calls: list[HistoryCall] = []
        self._answered = {part.function_response.name for part in parts if part.function_response}
        self._has_text = bool(visible.text.strip())
        self._images = deque(visible.images)
        self._has_images = bool(visible.images)
        self._calls = _Calls(visible.calls)

    def take(self, part: Part) -> Part | None:
        """Return the part to send; None if the client left it out."""
        kind: PartKind = kind_of(part)
        if kind == "text" or (kind == "empty" and part.text is not None):
            return part if self._has_text or kind == "empty" else None
        if kind == "image":
            return self._image(part)
        # A call that Gemini itself has answered was never the client's.
        if kind == "call" and part.function_call and part.function_call.name not in self._answered:
            return self._call(part, part.function_call)
        return part

    def _image(self, part: Part) -> Part | None:
        if not self._has_images:
            return None
        own = self._images.popleft() if self._images else None
        self.agrees &= own is not None and _same_image(own, part)
        return part

    def _call(self, part: Part, call: FunctionCall) -> Part:
        """Find a call among the client's parallel calls, which may be in another order."""
        own = self._calls.take(call)
        if own is None:
            self.agrees = False
            return part
        if not present(call.args):
            part = msgspec.structs.replace(part, function_call=own.part)
        self.calls.append(msgspec.structs.replace(own, part=part.function_call or own.part))
        return part

    def is_whole(self) -> bool:
        """Return whether the client's history has all parts of the answer, and no others."""
        return self.agrees and not self._calls.left and not self._images


class _Calls:
    """The client's calls, each to be taken once; `left` has those that were not taken.

    A call is found by its name and arguments, or by its name if a part has no arguments.
    """

    def __init__(self, calls: Sequence[HistoryCall]) -> None:
        self.left = dict(enumerate(calls))
        self._by_name: defaultdict[str | None, deque[int]] = defaultdict(deque)
        self._by_meaning: defaultdict[tuple[str | None, bytes], deque[int]] = defaultdict(deque)
        for number, call in self.left.items():
            self._by_name[call.part.name].append(number)
            self._by_meaning[_meaning(call.part)].append(number)

    def take(self, call: FunctionCall) -> HistoryCall | None:
        """Take the first remaining call that equals this one."""
        same = self._by_meaning.get(_meaning(call)) if present(call.args) else self._by_name.get(call.name)
        while same:
            if (own := self.left.pop(same.popleft(), None)) is not None:
                return own
        return None


def _meaning(call: FunctionCall) -> tuple[str | None, bytes]:
    return call.name, canonical_json(bytes(call.args).decode())


def _agree(own: str, answered: str, *, left_out: bool) -> bool:
    """Return whether a client's own text is the answer's; many clients keep no text beside calls."""
    own = own.strip()
    return own == answered.strip() or (left_out and not own)


def _same_image(own: Part, part: Part) -> bool:
    return (
        own.inline_data is not None and part.inline_data is not None and own.inline_data.data == part.inline_data.data
    )


def code_of(parts: Iterable[Part]) -> list[tuple[str, ...]]:
    """Return the parts of code that Gemini ran, each with its result, in order."""
    pieces: list[tuple[str, ...]] = []
    for part in parts:
        if present(part.executable_code):
            pieces.append(("code", _member(part.executable_code, "code")))
        if present(part.code_execution_result):
            pieces.append(("result", _member(part.code_execution_result, "output")))
    return pieces


def _member(raw: msgspec.Raw, name: str) -> str:
    value = orjson.loads(bytes(raw))
    return str(value.get(name) or "") if isinstance(value, dict) else ""


def has_hidden(parts: Iterable[Part]) -> bool:
    """Return whether an answer has parts for which OpenAI's format has no place."""
    return any(kind_of(part) == "opaque" or (part.thought and part.thought_signature) for part in parts)
