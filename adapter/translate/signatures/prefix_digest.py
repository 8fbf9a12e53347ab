"""Digests of a history that do not depend on how a client keeps it.

A call is its name and its arguments as canonical JSON: white space, the order of keys and the spelling of numbers do
not count. An answer is its text, its images and its calls. A prefix is every message up to a place: roles, texts
(joined, without outer white space; null is empty), calls, results by their call and their text, media by content. Ids,
signatures, reasoning and unknown fields do not count, nor does the order of parallel calls and of their results.
"""

from collections.abc import Container, Iterable, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import orjson

from adapter.wire.base import encode
from adapter.wire.json_counts import is_within
from adapter.wire.limits import DEFAULTS
from adapter.wire.openai.chat_request import THOUGHTS, ContentPart, ImageUrl, MediaUrl, Message, ToolCall

# 128 bits of SHA-256, which is faster than blake2b where the processor has instructions for it (docs/decisions.md).
_DIGITS = 32
RESULT_ROLES = ("tool", "function")
_SYSTEM_ROLES = ("system", "developer")


def digest(data: bytes | memoryview) -> str:
    """Return a digest as hexadecimal digits."""
    return sha256(data).hexdigest()[:_DIGITS]


def _frame(*pieces: bytes) -> bytes:
    """Join pieces, each after its length, so that no other pieces give the same bytes."""
    return b"%d;" % len(pieces) + b"".join([b"%d:%b" % (len(piece), piece) for piece in pieces])


def as_bytes(text: str) -> bytes:
    """Return a text's bytes, also for lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def canonical_json(arguments: str) -> bytes:
    """Write arguments with sorted keys, no white space and numbers spelled alike.

    Text that is not JSON stays as it is, and so does text with more values than any call has.
    """
    if len(arguments) > DEFAULTS.json_values and not is_within(arguments, DEFAULTS.json_values):
        return as_bytes(arguments)
    try:
        value = orjson.loads(arguments or "{}")
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return orjson.dumps(_integral(value), option=orjson.OPT_SORT_KEYS) if b".0" in data else data
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        # orjson reads 1,024 levels and writes 254, beyond which it raises a TypeError.
        return as_bytes(arguments)


def _integral(value: Any) -> Any:
    """Replace numbers such as `1.0` by `1`: JSON has one kind of number."""
    if isinstance(value, float):
        # orjson writes no whole number of more than 64 bits.
        return int(value) if value.is_integer() and abs(value) < 2**63 else value
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return [_integral(item) for item in value] if isinstance(value, list) else value


def call_digest(name: str, arguments: str) -> str:
    """Return the digest of a call's meaning."""
    return digest(as_bytes(f"{len(name)}:{name}") + canonical_json(arguments))


def call_spelling(name: str, arguments: str) -> str:
    """Return the digest of a call's spelling."""
    return sha256(f"{len(name)}:{name}{arguments}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def name_and_arguments(call: ToolCall) -> tuple[str, str]:
    """Return the name and the arguments of a call; a custom tool's are its input."""
    if call.custom is not None:
        return call.custom.name or "", call.custom.input or ""
    function = call.function
    return (function.name or "", function.arguments or "") if function is not None else ("", "")


def calls_of(message: Message) -> list[ToolCall]:
    """Return a message's calls, the deprecated `function_call` included."""
    if message.tool_calls:
        return message.tool_calls
    return [ToolCall(type="function", function=message.function_call)] if message.function_call else []


def text_of(content: str | list[ContentPart] | None) -> str:
    """Return the text of a message's content; clients put thoughts there, answers do not, so they are left out."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join([part.text or "" for part in content if part.type not in THOUGHTS])


def image_urls(message: Message) -> list[str]:
    """Return the URLs of an answer's images."""
    return [image.image_url.url for image in message.images or () if image.image_url]


def answer_form(text: str, images: Sequence[str], calls: Sequence[str]) -> bytes:
    """Return an answer's form: its text, its images' contents by URL, and its calls' digests in any order."""
    data = text.strip().encode("utf-8", "surrogatepass")
    media = "".join([_media_digest(url) for url in images]) if images else ""
    called = "".join(sorted(calls)) if len(calls) > 1 else calls[0] if calls else ""
    return b"a%d:%d:%d:%b%b" % (len(data), len(media), len(calls), data, (media + called).encode())


def _media_digest(url: str) -> str:
    """Return the digest of a medium by its content, whatever type a data URL gives it."""
    data = as_bytes(url)
    start = data.find(b",") + 1 if data[:5].lower() == b"data:" else 0
    # Without another copy: images have megabytes.
    return digest(memoryview(data)[start:])


class PrefixDigest(msgspec.Struct, eq=False):
    """A running digest over a history's messages.

    `add` and `add_answer` take the next one; `key` names the answer that was taken last. The results of one answer's
    calls are taken together, once what follows them comes.
    """

    _running: Any = msgspec.field(default_factory=sha256)
    _places: dict[str, list[int]] = {}
    _results: list[tuple[int, bytes]] = []

    def copy(self) -> "PrefixDigest":
        """Return an independent copy, to which other messages can be added."""
        places = {key: list(places) for key, places in self._places.items()}
        return PrefixDigest(self._running.copy(), places, list(self._results))

    def add(self, messages: Iterable[Message]) -> None:
        """Take the next messages, none of which is an assistant's."""
        for message in messages:
            role, form = message.role, _content_form(message.content)
            if role in RESULT_ROLES:
                places = self._places.get(message.tool_call_id or f"name:{message.name}")
                self._results.append((places.pop(0) if places else len(self._results), form))
                continue
            if self._results:
                self._end_results()
            # A client that changes from `system` to `developer` still has the same history.
            name = b"s" if role in _SYSTEM_ROLES else role.encode()
            self._running.update(b"m%d:%b%b" % (len(name), name, form))

    def add_answer(self, form: bytes, calls: Sequence[ToolCall], digests: Sequence[str]) -> None:
        """Take the next answer by its form, and by its calls and their digests."""
        if self._results:
            self._end_results()
        self._running.update(form)
        # Results are told by their call's place among the sorted calls.
        if len(calls) == 1 and calls[0].id:
            self._places = {calls[0].id: [0]}
            return
        self._places = {}
        order = sorted(range(len(calls)), key=digests.__getitem__)
        for place, number in enumerate(order):
            call = calls[number]
            self._places.setdefault(call.id or f"name:{name_and_arguments(call)[0]}", []).append(place)

    def add_steps(
        self,
        texts: Sequence[str | None],
        sizes: Sequence[int],
        calls: Sequence[str],
        results: Sequence[str],
        wanted: Container[int],
    ) -> dict[str, int]:
        """Take plain steps in a row, as `add_answer` and `add` do one after the other.

        There is one of `texts` and `sizes` (the number of its calls) for each step, and for each call its digest and
        its result. Return the numbers of those answers that are wanted, by their keys.
        """
        if self._results:
            self._end_results()
        self._places = {}
        data = [result.strip().encode("utf-8", "surrogatepass") for result in results]
        digests: Sequence[str] = calls
        if len(calls) == len(sizes):
            encoded = [b"0:1;%d:%b" % (len(one), one) for one in data]
        else:
            digests, encoded = _sort_calls_by_digest(sizes, calls, data)
        update, digest_so_far = self._running.update, self._running.hexdigest
        keys: dict[str, int] = {}
        for step, (text, size, call, result) in enumerate(zip(texts, sizes, digests, encoded, strict=True)):
            words = text.strip().encode("utf-8", "surrogatepass") if text else b""
            update(b"a%d:0:%d:%b%b" % (len(words), size, words, call.encode()))
            if step in wanted:
                keys[f"turn:{digest_so_far()}"] = step
            update(b"t%d:%b" % (size, result))
        return keys

    def _end_results(self) -> None:
        """Take the results that came since the last answer."""
        if len(self._results) == 1:
            self._running.update(b"t1:%d:%b" % self._results.pop())
        else:
            self._running.update(b"t%d:" % len(self._results))
            for place, form in sorted(self._results):
                self._running.update(b"%d:%b" % (place, form))
            self._results = []

    def key(self) -> str:
        """Return the key of the answer that was added last: the digest of everything up to its end."""
        return f"turn:{self._running.hexdigest()}"

    def key_of_next(self, form: bytes) -> str:
        """Return the key that an answer of this form has behind all messages so far."""
        if self._results:
            self._end_results()
        after = self._running.copy()
        after.update(form)
        return f"turn:{after.hexdigest()}"


def _sort_calls_by_digest(
    sizes: Sequence[int], calls: Sequence[str], results: Sequence[bytes]
) -> tuple[list[str], list[bytes]]:
    """Join each step's call digests in sorted order, and the results of the calls in that same order."""
    digests: list[str] = []
    encoded: list[bytes] = []
    first = 0
    for size in sizes:
        order = sorted(range(first, first + size), key=calls.__getitem__)
        digests.append("".join([calls[call] for call in order]))
        encoded.append(
            b"".join([b"%d:1;%d:%b" % (place, len(results[call]), results[call]) for place, call in enumerate(order)])
        )
        first += size
    return digests, encoded


def _content_form(content: str | list[ContentPart] | None) -> bytes:
    if content is None or isinstance(content, str):
        data = content.strip().encode("utf-8", "surrogatepass") if content else b""
        return b"1;%d:%b" % (len(data), data)
    media = [encode(_medium(part)) for part in content if part.text is None]
    return _frame(as_bytes(text_of(content).strip()), *media)


def _medium(part: ContentPart) -> list[Any]:
    """Return the fields that tell a medium from others."""
    urls = [_url(part.image_url), _url(part.file_url), _url(part.document_url), _url(part.video_url)]
    file, sound = part.file, part.input_audio
    return [
        *[_media_digest(url) if url else None for url in urls],
        [file.file_data, file.file_id, file.file_url] if file else None,
        sound.data if sound else None,
        part.file_id,
        part.file_data,
        part.refusal,
    ]


def _url(given: str | ImageUrl | MediaUrl | None) -> str | None:
    return given if given is None or isinstance(given, str) else given.url
