"""Remote media: what the server must fetch, and what becomes of what it fetched."""

import pytest

from adapter.translate.content.content_parts import file_ids, from_url, parts_of, remote_urls
from adapter.translate.content.media_types import correct_type
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context, Media
from adapter.wire.gemini.content import Blob, FileData, Part
from adapter.wire.openai.chat_request import ChatCompletionRequest, ContentPart, File, ImageUrl, MediaUrl, Message

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
    ]
    assert remote_urls(request(*parts).messages) == [A, B, C, D, "http://example.com/e"]


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
