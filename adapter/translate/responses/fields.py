"""/v1/responses: the rules of its fields.

Responses is a view of chat: a request becomes a chat request, whose rules do the rest.

The server resolves `previous_response_id`, `conversation` and `item_reference` items first, then:

    view = to_chat(request, unknown)                                    raises Rejected
    context = Context(request=view.request, history=History(view.request, view.carried), ...)
    body, notes = chat.to_gemini(context)                               Rejected -> view.with_client_path(error)
    ledger = view.ledger(notes)
    response, reply_notes, issued = from_gemini(answer, context, stamp, unknown, view)

Answers come back through `adapter/translate/responses/stream.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from adapter.translate import chat
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.core.rules import Fields
from adapter.translate.responses import input_items as responses_items
from adapter.translate.responses import tools as responses_tools
from adapter.translate.responses.chat_view import NO_PATHS, FirstPaths, Paths, View
from adapter.translate.responses.earlier_items import NO_ITEMS, EarlierItems
from adapter.translate.responses.input_items import FirstItems, earlier_items, type_of
from adapter.translate.responses.stream import ResponseStream, from_gemini
from adapter.translate.responses.tools import Toolset
from adapter.wire.base import present
from adapter.wire.beginnings import PartlyDecoded
from adapter.wire.openai.chat_request import (
    ChatCompletionRequest,
    ContentPart,
    ImageSettings,
    JsonSchemaFormat,
    Reasoning,
    ResponseFormat,
    StreamOptions,
)
from adapter.wire.openai.responses_request import (
    InputItem,
    ReasoningOptions,
    ResponsesRequest,
    ResponsesStreamOptions,
    ResponsesToolChoice,
    TextOptions,
)

__all__ = ["RULES", "ResponseStream", "View", "as_stored", "from_gemini", "input_items", "to_chat"]


class RuleContext(NamedTuple):
    """The request that a rule translates, and the other input of a rule."""

    request: ResponsesRequest
    tools: Toolset


class Piece(NamedTuple):
    """The result of a rule: fields of the chat request, the client's paths for theirs, and notes.

    What the chat request carries is judged by the chat rules; notes are about what it does not carry.
    """

    fields: Mapping[str, Any] = {}
    paths: Mapping[str, str] = {}
    notes: tuple[Note, ...] = ()


Rule = Callable[[Any, RuleContext], Piece]

_EXACT = Piece(notes=(Note("", Fate.EXACT),))


def _drop(code: str, reason: str, path: str = "") -> Piece:
    return Piece(notes=(Note(path, Fate.DROPPED, code, reason),))


def same(name: str) -> Rule:
    """Return the rule of a field that chat has too, under this name."""

    def rule(value: Any, _context: RuleContext) -> Piece:
        return Piece({name: value})

    rule.__doc__ = chat.RULES[name].__doc__
    return rule


def by_server(meaning: str) -> Rule:
    """Return the rule of a field that the server sees to: it changes nothing about what Gemini is asked."""

    def rule(_value: Any, _context: RuleContext) -> Piece:
        return _EXACT

    rule.__doc__ = meaning
    return rule


MAX_TAGS = (16, 64, 512)
"""Tags of a response or a conversation, characters of a tag's name, and of its value (openai-python 3.54.0)."""


def metadata(value: msgspec.Raw, _context: RuleContext) -> Piece:
    """Tags of the response, which come back with it."""
    check_tags(value)
    return _EXACT


def check_tags(value: msgspec.Raw) -> None:
    """Check the tags. Raises `Rejected` for some that cannot be stored."""
    most, longest_name, longest_value = MAX_TAGS
    try:
        tags = msgspec.json.decode(value, type=dict[str, str])
    except msgspec.ValidationError:
        raise Rejected("metadata", "malformed-value", "tags are an object of texts") from None
    if len(tags) > most:
        raise Rejected("metadata", "limit-exceeded", f"there are at most {most} tags")
    for name, text in tags.items():
        if len(name) > longest_name or len(text) > longest_value:
            reason = f"a tag's name has at most {longest_name} characters, its value {longest_value}"
            raise Rejected(f"metadata.{name[:longest_name]}", "limit-exceeded", reason)


def input_(_value: Any, _context: RuleContext) -> Piece:
    """Items become messages."""
    return Piece()


def instructions(_value: str, _context: RuleContext) -> Piece:
    """The first system message."""
    return Piece()


def tools(_value: msgspec.Raw, _context: RuleContext) -> Piece:
    """Functions, custom tools and Gemini's own; tools with items of their own are functions."""
    return Piece()


def tool_choice(value: str | ResponsesToolChoice, context: RuleContext) -> Piece:
    """Which tools may or must be called."""
    chosen = responses_tools.choice(value, context.tools)
    below = "tool_choice.allowed_tools"
    piece = Piece({"tool_choice": chosen}, {below: "tool_choice", "tool_choice.function": "tool_choice"})
    if chosen == "auto" and not isinstance(value, str):
        return piece._replace(notes=_drop("tool-choice-inexact", f"Gemini cannot be told to use {value.type!r}").notes)
    return piece


def max_tool_calls(_value: int, _context: RuleContext) -> Piece:
    """A limit for built-in tools."""
    return _drop("call-limit-ignored", "Gemini takes no limit on the calls of its own tools")


def text(value: TextOptions, _context: RuleContext) -> Piece:
    """The format of the text, and how much of it."""
    fields: dict[str, Any] = {}
    if (form := value.format) is not None:
        if form.type == "json_schema" and not present(form.schema):
            raise Rejected("text.format.schema", "value-missing", "a format of this type needs its schema")
        schema = JsonSchemaFormat(name=form.name, description=form.description, schema=form.schema, strict=form.strict)
        named = schema if form.type == "json_schema" else None
        fields["response_format"] = ResponseFormat(type=form.type, json_schema=named)
    if value.verbosity is not None:
        fields["verbosity"] = value.verbosity
    paths = {
        "response_format": "text.format",
        "response_format.json_schema": "text.format",
        "verbosity": "text.verbosity",
    }
    return Piece(fields, paths)


def max_output_tokens(value: int, _context: RuleContext) -> Piece:
    """Both count the thoughts."""
    return Piece({"max_completion_tokens": value}, {"max_completion_tokens": "max_output_tokens"})


LOGPROBS = "message.output_text.logprobs"

INCLUDED = {
    "reasoning.encrypted_content", "message.input_image.image_url", "computer_call_output.output.image_url",
    "code_interpreter_call.outputs", "web_search_call.action.sources", LOGPROBS,
}  # fmt: skip
"""The values of `include` that answers can fulfil."""


def include(value: list[str], _context: RuleContext) -> Piece:
    """Most of it is in every answer anyway; log probabilities must be asked for."""
    notes = tuple(
        Note(f"[{index}]", Fate.DROPPED, "include-unavailable", f"no answer of Gemini's has {name!r}")
        for index, name in enumerate(value)
        if name not in INCLUDED
    )
    if LOGPROBS not in value:
        return Piece(notes=notes or _EXACT.notes)
    return Piece({"logprobs": True}, {"logprobs": f"include[{value.index(LOGPROBS)}]"}, notes)


def top_logprobs(value: int, context: RuleContext) -> Piece:
    """How many alternatives for each token; asking for some asks for log probabilities."""
    if not value or LOGPROBS in (context.request.include or ()):
        return Piece({"top_logprobs": value})
    return Piece({"top_logprobs": value, "logprobs": True}, {"logprobs": "top_logprobs"})


def reasoning(value: ReasoningOptions, _context: RuleContext) -> Piece:
    """How hard to think, and whether to tell what was thought."""
    summary = value.summary or value.generate_summary
    notes = [
        Note(name, Fate.DROPPED, "reasoning-option-ignored", reason)
        for name, reason, usual in (
            ("context", "Gemini decides itself which thoughts it reads again", "auto"),
            ("mode", "Gemini has no such mode", "standard"),
        )
        if getattr(value, name) not in (None, usual)
    ]
    options = Reasoning(effort=value.effort, summary=summary, exclude=summary is None)
    return Piece({"reasoning": options}, notes=tuple(notes))


def truncation(value: str, _context: RuleContext) -> Piece:
    """What the server may do with a conversation that is too long: leave out its middle, or refuse it."""
    return (
        _EXACT
        if value == "disabled"
        else _drop("truncation-unsupported", "Gemini leaves nothing out: what is too long is an error")
    )


def context_management(_value: msgspec.Raw, _context: RuleContext) -> Piece:
    """Compaction by the server, when a conversation gets too long."""
    return _drop("context-management-ignored", "nothing is compacted unasked: POST /v1/responses/compact does it")


def stream_options(value: ResponsesStreamOptions, _context: RuleContext) -> Piece:
    """Obfuscation is not needed."""
    return Piece({"stream_options": StreamOptions(include_usage=True, include_obfuscation=value.include_obfuscation)})


def prompt(_value: msgspec.Raw, _context: RuleContext) -> Piece:
    """A template that is stored at OpenAI."""
    raise Rejected(
        "prompt", "stored-prompt-unavailable", "prompt templates are stored at OpenAI: send the prompt itself as input"
    )


def access_programs(_value: msgspec.Raw, _context: RuleContext) -> Piece:
    """Programs that an organisation at OpenAI takes part in."""
    return _drop("account-option-ignored", "Gemini has no such programs")


def image(_value: msgspec.Raw, _context: RuleContext) -> Piece:
    """How OpenAI compresses images in long conversations."""
    return _drop("image-compression-ignored", "Gemini has no such setting for images")


def client_metadata(_value: msgspec.Raw, _context: RuleContext) -> Piece:
    """What Codex tells of itself."""
    return _drop("client-metadata-not-sent", "Gemini is not told about the client")


RULES: dict[str, Rule] = {
    "model": same("model"),
    "input": input_,
    "instructions": instructions,
    "tools": tools,
    "tool_choice": tool_choice,
    "parallel_tool_calls": same("parallel_tool_calls"),
    "max_tool_calls": max_tool_calls,
    "text": text,
    "temperature": same("temperature"),
    "top_p": same("top_p"),
    "max_output_tokens": max_output_tokens,
    "include": include,
    "top_logprobs": top_logprobs,
    "reasoning": reasoning,
    "truncation": truncation,
    "context_management": context_management,
    "service_tier": same("service_tier"),
    "stream": same("stream"),
    "stream_options": stream_options,
    "store": by_server("Whether the server keeps the response; never Gemini's own `store`, which means logging."),
    "previous_response_id": by_server("The server puts that response's items before the input."),
    "conversation": by_server("The server puts the conversation's items before the input, and adds the answer's."),
    "background": by_server("Whether the server answers before Gemini does."),
    "background_options": by_server("How soon an answer in the background is wanted: always at once."),
    "prompt": prompt,
    "metadata": metadata,
    "moderation": same("moderation"),
    "user": same("user"),
    "safety_identifier": same("safety_identifier"),
    "prompt_cache_key": same("prompt_cache_key"),
    "prompt_cache_options": same("prompt_cache_options"),
    "prompt_cache_retention": same("prompt_cache_retention"),
    "access_programs": access_programs,
    "image": image,
    "client_metadata": client_metadata,
    # Chat's spelling, which Open WebUI sends here (0.12, 2026-11).
    "reasoning_effort": same("reasoning_effort"),
    "safety_settings": same("safety_settings"),
    "google": same("google"),
    "extra_body": same("extra_body"),
}
"""One rule per field of ResponsesRequest, in the order of its fields."""


_FIELDS = Fields(ResponsesRequest, tuple(RULES))


def to_chat(
    request: ResponsesRequest, unknown: Mapping[str, msgspec.Raw] = {}, earlier: EarlierItems = NO_ITEMS
) -> View:
    """Return the chat request that asks for the same; `unknown` fields are in no Struct.

    `earlier` is what the first items became in an earlier request. Raises `Rejected`, `StaleItems`.
    """
    conversation = responses_items.read(request, earlier)
    conversation.carry_code()
    declared = [("tools", request.tools)] if present(request.tools) else []
    inside = (*earlier.tools, *conversation.tools)
    box = responses_tools.read([*declared, *inside], responses_tools.allowed_kinds(request.tool_choice))
    context = RuleContext(request, box)
    fields: dict[str, Any] = {"stream_options": StreamOptions(include_usage=True)}
    paths = {**conversation.paths, **box.paths}
    if "messages" in unknown and request.input is None:
        reason = "messages are sent to POST /v1/chat/completions; here the conversation is the field input"
        raise Rejected("messages", "wrong-endpoint", reason)
    notes = unknown_notes(unknown)
    notes += [*earlier.notes, *conversation.notes, *box.notes]
    for field, value in _FIELDS.list_sent(request):
        piece = RULES[field](value, context)
        fields.update(piece.fields)
        paths.update(piece.paths)
        notes.extend(_at(field, note) for note in piece.notes)
    fields["messages"], first = conversation.messages, NO_PATHS
    if earlier.messages:
        items = FirstItems(request, earlier.count)
        fields["messages"] = PartlyDecoded(earlier.messages, conversation.messages, items.messages)
        first = FirstPaths(earlier.messages, earlier.paths, items.paths)
    if box.tools:
        fields["tools"] = box.raw
    if box.images:
        path, settings = box.images[0]
        fields["modalities"] = ["text", "image"]
        paths.update({"modalities": path, "image_config": path})
        if settings != ImageSettings():
            fields["image_config"] = settings
    ways = Paths(paths, box.asked_paths, first)
    return View(
        request=ChatCompletionRequest(**fields),
        asked=request,
        notes=notes,
        paths=ways,
        names=box.names,
        carried=conversation.take_carried(),
        earlier=partial(earlier_items, request, conversation, ways),
    )


def _at(field: str, note: Note) -> Note:
    joint = "." if note.path and not note.path.startswith("[") else ""
    return Note(f"{field}{joint}{note.path}", note.fate, note.code, note.reason)


_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


def input_items(request: ResponsesRequest, owner: str = "") -> list[InputItem]:
    """Return the input as items for storing and listing, see `as_stored`."""
    items = request.input
    if isinstance(items, str):
        items = [InputItem(type="message", role="user", content=items)]
    return as_stored(items or (), owner)


def as_stored(items: Sequence[InputItem], owner: str) -> list[InputItem]:
    """Return items for storing and listing.

    Each has a type and an id (made of `owner` and its place, if it has none); messages have their content as parts.
    """
    return [_as_stored(item, f"{owner}{index:04x}") for index, item in enumerate(items)]


def _as_stored(item: InputItem, place: str) -> InputItem:
    kind = type_of(item)
    stored = msgspec.structs.replace(item, type=kind, id=item.id or f"{_PREFIXES.get(kind, 'item')}_{place}")
    if kind == "message":
        stored.status = item.status or "completed"
        stored.content = _stored_content(item)
    return stored


def _stored_content(item: InputItem) -> list[ContentPart] | None:
    """Return a message's content as parts of the kinds that Responses has."""
    if isinstance(item.content, str):
        if item.role == "assistant":
            return [ContentPart(type="output_text", text=item.content, annotations=msgspec.Raw(b"[]"))]
        return [ContentPart(type="input_text", text=item.content)]
    plain = ContentPart().type
    return item.content and [
        msgspec.structs.replace(part, type="input_text") if part.type == plain else part for part in item.content
    ]
