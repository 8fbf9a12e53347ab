"""Remote media: what the server must fetch, and what becomes of what it fetched."""

import base64

import pytest

from adapter.translate.content.content_parts import file_ids, from_url, parts_of, remote_urls
from adapter.translate.content.media_types import correct_type, guess, sniff_type
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context, Media
from adapter.translate.core.notes import Rejected
from adapter.wire.gemini.content import Blob, FileData, Part
from adapter.wire.openai.chat_request import (
    ChatCompletionRequest,
    ContentPart,
    File,
    ImageUrl,
    InputAudio,
    MediaUrl,
    Message,
)

A, B, C, D = (f"https://example.com/{name}" for name in "abcd")


def request(*parts):
    messages = [Message(role="system", content="hi"), Message(role="user", content=list(parts))]
    return ChatCompletionRequest(model="m", messages=messages)


def test_the_urls_of_all_kinds_of_parts_are_fetched():
    parts = [
        ContentPart(type="image_url", image_url=ImageUrl(url=A)),
        ContentPart(type="input_image", image_url=B),
        ContentPart(type="input_file", file_url=C),
        ContentPart(type="file", file=File(file_url=D)),
        ContentPart(type="video_url", video_url=MediaUrl(url="http://example.com/e")),
        ContentPart(type="text", text=A),
        ContentPart(type="document_url", document_url="https://example.com/f"),
        ContentPart(type="document_url", document_url=MediaUrl(url="https://example.com/g")),
        ContentPart(type="file", file=File(file_data="https://example.com/h")),
        ContentPart(type="input_file", file_data="https://example.com/i"),
        ContentPart(type="file_url", file_url=MediaUrl(url="https://example.com/j")),
    ]
    others = [f"https://example.com/{name}" for name in "fghij"]
    assert remote_urls(request(*parts).messages) == [A, B, C, D, "http://example.com/e", *others]


def test_what_gemini_reads_itself_is_not_fetched():
    urls = [
        "data:image/png;base64,AAAA",
        "https://www.youtube.com/watch?v=x",
        "https://generativelanguage.googleapis.com/v1beta/files/x",
        "gs://bucket/x.png",
    ]
    assert (
        remote_urls(request(*(ContentPart(type="image_url", image_url=ImageUrl(url=url)) for url in urls)).messages)
        == []
    )


def test_fetched_media_goes_in_line():
    row = ModelCapabilities(pattern="*", source="test", date="2026-11-24", file_urls=False)
    context = Context(request=request(), capabilities=row, media={A: Media("image/png", "AAAA")})
    part = Part(inline_data=Blob(mime_type="image/png", data="AAAA"))
    assert from_url(A, "[0]", context) == ([part], [])


@pytest.mark.parametrize(
    ("mime_type", "name", "data", "found"),
    [
        ("application/octet-stream", "a.png", "", "image/png"),
        ("application/octet-stream", "", "iVBORw0KGgo=", "image/png"),
        ("application/octet-stream", "", "JVBERi0xLjQ", "application/pdf"),
        ("application/octet-stream", "", "A", "application/octet-stream"),
        ("", "a", "", ""),
        ("image/jpg", "a.png", "", "image/jpeg"),
    ],
)
def test_a_type_that_tells_nothing_is_that_of_the_name_or_of_the_first_bytes(mime_type, name, data, found):
    assert correct_type(mime_type, name, data) == found


EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg jpeg",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/gif": "gif",
    "audio/wav": "wav wave",
    "audio/mp3": "mp3",
    "audio/aiff": "aiff",
    "audio/aac": "aac",
    "audio/ogg": "ogg oga",
    "audio/flac": "flac",
    "audio/m4a": "m4a",
    "audio/opus": "opus",
    "audio/pcm": "pcm16",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "mov",
    "video/x-msvideo": "avi",
    "video/webm": "webm",
    "video/wmv": "wmv",
    "video/3gpp": "3gp",
    "video/x-flv": "flv",
    "application/pdf": "pdf",
    "application/json": "json",
    "text/plain": "txt",
    "text/md": "md",
    "text/html": "html",
    "text/css": "css",
    "text/csv": "csv",
    "text/xml": "xml",
    "text/rtf": "rtf",
    "text/x-python": "py",
    "text/javascript": "js",
}
"""The types that Google lists (ai.google.dev: image, audio, video and document understanding, 2026-09)."""

ALIASES = {
    "image/jpeg": "image/jpg image/pjpeg",
    "image/png": "image/x-png",
    "audio/wav": "audio/x-wav audio/wave audio/vnd.wave audio/x-pn-wav",
    "audio/ogg": "audio/oga",
    "audio/m4a": "audio/x-m4a",
    "audio/flac": "audio/x-flac",
    "audio/aac": "audio/x-aac",
    "audio/aiff": "audio/x-aiff",
    "audio/mp3": "audio/x-mp3",
    "application/pdf": "application/x-pdf",
    "text/md": "text/x-markdown text/markdown",
}

BEGINNINGS = {
    "image/png": "iVBORw0KGgo",
    "image/jpeg": "/9j/4AAQSkZJRg",
    "image/gif": "R0lGODlhAQABAIAAAAUEBA",
    "image/webp": "UklGRhoAAABXRUJQVlA4",
    "image/heic": "AAAAJGZ0eXBoZWlj",
    "application/pdf": "JVBERi0xLjcK",
    "audio/wav": "UklGRiQAAABXQVZFZm10",
    "audio/mp3": "SUQzBAAAAAAA",
    "audio/ogg": "T2dnUwACAAAAAAAA",
    "audio/flac": "ZkxhQwAAACI",
    "audio/m4a": "AAAAIGZ0eXBNNEEg",
    "video/mp4": "AAAAIGZ0eXBpc29t",
    "video/webm": "GkXfo59ChoEB",
}
"""The first bytes of files, in base64."""


def test_each_extension_stands_for_the_type_that_google_lists():
    found = {
        extension: guess(f"https://e.x/a.b/c.0.{extension}?d=e.f#g")
        for extension in " ".join(EXTENSIONS.values()).split()
    }
    assert found == {extension: type_ for type_, all_of_it in EXTENSIONS.items() for extension in all_of_it.split()}
    assert guess("a.PNG") == "image/png"
    assert guess("png") is guess("a.b/png") is guess("a.exe") is None


def test_names_that_gemini_refuses_become_the_registered_ones():
    for registered, names in ALIASES.items():
        for name in [registered, *names.split()]:
            assert correct_type(name, "a.txt", BEGINNINGS["video/webm"]) == registered


def test_a_type_that_tells_nothing_is_told_by_the_first_bytes():
    for untold in ("", "application/octet-stream", "binary/octet-stream", "application/binary"):
        for type_, data in BEGINNINGS.items():
            assert correct_type(untold, "a", data) == type_, data
    assert sniff_type("-_-_") is None
    assert sniff_type(BEGINNINGS["image/jpeg"].replace("/", "_")) == "image/jpeg"
    assert sniff_type("A") is None


def test_the_format_of_a_sound_is_no_film():
    for format_, mime_type in {
        "webm": "audio/webm",
        "mp4": "audio/mp4",
        "mpeg": "audio/mpeg",
        "mpga": "audio/mpeg",
        "audio/WAV": "audio/wav",
        "mp3": "audio/mp3",
        "x-new": "audio/x-new",
        "": "audio/wav",
    }.items():
        sound = ContentPart(type="input_audio", input_audio=InputAudio(data="AAAA", format=format_))
        [part] = parts_of([sound], "content", Context(request=request(), capabilities=ROW), [])
        assert part.inline_data.mime_type == mime_type


ROW = ModelCapabilities(pattern="*", source="test", date="2026-11-24", file_urls=True)


def data_of(url):
    """The data that Gemini gets for a URL of an image."""
    [part], _ = from_url(url, "[0]", Context(request=request(), capabilities=ROW))
    return part.inline_data.data if part.inline_data else part.file_data.file_uri


@pytest.mark.parametrize("size", [3, 3_000, 6_144, 6_145, 30_000, 30_001])
def test_data_of_any_size_is_sent_as_it_is_and_without_the_breaks_at_either_end(size):
    data = base64.b64encode(bytes(number % 256 for number in range(size))).decode()
    assert data_of(f"data:image/png;base64,{data}") == data
    for broken in (f"{data[:2]}\r\n{data[2:]}", f"{data[:-2]}\n{data[-2:]}", data.replace("=", "%3d")):
        assert data_of(f"data:image/png;base64,{broken}") == data


@pytest.mark.parametrize("size", [12, 3_000, 30_000])
def test_data_that_are_no_base64_at_their_beginning_or_end_are_refused(size):
    data = "A" * size
    for bad in (f"!{data[1:]}", f"{data[:-1]}!", f"{data}A", f"{data[:-1]}A=", f"{data}==="):
        with pytest.raises(Rejected, match="not base64"):
            data_of(f"data:image/png;base64,{bad}")


def test_a_url_may_have_8192_characters_and_no_more():
    longest = "https://example.com/a.png?".ljust(8_192, "a")
    assert data_of(longest) == longest
    with pytest.raises(Rejected, match="more than 8192 characters"):
        data_of(f"{longest}a")


def test_the_ids_of_stored_files_are_found_each_once():
    parts = [
        ContentPart(type="file", file=File(file_id="file-1")),
        ContentPart(type="input_file", file_id="file-2"),
        ContentPart(type="input_image", file_id="file-1"),
        ContentPart(type="file", file=File(file_id="files/3")),
        ContentPart(type="text", text="file-4"),
    ]
    assert file_ids(request(*parts).messages) == ["file-1", "file-2"]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (Media("image/png", "AAAA"), Part(inline_data=Blob(mime_type="image/png", data="AAAA"))),
        (Media("image/png", uri="u"), Part(file_data=FileData(mime_type="image/png", file_uri="u"))),
    ],
)
def test_a_stored_file_is_in_line_or_a_copy_at_gemini(media, part):
    row = ModelCapabilities(pattern="*", source="test", date="2026-11-24")
    context = Context(request=request(), capabilities=row, media={"file-1": media})
    named_by = [
        ContentPart(type="file", file=File(file_id="file-1")),
        ContentPart(type="input_image", file_id="file-1"),
    ]
    for named in named_by:
        assert parts_of([named], "content", context, []) == [part]
