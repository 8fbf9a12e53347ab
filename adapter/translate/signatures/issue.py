"""What Gemini wants to see again of an answer: signatures, and the parts themselves where OpenAI's shape loses some."""

from collections.abc import Iterable, Sequence

import msgspec

from adapter.translate.answer.reply import AnsweredCall, Kind, is_plain, kind_of
from adapter.translate.core.context import Context
from adapter.translate.signatures import keys as signatures
from adapter.wire.base import ABSENT, encode
from adapter.wire.gemini.content import Blob, Part
from adapter.wire.signatures import Issued, Signature

_ORDER = {"text": 0, "image": 1, "call": 2}
_SILENT = ("empty", "audio", "thought")


def needs_carrier(parts: Iterable[Part]) -> bool:
    """Whether OpenAI's shape loses something of these parts.

    It keeps texts, then images, then calls, and one signature: of the last text where there are no calls. Sounds and
    unsigned thoughts are not sent back (ai.google.dev, thinking, 2026-09).
    """
    highest = 0
    signed = False
    for part in parts:
        kind = kind_of(part)
        if _leaves_nothing(part, kind):
            continue
        if kind == "empty" and part.thought_signature:
            kind = "text"
        rank = _ORDER.get(kind)
        if rank is None or rank < highest or (signed and kind != "image") or not is_plain(part):
            return True
        highest = rank
        signed = signed or is_signed_text(part)
    return False


def carrier(parts: Iterable[Part]) -> msgspec.Raw:
    """An answer's own parts, without unsigned thoughts, sounds and what says nothing."""
    kept = [part for part in parts if not _leaves_nothing(part, kind_of(part))]
    return msgspec.Raw(msgspec.json.format(encode(kept), indent=-1))


def _leaves_nothing(part: Part, kind: Kind) -> bool:
    return kind in _SILENT and not part.thought_signature and is_plain(part)


def issue(
    parts: Sequence[Part], calls: Sequence[AnsweredCall], text: str, context: Context
) -> tuple[list[Issued], msgspec.Raw | None, str | None]:
    """What to store for one answer; also its carrier and its text's signature, for the answer itself."""
    if not calls and _all_unsigned(parts):
        return [], None, None
    kept = carrier(parts) if needs_carrier(parts) else None
    if kept is None and not calls and not [part for part in parts if part.thought_signature]:
        return [], None, None
    origin = context.options.upstream
    signed = next((part.thought_signature for part in reversed(parts) if is_signed_text(part)), None)
    issued = [one for call in calls for one in _issued_call(call, kept, calls, text, context)]
    if not calls and (signed or kept is not None):
        record = Signature(value=signed or "", origin=origin, parts=kept if kept is not None else ABSENT)
        before = signatures.before(context.request, len(context.request.messages))
        issued.append(Issued(signatures.text_hash(text, before), record))
    issued += [image for part in parts if (image := _issued_image(part, origin)) is not None]
    return issued, kept, signed


def _all_unsigned(parts: Sequence[Part]) -> bool:
    """Whether these are texts and thoughts and nothing else: Gemini does not miss them."""
    for part in parts:  # noqa: SIM110 - a generator costs as much as the comparison
        if part.text is None or part != Part(text=part.text, thought=part.thought):
            return False
    return True


def _issued_call(
    call: AnsweredCall,
    kept: msgspec.Raw | None,
    calls: Sequence[AnsweredCall],
    text: str,
    context: Context,
) -> list[Issued]:
    """A call's record, under its id and under its hash; the carrier is with the first call.

    Of equal calls the first that has a record has it under the hash; the others must not be taken for it.
    """
    equal = [other for other in calls if (other.name, other.arguments) == (call.name, call.arguments)]
    told = [other for other in equal if _has_record(other) or (kept is not None and other is calls[0])]
    if not told:
        return []
    whole = kept if kept is not None and call is calls[0] else ABSENT
    record = Signature(
        value=call.signature or "", id=call.gemini_id or "", origin=context.options.upstream, parts=whole
    )
    by_id = Issued(signatures.call_key(call.id), record)
    if call is not told[0]:
        return [by_id]
    before = signatures.before(context.request, len(context.request.messages))
    return [by_id, Issued(signatures.call_hash(call.name, call.arguments, text, before), record)]


def _has_record(call: AnsweredCall) -> bool:
    return bool(call.signature or call.gemini_id)


def issue_by_id(call: AnsweredCall, context: Context) -> list[Issued]:
    """What to store before a streamed call is sent; what else belongs to it follows at the end."""
    if not _has_record(call):
        return []
    record = Signature(value=call.signature or "", id=call.gemini_id or "", origin=context.options.upstream)
    return [Issued(signatures.call_key(call.id), record)]


def is_signed_text(part: Part) -> bool:
    """Whether this is visible text with a signature, maybe an empty one."""
    return part.text is not None and bool(part.thought_signature) and not part.thought


def _issued_image(part: Part, origin: str) -> Issued | None:
    blob = part.inline_data
    if not isinstance(blob, Blob) or not part.thought_signature or not (blob.mime_type or "").startswith("image/"):
        return None
    return Issued(signatures.image_hash(blob.data or ""), Signature(value=part.thought_signature, origin=origin))
