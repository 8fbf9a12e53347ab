"""Gemini's own requests and answers: they pass through as bytes; a few fields are read or added.

A `functionCall` of the current turn that comes back without its `thoughtSignature` is a 400 on Gemini 3. Where this
server has kept the signature, under the call's id, it is pasted into the body at the start of the call's part: nothing
else of the body changes, not even its white space.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from adapter.translate.core.notes import Fate, Note
from adapter.translate.signatures.keys import call_key
from adapter.translate.signatures.prefix_digest import call_digest, call_spelling
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.base import decoder, encode, present
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse
from adapter.wire.signatures import Issued, Signature

_NAMES = (b'"functionCall"', b'"function_call"')
_LARGE = 64 * 1024
_FEW_QUOTES = 200
"""A large body with fewer quotes is mostly media: to go from quote to quote takes a tenth of a search for names."""


class _NativeCall(msgspec.Struct, gc=False):
    """The fields of a `functionCall` that are read."""

    id: str | None = None
    name: str = ""
    args: msgspec.Raw = msgspec.Raw(b"")

    @property
    def arguments(self) -> str:
        """The arguments of the call, as JSON."""
        return bytes(self.args).decode() if present(self.args) else "{}"


class _Part(msgspec.Struct, gc=False):
    """The fields of a part that distinguish an unsigned call from a user's text."""

    call: _NativeCall | None = msgspec.field(default=None, name="functionCall")
    call_: _NativeCall | None = msgspec.field(default=None, name="function_call")
    signature: str | None = msgspec.field(default=None, name="thoughtSignature")
    signature_: str | None = msgspec.field(default=None, name="thought_signature")
    result: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="functionResponse")
    result_: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="function_response")

    @property
    def unsigned_call(self) -> _NativeCall | None:
        """The part's call, if it has no signature."""
        return None if self.signature or self.signature_ else self.call or self.call_

    @property
    def is_result(self) -> bool:
        """Return whether it answers a call."""
        return present(self.result) or present(self.result_)


class _Content(msgspec.Struct, gc=False):
    """A content whose parts are not read yet."""

    role: str | None = None
    parts: msgspec.Raw = msgspec.Raw(b"")


class UnsignedCall(NamedTuple):
    """An unsigned call of the current turn, and the offset of its part in the body.

    `content` is the number of the content that it stands in.
    """

    id: str
    digest: str
    path: str
    offset: int
    content: int

    @property
    def key(self) -> str:
        """Under which key its signature is kept, if the client keeps its id."""
        return call_key(self.id)


class _Naming(msgspec.Struct, gc=False):
    """A request that may name a model."""

    model: str | None = None


class _NamingMore(_Naming, gc=False):
    """One that may hold others: several inputs to embed, or the request whose tokens are counted."""

    requests: msgspec.Raw = msgspec.Raw(b"")
    counted: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="generateContentRequest")
    counted_: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="generate_content_request")


def models_in(body: bytes) -> set[str]:
    """Return the models that the body of a request names beside its URL.

    Raises `msgspec.MsgspecError` for a body that cannot be read, which may name others.
    """
    outer = decoder(_NamingMore).decode(body)
    inner = [
        decoder(_Naming).decode(one)
        for raw in (outer.requests, outer.counted, outer.counted_)
        if present(raw)
        for one in _items(raw)
    ]
    return {one.model for one in (outer, *inner) if one.model is not None}


_COLLECTIONS = "files|cachedContents|batches|fileSearchStores|interactions|tunedModels"
_NAME = re.compile(rf"(?:https://[^/]+/v1(?:beta)?/)?((?:{_COLLECTIONS})/[\w-]+)", re.ASCII)
_NAMING = re.compile(
    rb'"(?:file_?[uU]ri|uri|cached_?[cC]ontent|file_?[nN]ame)"\s*:\s*"([^"]*)"'
    rb'|"previous_?[iI]nteraction_?[iI]d"\s*:\s*"([^"]*)"'
    rb'|"file_?[sS]earch_?[sS]tore_?[nN]ames"\s*:\s*\[([^\]]*)\]'
)
_MAY_NAME = tuple(word.encode() for word in (*_COLLECTIONS.split("|"), "nteraction", "\\u"))


def names_in(body: bytes) -> set[str]:
    """Return the names that Gemini gave (files, caches, ...) at the places of a request where it takes such a name.

    A text that only looks like one is none. Raises `msgspec.MsgspecError` for a body with escapes that is no JSON.
    """
    if not any(word in body for word in _MAY_NAME):
        return set()
    if b"\\u" in body or b"\\/" in body:
        # One way to write each name: escapes could hide it.
        body = encode(decoder(Any).decode(body))
    names: set[str] = set()
    for single, interaction, several in _NAMING.findall(body):
        texts = [single, *several.split(b'"')]
        names.update(name[1] for text in texts if (name := _NAME.match(text.decode("utf-8", "replace"))))
        if interaction:
            names.add(f"interactions/{interaction.decode('utf-8', 'replace')}")
    return names


def names_of_uris(uris: Iterable[str | None]) -> set[str]:
    """Return the names that Gemini gave among addresses."""
    return {name[1] for uri in uris if uri and (name := _NAME.match(uri))}


def names_of(request: GenerateContentRequest) -> set[str]:
    """Return the same names of a request that was translated."""
    # Raw contents are calls and their results, which name no files.
    contents = [one for one in request.contents or () if isinstance(one, Content)]
    parts = [part for content in contents for part in content.parts or ()]
    names = names_of_uris(part.file_data.file_uri for part in parts if part.file_data is not None)
    names |= names_of_uris([request.cached_content])
    searches = [tool.file_search for tool in request.tools or () if present(tool.file_search)]
    return names.union(*(names_in(bytes(one)) for one in searches))


_IN_PATH = re.compile(r"([A-Za-z]+)/([^/:?]+)")


def name_in_path(path: str) -> str | None:
    """Return the name in a path below the version; None for a collection, or a model, which is everybody's."""
    found = _IN_PATH.match(path)
    return found[0] if found and found[1] != "models" else None


class _Made(msgspec.Struct, gc=False):
    """A made resource: a file stands in an object of its own, an interaction has an id."""

    name: str | None = None
    id: str | None = None
    file: "_Made | None" = None


_ID = re.compile(rb'"id"\s*:\s*"([\w-]+)"')


def names_made(answer: bytes, collection: str = "") -> set[str]:
    """Return the names in the answer to a request that creates something; in an unknown form, all it may hold."""
    try:
        message = decoder(_Made).decode(answer)
    except (msgspec.MsgspecError, RecursionError):
        # Events, which tell of a thing that is being made: each id in them is the client's own.
        return {f"{collection}/{found.decode()}" for found in _ID.findall(answer)} if collection else set()
    names = {name_in_path(one.name) for one in (message, message.file) if one is not None and one.name}
    if message.id and collection:
        names.add(f"{collection}/{message.id}")
    return {name for name in names if name is not None}


def unsigned_calls(body: bytes) -> list[UnsignedCall]:
    """Return the calls that may lack a signature; none for a body that is not Gemini's, which Gemini refuses."""
    if not _may_hold_calls(body):
        return []
    try:
        return list(_unsigned_calls(body))
    except (msgspec.DecodeError, RecursionError, ValueError):
        # Not JSON, or a key that is spelled with escapes: nothing is added to it.
        return []


def _may_hold_calls(body: bytes) -> bool:
    at = 0
    for _ in range(_FEW_QUOTES if len(body) > _LARGE else 0):
        at = body.find(b'"', at)
        if at < 0 or body.startswith(_NAMES, at):
            return at >= 0
        at += 1
    return any(body.find(name, at) >= 0 for name in _NAMES)


def _unsigned_calls(body: bytes) -> Iterator[UnsignedCall]:
    contents, at = _member(body, b"contents")
    turn: list[UnsignedCall] = []
    for index, raw in enumerate(_items(contents)):
        text = bytes(raw)
        at = body.index(text, at)
        content = decoder(_Content).decode(raw)
        if _begins_turn(content):
            turn = []
        elif content.role == "model":
            turn += _calls(body, content, at, index)
        at += len(text)
    yield from turn


def _member(body: bytes, name: bytes) -> tuple[msgspec.Raw, int]:
    """Return a member of an object, and its offset in the text."""
    at = 0
    for key, value in decoder(dict[str, msgspec.Raw]).decode(body).items():
        at = body.index(encode(key), at) + len(encode(key))
        at = body.index(bytes(value), at)
        if key.encode() == name:
            return value, at
        at += len(bytes(value))
    return msgspec.Raw(b"[]"), 0


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the items of a list; protobuf's JSON takes a single object for a list of one."""
    return [raw] if bytes(memoryview(raw)[:1]) == b"{" else decoder(list[msgspec.Raw]).decode(raw)


def _begins_turn(content: _Content) -> bool:
    """Return whether a user says something here that is no result of a call."""
    if content.role == "model" or not present(content.parts):
        return False
    return not all(decoder(_Part).decode(part).is_result for part in _items(content.parts))


def _calls(body: bytes, content: _Content, at: int, index: int) -> Iterator[UnsignedCall]:
    if not present(content.parts):
        return
    for number, raw in enumerate(_items(content.parts)):
        text = bytes(raw)
        at = body.index(text, at)
        call = decoder(_Part).decode(raw).unsigned_call
        if call is not None:
            digest = call_digest(call.name, call.arguments)
            yield UnsignedCall(call.id or "", digest, f"contents[{index}].parts[{number}]", at + 1, index)
        at += len(text)


def find_by_ids(calls: Sequence[UnsignedCall], found: Mapping[str, Signature]) -> dict[int, Signature]:
    """Return the records that belong to calls, by their offset, from those that were found by their ids."""
    records = {call.offset: found[call.key] for call in calls if call.id and call.key in found}
    return {call.offset: one for call in calls if (one := records.get(call.offset)) and one.digest == call.digest}


def with_signatures(
    body: bytes,
    calls: Sequence[UnsignedCall],
    by_ids: Mapping[int, Signature],
    by_words: Mapping[int, Signature],
    upstream: str,
) -> tuple[bytes, list[Note]]:
    """Return the body with this upstream's signatures, and a note on each. Records are by the calls' offset."""
    pieces: list[bytes] = []
    notes: list[Note] = []
    done = 0
    for call in calls:
        record = by_ids.get(call.offset) or by_words.get(call.offset)
        if record is None or not record.value or record.origin != upstream:
            continue
        pieces += [body[done : call.offset], b'"thoughtSignature":', encode(record.value), b","]
        done = call.offset
        source = SignatureSource.ID if call.offset in by_ids else SignatureSource.HASH
        notes.append(Note(call.path, Fate.EXACT, reason="its signature was kept here", signature=source))
    return b"".join([*pieces, body[done:]]), notes


def records_of_answer(response: GenerateContentResponse, upstream: str) -> list[Issued]:
    """Return the signatures of an answer's calls, to be stored by their ids."""
    return [
        one
        for candidate in response.candidates or ()
        for one in _records_of_calls((candidate.content.parts if candidate.content else None) or (), upstream)
    ]


def _records_of_calls(parts: Sequence[Part], upstream: str) -> Iterator[Issued]:
    calls = [(part, part.function_call) for part in parts if part.function_call is not None]
    for position, (part, call) in enumerate(calls):
        if not call.id or not part.thought_signature:
            continue
        name, arguments = call.name or "", bytes(call.args).decode() if present(call.args) else "{}"
        record = Signature(
            value=part.thought_signature,
            id=call.id,
            origin=upstream,
            digest=call_digest(name, arguments),
            spelling=call_spelling(name, arguments),
            position=position,
        )
        yield Issued(call_key(call.id), record)
