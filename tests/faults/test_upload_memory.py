"""Files of forms lie in memory once: the peak of a real process, which the kernel counts."""

import json
import struct
import sys

import httpx2
import pytest

from adapter.emulator.generation.media import picture
from tests.faults.held_memory import MB, Held
from tests.support.chaos import answer as http
from tests.support.chaos import running
from tests.support.guards import PATIENCE
from tests.support.live import adapter, free_port
from tests.support.scripted import answer, frame

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

PNG = picture("a", "1:1", "512")


@pytest.fixture
def process(tmp_path):
    """A server, and the port where its upstream will listen."""
    port = free_port()
    settings = {"ADAPTER_UPSTREAM_URL": f"http://127.0.0.1:{port}", "ADAPTER_UPSTREAM_KEYS": "k"}
    with adapter(tmp_path, "--no-inspector", "--log-level", "error", settings=settings) as live:
        yield live, port


def form_of(files, size, **fields):
    """A form's head and its bytes in pieces; files of zeros behind a PNG's start."""
    limit = "limit-of-parts"
    texts = [f'--{limit}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    name, mime_type, start = files[0]
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="a"\r\nContent-Type: {mime_type}\r\n\r\n'

    async def pieces():
        yield "".join(texts).encode()
        for _ in files:
            yield f"--{limit}\r\n{disposition}".encode() + start
            for _ in range(size // MB):
                yield bytes(MB)
            yield b"\r\n"
        yield f"--{limit}--\r\n".encode()

    return {"content-type": f"multipart/form-data; boundary={limit}"}, pieces


async def peak_of(process, path, reply, warm, large):
    """The bytes that the second form adds to the first one's peak at most, and whether Gemini got all of it."""
    live, port = process
    async with (
        running(port=port) as (chaos, _),
        httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE, trust_env=False, verify=False) as client,
    ):
        chaos.script = reply
        held = Held(live.process.pid)
        for headers, pieces in (warm, large):
            held.begin()
            got = await client.post(path, content=pieces(), headers=headers)
            assert got.status_code == 200, got.text
        return held.most, len(chaos.exchanges[-1].body)


async def test_a_sound_of_25_megabytes_is_held_once(process):
    async def reply(exchange):
        await exchange.send(http(json.dumps(answer("hello")).encode()))

    sound = ("file", "audio/mp3", b"ID3")
    warm, large = (form_of([sound], size * MB, model="whisper-1") for size in (5, 25))
    most, arrived = await peak_of(process, "/v1/audio/transcriptions", reply, warm, large)
    assert arrived > 25 * MB * 4 // 3
    assert most < 1.5 * 25 * MB


async def test_a_sound_of_25_megabytes_is_held_once_while_its_transcript_is_streamed(process):
    async def reply(exchange):
        await exchange.send(http(frame(answer("hello")), content_type="text/event-stream"))

    sound = ("file", "audio/mp3", b"ID3")
    warm, large = (form_of([sound], size * MB, model="whisper-1", stream="true") for size in (5, 25))
    most, arrived = await peak_of(process, "/v1/audio/transcriptions", reply, warm, large)
    assert arrived > 25 * MB * 4 // 3
    assert most < 1.5 * 25 * MB


async def test_a_long_sound_is_held_once_although_it_is_cut_in_pieces(process):
    async def reply(exchange):
        await exchange.send(http(json.dumps(answer("hello")).encode()))

    # At 12,000 samples a second 25 megabytes are eighteen minutes: two pieces.
    form = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 12_000, 24_000, 2, 16)
    sound = ("file", "audio/wav", form + b"data\xff\xff\xff\xff")
    warm, large = (form_of([sound], size * MB, model="whisper-1", response_format="srt") for size in (5, 25))
    most, arrived = await peak_of(process, "/v1/audio/transcriptions", reply, warm, large)
    assert 2 * MB < arrived < 25 * MB * 4 // 3
    assert most < 1.5 * 25 * MB


async def test_sixteen_images_of_five_megabytes_are_held_once(process):
    blob = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1Pe"}}

    async def reply(exchange):
        await exchange.send(http(json.dumps(answer(blob)).encode()))

    image = ("image", "image/png", PNG)
    warm, large = (form_of([image] * number, 5 * MB, prompt="a", model="gpt-image-2") for number in (1, 16))
    most, arrived = await peak_of(process, "/v1/images/edits", reply, warm, large)
    assert arrived > 16 * 5 * MB * 4 // 3
    assert most < 1.5 * 16 * 5 * MB
