"""Digests of what a history says, the same for every way in which clients keep it.

A call is its name and its arguments as canonical JSON: white space, the order of keys and the spelling of numbers do
not count. An answer is its text, its images and its calls. A prefix is every message up to a place: roles, texts
(joined, without outer white space; null is empty), calls, results by their call and their text, media by content. Ids,
signatures, reasoning and unknown fields do not count, nor does the order of parallel calls and of their results.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import orjson

from adapter.wire.base import encode
from adapter.wire.json_counts import is_within
from adapter.wire.limits import DEFAULTS
from adapter.wire.openai.chat_request import ContentPart, ImageUrl, MediaUrl, Message, ToolCall

_SIZE = 16
_RESULT_ROLES = ("tool", "function")
_SYSTEM_ROLES = ("system", "developer")


def digest(pieces: Iterable[bytes]) -> bytes:
    """A digest of several pieces, each with its length in front."""
    return blake2b(b"".join([b"%d:%b" % (len(piece), piece) for piece in pieces]), digest_size=_SIZE).digest()


def as_bytes(text: str) -> bytes:
    """A text's bytes, whatever it holds."""
    return text.encode("utf-8", "surrogatepass")


def canonical_json(arguments: str) -> bytes:
    """Arguments with sorted keys, no white space and numbers spelled alike.

    Text that is not JSON stays as it is, and so does text with more values than any call has.
    """
    if not is_within(arguments, DEFAULTS.json_values):
        return as_bytes(arguments)
    try:
        value = orjson.loads(arguments or "{}")
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return orjson.dumps(_integral(value), option=orjson.OPT_SORT_KEYS) if b".0" in data else data
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return as_bytes(arguments)


def _integral(value: Any) -> Any:
    """JSON has one kind of number: `1.0` is `1`."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else value
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return [_integral(item) for item in value] if isinstance(value, list) else value


def call_digest(name: str, arguments: str) -> str:
    """The digest of a call by what it means."""
    return digest((as_bytes(name), canonical_json(arguments))).hex()


def call_spelling(name: str, arguments: str) -> str:
    """The digest of a call as it is spelled."""
    return digest((as_bytes(name), as_bytes(arguments))).hex()


def name_and_arguments(call: ToolCall) -> tuple[str, str]:
    """The name and the arguments of a call; a custom tool's are its input."""
    if call.custom is not None:
        return call.custom.name or "", call.custom.input or ""
    function = call.function
    return (function.name or "", function.arguments or "") if function is not None else ("", "")


def calls_of(message: Message) -> list[ToolCall]:
    """A message's calls, the deprecated `function_call` included."""
    if message.tool_calls:
        return message.tool_calls
    return [ToolCall(type="function", function=message.function_call)] if message.function_call else []


def text_of(content: str | list[ContentPart] | None) -> str:
    """The text of a message's content."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join([part.text or "" for part in content])


def image_urls(message: Message) -> list[str]:
    """The URLs of an answer's images."""
    return [image.image_url.url for image in message.images or () if image.image_url]


def answer_digest(text: str, images: Iterable[str], calls: Iterable[str]) -> str:
    """The digest of an answer by its text, its images' URLs, and the digests of its calls in any order."""
    return _answer(text, images, calls).hex()


def _answer(text: str, images: Iterable[str], calls: Iterable[str]) -> bytes:
    media = [_media_digest(url) for url in images]
    return digest((as_bytes(text.strip()), b"".join(media), "".join(sorted(calls)).encode()))


def _media_digest(url: str) -> bytes:
    """The digest of a medium by its content, whatever type a data URL gives it."""
    head, comma, data = url.partition(",")
    return digest((as_bytes(data if comma and head[:5].lower() == "data:" else url),))


class PrefixDigest:
    """A running digest over the messages of a history: `add` takes the next one, `key` names an answer after them."""

    def __init__(self) -> None:
        self._running = blake2b(digest_size=_SIZE)
        self._places: dict[str, list[int]] = {}
        self._results: list[bytes] = []
        self._asked = False

    def add(self, message: Message, calls: Sequence[str] = ()) -> None:
        """Take the next message; of an assistant's the digests of its calls."""
        if message.role in _RESULT_ROLES:
            self._results.append(self._result(message))
            return
        self._end_results()
        if message.role == "assistant":
            self._remember_places(message, calls)
            text = text_of(message.content) or message.refusal or ""
            self._update(b"a", _answer(text, image_urls(message), calls))
        else:
            role = b"s" if message.role in _SYSTEM_ROLES else message.role.encode()
            self._update(role, _content_digest(message.content))

    def _update(self, role: bytes, content: bytes) -> None:
        self._running.update(b"%d:%b%b" % (len(role), role, content))

    def _remember_places(self, message: Message, calls: Sequence[str]) -> None:
        """Results are told by their call's place among the sorted calls."""
        order = sorted(range(len(calls)), key=calls.__getitem__)
        asked = calls_of(message)
        self._places = {}
        for place, number in enumerate(order):
            call = asked[number]
            self._places.setdefault(call.id or f"name:{name_and_arguments(call)[0]}", []).append(place)

    def _result(self, message: Message) -> bytes:
        places = self._places.get(message.tool_call_id or f"name:{message.name}")
        place = places.pop(0) if places else len(self._results)
        return b"%08d" % place + _content_digest(message.content)

    def _end_results(self) -> None:
        if self._results:
            self._update(b"t", digest(sorted(self._results)))
            self._results = []

    def key(self, answer: str) -> str:
        """The key of an answer, given by its own digest, behind all messages so far."""
        self._end_results()
        after = self._running.copy()
        after.update(answer.encode())
        return f"turn:{after.hexdigest()}"


def _content_digest(content: str | list[ContentPart] | None) -> bytes:
    if content is None or isinstance(content, str):
        return digest((as_bytes((content or "").strip()),))
    media = [encode(_medium(part)) for part in content if part.text is None]
    return digest((as_bytes(text_of(content).strip()), *media))


def _medium(part: ContentPart) -> list[Any]:
    """What tells a medium from others."""
    urls = [_url(part.image_url), _url(part.file_url), _url(part.document_url), _url(part.video_url)]
    file, sound = part.file, part.input_audio
    return [
        *[_media_digest(url).hex() if url else None for url in urls],
        [file.file_data, file.file_id, file.file_url] if file else None,
        sound.data if sound else None,
        part.file_id,
        part.file_data,
        part.refusal,
    ]


def _url(given: str | ImageUrl | MediaUrl | None) -> str | None:
    return given if given is None or isinstance(given, str) else given.url
