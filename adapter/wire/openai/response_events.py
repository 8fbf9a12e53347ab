"""The events that a streamed answer can have (openai-python 3.54.0, `ResponseStreamEvent`)."""

from typing import Any

from adapter.wire.base import Wire
from adapter.wire.openai.chat_answer import TokenLogprob
from adapter.wire.openai.errors import Error
from adapter.wire.openai.responses_answer import (
    OutputItem,
    OutputRefusal,
    OutputText,
    Response,
    SummaryText,
)


class Event(Wire, tag_field="type"):
    """One event; `sequence_number` starts at 0 and grows by one."""

    sequence_number: int

    @property
    def type(self) -> str:
        """The event's name, as the SSE line `event:` has it too."""
        return str(self.__struct_config__.tag)


class ResponseEvent(Event, tag="response"):
    """An event of the whole response."""

    response: Response


class Created(ResponseEvent, tag="response.created"):
    """The first event."""


class InProgress(ResponseEvent, tag="response.in_progress"):
    """The second event."""


class Queued(ResponseEvent, tag="response.queued"):
    """A response that waits in the background."""


class Completed(ResponseEvent, tag="response.completed"):
    """The last event of an answer that came to its end."""


class Incomplete(ResponseEvent, tag="response.incomplete"):
    """The last event of an answer that was cut or filtered."""


class Failed(ResponseEvent, tag="response.failed"):
    """The last event of an answer that failed."""


class StreamError(Event, tag="error"):
    """The event before `response.failed`.

    The reference has its members beside `type`; OpenAI sends them in `error`, which its SDKs raise as an exception.
    """

    error: Error


class OutputItemEvent(Event, tag="item"):
    """An item begins or ends."""

    output_index: int
    item: OutputItem


class OutputItemAdded(OutputItemEvent, tag="response.output_item.added"):
    """An item begins."""


class OutputItemDone(OutputItemEvent, tag="response.output_item.done"):
    """An item is whole."""


class ItemEvent(Event, tag="of_item"):
    """An event inside an item."""

    item_id: str
    output_index: int


class ContentPartEvent(ItemEvent, tag="part"):
    """A part of a message begins or ends."""

    content_index: int
    part: OutputText | OutputRefusal


class ContentPartAdded(ContentPartEvent, tag="response.content_part.added"):
    """A part begins, empty."""


class ContentPartDone(ContentPartEvent, tag="response.content_part.done"):
    """A part is whole."""


class TextDelta(ItemEvent, tag="response.output_text.delta"):
    """More text."""

    content_index: int
    delta: str
    logprobs: list[TokenLogprob]


class TextDone(ItemEvent, tag="response.output_text.done"):
    """The whole text."""

    content_index: int
    text: str
    logprobs: list[TokenLogprob]


class AnnotationAdded(ItemEvent, tag="response.output_text.annotation.added"):
    """A citation."""

    content_index: int
    annotation_index: int
    annotation: Any


class RefusalDelta(ItemEvent, tag="response.refusal.delta"):
    """More of a refusal."""

    content_index: int
    delta: str


class RefusalDone(ItemEvent, tag="response.refusal.done"):
    """The whole refusal."""

    content_index: int
    refusal: str


class SummaryPartEvent(ItemEvent, tag="summary"):
    """A part of a summary begins or ends."""

    summary_index: int
    part: SummaryText


class SummaryPartAdded(SummaryPartEvent, tag="response.reasoning_summary_part.added"):
    """A part begins, empty."""


class SummaryPartDone(SummaryPartEvent, tag="response.reasoning_summary_part.done"):
    """A part is whole."""


class SummaryDelta(ItemEvent, tag="response.reasoning_summary_text.delta"):
    """More of a summary."""

    summary_index: int
    delta: str


class SummaryDone(ItemEvent, tag="response.reasoning_summary_text.done"):
    """The whole part of a summary."""

    summary_index: int
    text: str


class ArgumentsDelta(ItemEvent, tag="response.function_call_arguments.delta"):
    """More arguments."""

    delta: str


class ArgumentsDone(ItemEvent, tag="response.function_call_arguments.done"):
    """The whole arguments; OpenAI sends the name too."""

    arguments: str
    name: str


class InputDelta(ItemEvent, tag="response.custom_tool_call_input.delta"):
    """More input of a custom tool."""

    delta: str


class InputDone(ItemEvent, tag="response.custom_tool_call_input.done"):
    """The whole input of a custom tool."""

    input: str


class WebSearchInProgress(ItemEvent, tag="response.web_search_call.in_progress"):
    """A search begins."""


class WebSearchSearching(ItemEvent, tag="response.web_search_call.searching"):
    """A search runs."""


class WebSearchCompleted(ItemEvent, tag="response.web_search_call.completed"):
    """A search is over."""


class CodeInProgress(ItemEvent, tag="response.code_interpreter_call.in_progress"):
    """Code begins."""


class CodeDelta(ItemEvent, tag="response.code_interpreter_call_code.delta"):
    """More code."""

    delta: str


class CodeDone(ItemEvent, tag="response.code_interpreter_call_code.done"):
    """The whole code."""

    code: str


class CodeInterpreting(ItemEvent, tag="response.code_interpreter_call.interpreting"):
    """The code runs."""


class CodeCompleted(ItemEvent, tag="response.code_interpreter_call.completed"):
    """The code has run."""


class ImageInProgress(ItemEvent, tag="response.image_generation_call.in_progress"):
    """An image begins."""


class ImageGenerating(ItemEvent, tag="response.image_generation_call.generating"):
    """An image is being made."""


class ImageCompleted(ItemEvent, tag="response.image_generation_call.completed"):
    """An image is made."""
