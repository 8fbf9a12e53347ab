"""The usual steps of a tool loop in one pass: an answer that is a text and calls, then its results as texts, in order.

An agent's history is hundreds of these, and what `messages` does for any history costs twice as much for each. Whatever
else a step has is left to that: a step is added whole or not at all, and both ways give the same.
"""

from adapter.translate.core.arguments import plain_object
from adapter.translate.core.notes import Fate, Note
from adapter.translate.request.assistant_message import arguments_of, original_order
from adapter.translate.request.tool_results import output_of
from adapter.translate.request.tools import upstream_name
from adapter.translate.request.turn_builder import SENT_BACK, Call, Turns
from adapter.translate.signatures.history import KnownAnswer
from adapter.wire.base import ABSENT
from adapter.wire.gemini.content import Content, FunctionCall, FunctionResponse, Part
from adapter.wire.openai.chat_request import FunctionCall as AskedFunction
from adapter.wire.openai.chat_request import Message, ToolCall


class PlainSteps:
    """Adds plain steps to the turns of one request."""

    __slots__ = ("_is_off", "_longest_name", "_most_values", "_origins", "_takes_ids", "_turns")

    def __init__(self, turns: Turns) -> None:
        context = turns.context
        self._turns = turns
        self._takes_ids = context.capabilities.call_ids
        self._longest_name = context.options.limits.name_length
        self._most_values = context.options.limits.json_values
        self._origins = ("", context.options.upstream)
        # The OpenAPI dialect has a spelling of its own for arguments.
        self._is_off = turns.is_traced or context.options.schema == "openapi"

    def add(self, value: list[Message], index: int) -> int:
        """Add the step that begins with the answer at this index, if it is plain; return the index after it, else 0.

        Raises `Rejected` for arguments that cannot be sent.
        """
        message = value[index]
        calls, content = message.tool_calls, message.content
        if not calls or self._is_off or not (content is None or type(content) is str):
            return 0
        end = index + 1 + len(calls)
        contents = self._turns.contents
        if (
            end > len(value)
            or not contents
            or contents[-1].role == "model"
            or message != Message(role="assistant", content=content, tool_calls=calls)
        ):
            return 0
        known = self._turns.history.answer(index)
        if not self._is_plain(known, calls, value):
            return 0
        self._add(known, calls, value)
        return end

    def _is_plain(self, known: KnownAnswer, calls: list[ToolCall], value: list[Message]) -> bool:
        """Whether each call is plain, and its result stands where it is looked for.

        A plain call has only an id, a name and arguments, and no record, or one that is valid here.
        """
        if known.whole is not None or (len(calls) > 1 and not _is_in_order(known)):
            return False
        place = known.index
        for call, found in zip(calls, known.found, strict=True):
            place += 1
            id_, function, result = call.id, call.function, value[place]
            # An id with a mark may carry a signature.
            if not id_ or "_t" in id_ or function is None or type(result.content) is not str:
                return False
            if (
                not (name := function.name)
                or len(name) > self._longest_name
                or call != ToolCall(id=id_, type=call.type, function=function)
                or function != AskedFunction(name=name, arguments=function.arguments)
                or result != Message(role="tool", content=result.content, tool_call_id=id_)
            ):
                return False
            if found is not None and not (
                found.agrees and found.record.origin in self._origins and found.record.parts is ABSENT
            ):
                return False
        return True

    def _add(self, known: KnownAnswer, calls: list[ToolCall], value: list[Message]) -> None:
        """Add the turns of an answer and of its results."""
        turns, index = self._turns, known.index
        content = known.message.content
        parts = [Part(text=content)] if content and type(content) is str else []
        responses: list[Part] = []
        for number, call in enumerate(calls):
            path = f"[{index}].tool_calls[{number}]"
            found, function, result = known.found[number], call.function, value[index + 1 + number]
            assert function is not None and call.id and type(result.content) is str, "looked at before"  # noqa: PT018
            name = upstream_name(function.name or "")
            args = plain_object(function.arguments or "", self._most_values)
            if args is None:
                args = arguments_of(function.arguments or "", f"{path}.function.arguments", turns)
            id_, signature = call.id, None
            if found is not None:
                id_, signature = found.record.id or id_, found.record.value or None
            made = FunctionCall(id=id_ if self._takes_ids else None, name=name, args=args)
            parts.append(Part(function_call=made, thought_signature=signature))
            turns.calls.append(Call(call.id, path, made))
            if found is not None and signature is not None:
                turns.notes.append(Note(path, Fate.EXACT, reason=SENT_BACK, signature=found.source))
            else:
                turns.unsigned = True
            response = output_of(result.content, result, index + 1 + number, turns)
            responses.append(Part(function_response=FunctionResponse(id=made.id, name=name, response=response)))
        turns.contents += (Content(role="model", parts=parts), Content(role="user", parts=responses))


def _is_in_order(known: KnownAnswer) -> bool:
    """Whether parallel calls stand as Gemini made them, each with an id of its own."""
    ids = {
        found.record.id or call.id if found is not None else call.id
        for call, found in zip(known.calls, known.found, strict=True)
    }
    return len(ids) == len(known.calls) and original_order(known.found) == list(range(len(known.calls)))
