"""The kinds of Gemini's parts, as clients of OpenAI's API see them."""

from operator import attrgetter
from typing import Literal

from adapter.translate.core.rules import Fields
from adapter.wire.gemini.content import Blob, Part

PartKind = Literal["text", "thought", "call", "image", "audio", "opaque", "empty"]
"""The category of an answer's part for the client."""

_FAMILIES: dict[str, PartKind] = {"image": "image", "audio": "audio"}


def kind_of(part: Part) -> PartKind:
    """Return the kind of a part; a part without a place in OpenAI's format is opaque."""
    if part.text is not None:
        if not part.text:
            return "empty"
        return "thought" if part.thought else "text"
    if part.function_call is not None:
        return "call"
    if part.inline_data is not None and not part.thought:
        family = (part.inline_data.mime_type or "").partition("/")[0]
        return _FAMILIES.get(family, "opaque")
    return "opaque" if _DATA.list_sent(part) else "empty"


def single_parts(part: Part) -> tuple[Part, ...]:
    """Return a part as parts that hold one thing each, the text first.

    Gemini's own hold one; relays have been seen to put a call beside a text. A signature is the last one's.
    """
    if (part.text is None) + (part.function_call is None) == 1 and _BESIDE(part) == _NOTHING_BESIDE:
        return (part,)
    names = [name for name, value in _PAYLOADS.list_sent(part) if value != ""]
    if len(names) < 2:
        return (part,)
    ones = [Part(thought=part.thought, **{name: getattr(part, name)}) for name in names]
    shared = {name: getattr(part, name) for name in Part.__struct_fields__ if name not in _PAYLOAD_NAMES}
    ones[-1] = Part(**shared, **{names[-1]: getattr(part, names[-1])})
    return tuple(ones)


def is_plain(part: Part) -> bool:
    """Return whether a part has nothing but its data, a thought's mark, and a signature."""
    return part == Part(
        text=part.text,
        inline_data=part.inline_data,
        function_call=part.function_call,
        thought=part.thought,
        thought_signature=part.thought_signature,
    )


_DATA_NAMES = (
    "inline_data",
    "file_data",
    "function_response",
    "executable_code",
    "code_execution_result",
    "tool_call",
    "tool_response",
    "audio_transcription",
)
_DATA = Fields(Part, _DATA_NAMES)


_PAYLOAD_NAMES = ("text", *_DATA_NAMES, "function_call")
_PAYLOADS = Fields(Part, _PAYLOAD_NAMES)
_BESIDE = attrgetter(*_DATA_NAMES)
_NOTHING_BESIDE = _BESIDE(Part())


def image_url(part: Part) -> str:
    """Return an image as a data URL."""
    blob = part.inline_data or Blob()
    return f"data:{blob.mime_type};base64,{blob.data or ''}"
