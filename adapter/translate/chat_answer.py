"""A whole answer of Gemini as a chat completion."""

from collections.abc import Mapping

import msgspec

from adapter.translate import audio, extras, reply
from adapter.translate.citations import citations
from adapter.translate.context import Context, Stamp
from adapter.translate.errors import AnswerError
from adapter.translate.leaked import without_leaks
from adapter.translate.notes import Fidelity, Note
from adapter.translate.partial_args import CallAssembly, WholeCall
from adapter.translate.replay import issue
from adapter.translate.reply import Kind
from adapter.wire.gemini.content import Blob, Part
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse
from adapter.wire.openai.chat import (
    AnswerCustom,
    AnswerFunction,
    AnswerMessage,
    AnswerToolCall,
    ChatCompletion,
    Choice,
)
from adapter.wire.signatures import Issued


class Ledger:
    """What the way back leaves behind: notes, and signatures to store."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.issued: list[Issued] = []

    def add(self, notes: list[Note], below: str) -> None:
        """Take notes whose paths start below a candidate."""
        self.notes += [note.at(f"{below}.{note.path}") for note in notes]


def from_gemini(
    response: GenerateContentResponse, context: Context, stamp: Stamp, unknown: Mapping[str, msgspec.Raw] = {}
) -> tuple[ChatCompletion, list[Note], list[Issued]]:
    """OpenAI's answer for a whole answer of Gemini, what became of its fields, and the signatures to store.

    Raises `AnswerError` where there is no answer to give.
    """
    ledger = Ledger()
    ledger.notes += [Note(path, Fidelity.APPROXIMATED, reply.UNKNOWN) for path in unknown]
    if (reason := reply.blocked(response)) is not None:
        choices = [_refused(reason, response, context)]
        ledger.notes.append(Note("promptFeedback.blockReason", Fidelity.APPROXIMATED, f"{reason}: a refusal"))
    else:
        choices = _choices(response.candidates or [], context, stamp, ledger)
    message = choices[0].message
    inside = message.extra_content["google"] if message.extra_content else {}
    message.extra_content = extras.google({**inside, **extras.of_response(response, unknown)})
    completion = ChatCompletion(
        id=stamp.id,
        object="chat.completion",
        created=stamp.created,
        model=response.model_version or stamp.model,
        choices=choices,
        usage=reply.usage(response.usage_metadata),
        service_tier=reply.service_tier(response.usage_metadata),
        system_fingerprint=None,
    )
    return completion, ledger.notes, ledger.issued


def _refused(reason: str, response: GenerateContentResponse, context: Context) -> Choice:
    text = response.prompt_feedback.block_reason_message if response.prompt_feedback else None
    if context.options.blocked_prompt == "error":
        raise reply.policy_error(reason, text)
    refusal = reply.refusal_text(reason, text)
    message = AnswerMessage(role="assistant", content=None, refusal=refusal)
    return Choice(index=0, message=message, logprobs=None, finish_reason="content_filter")


def _choices(candidates: list[Candidate], context: Context, stamp: Stamp, ledger: Ledger) -> list[Choice]:
    if not candidates:
        raise AnswerError(502, "empty_answer", "Gemini answered without a candidate and without a reason.")
    return [_choice(candidate, index, context, stamp, ledger) for index, candidate in reply.indexed(candidates)]


def _choice(candidate: Candidate, index: int, context: Context, stamp: Stamp, ledger: Ledger) -> Choice:
    parts = (candidate.content.parts if candidate.content else None) or []
    leaks: list[Note] = []
    if context.options.leaked_thoughts:
        parts, leaks = without_leaks(parts)
    content = _Sorted(parts, index, context, stamp)
    reply.check_finish(candidate, content.said_something)
    legacy = any(call.kind == "legacy" for call in content.calls)
    finish, approximation = reply.finish_reason(candidate.finish_reason, bool(content.calls), legacy)
    cited = citations(candidate.grounding_metadata, content.texts)
    below = f"candidates[{index}]"
    if approximation is not None:
        ledger.notes.append(Note(f"{below}.finishReason", Fidelity.APPROXIMATED, approximation))
    lost = reply.lost_logprobs(candidate.logprobs_result) + extras.needless_token(candidate)
    ledger.add(leaks + content.notes + cited.notes + lost, below)
    ledger.issued += content.issued
    message = _message(candidate, content, finish, context, stamp)
    message.annotations = cited.annotations or None
    logprobs = reply.logprobs(candidate.logprobs_result)
    return Choice(index=index, message=message, logprobs=logprobs, finish_reason=finish)


class _Sorted:
    """A candidate's parts by what they are to the client."""

    def __init__(self, parts: list[Part], choice: int, context: Context, stamp: Stamp) -> None:
        self._place = (choice, context, stamp)
        self._run_by_gemini = reply.run_by_gemini(parts, context)
        self.texts = ["" for _ in parts]
        self.thoughts: list[str] = []
        self.calls: list[reply.AnsweredCall] = []
        self.images: list[Part] = []
        self.sounds: list[Blob] = []
        self.notes: list[Note] = []
        self.parts: list[Part] = []
        self.said_something = False
        assembly: CallAssembly | None = None
        for number, part in enumerate(parts):
            if part.function_call is None:
                self._sort(part, number)
            else:
                assembly = assembly or CallAssembly()
                self._sort_calls(assembly.feed(part, part.function_call), number)
        if assembly is not None:
            self._sort_calls(assembly.close(), len(parts) - 1)
        self.text = "".join(self.texts)
        self.issued, self.carrier, self.signature = issue(self.parts, self.calls, self.text, context)

    def _sort(self, part: Part, number: int) -> None:
        self.parts.append(part)
        kind = reply.kind_of(part)
        self.said_something |= kind is not Kind.EMPTY
        match kind:
            case Kind.TEXT:
                self.texts[number] += part.text or ""
            case Kind.THOUGHT:
                self.thoughts.append(part.text or "")
            case Kind.IMAGE:
                self.images.append(part)
            case Kind.AUDIO if part.inline_data is not None:
                samples = audio.wants_samples(self._place[1])
                self.notes.append(audio.changed(part.inline_data, f"content.parts[{number}].inlineData", samples))
                self.sounds.append(part.inline_data)
            case Kind.OPAQUE:
                self.notes.append(Note(f"content.parts[{number}]", Fidelity.APPROXIMATED, reply.OPAQUE))

    def _sort_calls(self, whole: list[WholeCall], number: int) -> None:
        choice, context, stamp = self._place
        for part, call in whole:
            text = reply.unwrapped(part, call, context)
            if text is not None:
                self._sort(text, number)
                continue
            self.parts.append(part)
            self.said_something = True
            if call.name in self._run_by_gemini:
                self.notes.append(Note(f"content.parts[{number}]", Fidelity.APPROXIMATED, reply.OPAQUE))
                continue
            answered = reply.answered_call(part, call, context, stamp, (choice, len(self.calls)))
            self.calls.append(answered)
            if answered.kind == "legacy" and len(self.calls) > 1:
                self.notes.append(Note(f"content.parts[{number}].functionCall", Fidelity.DROPPED, reply.ONE_LEGACY))


def _message(candidate: Candidate, content: _Sorted, finish: str, context: Context, stamp: Stamp) -> AnswerMessage:
    silent = not content.text and (bool(content.calls) or bool(content.sounds))
    refused = finish == "content_filter" and not content.text
    refusal = reply.refusal_text(candidate.finish_reason or "", candidate.finish_message) if refused else None
    legacy = next((call for call in content.calls if call.kind == "legacy"), None)
    return AnswerMessage(
        role="assistant",
        content=None if silent or refused else content.text,
        refusal=refusal,
        reasoning_content="".join(content.thoughts) or None,
        tool_calls=[_tool_call(call) for call in content.calls if call.kind != "legacy"] or None,
        function_call=AnswerFunction(name=legacy.name, arguments=legacy.arguments) if legacy else None,
        audio=audio.answer_audio(content.sounds, content.text, context, stamp),
        images=[reply.image_output(part, number) for number, part in enumerate(content.images)] or None,
        extra_content=extras.google(_extras(candidate, content)),
    )


def _extras(candidate: Candidate, content: _Sorted) -> dict[str, object]:
    said = extras.of_candidate(candidate)
    if content.signature:
        said["thought_signature"] = content.signature
    if content.carrier is not None:
        said["parts"] = content.carrier
    return said


def _tool_call(call: reply.AnsweredCall) -> AnswerToolCall:
    extra = reply.call_extra(call)
    if call.kind == "custom":
        custom = AnswerCustom(name=call.name, input=call.arguments)
        return AnswerToolCall(id=call.id, type="custom", custom=custom, extra_content=extra)
    function = AnswerFunction(name=call.name, arguments=call.arguments)
    return AnswerToolCall(id=call.id, type="function", function=function, extra_content=extra)
