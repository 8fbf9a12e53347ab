"""Answers of the history as Gemini's parts: from the client's history and from the stored replay parts.

An answer is rebuilt from its message. Signatures and Gemini's own ids come from the client's carriers or from a record
that belongs to this very call or answer. Where the answer had parts that OpenAI's shape has no place for (server-side
tools, executed code, several signed texts), see `replayed_parts`.
"""

import msgspec
import orjson

from adapter.translate.content import content_parts as media
from adapter.translate.core.arguments import has_long_number, plain_object, read_arguments
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Rejected
from adapter.translate.request.replayed_parts import Visible, code_of, has_hidden, replay_parts
from adapter.translate.schema import openapi as schema_openapi
from adapter.translate.signatures import keys as signatures
from adapter.translate.signatures.known_answers import FoundRecord, KnownAnswer, original_order
from adapter.translate.signatures.sources import SignatureSource
from adapter.translate.tools.names import check_name_length, upstream_name
from adapter.translate.tools.toolbox import toolbox
from adapter.translate.turns.turn_builder import HistoryCall, Turns, parts_of
from adapter.wire.base import MAX_NESTING, decode, encode, present, too_deep
from adapter.wire.gemini.content import FunctionCall, Part
from adapter.wire.json_counts import is_within
from adapter.wire.openai.chat_request import TEXTS, THOUGHTS, ImageOutput, Message, ToolCall

_EDITED = "the thought signature that is stored for this id belongs to another call: the history was edited"

_UNPROVEN = "version 0.1 stored a thought signature for this id, and nothing tells whether for this call"

_ONLY_WORDS = "what Gemini itself ran in an answer is not sent back on its words alone: another may have the same"


def answer(message: Message, index: int, turns: Turns) -> tuple[list[Part], list[HistoryCall]]:
    """Return the parts of one answer of the history, and its calls."""
    known = turns.history.answer(index)
    calls = [
        _call(call, _path(message, index, number), known.found[number], turns)
        for number, call in enumerate(known.calls)
    ]
    if message.tool_calls and message.function_call:
        turns.note(f"[{index}].function_call", Fate.DROPPED, "field-overruled", "tool_calls replace it")
    images = _images(message.images, index, turns) if message.images else []
    whole = _replay_parts(known, calls, [part for part, _ in images], turns)
    if whole is None:
        return _rebuilt(known, calls, images, turns)
    _note_losses_beside(message, index, turns)
    return whole


def _note_losses_beside(message: Message, index: int, turns: Turns) -> None:
    """Note what a message loses beside the parts that are sent for it, which hold the thoughts that Gemini wants."""
    before, beside = len(turns.notes), f"[{index}].reasoning"
    parts_of(message, index, turns)
    turns.notes[before:] = [note for note in turns.notes[before:] if not note.path.startswith(beside)]


def _rebuilt(
    known: KnownAnswer, calls: list[HistoryCall], images: list[tuple[Part, int]], turns: Turns
) -> tuple[list[Part], list[HistoryCall]]:
    """Rebuild an answer from OpenAI's form: text, images, calls."""
    message, index = known.message, known.index
    parts = parts_of(message, index, turns)
    if message.refusal or message.audio:
        parts += _refusal(message, index, turns) + _transcript_parts(message, index, turns)
    # Beside calls the first call has the signature (see `needs_carrier` for answers where a text has one as well).
    if parts and not calls:
        _sign_text(parts, message, index, known.whole, turns)
    parts += [_signed_image(part, number, known, turns) for part, number in images]
    if not parts and not calls:
        turns.note(f"[{index}].content", Fate.DROPPED, "empty-content-dropped", "Gemini takes no empty turn")
    order = original_order(known.found) if len(calls) > 1 else range(len(calls))
    for number in order:
        parts.append(_call_part(calls[number], known, number, turns))
    return parts, [calls[number] for number in order]


def _replay_parts(
    known: KnownAnswer, calls: list[HistoryCall], images: list[Part], turns: Turns
) -> tuple[list[Part], list[HistoryCall]] | None:
    """Return the answer's own parts, from the store or the client's carrier, if they say what the message says."""
    extra = known.message.extra_content.google if known.message.extra_content else None
    record = _record_with_parts(known, turns)
    if record is None and (extra is None or not present(extra.parts)):
        return None
    own = _carried_parts(extra.parts, known.index, turns) if extra is not None and present(extra.parts) else None
    stored = _stored_parts(record, known.message) if record is not None else None
    path = f"[{known.index}]"
    if record is not None and has_hidden(stored or ()) and not _is_proven(record, known.message, own):
        if not has_hidden(own or ()):
            turns.note(path, Fate.DROPPED, "code-run-not-replayed", _ONLY_WORDS)
        stored = None
    visible = Visible(_words_of(known.message), images, calls, _has_media(known.message))
    # The client's own parts come first; the parts of a Responses history have no signatures.
    is_signed = any(part.thought_signature for part in own or ())
    if record is not None and stored and not is_signed and (whole := replay_parts(stored, visible, own)) is not None:
        return _with_signatures(*whole, path, record.source, turns)
    if own and (whole := replay_parts(own, visible, None)) is not None:
        if any(not _is_from_here(one, turns) for one in (*known.found, known.whole)):
            return _without_signatures(*whole, path, turns)
        return _with_signatures(*whole, path, SignatureSource.CLIENT, turns)
    if has_hidden(stored or own or ()):
        reason = "this answer was edited: what Gemini itself ran in it is not sent back"
        turns.note(path, Fate.DROPPED, "code-run-not-replayed", reason)
    return None


def _words_of(message: Message) -> str:
    """Return the text that the client's history shows, refusals included."""
    if not isinstance(message.content, list):
        return message.content or ""
    return "".join(part.text or part.refusal or "" for part in message.content if part.type not in THOUGHTS)


def _has_media(message: Message) -> bool:
    """Return whether the content has parts other than texts and thoughts."""
    parts = message.content if isinstance(message.content, list) else ()
    return any(part.type not in (*TEXTS, *THOUGHTS) for part in parts)


def _record_with_parts(known: KnownAnswer, turns: Turns) -> FoundRecord | None:
    """Return a record with the parts of this very answer, issued by this upstream."""
    for one in (*known.found, known.whole):
        if one is not None and one.agrees and present(one.record.parts) and _is_from_here(one, turns):
            return one
    return None


def _stored_parts(record: FoundRecord, message: Message) -> list[Part] | None:
    """Return the parts of a stored answer; None if the client sends another signature with the text."""
    stored, signature = _decode_parts(record.record.parts), signatures.carried_by_text(message)
    if signature is not None and not any(part.thought_signature == signature for part in stored or ()):
        return None
    return stored


def _is_proven(record: FoundRecord, message: Message, own: list[Part] | None) -> bool:
    """Return whether an id, a signature or the client's own code shows that a stored answer is this one.

    A trimmed history may say the same words in the same place as another conversation. Signatures may be taken by
    words, but what only Gemini saw may not: the output of code can be another user's.
    """
    has_id = record.source is not SignatureSource.HASH
    return has_id or signatures.carried_by_text(message) is not None or bool(code_of(own or ()))


def _is_from_here(found: FoundRecord | None, turns: Turns) -> bool:
    """Return whether a signature was issued by this upstream: no other one accepts it."""
    # Without an origin: an answer without signatures, or a record from before origins were stored.
    return found is None or found.record.origin in ("", turns.context.options.upstream)


def _with_signatures(
    parts: list[Part], calls: list[HistoryCall], path: str, source: SignatureSource, turns: Turns
) -> tuple[list[Part], list[HistoryCall]]:
    # Some of its calls may have no signature: `stand_in` looks at each.
    turns.unsigned = True
    if any(part.thought_signature for part in parts):
        turns.note_signature(path, source)
    return parts, calls


def _without_signatures(
    parts: list[Part], calls: list[HistoryCall], path: str, turns: Turns
) -> tuple[list[Part], list[HistoryCall]]:
    turns.unsigned = True
    for part in parts:
        part.thought_signature = None
    reason = "signatures that another upstream issued are not valid here"
    turns.note(path, Fate.DROPPED, "signature-foreign", reason)
    return parts, calls


def _carried_parts(raw: msgspec.Raw, index: int, turns: Turns) -> list[Part] | None:
    """Return the parts that the client carries; if they are invalid, write a note."""
    parts = _decode_parts(raw)
    if parts is None:
        path = f"[{index}].extra_content.google.parts"
        turns.note(path, Fate.DROPPED, "code-run-not-replayed", "these are no parts of Gemini's")
    return parts


def _decode_parts(raw: msgspec.Raw) -> list[Part] | None:
    try:
        return decode(raw, list[Part])[0]
    except msgspec.ValidationError:
        return None


def _transcript_parts(message: Message, index: int, turns: Turns) -> list[Part]:
    """Return the transcript of an earlier answer's audio, which is what Gemini takes."""
    if message.audio is None:
        return []
    path = f"[{index}].audio"
    if message.content:
        turns.note(path, Fate.DROPPED, "audio-not-replayed", "the text beside it is sent")
        return []
    if not message.audio.transcript:
        turns.note(path, Fate.DROPPED, "audio-not-replayed", "Gemini keeps no audio under an id")
        return []
    turns.note(path, Fate.APPROXIMATED, "audio-as-transcript", "Gemini takes no audio back: its transcript is sent")
    return [Part(text=message.audio.transcript)]


def _refusal(message: Message, index: int, turns: Turns) -> list[Part]:
    if not message.refusal:
        return []
    reason = "Gemini has no refusals: sent as the model's text"
    turns.note(f"[{index}].refusal", Fate.APPROXIMATED, "refusal-as-text", reason)
    return [Part(text=message.refusal)]


def _sign_text(parts: list[Part], message: Message, index: int, whole: FoundRecord | None, turns: Turns) -> None:
    """Give the last text of an answer without calls its signature back; Gemini recommends it and does not insist."""
    texts = [part for part in parts if part.text is not None]
    if texts:
        sent = signatures.carried_by_text(message)
        texts[-1].thought_signature = _valid_signature(sent, whole, f"[{index}]", turns)


def _valid_signature(sent: str | None, found: FoundRecord | None, path: str, turns: Turns) -> str | None:
    """Return the signature to send: the client's or the store's, if this upstream issued it to this very part."""
    if found is None:
        if sent:
            turns.note_signature(path, SignatureSource.CLIENT)
        return sent or None
    value = sent or found.record.value
    if not value:
        return None
    if not _is_from_here(found, turns):
        reason = f"a signature issued by {found.record.origin} is not valid here"
        turns.note(path, Fate.DROPPED, "signature-foreign", reason)
        return None
    # The signature that the client sends counts, unless we know it as that of another call.
    if not found.agrees and (sent is None or (found.agrees is False and sent == found.record.value)):
        if found.agrees is None:
            turns.note(path, Fate.DROPPED, "signature-unproven", _UNPROVEN)
        else:
            turns.note(path, Fate.DROPPED, "signature-edited", _EDITED)
        return None
    turns.note_signature(path, SignatureSource.CLIENT if sent else found.source)
    return value


def _images(images: list[ImageOutput], index: int, turns: Turns) -> list[tuple[Part, int]]:
    """Return images of an earlier answer, each with its number."""
    result: list[tuple[Part, int]] = []
    for number, image in enumerate(images):
        if image.image_url is not None:
            path = f"[{index}].images[{number}].image_url.url"
            parts, notes = media.from_url(image.image_url.url, path, turns.context)
            turns.notes.extend(notes)
            result += [(part, number) for part in parts]
    return result


def _signed_image(part: Part, number: int, known: KnownAnswer, turns: Turns) -> Part:
    """Return an image with the signature it came with."""
    image = (known.message.images or [])[number]
    google = image.extra_content.google if image.extra_content else None
    sent = google.thought_signature if google else None
    path = f"[{known.index}].images[{number}]"
    part.thought_signature = _valid_signature(sent, _of_image(known.whole, number), path, turns)
    return part


def _of_image(whole: FoundRecord | None, number: int) -> FoundRecord | None:
    """Return the stored record of one image of an answer."""
    if whole is None or not whole.agrees or number >= len(whole.record.images):
        return None
    record = msgspec.structs.replace(whole.record, value=whole.record.images[number])
    return FoundRecord(record, whole.source)


def _path(message: Message, index: int, number: int) -> str:
    """Return the path of a call."""
    return f"[{index}].tool_calls[{number}]" if message.tool_calls else f"[{index}].function_call"


def _call(call: ToolCall, path: str, found: FoundRecord | None, turns: Turns) -> HistoryCall:
    """Return a call of the history as Gemini's function call."""
    function, custom = call.function, call.custom
    called = (function.name if function else None) or (custom.name if custom else None)
    if not called:
        raise Rejected(f"{path}.function.name", "value-missing", "a call needs the name of its function")
    check_name_length(len(called), f"{path}.function.name", turns.context)
    name = upstream_name(called)
    if custom is not None:
        args = msgspec.Raw(encode({"input": custom.input or ""}))
    else:
        below = "arguments" if path.endswith("function_call") else "function.arguments"
        args = arguments_of((function.arguments if function else None) or "", f"{path}.{below}", turns)
        if turns.context.options.schema == "openapi":
            args = _as_written(args, name, turns.context)
    return HistoryCall(call.id or "", path, FunctionCall(id=_gemini_id(call, found, turns), name=name, args=args))


def _gemini_id(call: ToolCall, found: FoundRecord | None, turns: Turns) -> str | None:
    """Return Gemini's own id for a call, else the client's; None for models that take no ids."""
    if not turns.context.capabilities.call_ids:
        return None
    if found is not None and found.agrees and found.record.id and _is_from_here(found, turns):
        return found.record.id
    return signatures.split_id(call.id or "")[0] or None


def _as_written(args: msgspec.Raw, name: str, context: Context) -> msgspec.Raw:
    """Return arguments as Gemini wrote them in the OpenAPI dialect, which has numbers of enums as texts."""
    declared = toolbox(context).declared.get(name)
    if declared is None or not present(declared.parameters):
        return args
    value = orjson.loads(bytes(args))
    texts = schema_openapi.as_texts(value, declared.parameters)
    return args if texts == value else msgspec.Raw(encode(texts))


def arguments_of(text: str, path: str, turns: Turns) -> msgspec.Raw:
    """Return a call's arguments as a JSON object, unchanged if they are one. Raises `Rejected` if nested too deeply."""
    most = turns.context.options.limits.json_values
    if (plain := plain_object(text, most)) is not None:
        return plain
    if not is_within(text, most):
        reason = f"the arguments have more than {most} JSON values (the setting max_json_values)"
        raise Rejected(path, "limit-exceeded", reason)
    read = read_arguments(text)
    if too_deep(read.text):
        raise Rejected(path, "limit-exceeded", f"the arguments have more than {MAX_NESTING} levels")
    if read.code:
        turns.note(path, Fate.APPROXIMATED, read.code, read.reason)
    if has_long_number(read.value, read.text):
        reason = "Gemini reads numbers as doubles, and rounds long ones"
        turns.note(path, Fate.APPROXIMATED, "long-number-rounded", reason)
    return msgspec.Raw(read.text.encode())


def _call_part(call: HistoryCall, known: KnownAnswer, number: int, turns: Turns) -> Part:
    """Return a function call part with the signature it came with."""
    sent = signatures.carried_by_call(known.calls[number], known.details)
    value = _valid_signature(sent, known.found[number], call.path, turns)
    if value is None:
        turns.unsigned = True
    return Part(function_call=call.part, thought_signature=value)
