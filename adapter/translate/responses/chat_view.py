"""A Responses request seen as a chat request, and the way from the chat request's paths back to the client's own."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.signatures.history import Carried
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest

CallKind = Literal["function", "custom", "local_shell", "shell", "apply_patch", "tool_search"]


class CallName(NamedTuple):
    """The client's name of a function of the chat request, and the type of the item that calls it."""

    kind: CallKind
    name: str
    namespace: str | None = None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One Responses request as a chat request.

    `carried` is what the items say of their messages beside these: ids, and records that the client itself sent
    (`encrypted_content`). `paths` leads from the chat request's paths to the client's. `notes` is the ledger so far.
    `dropped` are the paths of what the model does not get: the response must not claim it.
    """

    request: ChatCompletionRequest
    asked: ResponsesRequest
    notes: list[Note]
    paths: Mapping[str, str]
    names: Mapping[str, CallName]
    carried: Carried
    dropped: frozenset[str] = frozenset()

    def knowing(self, ledger: Iterable[Note]) -> "View":
        """Return the view with the notes on dropped fields."""
        dropped = frozenset(note.path for note in ledger if note.fate is Fate.DROPPED)
        return msgspec.structs.replace(self, dropped=dropped) if dropped != self.dropped else self

    @property
    def keeps_nothing(self) -> bool:
        """Return whether the client must carry the signatures itself: it asks for that, or nothing is stored for it."""
        return self.asked.store is False or "reasoning.encrypted_content" in (self.asked.include or ())

    def path(self, chat_path: str) -> str:
        """Return the client's path for one of the chat request; the longest part that has an equivalent is replaced."""
        end = len(chat_path)
        while end > 0:
            if (found := self.paths.get(chat_path[:end])) is not None:
                return found + chat_path[end:]
            end = max(chat_path.rfind(".", 0, end), chat_path.rfind("[", 0, end))
        return chat_path

    def ledger(self, notes: Iterable[Note]) -> list[Note]:
        """Return the whole ledger: the view's notes, then the chat translation's under the client's paths."""
        return [*self.notes, *(note.at(self.path(note.path)) for note in notes)]

    def rejected(self, error: Rejected) -> Rejected:
        """Return a rejection of the chat translation under the client's path."""
        return Rejected(self.path(error.note.path), error.note.code, error.note.reason, self.ledger(error.notes))
