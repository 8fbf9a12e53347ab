"""Function calls whose arguments arrive in pieces (Vertex AI, `streamFunctionCallArguments`, 2026-04).

The first piece names the function; later ones have no name and hold `partialArgs`, each a JSON path and a value. A
string comes in pieces and ends with an empty one; `functionCall: {}` ends the call. That last piece is sometimes
missing, so the next call, or the end of the stream, ends a call as well.
"""

import re
from itertools import pairwise
from typing import Any

import msgspec

from adapter.translate.answer.reply import loaded
from adapter.translate.core.errors import AnswerError
from adapter.wire.base import ABSENT, encode, present
from adapter.wire.gemini.content import FunctionCall, Part, PartialArg

MAX_GAP = 1_000
"""How many elements of a list a path may skip."""

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]++|\\.)*+)'\]|\["((?:[^"\\]++|\\.)*+)"\]""")
_ESCAPED = re.compile(r"\\(.)")


WholeCall = tuple[Part, FunctionCall]
"""A part, and the call that it holds."""


class CallAssembly:
    """`feed` it each function call part in order; it returns the calls that have become whole."""

    def __init__(self) -> None:
        self._open: WholeCall | None = None
        self._args: Any = {}
        self._given = False

    def feed(self, part: Part, call: FunctionCall) -> list[WholeCall]:
        """The calls that this part completes. Raises `AnswerError` for pieces that do not fit together."""
        whole: list[WholeCall] = []
        if call.name:
            whole = self.close()
            if not call.will_continue and not call.partial_args:
                return [*whole, (part, call)]
            self._open = part, call
            self._args = loaded(call.args) if present(call.args) else {}
            self._given = bool(self._args)
        elif self._open is None:
            if call.partial_args or present(call.args):
                raise _malformed("arguments came before the name of their function")
            return []
        elif part.thought_signature:
            first, named = self._open
            self._open = msgspec.structs.replace(first, thought_signature=part.thought_signature), named
        for piece in call.partial_args or ():
            self._add(piece)
        return whole if call.will_continue else [*whole, *self.close()]

    def close(self) -> list[WholeCall]:
        """The call that was still open."""
        if self._open is None:
            return []
        part, named = self._open
        self._open = None
        args = msgspec.Raw(encode(self._args)) if self._given else ABSENT
        call = FunctionCall(id=named.id, name=named.name, args=args)
        return [(msgspec.structs.replace(part, function_call=call), call)]

    def _add(self, piece: PartialArg) -> None:
        steps = steps_of(piece.json_path or "")
        self._given = True
        target: Any = self._args
        for step, following in pairwise(steps):
            target = _child(target, step, {} if isinstance(following, str) else [])
        value = _value(piece)
        before = _child(target, steps[-1], None)
        both = isinstance(before, str) and isinstance(value, str)
        target[steps[-1]] = before + value if both else value


def steps_of(path: str) -> list[str | int]:
    """`$.a[0]['b c']` as keys and indexes. Raises `AnswerError` for a path that this is not."""
    steps: list[str | int] = []
    at = 1
    while path.startswith("$") and (found := _STEP.match(path, at)):
        name, index, single, double = found.groups()
        quoted = single if single is not None else double
        steps.append(name or (int(index) if index else _ESCAPED.sub(r"\1", quoted)))
        at = found.end()
    if not steps or at != len(path):
        raise _malformed(f"{path!r} is not a path")
    return steps


def _child(target: Any, step: str | int, default: Any) -> Any:
    """What stands at one step, made if it is not there."""
    if isinstance(step, str) and isinstance(target, dict):
        return target.setdefault(step, default)
    if isinstance(step, int) and isinstance(target, list) and step < len(target) + MAX_GAP:
        target.extend([None] * (step + 1 - len(target)))
        if target[step] is None:
            target[step] = default
        return target[step]
    raise _malformed(f"{step!r} does not fit what came before")


def _value(piece: PartialArg) -> str | float | bool | None:
    values = (piece.string_value, piece.number_value, piece.bool_value)
    return next((value for value in values if value is not None), None)


def _malformed(reason: str) -> AnswerError:
    message = f"Gemini streamed a function call in pieces that do not fit: {reason}."
    return AnswerError(502, "malformed_function_call", message)
