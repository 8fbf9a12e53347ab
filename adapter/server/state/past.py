"""A request of the Responses API with the items of the responses or the conversation that it follows."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from adapter.server.limits.admission import HeldBytes
from adapter.server.state.records import encode_items
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.prefix import ItemText, is_repaired, own_text
from adapter.translate.responses.earlier_items import NO_ITEMS, named_items
from adapter.translate.responses.fields import as_stored
from adapter.wire.base import encode
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest

_OWN = re.compile(r"input\[(\d+)\]")


class Places(NamedTuple):
    """Maps paths of the whole request to the client's, see `Past`. It holds no item of the history."""

    before: int
    source: str
    indexes: Sequence[int]

    def path(self, path: str) -> str:
        """Return the client's path: an item of the past has the path of the field that it came from."""
        match = _OWN.match(path)
        if match is None or not self.before:
            return path
        index = int(match.group(1)) - self.before
        if index < 0:
            return self.source
        return f"input[{self.indexes[index] if self.indexes else index}]{path[match.end() :]}"


class Past(NamedTuple):
    """A request with the conversation before it.

    `request` has the earlier items in front of its own, `before` in number; they came from `source`, a field of the
    request. `given` are its own items as they are stored, with their `indexes` in the client's input: what the earlier
    items have already is not among them. `history` are ids of the responses before. `held` are the bytes that
    the earlier items take. `found` are notes on what is stored otherwise than it was sent. `text` is that of all items
    but those that come beside stored ones, for what may be remembered of it.
    """

    request: ResponsesRequest
    before: int
    source: str
    given: Sequence[InputItem]
    history: list[str]
    held: HeldBytes
    indexes: Sequence[int] = ()
    found: Sequence[Note] = ()
    text: ItemText | None = None

    @property
    def new_bytes(self) -> int:
        """The bytes of the stored items that are not remembered."""
        known = self.text.prefix if self.text is not None else None
        return self.held.size if known is None else max(0, self.held.size - len(known.beginning.text))

    @property
    def is_whole(self) -> bool:
        """Return whether all items are in the request's body, and none in the store."""
        return self.text is not None and not self.before

    def own_text(self) -> bytes:
        """Return the request's own items as they are stored: unchanged, if all items are in the request's body."""
        text = None
        if self.text is not None and self.is_whole and not is_repaired(self.text.unknown):
            text = own_text(self.text)
        return b",".join(map(encode, self.given)) if text is None else text

    def named_items(self) -> list[tuple[str, str]]:
        """Return the ids that the client itself gave to its new items, each with a digest of its item."""
        earlier = self.text.earlier if self.text is not None and self.is_whole else NO_ITEMS
        return [*earlier.named, *named_items(self.given[earlier.count :])]

    def own_items(self, response_id: str) -> list[msgspec.Raw]:
        """Return the request's own items as they are listed: an item without an id gets one that names the response."""
        return encode_items(as_stored(self.given, response_id.partition("_")[2]))

    def path(self, path: str) -> str:
        """Return the client's path for one of the whole request."""
        return Places(self.before, self.source, self.indexes).path(path)

    def notes(self, notes: Sequence[Note]) -> list[Note]:
        """Return a ledger under the client's paths, without notes that earlier thoughts are left out."""
        if not self.before:
            return [*self.found, *notes]
        # Nearly all notes are on other fields.
        moved = [note.at(self.path(note.path)) if note.path.startswith("input") else note for note in notes]
        return [
            *self.found,
            *(note for note in moved if note.path != self.source or note.code != "thoughts-not-replayed"),
        ]

    def with_client_path(self, error: Rejected) -> Rejected:
        """Return a rejection under the client's path."""
        return Rejected(self.path(error.note.path), error.note.code, error.note.reason, self.notes(error.notes))


def conversation_of(request: ResponsesRequest) -> str | None:
    """Return the id of the conversation that a response belongs to."""
    given = request.conversation
    return given if given is None or isinstance(given, str) else given.id


def note_on_new_id(path: str) -> Note:
    """Return the note on an item that is stored under a new id, since its own is taken."""
    reason = "the conversation has an item with this id: the new one is stored under another id"
    return Note(path, Fate.APPROXIMATED, "item-id-taken", reason)
