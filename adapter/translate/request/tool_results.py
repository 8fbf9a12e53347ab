"""Tool results: found in any order, completed where they are missing, and shaped as Gemini wants them."""

from collections import defaultdict, deque
from collections.abc import Container, Sequence

import msgspec
import orjson

from adapter.translate.core.arguments import has_long_number, plain_object, plain_objects
from adapter.translate.core.notes import Fate
from adapter.translate.tools.names import upstream_name
from adapter.translate.turns.turn_builder import HistoryCall, Turns, note_losses, parts_of
from adapter.wire.base import MAX_NESTING, encode, too_deep
from adapter.wire.gemini.content import FunctionResponse, FunctionResponsePart, Part
from adapter.wire.json_counts import is_within
from adapter.wire.openai.chat_request import Message

NO_RESULT = msgspec.Raw(b'{"error":"no result supplied"}')


def orphan(message: Message, index: int, turns: Turns) -> None:
    """Send a result that belongs to no call as a text of the user."""
    parts = parts_of(message, index, turns)
    name = message.tool_call_id or message.name or ""
    labelled = [Part(text=f"Result of the tool call {name}:"), *parts]
    turns.trace(index, labelled)
    turns.say("user", labelled)
    reason = f"no call {name!r} waits for this result: sent as a user's text"
    turns.note(f"[{index}].tool_call_id", Fate.APPROXIMATED, "tool-result-orphan", reason)
    if message.name and message.name != name:
        turns.note(
            f"[{index}].name", Fate.DROPPED, "participant-name-dropped", "the result is told under the call's id"
        )


def results(calls: list[HistoryCall], value: Sequence[Message], after: range, turns: Turns) -> list[int]:
    """Add the turn with the results of all calls, in their order; return the indexes that remain."""
    waiting = _Waiting(value, after, {call.part.name for call in calls})
    responses: list[Part] = []
    extra: list[Part] = []
    for call in calls:
        index = waiting.take(call, turns)
        if index is None:
            responses.append(_response(call, NO_RESULT))
            turns.trace(call.path, responses[-1:])
            reason = "the history has no result of this call: an error is sent as its result"
            turns.note(call.path, Fate.INJECTED, "tool-result-missing", reason)
            continue
        part, beside = _result(call, value[index], index, turns)
        responses.append(part)
        extra += beside
        turns.trace(index, [part, *beside])
    turns.say("user", responses)
    if extra:
        turns.say("user", extra)
    rest = [index for index in after if index not in waiting.taken]
    if rest:
        _note_moved(rest, max(waiting.taken, default=-1), turns)
    return rest


def _note_moved(rest: list[int], last: int, turns: Turns) -> None:
    """Note messages that stood before the last result, which now comes first."""
    for index in rest:
        if index < last:
            turns.note(
                f"[{index}]",
                Fate.APPROXIMATED,
                "messages-reordered",
                "Gemini wants results right after their calls: moved behind them",
            )


class _Waiting:
    """The results behind some calls, by the id or the name that each gives; any may be taken once.

    A name tells results apart that have no id, if one of the calls has it.
    """

    def __init__(self, value: Sequence[Message], after: range, names: Container[str | None]) -> None:
        self._names = names
        self.taken: set[int] = set()
        self._by_id: defaultdict[str, deque[int]] = defaultdict(deque)
        self._by_name: defaultdict[str, deque[int]] = defaultdict(deque)
        self._unnamed: deque[int] = deque()
        for index in after:
            self._add(value[index], index)

    def _add(self, message: Message, index: int) -> None:
        if message.role == "tool" and message.tool_call_id:
            self._by_id[message.tool_call_id].append(index)
            return
        name = upstream_name(message.name) if message.name else None
        if name is not None and name in self._names and message.role in ("tool", "function"):
            self._by_name[name].append(index)
        elif message.role == "tool":
            self._unnamed.append(index)

    def take(self, call: HistoryCall, turns: Turns) -> int | None:
        """Take the result of a call; return its index.

        It is the first with the call's id, or with its name if it has no id; else one without either.
        """
        named = [self._first(self._by_id.get(call.id)), self._first(self._by_name.get(call.part.name or ""))]
        index = min((one for one in named if one is not None), default=None)
        if index is None and (index := self._first(self._unnamed)) is not None:
            reason = "the result names no call: taken for the first call that waits"
            turns.note(f"[{index}].tool_call_id", Fate.APPROXIMATED, "tool-result-unnamed", reason)
        if index is not None:
            self.taken.add(index)
        return index

    def _first(self, indexes: deque[int] | None) -> int | None:
        """Return the first result that was not taken; earlier ones are never looked at again."""
        while indexes and indexes[0] in self.taken:
            indexes.popleft()
        return indexes[0] if indexes else None


def _response(call: HistoryCall, response: msgspec.Raw, parts: list[FunctionResponsePart] | None = None) -> Part:
    return Part(
        function_response=FunctionResponse(id=call.part.id, name=call.part.name, response=response, parts=parts)
    )


def _result(call: HistoryCall, message: Message, index: int, turns: Turns) -> tuple[Part, list[Part]]:
    """Return a tool message as a function response, and the media that the model takes only beside it."""
    if message.name and upstream_name(message.name) != call.part.name:
        turns.note(
            f"[{index}].name",
            Fate.DROPPED,
            "participant-name-dropped",
            f"the call that it answers is one of {call.part.name}",
        )
    if isinstance(message.content, str):
        note_losses(message, index, turns)
        return _response(call, output_of(message.content, message, index, turns)), []
    parts = parts_of(message, index, turns)
    text = "".join(part.text or "" for part in parts)
    attached = [part for part in parts if part.text is None]
    response = output_of(text, message, index, turns)
    inside, beside = _attach(attached, index, turns)
    return _response(call, response, inside or None), beside


def _attach(parts: list[Part], index: int, turns: Turns) -> tuple[list[FunctionResponsePart], list[Part]]:
    """Attach media of a result: inside the function response (Gemini 3), else in a user's turn after it."""
    if not parts:
        return [], []
    if turns.context.capabilities.function_response_media:
        if any(part.media_resolution for part in parts):
            reason = "Gemini takes no resolution for media inside a result"
            turns.note(f"[{index}].content", Fate.DROPPED, "image-detail-ignored", reason)
        return [FunctionResponsePart(inline_data=part.inline_data, file_data=part.file_data) for part in parts], []
    reason = "the model takes no media inside a result: sent beside it"
    turns.note(f"[{index}].content", Fate.APPROXIMATED, "result-media-beside", reason)
    return [], parts


def output_of(text: str, message: Message, index: int, turns: Turns) -> msgspec.Raw:
    """Return a result as Gemini's JSON object: an object as it is, anything else as `output` or `error`."""
    if not message.is_error:
        stripped = text.strip()
        first = stripped[:1]
        if first == "{":
            plain = plain_object(stripped, turns.context.options.limits.json_values)
            if plain is not None and '"$ref"' not in stripped:
                return plain
        elif first not in _BEGINNINGS or (first in "tf" and stripped not in ("true", "false")):
            return msgspec.Raw(encode({"output": text}))
    return _looked_into(text, message, index, turns)


def plain_outputs(texts: Sequence[str], most: int) -> list[bytes | None]:
    """Return the outputs of many results that are no errors; None for one that must be looked into by `output_of`."""
    stripped = list(map(str.strip, texts))
    objects = iter(plain_objects([text for text in stripped if text[:1] == "{"], most))
    outputs: list[bytes | None] = []
    for text, short in zip(texts, stripped, strict=True):
        first, output = short[:1], None
        if first == "{":
            output = next(objects)
            if output is not None and output.rfind(b'"$ref"') >= 0:
                output = None
        elif first not in _BEGINNINGS or (first in "tf" and short not in ("true", "false")):
            output = encode({"output": text})
        outputs.append(output)
    return outputs


_BEGINNINGS = "[-0123456789tf"
"""The first characters of results that may be JSON and are not sent as texts anyway; objects apart."""


def _looked_into(text: str, message: Message, index: int, turns: Turns) -> msgspec.Raw:
    """Return a result as an object; a note says where its meaning changes."""
    key = "error" if message.is_error else "output"
    if not is_within(text, most := turns.context.options.limits.json_values):
        too_many = f"the result has more than {most} JSON values (the setting max_json_values): it is sent as text"
        turns.note(f"[{index}].content", Fate.APPROXIMATED, "result-as-text", too_many)
        return msgspec.Raw(encode({key: text}))
    stripped = text.strip()
    try:
        value = orjson.loads(stripped) if stripped else text
    except orjson.JSONDecodeError:
        value = text
    reason = _unsafe(value, stripped)
    if reason is not None:
        turns.note(f"[{index}].content", Fate.APPROXIMATED, "result-as-text", reason)
        value = text
    if isinstance(value, dict) and not message.is_error:
        return msgspec.Raw(stripped.encode())
    if isinstance(value, (dict, list)):
        return msgspec.Raw(b'{"%s":%s}' % (key.encode(), stripped.encode()))
    # Other numbers (1e3, -0, 1.50) would be written in another way than the tool has written them.
    unchanged = isinstance(value, (bool, int)) and orjson.dumps(value).decode() == stripped
    return msgspec.Raw(encode({key: value if unchanged else text}))


def _unsafe(value: object, text: str) -> str | None:
    """Return why a JSON result must travel as text: Gemini reads `$ref` as a reference, and numbers as doubles."""
    if isinstance(value, (dict, list)):
        if too_deep(text):
            return f"the result has more than {MAX_NESTING} levels: it is sent as text"
        if '"$ref"' in text and _has_reference(value):
            return "Gemini reads the key $ref as a reference: the result is sent as text"
    if not isinstance(value, str) and has_long_number(value, text):
        return "Gemini would round the result's long numbers: the result is sent as text"
    return None


def _has_reference(value: object) -> bool:
    if isinstance(value, dict):
        return "$ref" in value or any(map(_has_reference, value.values()))
    return isinstance(value, list) and any(map(_has_reference, value))
