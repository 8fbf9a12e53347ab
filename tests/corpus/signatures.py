"""`python -m tests.corpus.signatures`: what becomes of thought signatures over the recorded tool loops.

Each recorded answer with calls goes through a client of each kind and comes back. A signature that Gemini gave is
`true` where the same call has it again, a `stand-in` where the documented word replaces it, and `lost` else. A call
that had none and gets one counts as `invented`.
"""

from collections import Counter
from collections.abc import Callable

from adapter.translate import chat
from adapter.translate.core.context import Context
from adapter.translate.signatures import keys as signatures
from adapter.translate.signatures.history import look_up
from adapter.wire.base import decode, encode
from adapter.wire.gemini.content import Content
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Issued
from tests.corpus.tool_loops import calls_of, can_go_on, first_answer, next_request
from tests.support.answering import Object
from tests.support.recordings import Recording, gemini_answers, row_of

CLIENTS: dict[str, tuple[bool, bool, bool]] = {
    "carried by the client": (False, False, False),
    "carried, and stored": (False, True, False),
    "stored, found by the id": (True, True, False),
    "stored, ids rewritten": (True, True, True),
}
"""Whether the client keeps only OpenAI's own fields, whether the store knows the answer, whether ids are new."""


def rewrite_ids(request: ChatCompletionRequest) -> ChatCompletionRequest:
    """The same history under ids of the client's own."""
    names: dict[str, str] = {}
    for message in request.messages:
        for number, call in enumerate(message.tool_calls or ()):
            call.id = names.setdefault(call.id or "", f"own_{number}")
        if message.tool_call_id is not None:
            message.tool_call_id = names.get(message.tool_call_id, message.tool_call_id)
    return request


def sent_calls(request: ChatCompletionRequest, recording: Recording, issued: list[Issued]) -> list[Object]:
    """The parts with calls that Gemini would get."""
    history = look_up(request, {one.key: one.signature for one in issued})
    context = Context(request=request, capabilities=row_of(recording.model), history=history)
    contents, _ = decode(encode(chat.to_gemini(context)[0].contents or []), list[Content])
    parts = [part for part in contents[1].parts or () if part.function_call]
    return [{"thoughtSignature": part.thought_signature} for part in parts]


def fate(came: str | None, sent: str | None) -> str | None:
    """The fate of one call's signature."""
    if came is None:
        return None if sent in (None, signatures.SENTINEL) else "invented"
    if sent == came:
        return "true"
    return "stand-in" if sent == signatures.SENTINEL else "lost"


def count(bare: bool, stored: bool, renamed: bool) -> Counter[str]:
    """The fates of all signatures of the recorded loops, for one kind of client."""
    fates: Counter[str] = Counter()
    change: Callable[[ChatCompletionRequest], ChatCompletionRequest] = rewrite_ids if renamed else lambda one: one
    for recording in filter(can_go_on, gemini_answers()):
        message, issued = first_answer(recording)
        request = change(next_request(recording, message, bare=bare))
        sent = sent_calls(request, recording, issued if stored else [])
        for came, back in zip(calls_of(recording), sent, strict=True):
            became = fate(came.get("thoughtSignature"), back.get("thoughtSignature"))
            fates.update([became] if became else [])
    return fates


def main() -> None:
    """Count and print."""
    print(f"{'':28}{'true':>8}{'stand-in':>10}{'lost':>8}{'invented':>10}")
    for name, kind in CLIENTS.items():
        fates = count(*kind)
        print(f"{name:28}{fates['true']:8}{fates['stand-in']:10}{fates['lost']:8}{fates['invented']:10}")


if __name__ == "__main__":
    main()
