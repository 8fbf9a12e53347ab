"""Reads one choice of an answer: a candidate's parts and other fields become events.

Parts pass the stages that the request needs (`stages`), then each is told as what it is to the client. What must be
told once is told here: ids and signatures of calls, what was lost, citations, the finish reason.

A whole answer is read at once, with all its parts known. In a stream some things wait for the end: finish reasons,
since a call and its STOP may come in different events; a text that could still become a thought or be left out beside
a JSON answer; and calls of functions that the client did not declare, since Gemini may answer these itself (MCP
servers), with all calls behind them, which are numbered in order.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from adapter.translate.answer import audio, extras, reply
from adapter.translate.answer.citations import citations
from adapter.translate.answer.events import (
    AnsweredCall,
    AnswerImage,
    AnswerSound,
    ChoiceEnd,
    ChoiceEvent,
    ClientCall,
    PromptBlock,
    TextPiece,
    TokenLogprobs,
    UnplacedPart,
)
from adapter.translate.answer.issued_signatures import ReplayParts, issue, issue_by_id
from adapter.translate.answer.stages import JSON_ALONE, LEAKED, CallAssembly, JsonAnswer, LeakedThoughts, WholeCall
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.part_kinds import kind_of, single_parts
from adapter.translate.tools.json_tool import needs_json_tool
from adapter.translate.tools.toolbox import toolbox
from adapter.wire.base import present
from adapter.wire.gemini.content import FunctionCall, Part
from adapter.wire.gemini.generate import Candidate, LogprobsResult
from adapter.wire.openai.chat_answer import Annotation
from adapter.wire.signatures import Issued


class AnswerLedger(msgspec.Struct, eq=False):
    """The context of one answer, and the notes and signatures that come of it; its readers share it.

    `notes` says what became of the answer's fields, each once; `issued` are signatures to store. `shows_code` says that
    code which Gemini ran, and what it printed, has a place in the client's answer.
    """

    context: Context
    stamp: Stamp
    shows_code: bool
    notes: list[Note] = []
    issued: list[Issued] = []

    def take_issued(self) -> list[Issued]:
        """Return the signatures since the last call."""
        issued, self.issued = self.issued, []
        return issued

    def note(self, notes: Iterable[Note], below: str = "") -> None:
        """Add notes; `below` is put in front of their paths."""
        for note in notes:
            whole = note.at(below + note.path) if below else note
            if whole not in self.notes:
                self.notes.append(whole)


class ChoiceReader:
    """Reads one choice: `read` its pieces, then `end` it. `whole`: all its parts, if they are known at once.

    `sides` is what came beside the content; `parts` are Gemini's own, to be sent back. Both methods raise `AnswerError`
    where there is no valid answer to give.
    """

    def __init__(
        self, index: int, ledger: AnswerLedger, parts: ReplayParts, whole: Sequence[Part] | None = None
    ) -> None:
        self.index = index
        self.has_content = self.is_refused = False
        self._says_more = self._has_legacy_call = False
        self._images = 0
        self._assembly: CallAssembly | None = None
        if whole is None:
            self.sides = Candidate()
        self.parts = parts
        self._ledger = ledger
        self._whole = whole
        context = ledger.context
        self._leaks = LeakedThoughts() if context.options.leaked_thoughts else None
        self._json = None
        if context.request.response_format is not None and needs_json_tool(context):
            self._json = JsonAnswer(context)
        self._has_stages = self._leaks is not None or self._json is not None
        self._calls: list[AnsweredCall] = []
        self._held: list[WholeCall] = []
        self._run_by_gemini: set[str] = set()

    @property
    def is_finished(self) -> bool:
        """Return whether the choice has its finish reason, or was refused."""
        return self.is_refused or self.sides.finish_reason is not None

    def read(self, candidate: Candidate) -> list[ChoiceEvent]:
        """Return the events for a candidate, or for a piece of it in a stream; most pieces have only content."""
        events: list[ChoiceEvent] = []
        content = candidate.content
        if content is not None and content.parts:
            take = self._pass_stages if self._has_stages else self._take
            for number, part in enumerate(content.parts):
                for piece in single_parts(part):
                    take(piece, number, events)
        if self._whole is not None or candidate != Candidate(index=candidate.index, content=content):
            self._read_sides(candidate, events)
        return events

    def refuse(self, reason: str, message: str | None) -> list[ChoiceEvent]:
        """Return the events for a blocked prompt, once; an error where the operator wants one."""
        if self._ledger.context.options.blocked_prompt == "error":
            raise reply.policy_error(reason, message)
        block = Note("promptFeedback.blockReason", Fate.APPROXIMATED, "block-as-refusal", f"{reason}: a refusal")
        self._ledger.note([block])
        if self.is_refused:
            return []
        self.is_refused = True
        return [PromptBlock(self.index, reply.refusal_text(reason, message))]

    def end(self, beside: Mapping[str, Any], events: list[ChoiceEvent]) -> None:
        """Add the last events; `beside` are Gemini's fields outside the candidates that belong to this choice."""
        if self._whole is None or self._has_stages or self._assembly is not None:
            self._flush(events)
        sides, texts = self.sides, self.parts.texts
        if sides.finish_reason is None and not (self.has_content or self.is_refused):
            raise reply.empty_answer()
        annotations: list[Annotation] | None = None
        extra: dict[str, Any] = {}
        # Nearly all answers end with one of these and say no more: then there is nothing to look for.
        if self._says_more or sides.finish_reason not in ("STOP", "MAX_TOKENS"):
            reply.check_finish(sides, self.has_content)
            annotations, notes = citations(sides.grounding_metadata, texts)
            self._note([*notes, *extras.needless_token(sides)])
            extra = extras.from_candidate(sides)
        finish, approximation = reply.finish_reason(sides.finish_reason, bool(self._calls), self._has_legacy_call)
        if self.is_refused:
            finish, approximation = "content_filter", None
        if approximation is not None:
            self._note([Note("finishReason", Fate.APPROXIMATED, "finish-reason-nearest", approximation)])
        text = "".join(texts)
        refusal = None
        if finish == "content_filter" and not text and not self.is_refused:
            refusal = reply.refusal_text(sides.finish_reason or "", sides.finish_message)
        issued, carrier, signature = issue(self.parts.parts, self._calls, text, self._ledger.context)
        self._ledger.issued += issued
        if signature:
            extra["thought_signature"] = signature
        if carrier is not None:
            extra["parts"] = carrier
        extra.update(beside)
        events.append(ChoiceEnd(self.index, finish, text, refusal, annotations or None, extra))

    def _note(self, notes: Iterable[Note]) -> None:
        """Add notes whose paths begin below the candidate."""
        self._ledger.note(notes, f"candidates[{self.index}].")

    def _read_sides(self, candidate: Candidate, events: list[ChoiceEvent]) -> None:
        """Remember a candidate's fields other than its content."""
        finish = candidate.finish_reason
        says_more = candidate != Candidate(index=candidate.index, content=candidate.content, finish_reason=finish)
        if self._whole is not None:
            self.sides = candidate
        else:
            # No text follows a finish reason, so what is held need not wait for the end of the stream.
            if finish is not None and self._leaks is not None:
                self._pass_json(self._leaks.close(), 0, events)
            if says_more or self.sides.finish_reason is not None:
                self._note(extras.gather(self.sides, candidate, extras.GATHERED_OF_CANDIDATES, ""))
            else:
                self.sides.finish_reason = finish
            # A broken answer is an error at once; an unknown reason is one only if nothing was said, which the end
            # knows.
            if finish not in (None, "STOP"):
                reply.check_finish(candidate, produced=True)
        if says_more:
            self._says_more = True
            self._read_logprobs(candidate.logprobs_result, events)

    def _read_logprobs(self, result: LogprobsResult | None, events: list[ChoiceEvent]) -> None:
        if result is None:
            return
        self.sides.logprobs_result = result
        self._note(reply.lost_logprobs(result))
        if (logprobs := reply.logprobs(result)) is not None:
            is_alone = all(isinstance(event, UnplacedPart) for event in events)
            events.insert(0, TokenLogprobs(self.index, logprobs, is_alone))

    def _pass_stages(self, part: Part, number: int, events: list[ChoiceEvent]) -> None:
        """Pass a part through the stages: it may be an unmarked thought, or text beside a JSON answer."""
        if self._leaks is None:
            self._pass_json([part], number, events)
            return
        self._pass_json(self._leaks.feed(part), number, events)
        if self._leaks.found:
            self._note([LEAKED])

    def _pass_json(self, parts: Iterable[Part], number: int, events: list[ChoiceEvent]) -> None:
        for part in parts:
            for place, one in [(number, part)] if self._json is None else self._json.feed(number, part):
                self._take(one, place, events)
        if self._json is not None and self._json.has_lost:
            self._note([JSON_ALONE])

    def _flush(self, events: list[ChoiceEvent]) -> None:
        """Read the parts that waited for the end."""
        last = len(self._whole) - 1 if self._whole else 0
        if self._leaks is not None:
            self._pass_json(self._leaks.close(), last, events)
        if self._json is not None:
            for number, part in self._json.close():
                self._take(part, number, events)
        if self._assembly is not None:
            self._take_calls(self._assembly.close(), last, events)
        for part, call in self._held:
            self._emit_call(part, call, events)
        self.parts.end()

    def _take(self, part: Part, number: int, events: list[ChoiceEvent]) -> None:
        """Add the event for a part, and remember the part."""
        if part.function_call is not None:
            if self._assembly is None:
                self._assembly = CallAssembly()
                self._run_by_gemini |= reply.run_by_gemini(self._whole or (), self._ledger.context)
            self._take_calls(self._assembly.feed(part, part.function_call), number, events)
            return
        kind = kind_of(part) if not part.text else "thought" if part.thought else "text"
        self.parts.keep(part, kind, number)
        if kind == "empty":
            return
        self.has_content = True
        if kind == "text":
            events.append(TextPiece(self.index, part.text or "", is_thought=False))
        elif kind == "thought":
            events.append(TextPiece(self.index, part.text or "", is_thought=True))
        elif kind == "image":
            events.append(AnswerImage(self.index, self._images, part))
            self._images += 1
        elif kind == "audio" and part.inline_data is not None:
            samples = self._whole is None or audio.wants_samples(self._ledger.context)
            path = f"content.parts[{self.parts.position}].inlineData"
            self._note([audio.note_on_type(part.inline_data, path, samples)])
            events.append(AnswerSound(self.index, part.inline_data))
        else:
            self._take_unplaced(part, events)

    def _take_unplaced(self, part: Part, events: list[ChoiceEvent]) -> None:
        """Add the event for a part without a place in chat; the result of a call shows that Gemini itself ran it."""
        result = part.function_response
        if result is not None and self._whole is None:
            self._withdraw_calls(result.name or "", events)
        is_code = present(part.executable_code) or present(part.code_execution_result)
        if not (is_code and self._ledger.shows_code):
            self._note_unplaced(self.parts.position)
        events.append(UnplacedPart(self.index, part))

    def _withdraw_calls(self, name: str, events: list[ChoiceEvent]) -> None:
        """Turn waiting calls into parts that Gemini itself answered: the client must not take them for its own."""
        if name in toolbox(self._ledger.context).declared:
            return
        self._run_by_gemini.add(name)
        held, self._held = self._held, [one for one in self._held if one[1].name != name]
        for position, part in enumerate(self.parts.parts):
            if any(part is one and call.name == name for one, call in held):
                self._note_unplaced(position)
                events.append(UnplacedPart(self.index, part))

    def _note_unplaced(self, position: int) -> None:
        self._note([Note(f"content.parts[{position}]", Fate.APPROXIMATED, "answer-detail-moved", reply.OPAQUE)])

    def _take_calls(self, whole: Iterable[WholeCall], number: int, events: list[ChoiceEvent]) -> None:
        """Add the events for complete calls, or let the calls wait."""
        for part, call in whole:
            text = None if self._json is None else reply.unwrap_json_call(part, call, self._ledger.context)
            if text is not None:
                self._take(text, number, events)
                continue
            self.has_content = True
            self.parts.keep(part, "call", number)
            if call.name in self._run_by_gemini:
                self._take_unplaced(part, events)
            elif self._whole is None and (self._held or call.name not in toolbox(self._ledger.context).declared):
                self._held.append((part, call))
            else:
                self._emit_call(part, call, events)

    def _emit_call(self, part: Part, call: FunctionCall, events: list[ChoiceEvent]) -> None:
        number = len(self._calls)
        answered = reply.answered_call(part, call, self._ledger.context, self._ledger.stamp, (self.index, number))
        self._calls.append(answered)
        if self._whole is None:
            # A stream's call is stored before it is sent; of a whole answer `issue` stores all at once.
            self._ledger.issued += issue_by_id(answered, number, self._ledger.context)
        if answered.kind == "legacy" and self._has_legacy_call:
            path = f"content.parts[{self.parts.position}].functionCall"
            self._note([Note(path, Fate.DROPPED, "legacy-call-dropped", reply.ONE_LEGACY)])
            return
        self._has_legacy_call |= answered.kind == "legacy"
        events.append(ClientCall(self.index, number, answered))
