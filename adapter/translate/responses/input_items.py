"""Input items to messages: the items of one turn of the model become one assistant message."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec

from adapter.translate.core.kinds import ITEMS
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.core.rules import Fields, decode_field
from adapter.translate.responses.chat_view import Paths
from adapter.translate.responses.conversation import Conversation
from adapter.translate.responses.earlier_items import NO_ITEMS, EarlierItems, StaleItems, named_items, speakers_of
from adapter.translate.responses.tool_calls import arguments_of_call, chat_name, result_of, text_of_json
from adapter.translate.signatures import carriers as responses_carrier
from adapter.translate.turns.turn_builder import name_note, shared_roles
from adapter.wire.base import encode, present
from adapter.wire.gemini.content import Part
from adapter.wire.openai.chat_request import ContentPart, CustomCall, FunctionCall, Message, ToolCall
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest

_NOT_REPLAYED = "thoughts are not sent back: the signatures stand for them"


def read(request: ResponsesRequest, earlier: EarlierItems = NO_ITEMS) -> Conversation:
    """Return the whole conversation, instructions and items, or what follows the earlier items.

    Raises `Rejected`; `StaleItems` where what follows changes what the earlier items became.
    """
    conversation = Conversation(earlier)
    if request.instructions is not None and earlier is NO_ITEMS:
        conversation.say(Message(role="system", content=request.instructions), "instructions")
    if isinstance(request.input, str):
        at = conversation.say(Message(role="user", content=request.input), "input")
        conversation.paths[f"{at}.content"] = "input"
    else:
        items = (request.input or ())[earlier.count :]
        conversation.shared_roles = shared_roles(earlier.speakers | speakers_of(items))
        for index, item in enumerate(items, earlier.count):
            conversation.begin_item(index)
            _read(item, f"input[{index}]", conversation)
    if earlier is not NO_ITEMS:
        _check_behind(earlier, request, conversation)
    return conversation


def _check_behind(earlier: EarlierItems, request: ResponsesRequest, conversation: Conversation) -> None:
    """Raise `StaleItems` if the later items change the translation of the earlier ones."""
    later = conversation.messages
    if (
        request.instructions != earlier.instructions
        or not later
        # Another message belongs to the last block before it: a late result, what a user adds.
        or later[0].role != "assistant"
        or (earlier.speakers and conversation.shared_roles != earlier.shared_roles)
        or any(key.partition(":")[2] in earlier.keys for key, _ in conversation.records)
    ):
        raise StaleItems


def earlier_items(request: ResponsesRequest, conversation: Conversation, paths: Paths) -> EarlierItems | None:
    """Return the translation of the items before the last block of messages; None if it cannot be remembered."""
    mark, earlier = conversation.block, conversation.earlier
    if mark is None or mark.items <= earlier.count or isinstance(request.input, str):
        return None
    items = (request.input or ())[earlier.count : mark.items]
    if any(type_of(item) == "item_reference" for item in items):
        # What a reference refers to is read from the store each time, and may have changed.
        return None
    tools = [(path, msgspec.Raw(bytes(raw))) for path, raw in conversation.tools[: mark.tools]]
    return EarlierItems(
        instructions=request.instructions,
        count=mark.items,
        messages=mark.messages,
        notes=(*earlier.notes, *conversation.notes[: mark.notes]),
        tools=(*earlier.tools, *tools),
        searching=mark.searching,
        records={**earlier.records, **dict(conversation.records[: mark.records])},
        keys=earlier.keys.union([key for item in items for key in (item.id, item.call_id) if key]),
        speakers=earlier.speakers | speakers_of(items),
        shared_roles=conversation.shared_roles,
        paths=paths.before(mark.messages),
        named=(*earlier.named, *named_items(items)),
    )


class FirstItems:
    """Reads the earlier items on demand: few requests need their messages or all of their paths."""

    def __init__(self, request: ResponsesRequest, count: int) -> None:
        self._request = request
        self._count = count

    @cached_property
    def conversation(self) -> Conversation:
        """The earlier items as messages, with the items' paths."""
        conversation = read(msgspec.structs.replace(self._request, input=(self._request.input or [])[: self._count]))
        conversation.carry_code()
        return conversation

    def messages(self) -> list[Message]:
        """Return the earlier items' messages."""
        return self.conversation.messages

    def paths(self) -> Mapping[str, str]:
        """Return the items' paths by those of their messages."""
        return self.conversation.paths


def type_of(item: InputItem) -> str:
    """Return the type of an item; clients leave out those of messages and references."""
    return item.type or ("message" if item.role or item.content is not None else "item_reference")


def _read(item: InputItem, path: str, conversation: Conversation) -> None:
    handler = _HANDLERS.get(type_of(item))
    if type_of(item) == "item_reference" and not item.id:
        missing = "an item has a type, a message a role, a reference the id of a stored item"
        raise Rejected(f"{path}.id" if item.type else f"{path}.type", "value-missing", missing)
    if handler is not None:
        handler(item, path, conversation)
        conversation.notes.extend(ITEMS.notes(item, path, type_of(item)))
        conversation.notes.extend(_losses(item, path))
    else:
        other = ("item-unsupported", f"items of type {item.type!r} have no place in a Gemini request")
        code, reason = _WITHOUT_PLACE.get(type_of(item), other)
        conversation.note(path, Fate.DROPPED, code, reason)


def _losses(item: InputItem, path: str) -> Iterator[Note]:
    """Yield the notes on fields that any item may have and Gemini has no place for."""
    for name, _ in _SIDE_FIELDS.list_sent(item):
        yield Note(f"{path}.{name.rstrip('_')}", Fate.DROPPED, *_SIDE[name])
    if item.status == "incomplete" and type_of(item) != "code_interpreter_call":
        reason = "Gemini knows no unfinished items: it reads this one as finished"
        yield Note(f"{path}.status", Fate.DROPPED, "answer-echo-dropped", reason)


_IMAGES_OWN = ("answer-echo-dropped", "Gemini takes only the image back")
_SIDE = {
    "async_": ("tool-option-ignored", "Gemini waits for the results of its calls"),
    "caller": ("tool-record-dropped", "only the model calls tools"),
    "revised_prompt": _IMAGES_OWN,
    "background": _IMAGES_OWN,
    "quality": _IMAGES_OWN,
    "size": _IMAGES_OWN,
}
_SIDE_FIELDS = Fields(InputItem, tuple(_SIDE))


def _message(item: InputItem, path: str, conversation: Conversation) -> None:
    if item.role is None:
        raise Rejected(f"{path}.role", "value-missing", "a message needs a role")
    if item.name is not None:
        conversation.notes.append(name_note(path, item.role, conversation.shared_roles))
    if item.phase is not None:
        conversation.note(f"{path}.phase", Fate.DROPPED, "phase-dropped", "Gemini knows no phases of an answer")
    if item.role != "assistant":
        at = conversation.say(Message(role=item.role, content=item.content), path)
        conversation.paths[f"{at}.content"] = f"{path}.content"
    else:
        conversation.add_answer(item.content or [], path, item.id)


def _reasoning(item: InputItem, path: str, conversation: Conversation) -> None:
    for name in ("summary", "content"):
        if getattr(item, name):
            conversation.note(f"{path}.{name}", Fate.DROPPED, "thoughts-not-replayed", _NOT_REPLAYED)
    if not item.encrypted_content:
        return
    records = responses_carrier.unseal(item.encrypted_content)
    if records is None:
        reason = "not issued by this adapter: only its issuer can read it"
        conversation.note(f"{path}.encrypted_content", Fate.DROPPED, "sealed-content-foreign", reason)
    else:
        records = dict(records)
        whole = records.pop(responses_carrier.ANSWER, None)
        conversation.records += records.items()
        if whole is not None:
            conversation.take_record(whole)


def _function_call(item: InputItem, path: str, conversation: Conversation) -> None:
    name = chat_name(item.name or "", item.namespace)
    function = FunctionCall(name=name, arguments=text_of_json(item.arguments, f"{path}.arguments"))
    call_id = item.call_id or item.id
    call = ToolCall(id=call_id, type="function", function=function, extra_content=item.extra_content)
    conversation.call(call, path)


def _custom_call(item: InputItem, path: str, conversation: Conversation) -> None:
    custom = CustomCall(name=chat_name(item.name or "", item.namespace), input=item.input)
    conversation.call(ToolCall(id=item.call_id or item.id, type="custom", custom=custom), path)


def _special_call(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read a call of a tool that is sent to Gemini as a function."""
    name, arguments = arguments_of_call(item, type_of(item), path)
    function = FunctionCall(name=name, arguments=arguments)
    conversation.call(ToolCall(id=item.call_id or item.id, type="function", function=function), path, "action")


def _output(item: InputItem, path: str, conversation: Conversation) -> None:
    # Without an id it finds the call; with one, the name of another function is noted.
    name = chat_name(item.name, item.namespace) if item.name else None
    conversation.result(item.call_id, _content(item.output, f"{path}.output"), path, name=name)


def _content(raw: msgspec.Raw, path: str) -> str | list[ContentPart]:
    """Return a result's content: a text or content parts; anything else as JSON."""
    if present(raw) and bytes(raw).lstrip()[:1] == b"[":
        return decode_field(path, raw, list[ContentPart])[0]
    return text_of_json(raw, path)


def _special_output(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read the result of a tool that was sent to Gemini as a function."""
    content, failed = result_of(item, type_of(item), path)
    conversation.result(item.call_id or item.id, content, path, failed=failed)


def _mcp_call(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read a call that another vendor's server ran, as a call and its result."""
    arguments = text_of_json(item.arguments, f"{path}.arguments")
    function = FunctionCall(name=chat_name(item.name or "", item.server_label), arguments=arguments)
    conversation.call(ToolCall(id=item.id, type="function", function=function), path)
    failed = present(item.error)
    output = text_of_json(item.error, f"{path}.error") if failed else text_of_json(item.output, f"{path}.output")
    conversation.result(item.id, output, path, failed=failed)
    reason = "Gemini did not make this call: sent as a function's call and result"
    conversation.note(path, Fate.APPROXIMATED, "mcp-call-as-function", reason)


def _image(item: InputItem, path: str, conversation: Conversation) -> None:
    if item.result is None:
        conversation.note(path, Fate.DROPPED, "empty-content-dropped", "there is no image in it")
        return
    url = f"data:image/{item.output_format or 'png'};base64,{item.result}"
    conversation.image(url, path, "result", item.id)


def _code(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read code that Gemini ran; its logs are what it printed."""
    code = {"language": "PYTHON", "code": item.code or ""}
    outputs = _objects(item.outputs, f"{path}.outputs")
    logs = "".join(str(output.get("logs", "")) for output in outputs)
    ran = {"outcome": "OUTCOME_FAILED" if item.status == "failed" else "OUTCOME_OK", "output": logs}
    conversation.ran([Part(executable_code=_raw(code)), Part(code_execution_result=_raw(ran))], path, item.id)
    for number, output in enumerate(outputs):
        if output.get("type") == "image":
            _code_image(str(output.get("url")), f"{path}.outputs[{number}]", conversation)


def _code_image(url: str, path: str, conversation: Conversation) -> None:
    """Read an image that code made."""
    if url.startswith("data:image/") and ";base64," in url:
        conversation.image(url, path, "url")
    else:
        reason = "only images in line can be sent back to Gemini"
        conversation.note(path, Fate.DROPPED, "content-unsupported", reason)


def _raw(value: dict[str, str]) -> msgspec.Raw:
    return msgspec.Raw(encode(value))


def _compaction(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read a compacted conversation: its summary stands for it."""
    text = responses_carrier.summary(item.encrypted_content or "")
    if text is None:
        reason = "not issued by this adapter: only its issuer can read it"
        conversation.note(f"{path}.encrypted_content", Fate.DROPPED, "sealed-content-foreign", reason)
        return
    at = conversation.say(Message(role="user", content=text), path)
    conversation.paths[f"{at}.content"] = f"{path}.encrypted_content"


def _more_tools(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read tools that are declared inside the conversation."""
    if present(item.tools):
        conversation.tools.append((f"{path}.tools", item.tools))


def _tool_search(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read a search for tools; one that OpenAI ran has no id that its result could name."""
    conversation.searching = item.call_id or item.id
    _special_call(item, path, conversation)


def _tool_search_output(item: InputItem, path: str, conversation: Conversation) -> None:
    """Read tools that a search found: as its result, and as declared from now on."""
    _more_tools(item, path, conversation)
    found = [tool.get("name") for tool in _objects(item.tools, f"{path}.tools")]
    conversation.result(item.call_id or conversation.searching, encode({"found": found}).decode(), path)


def _objects(raw: msgspec.Raw, path: str) -> list[dict[str, Any]]:
    value = decode_field(path, raw, object)[0] if present(raw) else []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


_HANDLERS: Mapping[str, Callable[[InputItem, str, Conversation], None]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _output,
    "local_shell_call": _special_call,
    "local_shell_call_output": _special_output,
    "shell_call": _special_call,
    "shell_call_output": _special_output,
    "apply_patch_call": _special_call,
    "apply_patch_call_output": _special_output,
    "computer_call": _special_call,
    "computer_call_output": _special_output,
    "tool_search_call": _tool_search,
    "tool_search_output": _tool_search_output,
    "additional_tools": _more_tools,
    "mcp_call": _mcp_call,
    "image_generation_call": _image,
    "code_interpreter_call": _code,
    "compaction": _compaction,
}

_WITHOUT_PLACE = {
    "item_reference": ("item-unsupported", "no item with this id is stored here"),
    "web_search_call": ("tool-record-dropped", "a record of a search: what it found is in the answer"),
    "file_search_call": ("tool-record-dropped", "a record of a search: what it found is in the answer"),
    "mcp_list_tools": ("tool-record-dropped", "a record of tools: they are declared in tools"),
    "mcp_approval_request": ("item-unsupported", "Gemini asks for no approvals"),
    "mcp_approval_response": ("item-unsupported", "Gemini asks for no approvals"),
    "compaction_trigger": (
        "context-management-ignored",
        "nothing is compacted unasked: POST /v1/responses/compact does it",
    ),
    "configuration_update": ("item-unsupported", "the request's own reasoning and text hold for the whole answer"),
    "program": ("item-unsupported", "Gemini writes no programs that call tools"),
    "program_output": ("item-unsupported", "Gemini writes no programs that call tools"),
}
"""Items that do not arrive, with the code of the loss, and why."""
