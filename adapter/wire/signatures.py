"""What a signature store keeps for each part of an answer that Gemini wants to see again."""

from typing import NamedTuple

import msgspec

from adapter.wire.base import ABSENT, Wire


class Signature(Wire):
    """What Gemini sent with one part, so that the part can be sent back as it was.

    `value` is base64 as received; `id` is Gemini's own function call id; `origin` names the upstream that issued it
    (a signature is valid only there: github.com/BerriAI/litellm/issues/32140); `parts` holds a whole answer's parts
    where OpenAI's shape cannot (server-side tools, executed code), as Gemini's own JSON.
    """

    value: str = ""
    id: str = ""
    origin: str = ""
    parts: msgspec.Raw = ABSENT


class Issued(NamedTuple):
    """One entry to be stored before the answer that needs it leaves."""

    key: str
    signature: Signature
