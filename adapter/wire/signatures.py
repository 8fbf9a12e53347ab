"""Records of a signature store, one for each part of an answer that Gemini wants to see again."""

from typing import NamedTuple

import msgspec

from adapter.wire.base import ABSENT, Wire


class Signature(Wire):
    """The record of one part of an answer: all that is needed to send the part back as it was.

    `value` is base64 as received; `id` is Gemini's own function call id; `origin` names the upstream that issued it
    (a signature is valid only there: github.com/BerriAI/litellm/issues/32140); `parts` holds a whole answer's parts
    where OpenAI's shape cannot (server-side tools, executed code), as Gemini's own JSON.

    `digest` says to what the record belongs: a call by its name and canonical arguments, or an answer by its content;
    `spelling` is a call's name and arguments as they were sent out. `position` is a call's place among several.
    An answer's record has `calls` and `images` (signatures in the order of the images) for clients that rewrite ids.
    `is_ambiguous`: several answers have the same words, so that nothing is known of any of them.
    Records of version 0.1 have none of these; it ignores them.
    """

    value: str = ""
    id: str = ""
    origin: str = ""
    parts: msgspec.Raw = ABSENT
    digest: str = ""
    spelling: str = ""
    position: int | None = None
    calls: list["Signature"] = msgspec.field(default_factory=list)
    images: list[str] = msgspec.field(default_factory=list)
    is_ambiguous: bool = False


AMBIGUOUS = Signature(is_ambiguous=True)
"""The record of two answers with the same history and the same words: neither can be chosen."""

NOTHING = Signature()
"""The record of an answer without signatures, so that it is not taken for another one with the same words."""


class Issued(NamedTuple):
    """One entry to be stored before the answer that needs it leaves.

    `by_words`: the key is made of what a conversation says, so another conversation may have it too. What is stored
    under such a key is never replaced by something else: it becomes `AMBIGUOUS`.
    """

    key: str
    signature: Signature
    by_words: bool = False
