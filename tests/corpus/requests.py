"""Recorded requests, and chat requests translated."""

import json

from adapter.translate import chat
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Note
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from tests.support.answering import Object
from tests.support.recordings import Recording, recordings, row_of

MODELS = ["gemini-3.5-flash", "gemini-2.5-flash"]


def translate(recording: Recording, model: str) -> tuple[Object, list[Note]]:
    """Gemini's request and the ledger. Raises as `decode` and `to_gemini` do."""
    body = {**recording.request, "model": model}
    request, unknown = decode(json.dumps(body).encode(), ChatCompletionRequest)
    context = Context(request=request, capabilities=row_of(model))
    gemini, notes = chat.to_gemini(context, unknown)
    return json.loads(encode(gemini)), notes


def requests() -> list[Recording]:
    """Requests for /responses."""
    return [one for one in recordings("openai_responses_exchanges") if one.op == "responses" and one.request]
