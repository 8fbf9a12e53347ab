"""Messages to contents: one function per role, and the rules of turns that Gemini enforces.

Gemini wants a call's turn right after a user's, its results right after it, all in one turn and in the calls' order
(ai.google.dev, function calling; the 400s are quoted in google-gemini/gemini-cli issues 3814, 16543 and 26486).
OpenAI's histories keep none of that: results come in any order, are missing, or belong to no call. So the messages
are read in blocks: one or more assistant messages, and what follows until the next one.
"""

from itertools import takewhile
from operator import attrgetter
from typing import assert_never

import msgspec
import orjson

from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note, Outcome, Rejected, SignatureSource, exact
from adapter.translate.request import content_parts as media
from adapter.translate.request.tool_results import orphan, results
from adapter.translate.request.tools import toolbox, upstream_name
from adapter.translate.request.turn_builder import Call, Turns, parts_of
from adapter.translate.schema import openapi as schema_openapi
from adapter.translate.signatures import keys as signatures
from adapter.wire.base import ABSENT, MAX_NESTING, decode, encode, present, too_deep
from adapter.wire.gemini.content import Content, FunctionCall, Part
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.openai.chat_request import ImageOutput, Message, ToolCall
from adapter.wire.signatures import Signature

SYSTEM_ROLES = ("system", "developer")
CONTINUE = "Continue."


class Kept(msgspec.Struct, frozen=True, gc=False):
    """What the store knows of a part, and by what it was found."""

    record: Signature
    source: SignatureSource


def messages(value: list[Message], context: Context) -> Outcome:
    """All messages: systemInstruction and contents."""
    turns = Turns(context)
    try:
        _read(value, turns)
    except Rejected as rejection:
        raise Rejected(f"messages{rejection.note.path}", rejection.note.code, rejection.note.reason) from None
    _sentinels(turns)
    system = Content(parts=turns.system) if turns.system else None
    return exact(GenerateContentRequest(system_instruction=system, contents=turns.contents), turns.notes)


def _read(value: list[Message], turns: Turns) -> None:
    """All messages as turns. Raises `Rejected` with a path that starts below `messages`."""
    if not value:
        raise Rejected("", "value-missing", "there must be at least one message")
    index = _leading_system(value, turns)
    while index < len(value):
        index = _block(value, index, turns) if value[index].role == "assistant" else _other(value, index, turns)
    _ends(turns)


def _leading_system(value: list[Message], turns: Turns) -> int:
    """Put the first run of system messages into systemInstruction; return the index after it."""
    index = 0
    while index < len(value) and value[index].role in SYSTEM_ROLES:
        turns.system.extend(parts_of(value[index], index, turns))
        index += 1
    if turns.system and not turns.context.capabilities.system_instruction:
        turns.say("user", turns.system)
        turns.system = []
        turns.note(
            "[0]", Fate.APPROXIMATED, "system-as-user", "the model takes no system instruction: sent as a user's turn"
        )
    elif index == len(value) and turns.system:
        turns.say("user", [turns.system.pop()])
        reason = "Gemini wants a user's turn: the last system text is sent as one"
        turns.note(f"[{index - 1}]", Fate.APPROXIMATED, "system-as-user", reason)
    return index


def _other(value: list[Message], index: int, turns: Turns) -> int:
    """One message that is not an assistant's; return the index after it."""
    message = value[index]
    match message.role:
        case "user":
            _user(message, index, turns)
        case "system" | "developer":
            _later_system(message, index, turns)
        case "tool" | "function":
            orphan(message, index, turns)
        case role:
            raise Rejected(f"[{index}].role", "unknown-value", f"{role!r} is not a role")
    return index + 1


def _user(message: Message, index: int, turns: Turns) -> None:
    parts = parts_of(message, index, turns)
    if not parts:
        turns.note(f"[{index}].content", Fate.DROPPED, "empty-content-dropped", "Gemini takes no empty turn")
    turns.say("user", parts)


def _later_system(message: Message, index: int, turns: Turns) -> None:
    """A system message after the first turn: at its place, so that the prefix before it stays the same."""
    parts = parts_of(message, index, turns)
    if not parts:
        turns.note(f"[{index}].content", Fate.DROPPED, "empty-content-dropped", "Gemini takes no empty turn")
        return
    match turns.context.options.later_system:
        case "reject":
            raise Rejected(f"[{index}].role", "late-system-message", "a system message after the first turn")
        case "hoist":
            turns.system.extend(parts)
            reason = "moved to the system instruction, ahead of its place"
        case "wrap":
            opened = [Part(text="<system>"), *parts, Part(text="</system>")]
            text = "".join(part.text or "" for part in parts)
            turns.say("user", [Part(text=f"<system>\n{text}\n</system>")] if _only_text(parts) else opened)
            reason = "Gemini has one system instruction, at the start: sent as a marked user's turn at its place"
        case never:
            assert_never(never)
    turns.note(f"[{index}]", Fate.APPROXIMATED, "late-system-message", reason)


def _only_text(parts: list[Part]) -> bool:
    return all(part.text is not None for part in parts)


def _block(value: list[Message], index: int, turns: Turns) -> int:
    """Assistant messages, the results of their calls, and what else comes before the next assistant message."""
    calls: list[Call] = []
    parts: list[Part] = []
    while index < len(value) and value[index].role == "assistant":
        more_parts, more_calls = _assistant(value[index], index, turns)
        parts += more_parts
        calls += more_calls
        turns.calls += more_calls
        index += 1
    if parts and not turns.contents:
        turns.say("user", [Part(text=" ")])
        turns.note(
            "[0]",
            Fate.INJECTED,
            "blank-turn-added",
            "Gemini wants a user's turn first: a blank one stands before this message",
        )
    turns.say("model", parts)
    end = index
    while end < len(value) and value[end].role != "assistant":
        end += 1
    rest = results(calls, value, range(index, end), turns) if calls else list(range(index, end))
    for other in rest:
        _other(value, other, turns)
    return end


def _assistant(message: Message, index: int, turns: Turns) -> tuple[list[Part], list[Call]]:
    """One answer of the history: exactly the parts it came from where they are known, else rebuilt."""
    asked = signatures.calls_of(message)
    known = _known_calls(asked, index, turns.context)
    first = known[0] if known else _known_text(message, index, turns.context)
    calls = [_call(call, _path(message, index, number), known[number], turns) for number, call in enumerate(asked)]
    if message.tool_calls and message.function_call:
        turns.note(f"[{index}].function_call", Fate.DROPPED, "field-overruled", "tool_calls replace it")
    replayed = _known_parts(message, index, calls, first, turns)
    if replayed is not None:
        return replayed, _rebind(calls, replayed)
    parts = parts_of(message, index, turns)
    if message.refusal or message.audio:
        parts += _refusal(message, index, turns) + _spoken(message, index, turns)
    if parts and not asked:
        _sign_text(parts, message, index, first, turns)
    if message.images:
        parts += _images(message.images, index, turns)
    if not parts and not calls:
        turns.note(f"[{index}].content", Fate.DROPPED, "empty-content-dropped", "Gemini takes no empty turn")
    for call, said, kept in zip(calls, asked, known, strict=True):
        parts.append(_call_part(call, said, kept, message, turns))
    return parts, calls


def _rebind(calls: list[Call], parts: list[Part]) -> list[Call]:
    """The calls with the very function calls that stand in the replayed parts."""
    return [msgspec.structs.replace(call, part=function) for call, function in zip(calls, _clients(parts), strict=True)]


def _clients(parts: list[Part]) -> list[FunctionCall]:
    """The calls that the client was asked to run: not those that Gemini answered itself (MCP servers)."""
    answered = {part.function_response.name for part in parts if part.function_response}
    return [part.function_call for part in parts if part.function_call and part.function_call.name not in answered]


def _spoken(message: Message, index: int, turns: Turns) -> list[Part]:
    """Audio of an earlier answer: Gemini takes its words."""
    if message.audio is None or message.content:
        return []
    path = f"[{index}].audio"
    if not message.audio.transcript:
        turns.note(path, Fate.DROPPED, "audio-not-replayed", "Gemini keeps no audio under an id")
        return []
    turns.note(path, Fate.APPROXIMATED, "audio-as-transcript", "Gemini takes no audio back: its transcript is sent")
    return [Part(text=message.audio.transcript)]


def _known_parts(message: Message, index: int, calls: list[Call], kept: Kept | None, turns: Turns) -> list[Part] | None:
    """The answer's own parts, from the client's carrier or the store, if they still say what the message says."""
    extra = message.extra_content.google if message.extra_content else None
    if extra is None and kept is None:
        return None
    sent, stored = extra.parts if extra else ABSENT, kept.record.parts if kept else ABSENT
    own = _decoded(sent) if present(sent) else None
    if kept is not None and present(stored) and (own or kept.source is SignatureSource.ID):
        parts = _decoded(stored)
        if parts and _same(parts, message, calls) and (own is None or _bare(own) == _bare(parts)):
            return _own_signatures(parts, kept, turns, f"[{index}]", kept.source)
    if own and _same(own, message, calls):
        return _own_signatures(own, kept, turns, f"[{index}]", SignatureSource.CLIENT)
    return None


def _bare(parts: list[Part]) -> list[Part]:
    """What parts say beside texts, in order, without signatures.

    Words do not identify an answer: another conversation may have the same ones with other parts behind them. So what
    the store found by words counts only where the client's own history has these parts too.
    """
    return [msgspec.structs.replace(part, thought_signature=None) for part in parts if part.text is None]


def _known_text(message: Message, index: int, context: Context) -> Kept | None:
    """What the store knows of an answer without calls: under its text."""
    if not context.signatures:
        return None
    text = signatures.text_of(message.content)
    return _by_hash(signatures.text_hash(text, signatures.before(context.request, index)), context)


def _known_calls(asked: list[ToolCall], index: int, context: Context) -> list[Kept | None]:
    """What the store knows of each call: under its id, else under what it says; of equal calls only for the first."""
    if not context.signatures:
        return [None] * len(asked)
    known: list[Kept | None] = []
    for call in asked:
        record = context.signatures.get(signatures.call_key(call.id or ""))
        known.append(None if record is None else Kept(record, _BY_ID))
    if None not in known:
        return known
    taken: set[str] = set()
    for number, key in enumerate(signatures.hashes_of(context.request, index)):
        if known[number] is None and key not in taken:
            known[number] = _by_hash(key, context)
        taken.add(key)
    return known


def _by_hash(key: str, context: Context) -> Kept | None:
    record = context.signatures.get(key)
    return None if record is None else Kept(record, SignatureSource.HASH)


def _decoded(raw: msgspec.Raw) -> list[Part] | None:
    try:
        return decode(raw, list[Part])[0]
    except msgspec.ValidationError:
        return None


def _same(parts: list[Part], message: Message, calls: list[Call]) -> bool:
    """Whether kept parts say what the message says; a client may have edited its history."""
    text = "".join(part.text or "" for part in parts if not part.thought)
    kept = [_said(call) for call in _clients(parts)]
    return text == signatures.text_of(message.content) and kept == [_said(call.part) for call in calls]


def _said(call: FunctionCall) -> tuple[str | None, str]:
    """What a call says, however its arguments are spelled."""
    return call.name, signatures.canonical(bytes(call.args).decode())


def _own_signatures(
    parts: list[Part], kept: Kept | None, turns: Turns, path: str, source: SignatureSource
) -> list[Part]:
    """Signatures are valid only at the upstream that issued them."""
    turns.unsigned = True
    if kept is None or kept.record.origin in ("", turns.context.options.upstream):
        if any(part.thought_signature for part in parts):
            turns.signed(path, source)
        return parts
    for part in parts:
        part.thought_signature = None
    turns.note(path, Fate.DROPPED, "signature-foreign", f"signatures issued by {kept.record.origin} are not valid here")
    return parts


def _refusal(message: Message, index: int, turns: Turns) -> list[Part]:
    if not message.refusal:
        return []
    reason = "Gemini has no refusals: sent as the model's text"
    turns.note(f"[{index}].refusal", Fate.APPROXIMATED, "refusal-as-text", reason)
    return [Part(text=message.refusal)]


def _sign_text(parts: list[Part], message: Message, index: int, kept: Kept | None, turns: Turns) -> None:
    """Give the last text of an answer without calls its signature back; Gemini recommends it and does not insist."""
    texts = [part for part in parts if part.text is not None]
    if texts:
        sent = signatures.carried_by_text(message)
        texts[-1].thought_signature = _valid(sent, kept, f"[{index}]", turns)


def _valid(sent: str | None, kept: Kept | None, path: str, turns: Turns) -> str | None:
    """The signature to send: the client's own or the store's, unless another upstream issued it."""
    value = sent or (kept.record.value if kept else None)
    if not value:
        return None
    if kept is not None and kept.record.origin not in ("", turns.context.options.upstream):
        turns.note(
            path, Fate.DROPPED, "signature-foreign", f"a signature issued by {kept.record.origin} is not valid here"
        )
        return None
    turns.signed(path, SignatureSource.CLIENT if sent or kept is None else kept.source)
    return value


def _images(images: list[ImageOutput], index: int, turns: Turns) -> list[Part]:
    """Images of an earlier answer, with their signatures."""
    result: list[Part] = []
    for number, image in enumerate(images):
        if image.image_url is None:
            continue
        path = f"[{index}].images[{number}]"
        parts, notes = media.from_url(image.image_url.url, f"{path}.image_url.url", turns.context)
        turns.notes.extend(notes)
        google = image.extra_content.google if image.extra_content else None
        kept = _by_hash(signatures.image_hash(signatures.image_data(image.image_url.url)), turns.context)
        for part in parts:
            part.thought_signature = _valid(google.thought_signature if google else None, kept, path, turns)
        result += parts
    return result


def _path(message: Message, index: int, number: int) -> str:
    """Where a call stands."""
    return f"[{index}].tool_calls[{number}]" if message.tool_calls else f"[{index}].function_call"


def _call(call: ToolCall, path: str, kept: Kept | None, turns: Turns) -> Call:
    """A call of the history as Gemini's function call."""
    function, custom = call.function, call.custom
    asked = (function.name if function else None) or (custom.name if custom else None)
    if not asked:
        raise Rejected(f"{path}.function.name", "value-missing", "a call needs the name of its function")
    name = upstream_name(asked)
    if custom is not None:
        args = msgspec.Raw(encode({"input": custom.input or ""}))
    else:
        args = _arguments((function.arguments if function else None) or "", path)
        if turns.context.options.schema == "openapi":
            args = _as_written(args, name, turns.context)
    return Call(call.id or "", path, FunctionCall(id=_gemini_id(call, kept, turns), name=name, args=args))


def _gemini_id(call: ToolCall, kept: Kept | None, turns: Turns) -> str | None:
    """Gemini's own id for a call, else the client's; none where the model takes none."""
    if not turns.context.capabilities.call_ids:
        return None
    return (kept.record.id if kept else None) or signatures.split_id(call.id or "")[0] or None


def _as_written(args: msgspec.Raw, name: str, context: Context) -> msgspec.Raw:
    """Arguments as Gemini wrote them in the OpenAPI dialect: it writes the numbers of enums as texts."""
    declared = toolbox(context).declared.get(name)
    if declared is None or not present(declared.parameters):
        return args
    value = orjson.loads(bytes(args))
    texts = schema_openapi.as_texts(value, declared.parameters)
    return args if texts == value else msgspec.Raw(encode(texts))


def _arguments(text: str, path: str) -> msgspec.Raw:
    """A call's arguments as a JSON object, byte for byte. Raises `Rejected` for anything else."""
    if not text.strip():
        return msgspec.Raw(b"{}")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Rejected(
            f"{path}.function.arguments", "malformed-value", f"the arguments are not JSON: {error}"
        ) from None
    if not isinstance(value, dict):
        raise Rejected(f"{path}.function.arguments", "malformed-value", "the arguments are not a JSON object")
    if too_deep(value, text):
        raise Rejected(
            f"{path}.function.arguments", "limit-exceeded", f"the arguments have more than {MAX_NESTING} levels"
        )
    return msgspec.Raw(text.encode())


def _call_part(call: Call, asked: ToolCall, kept: Kept | None, message: Message, turns: Turns) -> Part:
    """A function call part with the signature it came with."""
    value = _valid(signatures.carried(asked, message), kept, call.path, turns)
    if value is None:
        turns.unsigned = True
    return Part(function_call=call.part, thought_signature=value)


def _ends(turns: Turns) -> None:
    """The last turn must be a user's, except where the model takes a prefill."""
    contents = turns.contents
    if not contents and not turns.context.capabilities.prefill:
        raise Rejected("", "value-missing", "all messages are empty, and the model answers no empty one")
    if not contents:
        turns.say("user", [Part(text=" ")])
        turns.note("", Fate.INJECTED, "blank-turn-added", "all messages are empty: a blank user's turn stands for them")
        return
    if contents[-1].role != "model" or turns.context.capabilities.prefill:
        return
    last = len(turns.context.request.messages) - 1
    if turns.context.options.trailing_assistant == "reject":
        raise Rejected(
            f"[{last}].role", "trailing-assistant", "the model takes no request that ends with an assistant's message"
        )
    turns.say("user", [Part(text=CONTINUE)])
    reason = f"the model wants a user's turn last: {CONTINUE!r} follows this message"
    turns.note(f"[{last}]", Fate.APPROXIMATED, "trailing-assistant", reason)


def _sentinels(turns: Turns) -> None:
    """The documented stand-in on the first call of each step of the current turn that lost its signature."""
    if not turns.unsigned or not turns.context.capabilities.signatures:
        return
    steps = [content for content in takewhile(_goes_on, reversed(turns.contents)) if content.role == "model"]
    firsts = [next(filter(_CALL, content.parts or ()), None) for content in steps]
    unsigned = [part for part in firsts if part is not None and not part.thought_signature]
    if not unsigned:
        return
    paths = {id(call.part): call.path for call in turns.calls}
    for part in unsigned:
        part.thought_signature = signatures.SENTINEL
        turns.notes.append(Note(paths[id(part.function_call)], _INJECTED, "signature-stand-in", _STAND_IN, _STANDS_IN))


def _goes_on(content: Content) -> bool:
    """Whether a turn goes on with it: one begins with what a user says, not with results."""
    return content.role == "model" or all(map(_RESULT, content.parts or ()))


_INJECTED, _STANDS_IN = Fate.INJECTED, SignatureSource.STAND_IN
_BY_ID = SignatureSource.ID
_STAND_IN = "no thought signature is known for this call: the documented stand-in is sent"
_CALL, _RESULT = attrgetter("function_call"), attrgetter("function_response")
