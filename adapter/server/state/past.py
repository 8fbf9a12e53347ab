"""A request of the Responses API with the items of the responses or the conversation that it follows."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from adapter.server.limits.admission import HeldBytes
from adapter.server.state.records import encode_items
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.responses.fields import input_items
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest

_OWN = re.compile(r"input\[(\d+)\]")


class Places(NamedTuple):
    """The way from the whole request's paths to the client's, see `Past`. It holds nothing of the history itself."""

    before: int
    source: str
    indexes: Sequence[int]

    def path(self, path: str) -> str:
        """Return the client's path: an item of the past has the path of the field that it came from."""
        found = _OWN.match(path)
        if found is None or not self.before:
            return path
        index = int(found.group(1)) - self.before
        if index < 0:
            return self.source
        return f"input[{self.indexes[index] if self.indexes else index}]{path[found.end() :]}"


class Past(NamedTuple):
    """A request with the conversation before it.

    `request` has the earlier items in front of its own, `before` in number; they came from `source`, a field of the
    request. `given` are its own items as they are stored, with their `indexes` in the client's input: what the earlier
    items have already is not among them. `history` are ids of the responses before. `held` are the bytes that
    the earlier items take. `found` are notes on what is stored otherwise than it was sent.
    """

    request: ResponsesRequest
    before: int
    source: str
    given: list[InputItem]
    history: list[str]
    held: HeldBytes
    indexes: Sequence[int] = ()
    found: Sequence[Note] = ()

    def own(self, response_id: str) -> list[msgspec.Raw]:
        """Return the request's own items as they are stored; those without an id get one that names the response."""
        owner = response_id.partition("_")[2]
        return encode_items(input_items(msgspec.structs.replace(self.request, input=self.given), owner))

    def path(self, path: str) -> str:
        """Return the client's path for one of the whole request."""
        return Places(self.before, self.source, self.indexes).path(path)

    def notes(self, notes: Sequence[Note]) -> list[Note]:
        """Return a ledger under the client's paths, without notes that earlier thoughts are left out."""
        if not self.before:
            return [*self.found, *notes]
        moved = [note.at(self.path(note.path)) for note in notes]
        return [
            *self.found,
            *(note for note in moved if note.path != self.source or note.code != "thoughts-not-replayed"),
        ]

    def rejected(self, error: Rejected) -> Rejected:
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
