"""Resumable uploads against a server that breaks them at every step."""

import pytest

from adapter.upstream import open_upstream, uploads
from adapter.upstream.client import Caller
from adapter.upstream.errors import UpstreamError, UpstreamProtocolError
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.uploads import FileFailed, FileUploads
from tests.support.chaos import answer, running

NAME = "files/abc"
CONTENT = b"0123456789"
GONE = answer(b'{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no"}}', status="403 Forbidden")
BROKEN = answer(b'{"error":{"code":500,"status":"INTERNAL","message":"no"}}', status="500 X")
TAKEN = answer(b'{"error":{"code":409,"status":"ALREADY_EXISTS","message":"no"}}', status="409 X")
STARTED = answer(b"", x_goog_upload_url="https://google.example/upload/v1beta/files?upload_id=u1&x=2")
FILE = b'{"name":"files/abc","uri":"https://g/files/abc","state":"%b"}'
DONE = answer(b'{"file":' + FILE % b"ACTIVE" + b"}", x_goog_upload_status="final")
MORE = answer(b"", x_goog_upload_status="active")


def file_answer(state=b"ACTIVE", extra=b""):
    return answer(FILE.replace(b"}", extra + b"}") % state)


def progress_answer(size, status=b"active", body=b""):
    return answer(body, x_goog_upload_status=status.decode(), x_goog_upload_size_received=str(size))


async def upload(script, monkeypatch, chunk=4):
    """The file, and the requests: verb, path, command, offset, bytes."""
    monkeypatch.setattr(uploads, "CHUNK", chunk)
    asked, answers = [], list(script)

    async def say(exchange):
        verb, path, _ = exchange.line.split(" ")
        fields = exchange.fields
        command, offset = fields.get("x-goog-upload-command", ""), fields.get("x-goog-upload-offset", "")
        asked.append((verb, path, command, offset, exchange.body))
        await exchange.send(answers.pop(0))

    async def read(offset, size):
        return CONTENT[offset : offset + size]

    async def sleep(_seconds):
        pass

    async with running() as (chaos, url):
        chaos.script = say
        upstream = open_upstream(UpstreamSettings(url=url, keys=("k",), retries=0, circuit_pause=0))
        try:
            made = await FileUploads(upstream, sleep).upload(NAME, "text/plain", len(CONTENT), read, Caller())
        finally:
            await upstream.aclose()
    assert not answers
    return made, [(command, offset, body) for _, path, command, offset, body in asked if "/upload/" in path]


START = ("start", "", b'{"file":{"name":"files/abc","mimeType":"text/plain","sizeBytes":"10"}}')
PIECES = [("upload", "0", b"0123"), ("upload", "4", b"4567"), ("upload, finalize", "8", b"89")]
QUERY = ("query", "", b"")


async def test_bytes_go_in_chunks_to_the_address_that_google_names_on_this_upstreams_host(monkeypatch):
    made, asked = await upload([GONE, STARTED, MORE, MORE, DONE], monkeypatch)
    assert (made.name, made.uri) == (NAME, "https://g/files/abc")
    assert asked == [START, *PIECES]


async def test_a_file_that_is_there_is_not_uploaded_again(monkeypatch):
    _, asked = await upload([file_answer()], monkeypatch)
    assert asked == []


async def test_a_name_that_another_process_has_taken_is_waited_for(monkeypatch):
    made, asked = await upload([GONE, TAKEN, GONE, file_answer()], monkeypatch)
    assert (made.state, asked) == ("ACTIVE", [START])


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        # Nothing of the chunk arrived.
        ([MORE, BROKEN, progress_answer(4), MORE, DONE], [PIECES[0], PIECES[1], QUERY, PIECES[1], PIECES[2]]),
        # All of it did, and only the answer was lost.
        ([MORE, BROKEN, progress_answer(8), DONE], [PIECES[0], PIECES[1], QUERY, PIECES[2]]),
        # A part of it did.
        ([MORE, BROKEN, progress_answer(6), DONE],
         [PIECES[0], PIECES[1], QUERY, ("upload, finalize", "6", b"6789")]),
        # The last one did.
        ([MORE, MORE, BROKEN, progress_answer(10, b"final", b'{"file":' + FILE % b"ACTIVE" + b"}")], [*PIECES, QUERY]),
        # Where it is not told, the chunk is sent again.
        ([BROKEN, answer(b""), MORE, MORE, DONE], [PIECES[0], QUERY, *PIECES]),
    ],
)  # fmt: skip
async def test_an_upload_that_breaks_goes_on_where_it_stopped(monkeypatch, script, sent):
    made, asked = await upload([GONE, STARTED, *script], monkeypatch)
    assert made.name == NAME
    assert asked == [START, *sent]


async def test_what_is_refused_is_not_sent_again(monkeypatch):
    with pytest.raises(UpstreamError) as error:
        await upload([GONE, STARTED, BROKEN.replace(b"500", b"400")], monkeypatch)
    assert error.value.status == 400


async def test_an_upload_that_breaks_again_and_again_ends(monkeypatch):
    with pytest.raises(UpstreamError):
        await upload([GONE, STARTED, *[BROKEN, progress_answer(0)] * 3, BROKEN], monkeypatch)


async def test_an_address_that_is_missing_is_an_error(monkeypatch):
    with pytest.raises(UpstreamProtocolError, match="no URL"):
        await upload([GONE, answer(b"")], monkeypatch)


async def test_a_film_is_waited_for_until_it_is_processed(monkeypatch):
    made, _ = await upload([file_answer(b"PROCESSING"), file_answer(b"PROCESSING"), file_answer()], monkeypatch)
    assert made.state == "ACTIVE"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ([file_answer(b"FAILED", b',"error":{"message":"no film"}')], "no film"),
        ([file_answer(b"FAILED")], "cannot process"),
        ([file_answer(b"PROCESSING"), GONE], "did not finish"),
        ([file_answer(b"PROCESSING"), file_answer(b"PROCESSING"), file_answer(b"PROCESSING")], "did not finish"),
    ],
)
async def test_a_file_that_cannot_be_processed_is_an_error(monkeypatch, script, text):
    monkeypatch.setattr(uploads, "PROCESSING_POLLS", 2)
    with pytest.raises(FileFailed, match=text):
        await upload(script, monkeypatch)


async def test_a_name_of_which_no_file_comes_is_an_error(monkeypatch):
    monkeypatch.setattr(uploads, "PROCESSING_POLLS", 2)
    with pytest.raises(UpstreamProtocolError, match="exists already"):
        await upload([GONE, TAKEN, GONE, GONE], monkeypatch)
