"""Messages to contents: one function per role, and the rules of turns that Gemini enforces.

Gemini wants a call's turn right after a user's, its results right after it, all in one turn and in the calls' order
(ai.google.dev, function calling; the 400s are quoted in google-gemini/gemini-cli issues 3814, 16543 and 26486).
OpenAI's histories keep none of that: results come in any order, are missing, or belong to no call. So the messages
are read in blocks: one or more assistant messages, and what follows until the next one.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import orjson

from adapter.translate import media, signatures
from adapter.translate.context import Context
from adapter.translate.notes import Fidelity, Note, Outcome, Rejected, exact
from adapter.translate.tools import upstream_name
from adapter.wire.base import ABSENT, decode, encode, present
from adapter.wire.gemini.content import (
    Content,
    FunctionCall,
    FunctionResponse,
    FunctionResponsePart,
    Part,
)
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.openai.chat import Message, ToolCall
from adapter.wire.signatures import Signature

SYSTEM_ROLES = ("system", "developer")
CONTINUE = "Continue."
NO_RESULT = msgspec.Raw(b'{"error":"no result supplied"}')

_LEGACY = "[%d].function_call"
_LONG_NUMBER = re.compile(r"\d{16}")


class Call(NamedTuple):
    """A call of the history: its id as the client knows it, and where it stands."""

    id: str
    path: str
    part: FunctionCall


class Turns:
    """The contents so far, and what was noted on the way."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.contents: list[Content] = []
        self.system: list[Part] = []
        self.notes: list[Note] = []

    def note(self, path: str, fidelity: Fidelity, reason: str) -> None:
        """Write a note; paths start below `messages`."""
        self.notes.append(Note(path, fidelity, reason))

    def say(self, role: str, parts: list[Part]) -> None:
        """Add a turn; a turn without parts is left out."""
        if parts:
            self.contents.append(Content(role=role, parts=parts))


def messages(value: list[Message], context: Context) -> Outcome:
    """All messages: systemInstruction and contents."""
    if not value:
        raise Rejected("messages", "there must be at least one message")
    turns = Turns(context)
    first = _leading_system(value, turns)
    index = first
    while index < len(value):
        index = _block(value, index, turns) if value[index].role == "assistant" else _other(value, index, turns)
    _ends(turns)
    _sentinels(turns)
    system = Content(parts=turns.system) if turns.system else None
    return exact(GenerateContentRequest(system_instruction=system, contents=turns.contents), turns.notes)


def _leading_system(value: list[Message], turns: Turns) -> int:
    """Put the first run of system messages into systemInstruction; return the index after it."""
    index = 0
    while index < len(value) and value[index].role in SYSTEM_ROLES:
        turns.system.extend(_parts(value[index], index, turns))
        index += 1
    if index == len(value) and turns.system:
        turns.say("user", [turns.system.pop()])
        reason = "Gemini wants a user's turn: the last system text is sent as one"
        turns.note(f"[{index - 1}]", Fidelity.APPROXIMATED, reason)
    elif turns.system and not turns.context.capabilities.system_instruction:
        turns.say("user", turns.system)
        turns.system = []
        turns.note("[0]", Fidelity.APPROXIMATED, "the model takes no system instruction: sent as a user's turn")
    return index


def _parts(message: Message, index: int, turns: Turns) -> list[Part]:
    """A message's content as parts, and notes on what any message may carry beside it."""
    turns.notes.extend(_losses(message, f"[{index}]"))
    return media.parts_of(message.content, f"[{index}].content", turns.context, turns.notes)


_REPLAYED = ("annotations", "reasoning_details", "thinking_blocks", "parsed", "cache_control")


def _losses(message: Message, path: str) -> Iterator[Note]:
    """Fields of a message that have no place in Gemini's contents."""
    if message.name and message.role != "function":
        yield media.lost(f"{path}.name", "Gemini knows no participants' names")
    if message.reasoning_content or message.reasoning:
        name = "reasoning_content" if message.reasoning_content else "reasoning"
        yield media.lost(f"{path}.{name}", "thoughts are not sent back: the signatures stand for them")
    for name in _REPLAYED:
        if present(getattr(message, name)):
            yield media.lost(f"{path}.{name}", "has no place in Gemini's contents")


def _other(value: list[Message], index: int, turns: Turns) -> int:
    """One message that is not an assistant's; return the index after it."""
    message = value[index]
    match message.role:
        case "user":
            _user(message, index, turns)
        case "system" | "developer":
            _later_system(message, index, turns)
        case "tool" | "function":
            _orphan(message, index, turns)
        case role:
            raise Rejected(f"messages[{index}].role", f"{role!r} is not a role")
    return index + 1


def _user(message: Message, index: int, turns: Turns) -> None:
    parts = _parts(message, index, turns)
    if not parts:
        turns.note(f"[{index}].content", Fidelity.DROPPED, "Gemini takes no empty turn")
    turns.say("user", parts)


def _later_system(message: Message, index: int, turns: Turns) -> None:
    """A system message after the first turn: at its place, so that the prefix before it stays the same."""
    parts = _parts(message, index, turns)
    match turns.context.options.later_system:
        case "reject":
            raise Rejected(f"messages[{index}].role", "a system message after the first turn")
        case "hoist":
            turns.system.extend(parts)
            reason = "moved to the system instruction, ahead of its place"
        case "wrap":
            opened = [Part(text="<system>"), *parts, Part(text="</system>")]
            text = "".join(part.text or "" for part in parts)
            turns.say("user", [Part(text=f"<system>\n{text}\n</system>")] if _only_text(parts) else opened)
            reason = "Gemini has one system instruction, at the start: sent as a marked user's turn at its place"
    turns.note(f"[{index}]", Fidelity.APPROXIMATED, reason)


def _only_text(parts: list[Part]) -> bool:
    return all(part.text is not None for part in parts)


def _orphan(message: Message, index: int, turns: Turns) -> None:
    """A result that belongs to no call."""
    parts = _parts(message, index, turns)
    name = message.tool_call_id or message.name or ""
    turns.say("user", [Part(text=f"Result of the tool call {name}:"), *parts])
    reason = f"no call {name!r} waits for this result: sent as a user's text"
    turns.note(f"[{index}].tool_call_id", Fidelity.APPROXIMATED, reason)


def _block(value: list[Message], index: int, turns: Turns) -> int:
    """Assistant messages, the results of their calls, and what else comes before the next assistant message."""
    calls: list[Call] = []
    parts: list[Part] = []
    while index < len(value) and value[index].role == "assistant":
        more_parts, more_calls = _assistant(value[index], index, turns)
        parts += more_parts
        calls += more_calls
        index += 1
    if parts and not turns.contents:
        turns.say("user", [Part(text=" ")])
        turns.note("[0]", Fidelity.INJECTED, "Gemini wants a user's turn first: a blank one stands before this message")
    turns.say("model", parts)
    end = next((i for i in range(index, len(value)) if value[i].role == "assistant"), len(value))
    rest = _results(calls, value, range(index, end), turns) if calls else list(range(index, end))
    for other in rest:
        _other(value, other, turns)
    return end


def _assistant(message: Message, index: int, turns: Turns) -> tuple[list[Part], list[Call]]:
    """One answer of the history: exactly the parts it came from where they are known, else rebuilt."""
    calls = [_call(call, index, number, turns) for number, call in enumerate(signatures.calls_of(message))]
    if message.tool_calls and message.function_call:
        turns.note(f"[{index}].function_call", Fidelity.DROPPED, "tool_calls replace it")
    known = _known_parts(message, index, turns)
    if known is not None:
        return known, _rebind(calls, known)
    parts = _parts(message, index, turns) + _refusal(message, index, turns) + _spoken(message, index, turns)
    _sign_text(parts, message, index, turns)
    parts += _images(message, index, turns)
    if not parts and not calls:
        turns.note(f"[{index}].content", Fidelity.DROPPED, "Gemini takes no empty turn")
    return parts + [_call_part(call, message, index, n, turns) for n, call in enumerate(calls)], calls


def _rebind(calls: list[Call], parts: list[Part]) -> list[Call]:
    """The calls with the very function calls that stand in the replayed parts."""
    replayed = [part.function_call for part in parts if part.function_call]
    return [call._replace(part=function) for call, function in zip(calls, replayed, strict=True)]


def _spoken(message: Message, index: int, turns: Turns) -> list[Part]:
    """Audio of an earlier answer: Gemini takes its words."""
    if message.audio is None or message.content:
        return []
    path = f"[{index}].audio"
    if not message.audio.transcript:
        turns.note(path, Fidelity.DROPPED, "Gemini keeps no audio under an id")
        return []
    turns.note(path, Fidelity.APPROXIMATED, "Gemini takes no audio back: its transcript is sent")
    return [Part(text=message.audio.transcript)]


def _known_parts(message: Message, index: int, turns: Turns) -> list[Part] | None:
    """The answer's own parts, from the client's carrier or the store, if they still say what the message says."""
    extra = message.extra_content.google if message.extra_content else None
    record = _record_of(message, index, turns.context)
    for raw in (extra.parts if extra else ABSENT, record.parts if record else ABSENT):
        if present(raw) and (parts := _decoded(raw)) and _same(parts, message):
            return _own_signatures(parts, record, turns, index)
    return None


def _record_of(message: Message, index: int, context: Context) -> Signature | None:
    """What the store knows of a whole answer: under its first call, else under its text."""
    found = context.signatures
    calls = signatures.calls_of(message)
    if calls:
        first = found.get(signatures.call_key(calls[0].id or ""))
        return first or found.get(signatures.hash_of(context.request, index, calls[0]))
    text = signatures.text_of(message.content)
    return found.get(signatures.text_hash(text, signatures.before(context.request, index)))


def _decoded(raw: msgspec.Raw) -> list[Part] | None:
    try:
        return decode(raw, list[Part])[0]
    except msgspec.ValidationError:
        return None


def _same(parts: list[Part], message: Message) -> bool:
    """Whether kept parts say what the message says; a client may have edited its history."""
    text = "".join(part.text or "" for part in parts if not part.thought)
    calls = [part.function_call for part in parts if part.function_call]
    asked = signatures.calls_of(message)
    return text == signatures.text_of(message.content) and len(calls) == len(asked)


def _own_signatures(parts: list[Part], record: Signature | None, turns: Turns, index: int) -> list[Part]:
    """Signatures are valid only at the upstream that issued them."""
    if record is None or record.origin in ("", turns.context.options.upstream):
        return parts
    for part in parts:
        part.thought_signature = None
    turns.note(f"[{index}]", Fidelity.DROPPED, f"signatures issued by {record.origin} are not valid here")
    return parts


def _refusal(message: Message, index: int, turns: Turns) -> list[Part]:
    if not message.refusal:
        return []
    reason = "Gemini has no refusals: sent as the model's text"
    turns.note(f"[{index}].refusal", Fidelity.APPROXIMATED, reason)
    return [Part(text=message.refusal)]


def _sign_text(parts: list[Part], message: Message, index: int, turns: Turns) -> None:
    """Give the last text its signature back; Gemini recommends it and does not insist."""
    texts = [part for part in parts if part.text is not None]
    if not texts or signatures.calls_of(message):
        return
    extra = message.extra_content.google if message.extra_content else None
    sent = (extra.thought_signature if extra else None) or message.thought_signature
    texts[-1].thought_signature = _valid(sent, _record_of(message, index, turns.context), f"[{index}]", turns)


def _valid(sent: str | None, record: Signature | None, path: str, turns: Turns) -> str | None:
    """The signature to send: the client's own or the store's, unless another upstream issued it."""
    if record is not None and record.origin not in ("", turns.context.options.upstream) and (sent or record.value):
        turns.note(path, Fidelity.DROPPED, f"a signature issued by {record.origin} is not valid here")
        return None
    return sent or (record.value if record else None) or None


def _images(message: Message, index: int, turns: Turns) -> list[Part]:
    """Images of an earlier answer, with their signatures."""
    result: list[Part] = []
    for number, image in enumerate(message.images or ()):
        if image.image_url is None:
            continue
        path = f"[{index}].images[{number}]"
        parts, notes = media.from_url(image.image_url.url, f"{path}.image_url.url", turns.context)
        turns.notes.extend(notes)
        google = image.extra_content.google if image.extra_content else None
        record = turns.context.signatures.get(signatures.image_hash(signatures.image_data(image.image_url.url)))
        for part in parts:
            part.thought_signature = _valid(google.thought_signature if google else None, record, path, turns)
        result += parts
    return result


def _call(call: ToolCall, index: int, number: int, turns: Turns) -> Call:
    """A call of the history as Gemini's function call."""
    path = f"[{index}].tool_calls[{number}]" if turns.context.request.messages[index].tool_calls else _LEGACY % index
    function, custom = call.function, call.custom
    name = (function.name if function else None) or (custom.name if custom else None)
    if not name:
        raise Rejected(f"messages{path}.function.name", "a call needs the name of its function")
    if custom is not None:
        args = msgspec.Raw(encode({"input": custom.input or ""}))
    else:
        args = _arguments((function.arguments if function else None) or "", f"messages{path}.function.arguments")
    record = _call_record(call, index, turns.context)
    return Call(
        call.id or "", path, FunctionCall(id=_gemini_id(call, record, turns), name=upstream_name(name), args=args)
    )


def _gemini_id(call: ToolCall, record: Signature | None, turns: Turns) -> str | None:
    """Gemini's own id for a call, else the client's; none where the model takes none."""
    if not turns.context.capabilities.call_ids:
        return None
    return (record.id if record else None) or signatures.bare_id(call.id or "") or None


def _arguments(text: str, path: str) -> msgspec.Raw:
    """Arguments as a JSON object, byte for byte. Raises `Rejected` for anything else."""
    if not text.strip():
        return msgspec.Raw(b"{}")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Rejected(path, f"the arguments are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Rejected(path, "the arguments are not a JSON object")
    return msgspec.Raw(text.encode())


def _call_record(call: ToolCall, index: int, context: Context) -> Signature | None:
    by_id = context.signatures.get(signatures.call_key(call.id or ""))
    if by_id is not None or not context.signatures:
        return by_id
    return context.signatures.get(signatures.hash_of(context.request, index, call))


def _call_part(call: Call, message: Message, index: int, number: int, turns: Turns) -> Part:
    """A function call part with the signature it came with."""
    asked = signatures.calls_of(message)[number]
    record = _call_record(asked, index, turns.context)
    value = _valid(signatures.carried(asked), record, call.path, turns)
    return Part(function_call=call.part, thought_signature=value)


def _results(calls: list[Call], value: list[Message], after: range, turns: Turns) -> list[int]:
    """Add the turn with the results of all calls, in their order; return the indexes that remain."""
    rest = list(after)
    responses: list[Part] = []
    extra: list[Part] = []
    for call in calls:
        index = _take(call, value, rest, turns)
        if index is None:
            responses.append(_response(call, NO_RESULT))
            reason = "the history has no result of this call: an error is sent as its result"
            turns.note(call.path, Fidelity.INJECTED, reason)
            continue
        part, beside = _result(call, value[index], index, turns)
        responses.append(part)
        extra += beside
    turns.say("user", responses + extra)
    _moved(rest, after, turns)
    return rest


def _moved(rest: list[int], after: range, turns: Turns) -> None:
    """Note messages that stood before a result, which now comes first."""
    taken = set(after) - set(rest)
    for index in rest:
        if taken and index < max(taken):
            turns.note(
                f"[{index}]", Fidelity.APPROXIMATED, "Gemini wants results right after their calls: moved behind them"
            )


def _take(call: Call, value: list[Message], rest: list[int], turns: Turns) -> int | None:
    """The index of the message with a call's result, taken out of `rest`: by id, or by name for role `function`."""
    for index in rest:
        message = value[index]
        by_id = message.role == "tool" and message.tool_call_id is not None and message.tool_call_id == call.id
        named = message.role == "function" and message.name and upstream_name(message.name) == call.part.name
        if by_id or named:
            rest.remove(index)
            return index
    for index in rest:
        if value[index].role == "tool" and not value[index].tool_call_id:
            rest.remove(index)
            reason = "the result names no call: taken for the first call that waits"
            turns.note(f"[{index}].tool_call_id", Fidelity.APPROXIMATED, reason)
            return index
    return None


def _response(call: Call, response: msgspec.Raw, parts: list[FunctionResponsePart] | None = None) -> Part:
    return Part(
        function_response=FunctionResponse(id=call.part.id, name=call.part.name, response=response, parts=parts)
    )


def _result(call: Call, message: Message, index: int, turns: Turns) -> tuple[Part, list[Part]]:
    """A tool message as a function response, and the media that the model takes only beside it."""
    parts = _parts(message, index, turns)
    text = "".join(part.text or "" for part in parts)
    attached = [part for part in parts if part.text is None]
    response = _output(text, bool(message.is_error), f"[{index}].content", turns)
    inside, beside = _attach(attached, index, turns)
    return _response(call, response, inside or None), beside


def _attach(parts: list[Part], index: int, turns: Turns) -> tuple[list[FunctionResponsePart], list[Part]]:
    """Media of a result: inside the function response (Gemini 3), else in a user's turn after it."""
    if not parts:
        return [], []
    if turns.context.capabilities.function_response_media:
        return [FunctionResponsePart(inline_data=part.inline_data, file_data=part.file_data) for part in parts], []
    reason = "the model takes no media inside a result: sent beside it"
    turns.note(f"[{index}].content", Fidelity.APPROXIMATED, reason)
    return [], parts


def _output(text: str, is_error: bool, path: str, turns: Turns) -> msgspec.Raw:
    """A result as the JSON object that Gemini wants: an object as it is, anything else as `output` or `error`."""
    key = "error" if is_error else "output"
    stripped = text.strip()
    try:
        value = orjson.loads(stripped) if stripped else text
    except orjson.JSONDecodeError:
        value = text
    if isinstance(value, str):
        value = text
    reason = _unsafe(value, stripped)
    if reason is not None:
        turns.note(path, Fidelity.APPROXIMATED, reason)
        value = text
    if isinstance(value, dict) and not is_error:
        return msgspec.Raw(stripped.encode())
    if isinstance(value, (dict, list)):
        return msgspec.Raw(b'{"%s":%s}' % (key.encode(), stripped.encode()))
    unchanged = isinstance(value, (bool, int)) and orjson.dumps(value).decode() == stripped
    return msgspec.Raw(encode({key: value if unchanged else text}))


def _unsafe(value: object, text: str) -> str | None:
    """Why a JSON result must travel as text: Gemini reads `$ref` as a reference, and numbers as doubles."""
    if isinstance(value, (dict, list)):
        if '"$ref"' in text and _has_reference(value):
            return "Gemini reads the key $ref as a reference: the result is sent as text"
        if _LONG_NUMBER.search(text) and _has_long_number(value):
            return "Gemini would round the result's long numbers: the result is sent as text"
    return None


def _has_reference(value: object) -> bool:
    if isinstance(value, dict):
        return "$ref" in value or any(map(_has_reference, value.values()))
    return isinstance(value, list) and any(map(_has_reference, value))


def _has_long_number(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_long_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_long_number, value))
    return isinstance(value, (int, float)) and abs(value) > 2**53


def _ends(turns: Turns) -> None:
    """The last turn must be a user's, except where the model takes a prefill."""
    contents = turns.contents
    if not contents:
        turns.say("user", [Part(text=" ")])
        turns.note("", Fidelity.INJECTED, "all messages are empty: a blank user's turn stands for them")
        return
    if contents[-1].role != "model" or turns.context.capabilities.prefill:
        return
    last = len(turns.context.request.messages) - 1
    if turns.context.options.trailing_assistant == "reject":
        raise Rejected(f"messages[{last}].role", "the model takes no request that ends with an assistant's message")
    turns.say("user", [Part(text=CONTINUE)])
    reason = f"the model wants a user's turn last: {CONTINUE!r} follows this message"
    turns.note(f"[{last}]", Fidelity.APPROXIMATED, reason)


def _sentinels(turns: Turns) -> None:
    """The documented stand-in on the first call of each step of the current turn that lost its signature."""
    if not turns.context.capabilities.signatures:
        return
    for content in reversed(turns.contents):
        parts = content.parts or []
        if content.role == "user" and any(part.function_response is None for part in parts):
            return
        first = next((part for part in parts if part.function_call), None)
        if first is not None and not first.thought_signature:
            first.thought_signature = signatures.SENTINEL
            name = first.function_call.name if first.function_call else ""
            reason = f"no thought signature is known for the call of {name}: the documented stand-in is sent"
            turns.note("", Fidelity.INJECTED, reason)
