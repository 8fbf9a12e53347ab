"""Forms: however they arrive, whatever they hold."""

import base64
import json
from itertools import pairwise

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.server.http.asgi import BodyTooLarge, ClientGone
from adapter.server.http.byte_budget import ByteBudget, Overloaded
from adapter.server.http.forms import MalformedForm
from adapter.server.media.form import insert_uploads, members_of, read_upload

BOUNDARY = "limit"


class Asked(msgspec.Struct):
    """A request of a form."""

    file: str = ""
    words: list[str] = []
    image: str | list[str] = ""
    options: msgspec.Raw = msgspec.Raw(b"")


def form_of(*parts):
    """A form's bytes: (headers, content) of each part."""
    lines = [f"--{BOUNDARY}\r\n".encode() + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts]
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()


def field(name, content, more=b""):
    return (f'Content-Disposition: form-data; name="{name}"'.encode() + more, content)


def file(name, content, filename="a.png", type_="image/png"):
    return field(name, content, f'; filename="{filename}"\r\nContent-Type: {type_}'.encode())


def scope_of(headers=()):
    type_ = (b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())
    return {"headers": [type_, *headers]}


async def read(body, *, cuts=(), limit=1 << 30, budget=None, headers=(), gone=False):
    places = [0, *sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]
    messages = [{"type": "http.request", "body": one, "more_body": True} for one in pieces]
    messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""})
    left = iter(messages)

    async def receive():
        return next(left)

    return await read_upload(scope_of(headers), receive, limit, budget or ByteBudget(1 << 30))


@given(st.binary(max_size=300), st.lists(st.integers(0, 1_000), max_size=20), st.text(max_size=30))
async def test_a_form_is_the_same_in_whatever_pieces_it_comes(content, cuts, text):
    form = await read(form_of(field("words", text.encode()), file("file", content)), cuts=cuts)
    assert form.fields == {"words": [text], "file": ["upload:0"]}
    upload = form.uploads[0]
    assert base64.b64decode(b"".join(upload.pieces), validate=True) == content
    assert (upload.size, upload.read(0, 1_000)) == (len(content), content)


async def test_files_may_come_before_and_behind_the_other_fields():
    form = await read(
        form_of(file("file", b"abc"), field("words[]", b"x"), file("image[]", b"d"), field("words[]", b"y"))
    )
    assert json.loads(form.body(Asked)) == {"file": "upload:0", "words": ["x", "y"], "image": ["upload:1"]}
    assert set(form.media()) == {"upload:0", "upload:1"}
    assert json.loads(form.describe())["file"] == {"filename": "a.png", "type": "image/png", "bytes": 3}


@pytest.mark.parametrize(
    ("fields", "members"),
    [
        ({"words": ["x"]}, {"words": ["x"]}),
        ({"image": ["x"]}, {"image": "x"}),
        ({"image": ["x", "y"]}, {"image": ["x", "y"]}),
        ({"image": ["x"], "image[]": ["y"]}, {"image": ["x", "y"]}),
        ({"image[0]": ["x"], "image[1]": ["y"]}, {"image": ["x", "y"]}),
        ({"options[type]": ["vad"], "options[ms]": ["3"]}, {"options": {"type": "vad", "ms": "3"}}),
        ({"strange": ["x"]}, {"strange": "x"}),
    ],
)
def test_names_say_what_is_a_list_and_what_an_object(fields, members):
    assert members_of(fields, Asked) == members


@pytest.mark.parametrize("names", [("o", "o[a]"), ("o[a]", "o")])
def test_what_is_an_object_and_a_text_is_refused(names):
    with pytest.raises(MalformedForm, match="both an object and another value"):
        members_of({name: ["x"] for name in names}, Asked)


@pytest.mark.parametrize(
    ("filename", "type_", "content", "found"),
    [
        ("a.png", "image/png", b"", "image/png"),
        ("a.jpg", "image/jpg", b"", "image/jpeg"),
        ("a.webm", "application/octet-stream", b"\x1aE\xdf\xa3", "audio/webm"),
        ("a.m4a", "application/octet-stream", b"", "audio/m4a"),
        ("blob", "application/octet-stream", b"fLaC", "audio/flac"),
        ("blob", "application/octet-stream", b"?", "application/octet-stream"),
    ],
)
async def test_a_type_that_tells_nothing_is_told_by_name_or_content(filename, type_, content, found):
    form = await read(form_of(file("file", content, filename, type_)))
    assert form.uploads[0].mime_type == found


async def test_a_form_that_is_cut_short_holds_nothing():
    budget = ByteBudget(1 << 20)
    with pytest.raises(MalformedForm):
        await read(form_of(file("file", bytes(900)))[:-20], budget=budget)
    budget.reserve(1 << 20)


async def test_what_is_too_large_is_refused_as_it_comes_and_by_its_head():
    budget = ByteBudget(1 << 30)
    with pytest.raises(BodyTooLarge):
        await read(form_of(file("file", bytes(30 << 20))), limit=500, budget=budget)
    with pytest.raises(BodyTooLarge):
        await read(b"", limit=500, headers=[(b"content-length", b"2000000")])
    with pytest.raises(Overloaded):
        await read(form_of(file("file", bytes(1_000))), budget=ByteBudget(500))
    with pytest.raises(ClientGone):
        await read(form_of(file("file", bytes(1_000)))[:50], gone=True)
    budget.reserve(1 << 30)


async def test_data_stand_in_the_request_in_place_of_their_names():
    form = await read(form_of(file("image", b"abc"), file("image", b"defg")))
    text = 'Say "data":"upload:1"'
    body = json.dumps([{"data": "upload:0"}, {"text": text}, {"data": "upload:1"}], separators=(",", ":")).encode()
    joined = json.loads(b"".join(insert_uploads(body, form.contents)))
    assert joined == [{"data": "YWJj"}, {"text": text}, {"data": "ZGVmZw=="}]


async def test_what_a_real_client_sends_is_read():
    request = httpx2.Request(
        "POST", "http://x/", data={"words": "größer"}, files={"file": ("ü.png", b"abc", "image/png")}
    )
    type_ = request.headers["content-type"].encode()
    messages = iter([{"type": "http.request", "body": request.read()}])

    async def receive():
        return next(messages)

    form = await read_upload({"headers": [(b"content-type", type_)]}, receive, 1 << 20, ByteBudget(1 << 20))
    assert form.fields == {"words": ["größer"], "file": ["upload:0"]}
    assert form.uploads[0].size == 3
