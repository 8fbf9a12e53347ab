"""POST /v1/responses/compact: a conversation becomes its user messages and a summary that Gemini writes."""

import msgspec

from adapter.translate.core.errors import AnswerError
from adapter.translate.responses.fields import input_items
from adapter.translate.signatures import carriers as responses_carrier
from adapter.wire.openai.responses_answer import MessageItem, OutputText, Response
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest
from adapter.wire.openai.stored import CompactedResponse

WANTED = (
    "Write a summary of the conversation so far that lets another assistant go on with it without having seen it: "
    "what the user wants, what was done and decided and why, what is left to do, and every fact, name, number, "
    "identifier, file name and result of a tool that may be needed again, word for word. Write only the summary."
)


def summary_request(request: ResponsesRequest) -> ResponsesRequest:
    """Return the request that asks for a summary of this request's conversation."""
    items = request.input
    if isinstance(items, str):
        items = [InputItem(type="message", role="user", content=items)]
    wanted = InputItem(type="message", role="user", content=WANTED)
    return msgspec.structs.replace(request, input=[*(items or ()), wanted], store=False)


def compact(response: Response, asked: ResponsesRequest) -> CompactedResponse:
    """Return the shorter conversation. `asked` is the request that asked for the summary, the whole conversation in it.

    Raises `AnswerError` where Gemini's summary is not whole.
    """
    text = "".join(
        part.text
        for item in response.output
        if isinstance(item, MessageItem)
        for part in item.content
        if isinstance(part, OutputText)
    )
    if response.status != "completed" or not text or response.usage is None:
        raise AnswerError(502, "compaction_failed", "Gemini wrote no whole summary of the conversation.")
    identity = response.id.partition("_")[2]
    items = input_items(asked, f"{identity}k")[:-1]
    user_messages = [item for item in items if item.type == "message" and item.role == "user"]
    content = responses_carrier.seal_summary(text)
    summary = InputItem(type="compaction", id=f"cmp_{identity}", encrypted_content=content)
    return CompactedResponse(
        id=response.id,
        object="response.compaction",
        created_at=response.created_at,
        output=[*user_messages, summary],
        usage=response.usage,
    )
