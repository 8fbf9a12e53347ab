"""A Responses request translated to a chat request, and the client's paths for the chat request's."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.responses.earlier_items import EarlierItems
from adapter.translate.signatures.history import Carried
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest

CallKind = Literal["function", "custom", "local_shell", "shell", "apply_patch", "tool_search"]


class CallName(NamedTuple):
    """The client's name of a function of the chat request, and the type of the item that calls it."""

    kind: CallKind
    name: str
    namespace: str | None = None


_MESSAGE = re.compile(r"messages\[(\d+)\]")


class FirstPaths(NamedTuple):
    """The client's paths for the first `messages` of a request, which were not read this time.

    `known` are those that an earlier request asked for; for others `read` reads the items again.
    """

    messages: int
    known: Mapping[str, str]
    read: Callable[[], Mapping[str, str]]


NO_PATHS = FirstPaths(0, {}, dict)


class Paths:
    """Maps paths of the chat request to the client's own.

    `own` has those of all messages but the `first` ones. `of_tools` caches the paths of tools that were asked for.
    """

    def __init__(self, own: Mapping[str, str], of_tools: dict[str, str], first: FirstPaths) -> None:
        self._own = own
        self._first = first
        self._of_tools = of_tools
        self._asked: dict[str, str] = {}

    def __getitem__(self, path: str) -> str:
        """Return the client's path; the longest part that has an equivalent is replaced."""
        cache = self._of_tools if path.startswith("tools[") else self._asked
        client_path = cache.get(path)
        if client_path is None:
            client_path = cache[path] = self._first.known.get(path) or self._find(path)
        return client_path

    def _find(self, path: str) -> str:
        paths = self._first.read() if _is_before(path, self._first.messages) else self._own
        end = len(path)
        while end > 0:
            if (client_path := paths.get(path[:end])) is not None:
                return client_path + path[end:]
            end = max(path.rfind(".", 0, end), path.rfind("[", 0, end))
        return path

    def move(self, notes: Iterable[Note]) -> list[Note]:
        """Return notes under the client's paths."""
        own, asked, of_tools = self._own, self._asked, self._of_tools
        moved = []
        for note in notes:
            path = note.path
            client_path = (of_tools if path.startswith("tools[") else asked).get(path)
            if client_path is None:
                # `self[path]` also caches the path, so that `before` can return it for the next request.
                client_path = self[path] if "[" in path or "." in path else own.get(path)
            moved.append(note if client_path is None or client_path == path else note.at(client_path))
        return moved

    def before(self, count: int) -> dict[str, str]:
        """Return the paths of the first `count` messages that were asked for, to be known in the next request."""
        known = self._first.known
        return {path: own for path, own in self._asked.items() if path in known or _is_before(path, count)}


def _is_before(path: str, count: int) -> bool:
    at = _MESSAGE.match(path) if count else None
    return at is not None and int(at[1]) < count


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One Responses request as a chat request.

    `asked` is the client's request. `carried` has the items' ids and the signatures that the client itself sent
    (`encrypted_content`). `paths` maps the chat request's paths to the client's. `notes` is the ledger so far.
    `dropped` has the paths of dropped fields: the response must not claim that they applied. `earlier` returns the
    translation of the first items, to be remembered.
    """

    request: ChatCompletionRequest
    asked: ResponsesRequest
    notes: list[Note]
    paths: Paths
    names: Mapping[str, CallName]
    carried: Carried
    earlier: Callable[[], EarlierItems | None]
    dropped: frozenset[str] = frozenset()

    def with_dropped(self, ledger: Iterable[Note]) -> "View":
        """Return the view with `dropped` set from the notes of the ledger."""
        dropped = frozenset(note.path for note in ledger if note.fate is Fate.DROPPED)
        return msgspec.structs.replace(self, dropped=dropped) if dropped != self.dropped else self

    @property
    def keeps_nothing(self) -> bool:
        """Return whether the client must carry the signatures itself: it asks for that, or nothing is stored for it."""
        return self.asked.store is False or "reasoning.encrypted_content" in (self.asked.include or ())

    def path(self, chat_path: str) -> str:
        """Return the client's path for one of the chat request."""
        return self.paths[chat_path]

    def ledger(self, notes: Iterable[Note]) -> list[Note]:
        """Return the whole ledger: the view's notes, then the chat translation's under the client's paths."""
        return self.notes + self.paths.move(notes)

    def with_client_path(self, error: Rejected) -> Rejected:
        """Return a rejection of the chat translation under the client's path."""
        return Rejected(self.path(error.note.path), error.note.code, error.note.reason, self.ledger(error.notes))
