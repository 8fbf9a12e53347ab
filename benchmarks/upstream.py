"""A Gemini that answers at once with what was made before: far faster than any gateway in front of it.

`python -m benchmarks.upstream PORT`. `GET /gap/0.05` sets the seconds between the events of a stream.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

EVENTS = 200
MARK = "the last word"


def _answer(text: str, finish: str | None) -> bytes:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 8, "totalTokenCount": 18}
    body = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.5-flash", "responseId": "r1"}
    return json.dumps(body).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_TEXT = _answer(f"Hello there, how can I help you? This is {MARK}", "STOP")
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_TEXT), _TEXT)
DIMENSIONS, INPUTS = 768, 100
_VECTOR = {"values": [round((-1) ** number * (number + 1) / 20_011, 8) for number in range(DIMENSIONS)]}
_VECTORS = json.dumps({"embeddings": [_VECTOR] * INPUTS, "usageMetadata": {"promptTokenCount": 1_500}}).encode()
EMBEDDED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_VECTORS),
    _VECTORS,
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PARTS = [_answer(f"word {number} and ", None) for number in range(EVENTS - 1)] + [_answer(MARK, "STOP")]
FRAMES = [_chunk(b"data: " + part + b"\r\n\r\n") for part in _PARTS]
DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Gemini(asyncio.Protocol):
    """One connection, kept open for call after call."""

    gap = 0.0
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._streams: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See `asyncio.Protocol`."""
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
        if head.startswith(b"GET /gap/"):
            Gemini.gap = float(head.split(b" ")[1].rpartition(b"/")[2])
            self.transport.write(DONE)
        elif b":stream" in head.partition(b"\r\n")[0]:
            stream = asyncio.ensure_future(self._stream())
            self._streams.add(stream)
            stream.add_done_callback(self._streams.discard)
        elif b":batchEmbed" in head.partition(b"\r\n")[0]:
            self.transport.write(EMBEDDED)
        else:
            self.transport.write(WHOLE)

    async def _stream(self) -> None:
        self.transport.write(HEAD)
        for frame in FRAMES:
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
