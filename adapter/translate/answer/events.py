"""The events of a Gemini answer: a small closed set of types.

`AnswerReader` and `StreamReader` make them, each once and in order; completions, chunks and responses are three ways to
write them down. A new kind of part or finish is read in one place, and needs a place in each of the three only if it
is an event of its own. Of each choice:

    ChoiceStart
    TextPiece, ClientCall, AnswerImage, AnswerSound, UnplacedPart, PromptBlock     any number, as Gemini says them
    TokenLogprobs                                                              in front of what they belong to
    ChoiceEnd                                                                  with all that only the end can tell
"""

from typing import Any, Literal

import msgspec

from adapter.wire.gemini.content import Blob, Part
from adapter.wire.openai.chat_answer import Annotation, ChoiceLogprobs

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class AnsweredCall(msgspec.Struct, frozen=True, gc=False):
    """A call of the answer as the client sees it, and its record for the store."""

    id: str
    name: str
    kind: Literal["function", "custom", "legacy"]
    arguments: str
    signature: str | None
    gemini_id: str | None


class ChoiceStart(msgspec.Struct, gc=False):
    """A choice begins; `choice` is its index here and in all other events."""

    choice: int


class TextPiece(msgspec.Struct, gc=False):
    """A piece of the visible text or of the thoughts; never empty."""

    choice: int
    text: str
    is_thought: bool


class ClientCall(msgspec.Struct, gc=False):
    """A whole call of one of the client's functions; `number` counts the choice's calls."""

    choice: int
    number: int
    call: AnsweredCall


class AnswerImage(msgspec.Struct, gc=False):
    """An image; `number` counts the choice's images."""

    choice: int
    number: int
    part: Part


class AnswerSound(msgspec.Struct, gc=False):
    """A sound, or in a stream a piece of one."""

    choice: int
    blob: Blob


class UnplacedPart(msgspec.Struct, gc=False):
    """A part without a place in chat: code, its result, a tool that Gemini ran itself, a file."""

    choice: int
    part: Part


class TokenLogprobs(msgspec.Struct, gc=False):
    """Log probabilities of the next event's tokens; `is_alone`: no visible event follows."""

    choice: int
    logprobs: ChoiceLogprobs
    is_alone: bool


class PromptBlock(msgspec.Struct, gc=False):
    """The prompt was blocked: why, in words."""

    choice: int
    words: str


class ChoiceEnd(msgspec.Struct, gc=False):
    """A choice has ended.

    `text` is its whole visible text, `refusal` says why there is none, `extras` is what OpenAI's answers have no fields
    for, under Gemini's names.
    """

    choice: int
    finish: FinishReason
    text: str
    refusal: str | None
    annotations: list[Annotation] | None
    extras: dict[str, Any]


ContentEvent = (
    ChoiceStart | TextPiece | ClientCall | AnswerImage | AnswerSound | UnplacedPart | TokenLogprobs | PromptBlock
)
ChoiceEvent = ContentEvent | ChoiceEnd
