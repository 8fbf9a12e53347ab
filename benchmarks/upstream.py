"""A fake Gemini with prepared answers: far faster than any gateway in front of it.

`python -m benchmarks.upstream PORT`. `GET /set/call/0.05` lets it answer with calls of a tool (else `text`), with so
many seconds between the events of a stream.
"""

import asyncio
import base64
import itertools
import json
import random
import sys
from typing import cast

import uvloop

EVENTS = 200
MARK = "the last word"


def _answer(text: str, finish: str | None, *parts: dict[str, object]) -> bytes:
    content = {"role": "model", "parts": list(parts) or [{"text": text}]}
    candidate: dict[str, object] = {"content": content, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 8, "totalTokenCount": 18}
    body = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.5-flash", "responseId": "r1"}
    return json.dumps(body).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _event(body: bytes) -> bytes:
    return _chunk(b"data: " + body + b"\r\n\r\n")


_TEXT = _answer(f"Hello there, how can I help you? This is {MARK}", "STOP")
WHOLE = _whole(_TEXT)
DIMENSIONS, INPUTS = 768, 100
_VECTOR = {"values": [round((-1) ** number * (number + 1) / 20_011, 8) for number in range(DIMENSIONS)]}
_VECTORS = json.dumps({"embeddings": [_VECTOR] * INPUTS, "usageMetadata": {"promptTokenCount": 1_500}}).encode()
EMBEDDED = _whole(_VECTORS)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PARTS = [_answer(f"word {number} and ", None) for number in range(EVENTS - 1)] + [_answer(MARK, "STOP")]
FRAMES = [_event(part) for part in _PARTS]


def _call(step: int) -> dict[str, object]:
    """Return a call of a tool, with a signature of the usual size."""
    arguments = {"path": f"/srv/pages/part-{step:05d}/index.md", "query": f"{MARK} on step {step}", "limit": step % 50}
    signature = base64.b64encode(random.Random(step).randbytes(450)).decode()
    return {"functionCall": {"name": "read_file", "args": arguments}, "thoughtSignature": signature}


CALLS = 64
"""Answers with a call before the first comes again."""

_CALLS = [_call(step) for step in range(CALLS)]
WHOLE_CALLS = [_whole(_answer("", "STOP", part)) for part in _CALLS]
CALL_FRAMES = [[_event(_answer("", None, part)), _event(_answer("", "STOP"))] for part in _CALLS]
_MISSING = {"code": 404, "message": "models/gemini-0-absent is not found for API version v1beta", "status": "NOT_FOUND"}
MISSING = _whole(json.dumps({"error": _MISSING}).encode(), b"404 Not Found")
DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Gemini(asyncio.Protocol):
    """One connection, kept open for call after call."""

    gap = 0.0
    calls = False
    steps = itertools.cycle(range(CALLS))
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._streams: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Cancel the streams of this connection."""
        for stream in self._streams:
            stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a whole request is there."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            size = end + 4 + _length(head)
            if len(self._received) < size:
                return
            del self._received[:size]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        target = head.partition(b"\r\n")[0]
        if target.startswith(b"GET /set/"):
            _, _, answer, gap = target.split(b" ")[1].split(b"/")
            Gemini.calls, Gemini.gap = answer == b"call", float(gap)
            self.transport.write(DONE)
        elif b"-absent:" in target:
            self.transport.write(MISSING)
        elif b":stream" in target:
            frames = CALL_FRAMES[next(Gemini.steps)] if Gemini.calls else FRAMES
            stream = asyncio.ensure_future(self._stream(frames))
            self._streams.add(stream)
            stream.add_done_callback(self._streams.discard)
        elif b":batchEmbed" in target:
            self.transport.write(EMBEDDED)
        else:
            self.transport.write(WHOLE_CALLS[next(Gemini.steps)] if Gemini.calls else WHOLE)

    async def _stream(self, frames: list[bytes]) -> None:
        self.transport.write(HEAD)
        for frame in frames:
            self.transport.write(frame)
            await asyncio.sleep(Gemini.gap)
        self.transport.write(b"0\r\n\r\n")


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Gemini, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
