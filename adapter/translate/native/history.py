"""Digests of the history before each answer of a native request, for clients that keep no ids of calls.

The digests are those of chats (`signatures.prefix_digest`), so contents are read as the messages that they would be:
a conversation may go on in either API. Thoughts, signatures and ids do not count.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import orjson

from adapter.translate.native.pass_through import UnsignedCall
from adapter.translate.signatures.prefix_digest import PrefixDigest, answer_form, call_digest, canonical_json
from adapter.wire.base import decode_leniently, encode, present
from adapter.wire.gemini.content import Content, FunctionResponse, Part
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse
from adapter.wire.limits import LimitExceeded
from adapter.wire.openai.chat_request import ContentPart, FunctionCall, ImageUrl, Message, ToolCall
from adapter.wire.signatures import NOTHING, Issued, Signature

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded)


class NativeAnswer(NamedTuple):
    """One answer: its text, its calls and their digests."""

    text: str
    calls: list[ToolCall]
    digests: list[str]

    @property
    def form(self) -> bytes:
        """The answer as it is digested."""
        return answer_form(self.text, (), self.digests)


class NativeHistory:
    """The contents of a request, read once. `keys` are those of its answers, by the number of the content."""

    def __init__(self, body: bytes) -> None:
        """Read the body. Raises one of `UNREADABLE` for a body that is not Gemini's."""
        request, _ = decode_leniently(body, GenerateContentRequest)
        self._prefix = PrefixDigest()
        self.keys: dict[int, str] = {}
        self.keeps_ids = False
        if request.system_instruction is not None:
            self._prefix.add([Message(role="system", content=_text_of(request.system_instruction.parts or ()))])
        for number, content in enumerate(request.contents or ()):
            self._add(number, content)

    def _add(self, number: int, content: Content) -> None:
        parts = content.parts or ()
        if content.role != "model":
            self._prefix.add(_messages(parts))
            return
        answer = _answer(parts)
        self._prefix.add_answer(answer.form, answer.calls, answer.digests)
        self.keys[number] = self._prefix.key()
        self.keeps_ids = self.keeps_ids or any(call.id for call in answer.calls)

    def issue(self, parts: Sequence[Part], upstream: str) -> Iterator[Issued]:
        """Yield an answer's records by prefix digests: with its text, and without it, since clients drop it."""
        answer = _answer(parts)
        signed = [part.thought_signature or "" for part in parts if part.function_call is not None]
        ids = [call.id or "" for call in answer.calls]
        calls = zip(signed, ids, answer.digests, strict=True)
        record = Signature(
            origin=upstream,
            calls=[
                Signature(value=value, id=id_, origin=upstream, digest=digest, position=position)
                for position, (value, id_, digest) in enumerate(calls)
                if value
            ],
        )
        yield Issued(self._prefix.key_of_next(answer.form), record, by_words=True)
        if answer.text:
            yield Issued(self._prefix.key_of_next(answer._replace(text="").form), record, by_words=True)


def keys_of(history: NativeHistory, calls: Sequence[UnsignedCall]) -> list[str]:
    """Return the keys by which the answers of these calls are looked up."""
    return list(dict.fromkeys(history.keys[call.content] for call in calls if call.content in history.keys))


def records_of(
    history: NativeHistory, calls: Sequence[UnsignedCall], found: Mapping[str, Signature]
) -> dict[int, Signature]:
    """Return the records of calls by their offset, from those of their answers; each belongs to one call."""
    left: dict[int, list[Signature]] = {}
    records: dict[int, Signature] = {}
    for call in calls:
        record = found.get(history.keys.get(call.content, ""), NOTHING)
        own = left.setdefault(call.content, [] if record.is_ambiguous else list(record.calls))
        match = next((one for one in own if one.digest == call.digest), None)
        if match is not None:
            own.remove(match)
            records[call.offset] = match
    return records


class AnswerParts:
    """Collects the parts of an answer's first candidate over the events of a stream, until it ends."""

    def __init__(self) -> None:
        self._parts: list[Part] = []

    def take(self, response: GenerateContentResponse) -> Sequence[Part]:
        """Take an event. Return the parts of the whole answer with its last event, if it has signed calls."""
        for candidate in (response.candidates or ())[:1]:
            self._parts += (candidate.content.parts if candidate.content is not None else None) or ()
            if candidate.finish_reason is not None and _has_signed_calls(self._parts):
                return self._parts
        return ()


def _has_signed_calls(parts: Sequence[Part]) -> bool:
    return any(part.function_call is not None and part.thought_signature for part in parts)


def _text_of(parts: Sequence[Part]) -> str:
    return "".join(part.text or "" for part in parts if not part.thought)


def _answer(parts: Sequence[Part]) -> NativeAnswer:
    calls, digests = [], []
    for part in parts:
        call = part.function_call
        if call is None:
            continue
        name, arguments = call.name or "", bytes(call.args).decode() if present(call.args) else "{}"
        # Where a call's arguments count, its digest stands for them.
        calls.append(ToolCall(id=call.id, function=FunctionCall(name=name)))
        digests.append(call_digest(name, arguments))
    return NativeAnswer(_text_of(parts), calls, digests)


def _messages(parts: Sequence[Part]) -> Iterator[Message]:
    """Yield a user's turn as messages: the results of calls, then what else it says."""
    rest: list[Part] = []
    for part in parts:
        if part.function_response is not None:
            yield _result(part.function_response)
        else:
            rest.append(part)
    if rest:
        media = [_medium(part) for part in rest if part.text is None]
        text = _text_of(rest)
        yield Message(role="user", content=[ContentPart(text=text), *media] if media else text)


def _result(response: FunctionResponse) -> Message:
    """Return a result as a chat message."""
    text = _text_of_result(bytes(response.response).decode() if present(response.response) else "{}")
    return Message(role="tool", tool_call_id=response.id, name=response.name, content=text)


def _text_of_result(response: str) -> str:
    """Return a result's text: `output` alone is the text that a chat has."""
    try:
        value = orjson.loads(response)
    except orjson.JSONDecodeError:
        # A number that is too large for a double, or more levels than can be read.
        return response
    output = value.get("output") if isinstance(value, dict) and len(value) == 1 else None
    return output if isinstance(output, str) else canonical_json(response).decode()


def _medium(part: Part) -> ContentPart:
    if part.inline_data is not None:
        return ContentPart(type="image_url", image_url=ImageUrl(url=f"data:;base64,{part.inline_data.data or ''}"))
    if part.file_data is not None:
        return ContentPart(type="file", file_id=part.file_data.file_uri)
    return ContentPart(type="other", file_data=encode(part).decode())
