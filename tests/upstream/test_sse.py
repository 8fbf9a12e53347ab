import json
from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.upstream.errors import UpstreamProtocolError
from adapter.upstream.sse import EventDecoder


def decode(*chunks, limit=1_000_000):
    decoder = EventDecoder(limit)
    payloads = [payload for chunk in chunks for payload in decoder.feed(chunk)]
    return payloads + decoder.close()


def pieces(body, cuts):
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


STREAMS = {
    "Google's own": (b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\n', [b'{"a": 1}', b'{"b": 2}']),
    "LF": (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
    "CR": (b"data: 1\r\rdata: 2\r\r", [b"1", b"2"]),
    "mixed ends": (b"data: 1\r\n\ndata: 2\r\r\n", [b"1", b"2"]),
    "no space": (b"data:1\n\n", [b"1"]),
    "only one space goes": (b"data:  1\n\n", [b" 1"]),
    "several data lines": (b"data: {\ndata:  1\ndata: }\n\n", [b"{\n 1\n}"]),
    "other fields": (b"event: x\nid: 3\nretry: 7\ndata: 1\nunknown\nunknown: y\n\n", [b"1"]),
    "comments": (b": hello\n\n:\ndata: 1\n: in between\n\n", [b"1"]),
    "byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
    "no blank line at the end": (b"data: 1\n\ndata: 2\n", [b"1", b"2"]),
    "no line end at the end": (b"data: 1\n\ndata: 2", [b"1", b"2"]),
    "empty events": (b"data\n\ndata:\n\ndata: 1\n\n\n\n", [b"1"]),
    "a data line without a colon": (b"data: 1\ndata\n\n", [b"1\n"]),
    "nothing": (b"", []),
    "a page of HTML": (b"<html>\n<p>502</p>\n</html>", []),
    "characters that are line ends to str.splitlines": (
        'data: "é😀\u2028x\u0085y\u2029\x0b\x0c\x1c"\n\n'.encode(),
        ['"é😀\u2028x\u0085y\u2029\x0b\x0c\x1c"'.encode()],
    ),
    "NUL": (b"data: \x00\n\n", [b"\x00"]),
    "an error as raw JSON": (b'data: 1\n\n{"error": {"code": 499}}', [b"1", b'{"error": {"code": 499}}']),
    "an error over several lines": (b'data: 1\n\n{\n  "error": {\n  }\n}\n', [b"1", b'{\n  "error": {\n  }\n}']),
    "an error in a list": (b'data: 1\n\n[{"error": {"code": 503}}]\n', [b"1", b'{"error": {"code": 503}}']),
    "an error in a list over lines": (b'[{\n  "error": {\n  }\n}\n]\n', [b'{\n  "error": {\n  }\n}']),
    "an error right after an event": (b'data: 1\n{"error": 2}', [b"1", b'{"error": 2}']),
    "an array, as Google writes it": (b'[{\n"a": [1,\n2]}\n,\r\n{"b": 2}\n,\r\n{"c": 3}\n]', [
        b'{\n"a": [1,\n2]}\n', b'{"b": 2}\n', b'{"c": 3}'
    ]),
    "an array in one line": (b'[{"a": 1}, {"b": 2}]', [b'{"a": 1}', b'{"b": 2}']),
    "an array with a comma alone inside": (b'[{"a": [1\n,\n2]}\n,\n{"b": 2}]', [b'{"a": [1\n,\n2]}', b'{"b": 2}']),
    "an empty array": (b"[]", []),
    "an array that is cut": (b'[{"a": 1}\n,\n{"b"', [b'{"a": 1}\n', b'{"b"']),
    "a whole answer": (b'{\n  "candidates": []\n}\n', [b'{\n  "candidates": []\n}']),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_its_payloads_however_it_is_cut(name):
    body, payloads = STREAMS[name]
    assert decode(body) == payloads
    assert decode(*(body[i : i + 1] for i in range(len(body)))) == payloads
    for cut in range(len(body)):
        assert decode(body[:cut], b"", body[cut:]) == payloads


def test_an_event_is_given_with_the_piece_that_completes_it():
    decoder = EventDecoder(100)
    assert decoder.feed(b"data: 1\r\n\r") == [b"1"]
    assert decoder.feed(b"\ndata: 2\n") == []
    assert decoder.feed(b"\n") == [b"2"]
    assert decoder.close() == []


def test_the_values_of_an_array_are_given_as_they_come():
    decoder = EventDecoder(100)
    assert decoder.feed(b'[{"a": 1}\n,\r\n') == [b'{"a": 1}\n']
    assert decoder.feed(b'{"b": 2}\n,\r\n{"c"') == [b'{"b": 2}\n']
    assert decoder.feed(b": 3}\n]") == []
    assert decoder.close() == [b'{"c": 3}']


@pytest.mark.parametrize(
    "body",
    [b"data: " + b"x" * 100, b"data: xxxxx\n" * 20, b"x" * 120, b"[" + b'"x",\n' * 30, b"data: x\n" + b"x" * 99],
)
def test_an_event_beyond_the_limit_is_an_error(body):
    with pytest.raises(UpstreamProtocolError, match="larger than 100 bytes"):
        decode(*(body[i : i + 7] for i in range(0, len(body), 7)), limit=100)


def test_an_event_at_the_limit_passes():
    line = b"data: " + b"x" * 93 + b"\n"
    assert decode(line + b"\n", limit=100) == [b"x" * 93]
    assert decode(b"data: 1\n\n" * 1000, limit=100) == [b"1"] * 1000


LINES = st.sampled_from(
    [b"data: 1", b"data:2", b"data", b"data: ", b"data:  x", b": note", b"event: e", b"id: 7", b"retry: 9", b"what",
     b"", b"", "data: é\u2028😀".encode(), b'data: {"a": "b"}', b"\xef\xbb\xbfdata: 5"]
)  # fmt: skip
BODIES = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=20).map(
    lambda lines: b"".join(line + end for line, end in lines)
)
CUTS = st.lists(st.integers(0, 1_000), max_size=8)


@given(BODIES, CUTS)
def test_cutting_a_stream_anywhere_changes_nothing(body, cuts):
    assert decode(*pieces(body, cuts)) == decode(body)


@given(BODIES.map(lambda body: body + b"\n\n"), CUTS)
def test_the_payloads_are_those_that_httpx2_finds(body, cuts):
    """Up to what is ours: empty payloads are nothing, and a byte order mark at the start is none of the text."""
    headers = {"content-type": "text/event-stream"}
    response = httpx2.Response(200, headers=headers, content=body.removeprefix(b"\xef\xbb\xbf"))
    response.request = httpx2.Request("GET", "http://gemini.test")
    theirs = [event.data.encode() for event in httpx2.EventSource(response) if event.data]
    assert decode(*pieces(body, cuts)) == theirs


@given(st.lists(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))), CUTS)
def test_every_json_value_comes_through(values, cuts):
    texts = [json.dumps(value, ensure_ascii=False).encode() for value in values]
    body = b"".join(b"data: " + text + b"\r\n\r\n" for text in texts)
    assert decode(*pieces(body, cuts)) == texts


@given(st.lists(st.dictionaries(st.text(), st.lists(st.text()))), st.sampled_from([None, 1, 2]), CUTS)
def test_every_array_comes_through(values, indent, cuts):
    texts = [json.dumps(value, indent=indent) for value in values]
    body = ("[" + "\n,\r\n".join(texts) + "\n]").encode()
    assert [json.loads(payload) for payload in decode(*pieces(body, cuts))] == values


def test_many_commas_alone_do_not_make_it_slow():
    """Each failed look at an array's value doubles the distance to the next."""
    body = b'[{"a": [0' + b"\n,\n0" * 200_000 + b"]}\n,\n{}]"
    assert [len(payload) for payload in decode(body, limit=10_000_000)] == [len(body) - 7, 2]


def test_an_array_that_is_nested_too_deeply_is_given_as_it_is():
    """Whoever reads the value reports that it is too deep."""
    deep = b"[" * 100_000
    assert decode(b"[" + deep + b"\n,\n" + deep) == [deep + b"\n,\n" + deep]
