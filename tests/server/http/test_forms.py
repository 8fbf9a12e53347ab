"""Forms are read as they come, however they are cut, and what is none is told."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.server.http.asgi import BodyTooLarge, ClientGone, CompressedBody
from adapter.server.http.forms import MAX_FIELD, MAX_FIELDS, MalformedForm, NotAForm, read_form

TYPE = b"multipart/form-data; boundary=xyz"


class Taken(bytearray):
    async def write(self, data):
        self.extend(data)


def part(name, data=b"", filename=None, type_=b""):
    told = b'; filename="%b"' % filename if filename is not None else b""
    more = b"Content-Type: %b\r\n" % type_ if type_ else b""
    return b'--xyz\r\nContent-Disposition: form-data; name="%b"%b\r\n%b\r\n%b\r\n' % (name, told, more, data)


def read(body, cuts=(), content_type=TYPE, limit=10**6, **headers):
    """The fields and files of a body that comes in pieces."""
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    scope = {"headers": [(b"content-type", content_type), *((k.encode(), v) for k, v in headers.items())]}
    files = []

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def open_sink(told):
        files.append((told, Taken()))
        return files[-1][1]

    fields = asyncio.run(read_form(scope, receive, limit, open_sink))
    return fields, [(*told, bytes(data)) for told, data in files]


WHOLE = (
    part(b"purpose", b"batch") + part(b"file", b"a\r\n--xy\r\nb", b"a.txt", b"text/plain") + part(b"x", b"1")
    + part(b"x", b"2") + b"--xyz--\r\n"
)  # fmt: skip


@given(st.lists(st.integers(0, 1_000), max_size=8))
def test_a_form_reads_the_same_however_it_is_cut(cuts):
    fields, files = read(WHOLE, cuts)
    assert fields == {"purpose": ["batch"], "x": ["1", "2"]}
    assert files == [("file", "a.txt", "text/plain", b"a\r\n--xy\r\nb")]


@given(st.binary(max_size=300), st.lists(st.integers(0, 1_000), max_size=4))
def test_whatever_a_body_holds_it_is_a_form_or_an_error(body, cuts):
    try:
        read(body, cuts)
    except (MalformedForm, BodyTooLarge):
        return
    assert body.rstrip().startswith(b"--xyz") or b"--xyz" in body


@pytest.mark.parametrize(
    "type_",
    [b"", b"application/json", b"multipart/form-data", b"multipart/mixed; boundary=xyz",
     b"multipart/form-data; boundary=" + b"x" * 71],
)  # fmt: skip
def test_what_is_no_form_is_told(type_):
    with pytest.raises(NotAForm):
        read(WHOLE, content_type=type_)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (WHOLE[:-9], MalformedForm),
        (b"", MalformedForm),
        (b"nothing of a form", MalformedForm),
        (b"--xyz\r\nContent-Type: a/b\r\n\r\nx\r\n--xyz--\r\n", MalformedForm),
        (part(b"x", b"\xff") + b"--xyz--", MalformedForm),
        (part(b"x", b"a" * (MAX_FIELD + 1)) + b"--xyz--", BodyTooLarge),
        (part(b"x") * (MAX_FIELDS + 1) + b"--xyz--", BodyTooLarge),
        (part(b"x", b"a" * MAX_FIELD) * 33 + b"--xyz--", BodyTooLarge),
        (b"--xyz\r\nA: " + b"x" * 100_000, MalformedForm),
    ],
    ids=[
        "no end",
        "nothing",
        "no form",
        "no name",
        "no UTF-8",
        "long field",
        "many fields",
        "much text",
        "long header",
    ],
)
def test_what_a_form_may_not_be(body, error):
    with pytest.raises(error):
        read(body)


def test_a_body_over_the_limit_is_too_large():
    with pytest.raises(BodyTooLarge):
        read(part(b"file", b"x" * 20_000_000, b"a") + b"--xyz--", range(0, 20_000_000, 100_000), limit=1_000)


def test_a_compressed_body_is_refused():
    with pytest.raises(CompressedBody):
        read(WHOLE, **{"content-encoding": b"gzip"})


def test_a_client_that_leaves_ends_it():
    async def disconnect():
        return {"type": "http.disconnect"}

    async def open_sink(told):
        raise AssertionError(told)

    with pytest.raises(ClientGone):
        asyncio.run(read_form({"headers": [(b"content-type", TYPE)]}, disconnect, 10, open_sink))


def test_names_are_utf_8():
    fields, files = read(part("größe".encode(), b"1") + part(b"file", b"x", "ä.txt".encode()) + b"--xyz--")
    assert (list(fields), files[0][1]) == (["größe"], "ä.txt")
