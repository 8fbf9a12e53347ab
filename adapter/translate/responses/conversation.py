"""Collects the chat messages that the items of a Responses request become, with their paths, notes and signatures.

Successive items of the model become one assistant message, which stays open until an item of another role comes. After
such an item no message is open. So the list of items may be cut there (`Mark`): later items cannot change the messages
before the cut.
"""

import re
from typing import NamedTuple

import msgspec

from adapter.translate.core.notes import Fate, Note
from adapter.translate.responses.earlier_items import NO_ITEMS, EarlierItems
from adapter.translate.signatures.history import Carried
from adapter.translate.signatures.prefix_digest import name_and_arguments
from adapter.translate.tools.names import upstream_name
from adapter.wire.base import encode
from adapter.wire.gemini.content import Blob, Part
from adapter.wire.gemini.content import FunctionCall as GeminiCall
from adapter.wire.openai.chat_request import (
    THOUGHTS,
    ContentPart,
    ExtraContent,
    GoogleExtra,
    ImageOutput,
    ImageUrl,
    Message,
    ToolCall,
)
from adapter.wire.signatures import Signature

_NOTHING = (b"", b"null", b"[]")

_OWN_ID = re.compile(r"(?:msg|ci|ig)_[0-9a-f]{48}")
"""The ids of items that this adapter issues."""


class Mark(NamedTuple):
    """A place to cut: the number of items and messages before it, and of new notes, tools and records."""

    items: int
    messages: int
    notes: int
    tools: int
    records: int
    searching: str | None


class Conversation:
    """The messages after those of the `earlier` items; `paths` maps their paths to the items'.

    `block` is the mark before the last block of messages, which begins with a message of the model.
    """

    def __init__(self, earlier: EarlierItems = NO_ITEMS) -> None:
        self.earlier = earlier
        self.messages: list[Message] = []
        self.paths: dict[str, str] = {"messages": "input"}
        self.notes: list[Note] = []
        self.shared_roles: frozenset[str | None] = frozenset()
        self.records: list[tuple[str, Signature]] = []
        self.tools: list[tuple[str, msgspec.Raw]] = []
        self.searching = earlier.searching
        self.block: Mark | None = None
        self._mark: Mark | None = None
        self._is_marked = True
        self._ran: dict[int, list[Part]] = {}
        self._with_code: set[int] = set()
        self._answers: dict[int, Signature] = {}
        self._items: dict[int, list[str]] = {}
        self._sealed: Signature | None = None
        self._open: Message | None = None

    def note(self, path: str, fate: Fate, code: str, reason: str) -> None:
        """Write a note."""
        self.notes.append(Note(path, fate, code, reason))

    def begin_item(self, index: int) -> None:
        """Start the item with this index; before it the items may be cut if the last message was not the model's."""
        if not self._is_marked:
            news = len(self.notes), len(self.tools), len(self.records)
            self._mark = Mark(index, self._last + 1, *news, self.searching)
            self._is_marked = True

    @property
    def _last(self) -> int:
        """The index of the last message."""
        return self.earlier.messages + len(self.messages) - 1

    def say(self, message: Message, path: str) -> str:
        """Add a message that is not the model's; return its path in the chat request."""
        self._open = self._sealed = None
        self._is_marked = False
        return self._add(message, path)

    def _add(self, message: Message, path: str) -> str:
        self.messages.append(message)
        at = f"messages[{self._last}]"
        self.paths[at] = path
        return at

    def take_carried(self) -> Carried:
        """Return the records that the items carry for the messages; of the earlier ones only those for calls."""
        records = {**self.earlier.records, **dict(self.records)} if self.records else self.earlier.records
        return Carried(records=records, answers=self._answers, items=self._items)

    def take_record(self, record: Signature) -> None:
        """Take the record of a whole answer, which stands beside the items of this answer."""
        if self._open is None:
            self._sealed = record
        else:
            self._answers[self._last] = record

    def model(self, path: str, item_id: str | None = None) -> tuple[Message, str]:
        """Return the assistant message of the turn that is open, or a new one; and its path in the chat request."""
        if self._open is None:
            self._open = Message(role="assistant")
            self._add(self._open, path)
            self.block = self._mark
            if self._sealed is not None:
                self._answers[self._last] = self._sealed
        self._sealed = None
        if item_id is not None and _OWN_ID.fullmatch(item_id):
            self._items.setdefault(self._last, []).append(item_id)
        return self._open, f"messages[{self._last}]"

    def add_answer(self, answer: str | list[ContentPart], path: str, item_id: str | None = None) -> None:
        """Add items of the model to the open assistant message."""
        message, at = self.model(path, item_id)
        content = message.content if isinstance(message.content, list) else []
        whole = isinstance(answer, str)
        for number, part in enumerate(
            [ContentPart(type="output_text", text=answer)] if isinstance(answer, str) else answer
        ):
            self.paths[f"{at}.content[{len(content)}]"] = f"{path}.content" if whole else f"{path}.content[{number}]"
            content.append(part)
            for name in ("annotations", "logprobs"):
                if bytes(getattr(part, name)) not in _NOTHING:
                    self.note(
                        f"{path}.content[{number}].{name}",
                        Fate.DROPPED,
                        "answer-echo-dropped",
                        "Gemini takes only the text back",
                    )
            if part.type not in THOUGHTS and (words := part.text or part.refusal):
                self._parts().append(Part(text=words))
        message.content = content

    def _parts(self) -> list[Part]:
        """Return the parts of the open turn, if it ran code: chat messages have no place for that."""
        return self._ran.setdefault(self._last, [])

    def ran(self, parts: list[Part], path: str, item_id: str | None) -> None:
        """Add code that Gemini ran in the turn that is open, and what the code printed."""
        self.model(path, item_id)
        self._parts().extend(parts)
        self._with_code.add(self._last)

    def image(self, url: str, path: str, field: str, item_id: str | None = None) -> None:
        """Add an image of the model's; the client sent it in this field of the item."""
        message, at = self.model(path, item_id)
        message.images = message.images or []
        place = f"{at}.images[{len(message.images)}]"
        self.paths |= {place: path, f"{place}.image_url.url": f"{path}.{field}"}
        message.images.append(ImageOutput(type="image_url", image_url=ImageUrl(url=url)))
        head, _, data = url.partition(";base64,")
        self._parts().append(Part(inline_data=Blob(mime_type=head.removeprefix("data:"), data=data)))

    def carry_code(self) -> None:
        """Put the parts of turns that ran code where chat's clients carry them: all parts, in their order."""
        for index in self._with_code:
            parts = msgspec.Raw(encode(self._ran[index]))
            self.messages[index - self.earlier.messages].extra_content = ExtraContent(google=GoogleExtra(parts=parts))

    def call(self, call: ToolCall, path: str, arguments: str = "arguments") -> None:
        """Add a call of the model."""
        message, at = self.model(path)
        message.tool_calls = message.tool_calls or []
        message.tool_calls.append(call)
        name, _ = name_and_arguments(call)
        self._parts().append(Part(function_call=GeminiCall(name=upstream_name(name))))
        place = f"{at}.tool_calls[{len(message.tool_calls) - 1}]"
        self.paths |= {
            place: path,
            f"{place}.function": path,
            f"{place}.custom": path,
            f"{place}.function.arguments": f"{path}.{arguments}",
        }

    def result(
        self,
        call_id: str | None,
        content: str | list[ContentPart],
        path: str,
        *,
        name: str | None = None,
        failed: bool = False,
    ) -> None:
        """Add the result of a call; `name` is the function's."""
        message = Message(role="tool", tool_call_id=call_id, name=name, content=content, is_error=failed or None)
        at = self.say(message, path)
        self.paths[f"{at}.content"] = f"{path}.output"
        self.paths[f"{at}.tool_call_id"] = f"{path}.call_id"
        if name is not None:
            # It is made of two fields of the item.
            self.paths[f"{at}.name"] = path
