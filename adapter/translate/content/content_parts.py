"""Content parts there: text, images, audio, video and files to Gemini's parts.

Base64 is never decoded here: it travels as the string it came as, and large data is only looked at from both ends.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from adapter.translate.content.media_types import AUDIO_FORMATS, MIME_TYPES, correct_type, guess
from adapter.translate.core.context import Context, Media
from adapter.translate.core.kinds import PARTS
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.wire.base import present
from adapter.wire.gemini.content import Blob, FileData, Part, PartMediaResolution
from adapter.wire.openai.chat_request import THOUGHTS, ContentPart, MediaUrl, Message

FILES_API = "https://generativelanguage.googleapis.com/v1beta/"

_MIME_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]*/[\w.+-]+", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_LOOKED_AT = 4_096

MAX_URL = 8_192
"""Characters of a URL that is no data URL; signed ones have some thousand."""

_YOUTUBE = re.compile(r"https?://(www\.|m\.)?(youtube\.com/(watch|shorts|live|embed)|youtu\.be/)")

_DETAIL = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "original": "MEDIA_RESOLUTION_ULTRA_HIGH"}
"""OpenAI's `detail` as Gemini's resolution of one part; `auto` is the default of both."""


class Converted(NamedTuple):
    """Gemini's parts and the losses, by path inside the content part."""

    parts: list[Part]
    notes: list[Note]


def loss_note(path: str, code: str, reason: str) -> Note:
    """Return a note that something does not arrive."""
    return Note(path, Fate.DROPPED, code, reason)


def parts_of(content: list[ContentPart], path: str, context: Context, notes: list[Note]) -> list[Part]:
    """Return Gemini's parts for a message's; empty texts are left out. Raises `Rejected` for unknown types."""
    result: list[Part] = []
    for index, part in enumerate(content):
        at = f"{path}[{index}]"
        convert = _CONVERT.get(part.type)
        if convert is None:
            raise Rejected(
                f"{at}.type",
                "content-unsupported",
                f"content parts of type {part.type!r} have no place in a Gemini request",
            )
        parts, inner = convert(part, at, context)
        result.extend(parts)
        notes.extend(inner)
        notes.extend(_cache_hints(part, at))
        notes.extend(PARTS.notes(part, at))
        if part.detail not in (None, "auto") and part.type in _FILES:
            notes.append(loss_note(f"{at}.detail", "image-detail-ignored", "Gemini takes no resolution for a file"))
    return result


def sources_of(content: list[ContentPart], path: str, context: Context) -> list[str]:
    """Return the content part's path for each of Gemini's parts (see `parts_of`)."""
    made = [len(parts_of([part], path, context, [])) for part in content]
    return [f"{path}[{index}]" for index, count in enumerate(made) for _ in range(count)]


def _cache_hints(part: ContentPart, path: str) -> list[Note]:
    """Return the notes on hints for a cache, which any content part may hold."""
    reason = "Gemini finds reusable prefixes itself (implicit caching)"
    return [
        loss_note(f"{path}.{name}", "cache-hint-ignored", reason) for name in _CACHING if present(getattr(part, name))
    ]


_FILES = ("file", "input_file", "file_url")

_CACHING = ("prompt_cache_breakpoint", "cache_control")


def _text(part: ContentPart, path: str, _: Context) -> Converted:
    if not part.text:
        return Converted([], [loss_note(f"{path}.text", "empty-content-dropped", "Gemini takes no empty text")])
    return Converted([Part(text=part.text)], [])


def _refusal(part: ContentPart, path: str, _: Context) -> Converted:
    note = Note(
        f"{path}.refusal", Fate.APPROXIMATED, "refusal-as-text", "Gemini has no refusals: sent as the model's text"
    )
    return Converted([Part(text=part.refusal)], [note]) if part.refusal else Converted([], [])


def _thinking(_: ContentPart, path: str, __: Context) -> Converted:
    return Converted(
        [], [loss_note(path, "thoughts-not-replayed", "thoughts are not sent back: the signatures stand for them")]
    )


def _url_of(value: str | MediaUrl | None) -> str | None:
    """Return a URL that is a text or inside an object."""
    return value.url if isinstance(value, MediaUrl) else value


def _document(part: ContentPart, path: str, context: Context) -> Converted:
    """Return a document by URL, as Mistral's clients write it (docs.mistral.ai, document understanding, 2026)."""
    url = _url_of(part.document_url)
    if not url:
        raise Rejected(f"{path}.document_url", "value-missing", "the document has no URL")
    notes = (
        [loss_note(f"{path}.document_name", "file-name-dropped", "Gemini takes no file names")]
        if part.document_name
        else []
    )
    parts, inner = from_url(url, f"{path}.document_url", context)
    return Converted(parts, inner + notes)


def _image(part: ContentPart, path: str, context: Context) -> Converted:
    image = part.image_url
    url, detail = (image.url, image.detail) if image and not isinstance(image, str) else (image, part.detail)
    if not isinstance(url, str) or not url:
        if part.file_id:
            return _by_id(part.file_id, f"{path}.file_id", context)
        raise Rejected(f"{path}.image_url", "value-missing", "the image has no URL")
    at = f"{path}.image_url.url" if not isinstance(image, str) else f"{path}.image_url"
    parts, notes = from_url(url, at, context)
    place = f"{path}.detail" if isinstance(image, str) else f"{path}.image_url.detail"
    resolution, lost_detail = _resolution(detail, place, context)
    for item in parts:
        item.media_resolution = resolution
    return Converted(parts, notes + lost_detail)


def _resolution(detail: str | None, path: str, context: Context) -> tuple[PartMediaResolution | None, list[Note]]:
    if detail is None or detail == "auto":
        return None, []
    level = _DETAIL.get(detail)
    if level is None:
        return None, [loss_note(path, "image-detail-ignored", f"{detail!r} is not a level of detail")]
    if not context.capabilities.part_media_resolution:
        return None, [loss_note(path, "image-detail-ignored", "the model takes no resolution for a single image")]
    return PartMediaResolution(level=level), []


def _audio(part: ContentPart, path: str, _: Context) -> Converted:
    if part.input_audio is None:
        raise Rejected(f"{path}.input_audio", "value-missing", "the part has no audio")
    data, format_ = part.input_audio.data, part.input_audio.format or "wav"
    name = format_.lower().removeprefix("audio/")
    mime_type = AUDIO_FORMATS.get(name) or MIME_TYPES.get(name, f"audio/{name}")
    if _is_data_url(data):
        parts, notes = _data_url(data, f"{path}.input_audio.data", "")
        blob = parts[0].inline_data
        if part.input_audio.format and blob is not None and blob.mime_type != mime_type:
            reason = f"the data say that they are {blob.mime_type}"
            notes = [*notes, loss_note(f"{path}.input_audio.format", "field-overruled", reason)]
        return Converted(parts, notes)
    return _in_line(mime_type, data, f"{path}.input_audio.data", "")


def _video(part: ContentPart, path: str, context: Context) -> Converted:
    if part.video_url is None:
        raise Rejected(f"{path}.video_url", "value-missing", "the video has no URL")
    return from_url(part.video_url.url, f"{path}.video_url.url", context)


def _file(part: ContentPart, path: str, context: Context) -> Converted:
    file = part.file
    data = file.file_data if file else part.file_data
    name = file.filename if file else part.filename
    url = file.file_url if file else _url_of(part.file_url)
    file_id = file.file_id if file else part.file_id
    at = f"{path}.file" if file else path
    if data:
        return _file_data(data, name, file.format if file else None, at, context)
    if url:
        return from_url(url, f"{at}.file_url", context)
    if file_id:
        return _by_id(file_id, f"{at}.file_id", context)
    raise Rejected(at, "value-missing", "the file has neither data nor an id nor a URL")


def _file_data(data: str, name: str | None, format_: str | None, path: str, context: Context) -> Converted:
    notes = [loss_note(f"{path}.filename", "file-name-dropped", "Gemini takes no file names")] if name else []
    if _is_data_url(data) or data.startswith(("http://", "https://")):
        parts, inner = from_url(data, f"{path}.file_data", context, name or "")
        return Converted(parts, inner + notes)
    mime_type = (format_ if format_ and "/" in format_ else None) or guess(name or "")
    if mime_type is None:
        raise Rejected(
            f"{path}.filename",
            "value-missing",
            "a file needs a known extension in its name, or a data URL with its type",
        )
    parts, inner = _in_line(mime_type, data, f"{path}.file_data", name or "")
    return Converted(parts, inner + notes)


def _by_id(file_id: str, path: str, context: Context) -> Converted:
    if (media := context.media.get(file_id)) is not None:
        return Converted([_part_of(media)], [])
    if file_id.startswith("files/"):
        file_id = FILES_API + file_id
    if "://" not in file_id:
        reason = "neither a file that is stored here (file-...) nor one of Gemini's Files API (files/..., or its URI)"
        raise Rejected(path, "file-unknown", reason)
    return Converted([Part(file_data=FileData(file_uri=file_id))], [])


def _part_of(media: Media) -> Part:
    """Return the part for a file that is at hand."""
    if media.uri:
        return Part(file_data=FileData(mime_type=media.mime_type, file_uri=media.uri))
    return Part(inline_data=Blob(mime_type=media.mime_type, data=media.data))


def _is_data_url(url: str) -> bool:
    return url[:5].lower() == "data:"


def from_url(url: str, path: str, context: Context, name: str = "") -> Converted:
    """Return the part for a URL: data in line, a fetched file, or a reference for Gemini.

    `name` is the file's, which may tell its type.
    """
    if _is_data_url(url):
        return _data_url(url, path, name)
    if len(url) > MAX_URL:
        raise Rejected(path, "limit-exceeded", f"the URL has more than {MAX_URL} characters")
    if (media := context.media.get(url)) is not None:
        return Converted([_part_of(media)], [])
    if _YOUTUBE.match(url):
        return Converted([Part(file_data=FileData(mime_type="video/mp4", file_uri=url))], [])
    if url.startswith((FILES_API, "files/", FILE_ID)):
        return _by_id(url, path, context)
    if url.startswith("gs://"):
        mime_type = guess(url)
        if mime_type is None:
            raise Rejected(path, "value-missing", "a gs:// URL needs an extension that tells its type")
        return Converted([Part(file_data=FileData(mime_type=mime_type, file_uri=url))], [])
    if url.startswith(("http://", "https://")):
        return _remote(url, path, context)
    raise Rejected(path, "media-unreachable", "neither a data URL nor http(s), gs:// or a file of Gemini's Files API")


def _remote(url: str, path: str, context: Context) -> Converted:
    if not context.capabilities.file_urls or not url.startswith("https://"):
        raise Rejected(
            path, "media-unreachable", "Gemini does not fetch this URL: send a data URL, or set ADAPTER_FETCH_MEDIA"
        )
    note = Note(
        path,
        Fate.APPROXIMATED,
        "media-by-reference",
        "not fetched here (ADAPTER_FETCH_MEDIA is off): Gemini fetches the URL",
    )
    return Converted([Part(file_data=FileData(mime_type=guess(url), file_uri=url))], [note])


def _data_url(url: str, path: str, name: str) -> Converted:
    head, comma, data = url.partition(",")
    mime_type, *parameters = head[len("data:") :].lower().split(";")
    if not comma or "base64" not in parameters:
        raise Rejected(path, "malformed-value", "not a data URL of the form data:TYPE;base64,DATA")
    if not data:
        raise Rejected(path, "malformed-value", "the data URL holds no data")
    return _in_line(mime_type, data, path, name)


def _in_line(mime_type: str, data: str, path: str, name: str) -> Converted:
    """Return a part with data in line, under the registered name of its type."""
    registered = correct_type(mime_type, name, data)
    if not registered:
        raise Rejected(path, "malformed-value", "the data URL does not tell its media type")
    part = Part(inline_data=_blob(registered, data, path))
    if registered == mime_type:
        return Converted([part], [])
    reason = f"{mime_type or 'no type'}: sent as {registered}"
    return Converted([part], [Note(path, Fate.APPROXIMATED, "media-type-corrected", reason)])


def _blob(mime_type: str, data: str, path: str) -> Blob:
    """Return data in line. Raises `Rejected` for what cannot be base64, of either alphabet, padded or not."""
    if not _MIME_TYPE.fullmatch(mime_type):
        raise Rejected(path, "malformed-value", "this is not a media type")
    data = _tidy(data)
    seen = data if len(data) <= 2 * _LOOKED_AT else data[:_LOOKED_AT] + data[-_LOOKED_AT:]
    padding = len(seen) - len(seen.rstrip("="))
    if not _BASE64.fullmatch(seen) or (len(data) - padding) % 4 == 1 or (padding and len(data) % 4):
        raise Rejected(path, "malformed-value", "the data is not base64")
    return Blob(mime_type=mime_type, data=data)


def _tidy(data: str) -> str:
    """Remove line breaks (RFC 2045) and percent-encoding (github.com/nearai/ironclaw/issues/4902) from base64."""
    seen = data[:_LOOKED_AT] + data[-_LOOKED_AT:]
    if "%" in seen:
        for encoded, character in _PERCENT.items():
            data = data.replace(encoded, character).replace(encoded.lower(), character)
    return data.translate(_BREAKS) if "\n" in seen or "\r" in seen or "\t" in seen else data


_BREAKS = str.maketrans("", "", "\r\n\t")
_PERCENT = {"%2B": "+", "%2F": "/", "%3D": "=", "%0A": "", "%0D": ""}


def file_ids(messages: Iterable[Message]) -> list[str]:
    """Return the ids of stored files that messages name, each once."""
    lists = [message.content for message in messages if isinstance(message.content, list)]
    if not lists:
        return []
    named = (part.file.file_id if part.file else part.file_id for parts in lists for part in parts)
    return list(dict.fromkeys(one for one in named if one and one.startswith(FILE_ID)))


FILE_ID = "file-"
"""The prefix of stored files' ids."""


def remote_urls(messages: Iterable[Message]) -> list[str]:
    """Return the http(s) URLs that a server which fetches media has to fetch for these messages."""
    return [
        url
        for message in messages
        if isinstance(message.content, list)
        for part in message.content
        for url in _urls(part)
        if is_remote(url)
    ]


def is_remote(url: str) -> bool:
    """Return whether a server which fetches media has to fetch this URL."""
    return url.startswith(("http://", "https://")) and not _YOUTUBE.match(url) and not url.startswith(FILES_API)


def _urls(part: ContentPart) -> list[str]:
    image = part.image_url
    urls = [image if isinstance(image, str) else image.url if image else None]
    urls += [_url_of(part.file_url), _url_of(part.document_url)]
    urls += [part.file.file_url, part.file.file_data] if part.file else [part.file_data]
    urls.append(part.video_url.url if part.video_url else None)
    return [url for url in urls if url]


_CONVERT: dict[str, Callable[[ContentPart, str, Context], Converted]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "input_image": _image,
    "input_audio": _audio,
    "file": _file,
    "input_file": _file,
    "file_url": _file,
    "video_url": _video,
    "document_url": _document,
    **dict.fromkeys(THOUGHTS, _thinking),
}
