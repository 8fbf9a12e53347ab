"""A whole answer of Gemini as a chat completion: the events of `AnswerReader`, written down as messages."""

from collections.abc import Iterable, Mapping
from typing import assert_never

import msgspec

from adapter.translate.answer import audio, extras, reply
from adapter.translate.answer.events import (
    AnsweredCall,
    AnswerImage,
    AnswerSound,
    ChoiceEnd,
    ChoiceEvent,
    ChoiceStart,
    ClientCall,
    PromptBlock,
    TextPiece,
    TokenLogprobs,
    UnplacedPart,
)
from adapter.translate.answer.reader import AnswerReader
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.notes import Note
from adapter.wire.gemini.content import Blob
from adapter.wire.gemini.generate import GenerateContentResponse, UsageMetadata
from adapter.wire.openai.chat_answer import (
    AnswerCustom,
    AnswerFunction,
    AnswerMessage,
    AnswerToolCall,
    ChatCompletion,
    Choice,
)
from adapter.wire.signatures import Issued


def from_gemini(
    response: GenerateContentResponse, context: Context, stamp: Stamp, unknown: Mapping[str, msgspec.Raw] = {}
) -> tuple[ChatCompletion, list[Note], list[Issued]]:
    """Return OpenAI's answer for a whole answer of Gemini, notes on its fields, and the signatures to store.

    Raises `AnswerError` where there is no answer to give.
    """
    reader = AnswerReader(context, stamp, shows_code=False)
    choices = [_choice(events, context, stamp) for events in reader.read(response, unknown)]
    usage = response.usage_metadata or UsageMetadata()
    completion = ChatCompletion(
        id=stamp.id,
        object="chat.completion",
        created=stamp.created,
        model=response.model_version or stamp.model,
        choices=choices,
        usage=reply.usage(usage),
        service_tier=reply.service_tier(usage.service_tier) if usage.service_tier else None,
        system_fingerprint=None,
    )
    return completion, reader.notes, reader.issued


def _choice(events: Iterable[ChoiceEvent], context: Context, stamp: Stamp) -> Choice:
    """Return one choice, joined from the events that belong to it."""
    message = AnswerMessage(role="assistant", content=None, refusal=None)
    choice = Choice(index=0, message=message, logprobs=None, finish_reason="stop")
    thoughts: list[str] = []
    sounds: list[Blob] = []
    for event in events:
        match event:
            case TextPiece():
                # The end has the visible text, as a whole.
                thoughts += [event.text] if event.is_thought else ()
            case ChoiceEnd():
                _end(choice, event, thoughts, bool(sounds))
                message.audio = audio.answer_audio(sounds, event.text, context, stamp) if sounds else None
            case ClientCall():
                _add_call(message, event.call)
            case AnswerImage():
                message.images = [*(message.images or ()), reply.image_output(event.part, event.number)]
            case AnswerSound():
                sounds.append(event.blob)
            case TokenLogprobs():
                choice.logprobs = event.logprobs
            case PromptBlock():
                message.refusal = event.words
            case UnplacedPart() | ChoiceStart():
                pass
            case never:
                assert_never(never)
    return choice


def _end(choice: Choice, end: ChoiceEnd, thoughts: list[str], has_sound: bool) -> None:
    """Write what is known only at the end. Content is null if a call, a sound or a refusal stands alone."""
    message = choice.message
    choice.index, choice.finish_reason = end.choice, end.finish
    message.refusal = end.refusal or message.refusal
    if end.text or not (has_sound or message.refusal or message.tool_calls or message.function_call):
        message.content = end.text
    if thoughts:
        message.reasoning_content = "".join(thoughts)
    message.annotations = end.annotations
    message.extra_content = extras.google(end.extras)


def _add_call(message: AnswerMessage, call: AnsweredCall) -> None:
    if call.kind == "legacy":
        message.function_call = AnswerFunction(name=call.name, arguments=call.arguments)
        return
    message.tool_calls = message.tool_calls or []
    tool_call = AnswerToolCall(id=call.id, type="function", extra_content=reply.call_extra(call))
    if call.kind == "custom":
        tool_call.type, tool_call.custom = "custom", AnswerCustom(name=call.name, input=call.arguments)
    else:
        tool_call.function = AnswerFunction(name=call.name, arguments=call.arguments)
    message.tool_calls.append(tool_call)
