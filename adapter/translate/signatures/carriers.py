"""The `encrypted_content` of reasoning items, which carries the records that the signature store would keep.

Clients that store nothing here send it back (openai-agents, Codex, LangChain and opencode do), and the records then
stand beside what the store knows. Only base64 keeps it from being read: there is nothing in it but what Gemini sent.
"""

import base64
from collections.abc import Iterable, Mapping

import msgspec

from adapter.wire.base import encode
from adapter.wire.signatures import Issued, Signature

_MARK = "gemini_1."
"""The prefix of content that this adapter issued; it cannot read other vendors'."""

_SUMMARY = "summary"
"""The key of a compacted conversation's summary, beside the keys of `translate.signatures`."""

ANSWER = "answer"
"""The key of the record of the whole answer in which the reasoning item stands."""

_decoder = msgspec.json.Decoder(dict[str, Signature])


def seal(records: Iterable[Issued]) -> str:
    """Return the records as one opaque string."""
    by_key = {record.key: record.signature for record in records}
    return _MARK + base64.urlsafe_b64encode(encode(by_key)).decode().rstrip("=")


def unseal(content: str) -> Mapping[str, Signature] | None:
    """Return the records in an opaque string, by key; None for content that is not ours."""
    if not content.startswith(_MARK):
        return None
    data = content[len(_MARK) :]
    try:
        return _decoder.decode(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
    except (ValueError, msgspec.MsgspecError):
        # Cut or changed on its way: it counts as missing, and the request goes on without it.
        return None


def seal_summary(text: str) -> str:
    """Return the `encrypted_content` of a compaction item that stands for a conversation with this summary."""
    return seal([Issued(_SUMMARY, Signature(value=text))])


def summary(content: str) -> str | None:
    """Return the summary in a compaction item's content; None for content that is not ours."""
    record = (unseal(content) or {}).get(_SUMMARY)
    return record.value if record else None
