"""A whole answer of Gemini as a chat completion."""

from collections.abc import Mapping

import msgspec

from adapter.translate.answer import audio, extras, json_answer, reply
from adapter.translate.answer.citations import citations
from adapter.translate.answer.issued_signatures import issue
from adapter.translate.answer.json_answer import JsonAnswer
from adapter.translate.answer.leaked_thoughts import without_leaks
from adapter.translate.answer.parallel_choices import JoinedAnswer
from adapter.translate.answer.partial_arguments import CallAssembly, WholeCall
from adapter.translate.core import part_kinds
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.tools.json_tool import needs_json_tool
from adapter.wire.gemini.content import Blob, Part
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse, UsageMetadata
from adapter.wire.openai.chat_answer import (
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
    calls = _calls(response, unknown)
    for one, _ in calls:
        ledger.notes += (
            note for note in reply.another_model(one.model_version, stamp.model) if note not in ledger.notes
        )
    if unknown:
        ledger.notes += reply.unknown_notes(unknown)
    ledger.notes += reply.unknown_usage(response.usage_metadata)
    if (reason := reply.blocked(response)) is not None:
        choices = [_refusal_choice(reason, response, context)]
        ledger.notes.append(
            Note("promptFeedback.blockReason", Fate.APPROXIMATED, "block-as-refusal", f"{reason}: a refusal")
        )
    else:
        choices = _choices(response.candidates or [], context, stamp, ledger)
        ledger.notes += reply.missing_choices(len(choices), context.request.n)
    model = response.model_version or stamp.model
    for choice, (one, fields) in zip(choices, calls, strict=False):
        said = extras.of_response(one, fields)
        if one.model_version not in (None, model):
            said["model_version"] = one.model_version
        if said:
            message = choice.message
            inside = message.extra_content["google"] if message.extra_content else {}
            message.extra_content = extras.google({**inside, **said})
    completion = ChatCompletion(
        id=stamp.id,
        object="chat.completion",
        created=stamp.created,
        model=model,
        choices=choices,
        usage=reply.usage(response.usage_metadata or UsageMetadata()),
        service_tier=reply.service_tier(response.usage_metadata),
        system_fingerprint=None,
    )
    return completion, ledger.notes, ledger.issued


def _calls(
    response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw]
) -> list[tuple[GenerateContentResponse, Mapping[str, msgspec.Raw]]]:
    """What each call says beside its candidates; there are several where each gives one choice."""
    if isinstance(response, JoinedAnswer):
        return list(zip(response.calls, response.unknown, strict=True))
    return [(response, unknown)]


def _refusal_choice(reason: str, response: GenerateContentResponse, context: Context) -> Choice:
    text = reply.block_message(response)
    if context.options.blocked_prompt == "error":
        raise reply.policy_error(reason, text)
    refusal = reply.refusal_text(reason, text)
    message = AnswerMessage(role="assistant", content=None, refusal=refusal)
    return Choice(index=0, message=message, logprobs=None, finish_reason="content_filter")


def _choices(candidates: list[Candidate], context: Context, stamp: Stamp, ledger: Ledger) -> list[Choice]:
    if not candidates:
        raise AnswerError(502, "empty_answer", "Gemini answered without a candidate and without a reason.")
    choices: list[Choice] = []
    for index, candidate in reply.indexed(candidates):
        choices.append(_choice(candidate, index, context, stamp, ledger))
    return choices


def _choice(candidate: Candidate, index: int, context: Context, stamp: Stamp, ledger: Ledger) -> Choice:
    parts = (candidate.content.parts if candidate.content else None) or []
    leaks: list[Note] = []
    if context.options.leaked_thoughts:
        parts, leaks = without_leaks(parts)
    content = _Sorted(parts, index, context, stamp)
    ended = candidate.finish_reason in ("STOP", "MAX_TOKENS")
    if candidate.finish_reason is None and not content.said_something:
        raise reply.empty_answer()
    if not ended:
        reply.check_finish(candidate, content.said_something)
    finish, approximation = reply.finish_reason(
        candidate.finish_reason, bool(content.calls), content.legacy is not None
    )
    below = f"candidates[{index}]"
    if approximation is not None:
        ledger.notes.append(Note(f"{below}.finishReason", Fate.APPROXIMATED, "finish-reason-nearest", approximation))
    if leaks or content.notes:
        ledger.add(leaks + content.notes, below)
    ledger.issued += content.issued
    message = _message(candidate, content, finish, context, stamp)
    choice = Choice(index=index, message=message, logprobs=None, finish_reason=finish)
    if not ended or candidate != Candidate(
        index=candidate.index, content=candidate.content, finish_reason=candidate.finish_reason
    ):
        ledger.add(_beside_content(choice, candidate, content.texts), below)
    if content.signature or content.carrier is not None:
        _add_signed(message, content)
    return choice


def _beside_content(choice: Choice, candidate: Candidate, texts: list[str]) -> list[Note]:
    """Tell what a candidate says beside its content and a usual end; most say nothing more. What is lost of it."""
    cited = citations(candidate.grounding_metadata, texts)
    choice.message.annotations = cited.annotations or None
    choice.logprobs = reply.logprobs(candidate.logprobs_result)
    choice.message.extra_content = extras.google(extras.of_candidate(candidate))
    return cited.notes + reply.lost_logprobs(candidate.logprobs_result) + extras.needless_token(candidate)


def _add_signed(message: AnswerMessage, content: "_Sorted") -> None:
    """What Gemini wants to see again, for clients that keep it."""
    said = message.extra_content["google"] if message.extra_content else {}
    if content.signature:
        said["thought_signature"] = content.signature
    if content.carrier is not None:
        said["parts"] = content.carrier
    message.extra_content = extras.google(said)


class _Sorted:
    """A candidate's parts by what they are to the client."""

    def __init__(self, parts: list[Part], choice: int, context: Context, stamp: Stamp) -> None:
        self._place = (choice, context, stamp)
        self._run_by_gemini: set[str] = set()
        self.texts = [""] * len(parts)
        self.thoughts: list[str] = []
        self.calls: list[reply.AnsweredCall] = []
        self.legacy: reply.AnsweredCall | None = None
        self.images: list[Part] = []
        self.sounds: list[Blob] = []
        self.notes: list[Note] = []
        self.parts: list[Part] = []
        self.said_something = False
        assembly: CallAssembly | None = None
        singles = [(number, one) for number, given in enumerate(parts) for one in part_kinds.single_parts(given)]
        if needs_json_tool(context):
            machine = JsonAnswer(context)
            singles = [one for single in singles for one in machine.feed(*single)] + machine.close()
            self.notes += [json_answer.NOTE] if machine.has_lost else []
        for number, part in singles:
            if part.function_call is None:
                self._sort(part, number)
            else:
                if assembly is None:
                    assembly, self._run_by_gemini = CallAssembly(), reply.run_by_gemini(parts, context)
                self._sort_calls(assembly.feed(part, part.function_call), number)
        if assembly is not None:
            self._sort_calls(assembly.close(), len(parts) - 1)
        self.text = "".join(self.texts)
        self.issued, self.carrier, self.signature = issue(self.parts, self.calls, self.text, context)

    def _sort(self, part: Part, number: int) -> None:
        self.parts.append(part)
        kind = part_kinds.kind_of(part)
        self.said_something |= kind != "empty"
        match kind:
            case "text":
                self.texts[number] += part.text or ""
            case "thought":
                self.thoughts.append(part.text or "")
            case "image":
                self.images.append(part)
            case "audio" if part.inline_data is not None:
                samples = audio.wants_samples(self._place[1])
                self.notes.append(audio.changed(part.inline_data, f"content.parts[{number}].inlineData", samples))
                self.sounds.append(part.inline_data)
            case "opaque":
                self.notes.append(
                    Note(f"content.parts[{number}]", Fate.APPROXIMATED, "answer-detail-moved", reply.OPAQUE)
                )

    def _sort_calls(self, whole: list[WholeCall], number: int) -> None:
        choice, context, stamp = self._place
        for part, call in whole:
            text = reply.unwrap_json_call(part, call, context)
            if text is not None:
                self._sort(text, number)
                continue
            self.parts.append(part)
            self.said_something = True
            if call.name in self._run_by_gemini:
                self.notes.append(
                    Note(f"content.parts[{number}]", Fate.APPROXIMATED, "answer-detail-moved", reply.OPAQUE)
                )
                continue
            answered = reply.answered_call(part, call, context, stamp, (choice, len(self.calls)))
            self.calls.append(answered)
            if answered.kind == "legacy" and self.legacy is None:
                self.legacy = answered
            elif answered.kind == "legacy":
                self.notes.append(
                    Note(f"content.parts[{number}].functionCall", Fate.DROPPED, "legacy-call-dropped", reply.ONE_LEGACY)
                )


def _message(candidate: Candidate, content: _Sorted, finish: str, context: Context, stamp: Stamp) -> AnswerMessage:
    silent = not content.text and (bool(content.calls) or bool(content.sounds))
    refused = finish == "content_filter" and not content.text
    refusal = reply.refusal_text(candidate.finish_reason or "", candidate.finish_message) if refused else None
    message = AnswerMessage(role="assistant", content=None if silent or refused else content.text, refusal=refusal)
    if content.thoughts:
        message.reasoning_content = "".join(content.thoughts)
    if content.calls:
        message.tool_calls = [_tool_call(call) for call in content.calls if call.kind != "legacy"] or None
    if content.legacy is not None:
        message.function_call = AnswerFunction(name=content.legacy.name, arguments=content.legacy.arguments)
    if content.sounds:
        message.audio = audio.answer_audio(content.sounds, content.text, context, stamp)
    if content.images:
        message.images = [reply.image_output(part, number) for number, part in enumerate(content.images)]
    return message


def _tool_call(call: reply.AnsweredCall) -> AnswerToolCall:
    extra = reply.call_extra(call)
    if call.kind == "custom":
        custom = AnswerCustom(name=call.name, input=call.arguments)
        return AnswerToolCall(id=call.id, type="custom", custom=custom, extra_content=extra)
    function = AnswerFunction(name=call.name, arguments=call.arguments)
    return AnswerToolCall(id=call.id, type="function", function=function, extra_content=extra)
