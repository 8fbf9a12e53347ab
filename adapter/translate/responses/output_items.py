"""The items of an answer and their events, in the order that clients insist on.

An item is open until another one begins or the answer ends: only then is it known whether a limit cut it. Items keep
their id and their place from `output_item.added` on (openai-python and openai-node raise otherwise).
"""

import copy
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import count
from typing import Any

from adapter.translate.core.context import Stamp
from adapter.translate.media.image_headers import ImageHeader, read_header_of_base64
from adapter.translate.responses.chat_view import CallName
from adapter.translate.responses.open_items import Open, OpenCode, OpenMessage, OpenReasoning, citations_of
from adapter.translate.responses.tool_calls import item_of_call
from adapter.wire.openai import response_events as events
from adapter.wire.openai.chat_answer import TokenLogprob
from adapter.wire.openai.response_events import Event, ItemEvent
from adapter.wire.openai.responses_answer import (
    ApplyPatchCallItem,
    CodeInterpreterCallItem,
    CustomToolCallItem,
    FunctionCallItem,
    ImageGenerationCallItem,
    MessageItem,
    OutputItem,
    OutputText,
    ReasoningItem,
    UrlCitationAnnotation,
    WebSearchCallItem,
)

OPEN = "in_progress"
DONE = "completed"

_CUT = {ApplyPatchCallItem: "in_progress", ImageGenerationCallItem: DONE}
"""The status of a last item of these types when the answer was cut: they have no `incomplete`."""


def _status(opened: Open, status: str) -> str:
    """Return the status of an item that ends with this one."""
    if isinstance(opened, OpenCode) and opened.has_failed:
        return "failed"
    return status if status == DONE else _CUT.get(type(opened.item), status)


def _header_of(data: str) -> ImageHeader | None:
    try:
        return read_header_of_base64(data)
    except ValueError:
        return None


class Output:
    """The items so far. Every method returns the events of its change.

    `cites`: whether citations may follow, for which messages stay open to the end, beside other items; what is said
    behind another item is a message of its own all the same.
    """

    def __init__(self, stamp: Stamp, items: list[OutputItem]) -> None:
        self.items = items
        self._seed = stamp.seed
        self.cites = False
        # Returns the number of the next event.
        self.next: Callable[[], int] = count().__next__
        self._message: OpenMessage | None = None
        self._spoken: list[OpenMessage] = []
        self._other: Open | None = None
        self._messages: list[OpenMessage] = []

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{blake2b(f'{self._seed}:{len(self.items)}'.encode(), digest_size=24).hexdigest()}"

    def _add(self, opened: Open) -> Event:
        self.items.append(opened.item)
        item = copy.copy(opened.item)
        return events.OutputItemAdded(sequence_number=self.next(), output_index=opened.index, item=item)

    def _close(self, opened: Open, status: str) -> list[Event]:
        result = opened.end()
        opened.item.status = _status(opened, status)
        done = events.OutputItemDone(
            sequence_number=self.next(), output_index=opened.index, item=copy.copy(opened.item)
        )
        return [*result, done]

    def _make_room(self) -> list[Event]:
        """End what another item cannot begin beside."""
        result: list[Event] = []
        if self._message is not None:
            if self.cites:
                self._spoken.append(self._message)
            else:
                result += self._close(self._message, DONE)
            self._message = None
        if self._other is not None:
            result += self._close(self._other, DONE)
            self._other = None
        return result

    def _begin(self, opened: Open) -> list[Event]:
        result = self._make_room()
        self._other = opened
        return [*result, self._add(opened)]

    def _speaking(self) -> tuple[OpenMessage, list[Event]]:
        """Return the open message, or open a new one."""
        result: list[Event] = []
        if self._other is not None:
            result = self._close(self._other, DONE)
            self._other = None
        if self._message is None:
            item = MessageItem(id=self._id("msg"), role="assistant", status=OPEN, content=[])
            self._message = OpenMessage(item, len(self.items), self.next)
            self._messages.append(self._message)
            result.append(self._add(self._message))
        return self._message, result

    def text(self, delta: str, logprobs: list[TokenLogprob]) -> list[Event]:
        """Add visible text; return the events."""
        if self._message is not None and self._other is None:
            return self._message.text(delta, logprobs)
        message, result = self._speaking()
        return result + message.text(delta, logprobs)

    def refusal(self, words: str) -> list[Event]:
        """Add a refusal; return the events."""
        message, result = self._speaking()
        return result + message.refusal(words)

    def thought(self, delta: str) -> list[Event]:
        """Add to the summary of thoughts; return the events."""
        if isinstance(self._other, OpenReasoning):
            return self._other.text(delta)
        opened, result = self._reasoning()
        return result + opened.text(delta)

    def _reasoning(self) -> tuple[OpenReasoning, list[Event]]:
        item = ReasoningItem(id=self._id("rs"), summary=[], status=OPEN)
        result = self._make_room()
        opened = OpenReasoning(item, len(self.items), self.next)
        self._other = opened
        return opened, [*result, self._add(opened)]

    def carry(self, content: str, *, alone: bool) -> list[Event]:
        """Give the open reasoning item its `encrypted_content`; `alone`: or a new one, if none is open."""
        result: list[Event] = []
        opened = self._other if isinstance(self._other, OpenReasoning) else None
        if opened is None and alone:
            opened, result = self._reasoning()
        if opened is not None:
            opened.reasoning.encrypted_content = content
        return result

    def call(self, call_id: str, name: CallName, arguments: str) -> list[Event]:
        """Add a whole call of one of the client's tools; return the events."""
        special = item_of_call(name, self._id("fc"), call_id, arguments)
        if special is not None:
            return self._begin(Open(special, len(self.items), self.next))
        item = FunctionCallItem(
            id=self._id("fc"), call_id=call_id, name=name.name, arguments="", status=OPEN, namespace=name.namespace
        )
        opened = Open(item, len(self.items), self.next)
        result = self._begin(opened)
        item.arguments = arguments
        delta: Event = events.ArgumentsDelta(
            sequence_number=self.next(), item_id=item.id, output_index=opened.index, delta=arguments
        )
        done: Event = events.ArgumentsDone(
            sequence_number=self.next(), item_id=item.id, output_index=opened.index, arguments=arguments, name=name.name
        )
        return [*result, delta, done]

    def custom_call(self, call_id: str, name: CallName, text: str) -> list[Event]:
        """Add a whole call of a custom tool; return the events."""
        item = CustomToolCallItem(
            id=self._id("ctc"), call_id=call_id, name=name.name, input="", status=OPEN, namespace=name.namespace
        )
        opened = Open(item, len(self.items), self.next)
        result = self._begin(opened)
        item.input = text
        delta: Event = events.InputDelta(
            sequence_number=self.next(), item_id=item.id, output_index=opened.index, delta=text
        )
        done: Event = events.InputDone(
            sequence_number=self.next(), item_id=item.id, output_index=opened.index, input=text
        )
        return [*result, delta, done]

    def search(self, action: dict[str, Any]) -> list[Event]:
        """Add a search that Gemini ran; return the events."""
        item = WebSearchCallItem(id=self._id("ws"), action=action, status=OPEN)
        opened = Open(item, len(self.items), self.next)
        result = self._begin(opened)
        stages = (events.WebSearchInProgress, events.WebSearchSearching, events.WebSearchCompleted)
        return [*result, *(self._stage(stage, item.id, opened.index) for stage in stages)]

    def _stage(self, kind: type[ItemEvent], item_id: str, index: int) -> Event:
        return kind(sequence_number=self.next(), item_id=item_id, output_index=index)

    def code(self, code: str) -> list[Event]:
        """Add code that Gemini runs; its output follows. Return the events."""
        return self._run(code)[1]

    def _run(self, code: str) -> tuple[OpenCode, list[Event]]:
        item = CodeInterpreterCallItem(
            id=self._id("ci"), code="", container_id=self._id("cntr"), outputs=None, status=OPEN
        )
        opened = OpenCode(item, len(self.items), self.next)
        result = self._begin(opened)
        item.code = code
        place: dict[str, Any] = {"item_id": item.id, "output_index": opened.index}
        result.append(self._stage(events.CodeInProgress, item.id, opened.index))
        result.append(events.CodeDelta(sequence_number=self.next(), delta=code, **place))
        result.append(events.CodeDone(sequence_number=self.next(), code=code, **place))
        result.append(self._stage(events.CodeInterpreting, item.id, opened.index))
        return opened, result

    def add_output(self, output: str, *, failed: bool = False) -> list[Event]:
        """Add the output of code that ran. `failed`: it did not come to its end."""
        opened, result = (self._other, []) if isinstance(self._other, OpenCode) else self._run("")
        opened.code.outputs = opened.code.outputs or []
        opened.code.outputs.append({"type": "logs", "logs": output})
        opened.has_failed = failed
        return [*result, self._stage(events.CodeCompleted, opened.code.id, opened.index)]

    def image(self, data: str, kind: str) -> list[Event]:
        """Add an image; `kind` is the type that Gemini names, which the image's header may correct."""
        item = ImageGenerationCallItem(id=self._id("ig"), result=None, status=OPEN)
        opened = Open(item, len(self.items), self.next)
        result = self._begin(opened)
        item.result, item.output_format = data, kind
        if (header := _header_of(data)) is not None:
            item.output_format, item.size, item.quality = header.kind, header.size, "auto"
            item.background = "auto" if header.has_alpha else "opaque"
        stages = (events.ImageInProgress, events.ImageGenerating, events.ImageCompleted)
        return [*result, *(self._stage(stage, item.id, opened.index) for stage in stages)]

    def cite(self, citations: Sequence[UrlCitationAnnotation]) -> list[Event]:
        """Add citations at characters of the whole text; a message that has ended takes none."""
        result: list[Event] = []
        still_open = [*self._spoken, self._message]
        start = 0
        for message in self._messages:
            for part in message.message.content:
                if isinstance(part, OutputText):
                    end = start + message.length(part)
                    if any(message is one for one in still_open):
                        result += [message.annotate(part, one) for one in citations_of(citations, start, end)]
                    start = end
        return result

    def finish(self, status: str) -> list[Event]:
        """End what is open; the last item has the status of the whole answer."""
        result = self.text("", []) if not self.items and status == DONE else []
        still_open = (*self._spoken, self._message, self._other)
        left = sorted((one for one in still_open if one is not None), key=lambda one: one.index)
        for number, opened in enumerate(left, 1):
            result += self._close(opened, status if number == len(left) else DONE)
        self._message = self._other = None
        self._spoken = []
        return result
