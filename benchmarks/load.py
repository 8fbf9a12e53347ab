"""A client that costs little: sends one request over and over on kept connections, and looks at every answer.

`python -m benchmarks.load` reads a plan as JSON from standard input and writes what it saw as JSON.
"""

import asyncio
import base64
import json
import sys
import time
from typing import cast

import uvloop


class Tally:
    """What all connections saw together; times in seconds."""

    def __init__(self, count: int, mark: str) -> None:
        self.left = count
        self.mark = mark.encode()
        self.wrong: list[str] = []
        self.latencies: list[float] = []
        self.first_chunks: list[float] = []


class Caller(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, request: bytes, stream: bool, tally: Tally, done: asyncio.Future[None]) -> None:
        self._request = request
        self._stream = stream
        self._tally = tally
        self._done = done
        self._received = bytearray()
        self._begun = 0.0
        self._first = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast("asyncio.Transport", transport)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if not self._done.done():
            self._tally.wrong.append(f"the connection broke: {exc!r}")
            self._done.set_result(None)

    def _next(self) -> None:
        if self._tally.left <= 0:
            self._done.set_result(None)
            self.transport.close()
            return
        self._tally.left -= 1
        self._received.clear()
        self._first = False
        self._begun = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Look for the end of the answer."""
        self._received += data
        if self._stream and not self._first and b"data:" in self._received:
            self._first = True
            self._tally.first_chunks.append(time.perf_counter() - self._begun)
        if self._complete():
            self._tally.latencies.append(time.perf_counter() - self._begun)
            if not self._received.startswith(b"HTTP/1.1 200") or self._tally.mark not in self._received:
                self._tally.wrong.append(bytes(self._received[:300]).decode(errors="replace"))
            self._next()

    def _complete(self) -> bool:
        head, found, _ = bytes(self._received[:2000]).partition(b"\r\n\r\n")
        if not found:
            return False
        _, sized, rest = head.lower().partition(b"content-length:")
        if not sized:
            return self._received.endswith(b"0\r\n\r\n")
        return len(self._received) >= len(head) + 4 + int(rest.partition(b"\r\n")[0])


def share(values: list[float], part: float) -> float:
    """The value below which a part of all lie, in milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


async def run(plan: dict[str, object]) -> dict[str, object]:
    """Send the plan's requests."""
    tally = Tally(int(str(plan["count"])), str(plan["mark"]))
    request = base64.b64decode(str(plan["request"]))
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[None]] = []
    begun = time.perf_counter()
    for _ in range(int(str(plan["concurrency"]))):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)

        def caller(done: asyncio.Future[None] = done) -> Caller:
            return Caller(request, bool(plan["stream"]), tally, done)

        await loop.create_connection(caller, "127.0.0.1", int(str(plan["port"])))
    await asyncio.gather(*ends)
    return {
        "seconds": time.perf_counter() - begun,
        "wrong": tally.wrong[:3],
        "p50": share(tally.latencies, 0.5),
        "p99": share(tally.latencies, 0.99),
        "first_p50": share(tally.first_chunks, 0.5),
        "first_p99": share(tally.first_chunks, 0.99),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.load(sys.stdin)))))
