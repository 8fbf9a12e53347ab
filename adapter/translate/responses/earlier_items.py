"""The translation of the first items of a Responses history, for the next request that begins with them.

They end in front of a block of messages (`conversation.Mark`). What follows adds messages behind theirs and changes
none of them, but for a few things that are asked of it (`StaleItems`).
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec

from adapter.translate.core.earlier_turns import Speaker
from adapter.translate.core.notes import Note
from adapter.wire.base import encode
from adapter.wire.openai.responses_request import InputItem
from adapter.wire.signatures import Signature

_HOLDS_OWNER = re.compile(r"[a-z]+_[0-9a-f]{48}(?:v?[0-9a-f]{4,})?")
"""The ids that this adapter issues: nothing else need say to what an item belongs."""

_ENTRY = 200
"""Bytes of memory that a note, a path, a key or a record takes, beside its texts."""


class StaleItems(Exception):
    """Later items change the translation of the first ones: all must be read again."""


class EarlierItems(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The first items, `count` of them, and what they became beside the turns: so many `messages`.

    The first message is that of the `instructions`, where there are some. `tools` were declared inside the items,
    `searching` is the last search for tools. `records` came with them for calls. `keys` are their ids and those of
    their calls. `paths` leads from paths of their messages that were asked for to the items'. `named` are the ids
    among them that are the client's own, each with a digest of its item.
    """

    instructions: str | None = None
    count: int = 0
    messages: int = 0
    notes: tuple[Note, ...] = ()
    tools: tuple[tuple[str, msgspec.Raw], ...] = ()
    searching: str | None = None
    records: Mapping[str, Signature] = {}
    keys: frozenset[str] = frozenset()
    speakers: frozenset[Speaker] = frozenset()
    shared_roles: frozenset[str | None] = frozenset()
    paths: Mapping[str, str] = {}
    named: tuple[tuple[str, str], ...] = ()

    @property
    def size_bytes(self) -> int:
        """Return about how much memory they take beside their text."""
        entries = len(self.notes) + len(self.records) + len(self.keys) + len(self.paths) + len(self.named)
        return _ENTRY * entries + sum([len(memoryview(raw)) for _, raw in self.tools])


NO_ITEMS = EarlierItems()


def speakers_of(items: Iterable[InputItem]) -> frozenset[Speaker]:
    """Return the roles and names of messages that have a name."""
    return frozenset((item.role, item.name) for item in items if item.name and item.role)


def named_items(items: Iterable[InputItem]) -> list[tuple[str, str]]:
    """Return the ids of the client's own that items have, each with a digest of its item."""
    return [
        (item.id, blake2b(encode(item), digest_size=16).hexdigest())
        for item in items
        if item.id and not _HOLDS_OWNER.fullmatch(item.id)
    ]
