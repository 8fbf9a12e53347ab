"""The translation of the first items of a Responses history, for the next request that begins with them.

They end before a block of messages (`conversation.Mark`), so that later items only add messages. In the few cases in
which later items do change earlier messages, the translation is not used (`StaleItems`).
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
"""Ids of items that this adapter issues. They contain their response's id, so the store needs no entry for them."""

_ENTRY = 200
"""An estimate of the memory in bytes for one note, path, key or record, without its texts."""


class StaleItems(Exception):
    """Later items change the translation of the first ones: all must be read again."""


class EarlierItems(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The translation of the first `count` items, without Gemini's turns (which `EarlierTurns` has).

    | field          | what it has                                                                              |
    |----------------|------------------------------------------------------------------------------------------|
    | `instructions` | the request's instructions, which are the first message                                  |
    | `messages`     | the number of chat messages that instructions and items became                           |
    | `tools`        | tools that were declared inside the items, with their paths                              |
    | `searching`    | the last search for tools                                                                |
    | `records`      | signatures that came inside the items, by call                                           |
    | `keys`         | the ids of the items and of their calls                                                  |
    | `speakers`     | roles and names of messages that have a name                                             |
    | `paths`        | the items' paths by the messages' paths, as far as they were asked for                   |
    | `named`        | ids that the client made itself, each with a digest of its item                          |
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
        """Return an estimate of the memory in bytes, without the items' text."""
        entries = len(self.notes) + len(self.records) + len(self.keys) + len(self.paths) + len(self.named)
        return _ENTRY * entries + sum([len(memoryview(raw)) for _, raw in self.tools])


NO_ITEMS = EarlierItems()


def speakers_of(items: Iterable[InputItem]) -> frozenset[Speaker]:
    """Return the roles and names of messages that have a name."""
    return frozenset((item.role, item.name) for item in items if item.name and item.role)


def named_items(items: Iterable[InputItem]) -> list[tuple[str, str]]:
    """Return the items' ids that the client made itself, each with a digest of its item."""
    return [
        (item.id, blake2b(encode(item), digest_size=16).hexdigest())
        for item in items
        if item.id and not _HOLDS_OWNER.fullmatch(item.id)
    ]
