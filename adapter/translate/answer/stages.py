"""Stages between Gemini's parts and the reader: each is fed parts, returns parts, and is closed.

**Leaked thoughts** come as text, behind the word THOUGHT: and with nothing else that tells them from an answer. Vertex
AI and relays return some (github.com/googleapis/python-genai/issues/2121). The word is no sure sign, and agents write
`Thought:` on purpose: only the operator can know what a text is that begins with it.

**JSON by a function**: where a model refuses JSON mode beside functions, the answer comes as the arguments of a
function (`json_tool.JSON_TOOL`). The client must get one JSON text or its own calls, whatever Gemini says around it:

| Gemini sends                 | the client gets                                    |
|------------------------------|----------------------------------------------------|
| text, then the JSON          | the JSON alone; the text is left out, with a note  |
| the JSON, then text          | the same                                           |
| the JSON twice               | the first one, with a note                         |
| text, then a client's call   | both                                               |
| text alone                   | the text, at the end                               |

**Calls in pieces** (Vertex AI, `streamFunctionCallArguments`, 2026-04): the first piece names the function; later ones
have no name and hold `partialArgs`, each a JSON path and a value. A string comes in pieces and ends with an empty one;
`functionCall: {}` ends the call. That last piece is sometimes missing, so the next call, or the end of the stream, ends
a call as well.
"""

import re
from itertools import pairwise
from typing import Any

import msgspec

from adapter.translate.answer.reply import load_arguments
from adapter.translate.core.context import Context
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.part_kinds import is_plain, kind_of
from adapter.translate.tools.json_tool import json_tool_name
from adapter.wire.base import ABSENT, encode, present
from adapter.wire.gemini.content import FunctionCall, Part, PartialArg

MARK = "THOUGHT:"
LEAKED = Note(
    "content.parts[].text", Fate.APPROXIMATED, "leaked-thought-moved", f"began with {MARK} and is told as a thought"
)

_BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
_MAY_BE_BLANK = re.compile(r"\r?\n[ \t]*\r?$|\r$")


class LeakedThoughts:
    """Feed it each part of an answer, then close it; both give the parts to go on with.

    A leaked thought begins where a text does: at the start, behind another thought, behind a part that is no text. It
    ends at the first blank line. A text may come in pieces: what could still become the one or the other is held back.
    """

    def __init__(self) -> None:
        self.found = False
        self._may_begin = True
        self._thinking = False
        self._behind_thought = False
        self._held = ""

    def feed(self, part: Part) -> list[Part]:
        """Return the parts that can be passed on after this part."""
        if part.text is None or part.thought or not is_plain(part):
            return [*self.close(), part]
        parts = self._split(part.text)
        if not part.thought_signature:
            return parts
        parts += self.close() or ([] if parts else [Part(text="")])
        parts[-1].thought_signature = part.thought_signature
        return parts

    def close(self) -> list[Part]:
        """Return the held text; the next text is judged anew."""
        held = "" if self._behind_thought and not self._held.strip() else self._held
        parts = [_part(held, thought=self._thinking)] if held else []
        self._may_begin, self._thinking, self._behind_thought, self._held = True, False, False, ""
        return parts

    def _split(self, piece: str) -> list[Part]:
        text, self._held = self._held + piece, ""
        parts: list[Part] = []
        while text:
            if self._thinking:
                thought, text = self._thought(text)
                if thought:
                    parts.append(_part(thought, thought=True))
            elif self._may_begin:
                text = self._beginning(text)
            else:
                parts.append(_part(text, thought=False))
                break
        return parts

    def _beginning(self, text: str) -> str:
        """Return the parts of a text once its beginning shows what it is; nothing before."""
        bare = text.lstrip()
        rest = bare.removeprefix(MARK).lstrip(" \t")
        if MARK.startswith(bare) or (bare.startswith(MARK) and not rest):
            self._held = text
            return ""
        self._may_begin = False
        if bare.startswith(MARK):
            self.found = self._thinking = True
            return rest
        return bare if self._behind_thought else text

    def _thought(self, text: str) -> tuple[str, str]:
        """Return the thought that a text continues, and what follows it."""
        end = _BLANK_LINE.search(text)
        if end is not None:
            self._thinking, self._may_begin, self._behind_thought = False, True, True
            return text[: end.start()], text[end.end() :]
        open_end = _MAY_BE_BLANK.search(text)
        safe_end = len(text) if open_end is None else open_end.start()
        self._held = text[safe_end:]
        return text[:safe_end], ""


def _part(text: str, *, thought: bool) -> Part:
    return Part(text=text, thought=True if thought else None)


_ALONE = "the answer is one JSON text: what was said beside it is left out"
JSON_ALONE = Note("content.parts[]", Fate.DROPPED, "json-answer-alone", _ALONE)


class JsonAnswer:
    """`feed` it each part; both methods return the parts that count, with their numbers."""

    def __init__(self, context: Context) -> None:
        self.has_lost = False
        self._name = json_tool_name(context)
        self._held: list[tuple[int, Part]] = []
        self._given = False

    def feed(self, number: int, part: Part) -> list[tuple[int, Part]]:
        """Return the parts that are certain to be part of the answer."""
        call = part.function_call
        if call is not None and call.name == self._name:
            self.has_lost |= self._given or bool(self._held)
            given, self._given, self._held = self._given, True, []
            return [] if given else [(number, part)]
        if kind_of(part) == "text":
            self.has_lost |= self._given
            self._held += [] if self._given else [(number, part)]
            return []
        return [*(self.close() if call is not None else ()), (number, part)]

    def close(self) -> list[tuple[int, Part]]:
        """Return the held texts, if no JSON came."""
        held, self._held = self._held, []
        return held


# One path, such as $.a[999999999], would otherwise make a list that fills the memory.
MAX_GAP = 1_000
"""The most elements of a list that a path may skip."""

# Possessive (`++`): a quotation that never ends would else be tried from each of its characters.
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]++|\\.)*+)'\]|\["((?:[^"\\]++|\\.)*+)"\]""")
_ESCAPED = re.compile(r"\\(.)")


WholeCall = tuple[Part, FunctionCall]
"""A part, and the call that it contains."""


class CallAssembly:
    """Joins calls that come in pieces: `feed` it each function call part in order; it returns the complete calls."""

    def __init__(self) -> None:
        self._open: WholeCall | None = None
        self._args: Any = {}
        self._given = False

    def feed(self, part: Part, call: FunctionCall) -> list[WholeCall]:
        """Return the calls that this part completes. Raises `AnswerError` for pieces that do not fit together."""
        whole: list[WholeCall] = []
        if call.name:
            whole = self.close()
            if not call.will_continue and not call.partial_args:
                return [*whole, (part, call)]
            self._open = part, call
            self._args = load_arguments(call.args) if present(call.args) else {}
            self._given = bool(self._args)
        elif self._open is None:
            if call.partial_args or present(call.args):
                raise _malformed_call("arguments came before the name of their function")
            return []
        elif part.thought_signature:
            first, named = self._open
            self._open = msgspec.structs.replace(first, thought_signature=part.thought_signature), named
        for piece in call.partial_args or ():
            self._add(piece)
        return whole if call.will_continue else [*whole, *self.close()]

    def close(self) -> list[WholeCall]:
        """Return the call that is still open."""
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
    """Return a path such as `$.a[0]['b c']` as keys and indexes. Raises `AnswerError` for an invalid path."""
    steps: list[str | int] = []
    at = 1
    while path.startswith("$") and (match := _STEP.match(path, at)):
        name, index, single, double = match.groups()
        quoted = single if single is not None else double
        steps.append(name or (int(index) if index else _ESCAPED.sub(r"\1", quoted)))
        at = match.end()
    if not steps or at != len(path):
        raise _malformed_call(f"{path!r} is not a path")
    return steps


def _child(target: Any, step: str | int, default: Any) -> Any:
    """Return the value at one step; create it if it is not there."""
    if isinstance(step, str) and isinstance(target, dict):
        return target.setdefault(step, default)
    if isinstance(step, int) and isinstance(target, list) and step < len(target) + MAX_GAP:
        target.extend([None] * (step + 1 - len(target)))
        if target[step] is None:
            target[step] = default
        return target[step]
    raise _malformed_call(f"{step!r} does not fit what came before")


def _value(piece: PartialArg) -> str | float | bool | None:
    values = (piece.string_value, piece.number_value, piece.bool_value)
    return next((value for value in values if value is not None), None)


def _malformed_call(reason: str) -> AnswerError:
    message = f"Gemini streamed a function call in pieces that do not fit: {reason}."
    return AnswerError(502, "malformed_function_call", message)
