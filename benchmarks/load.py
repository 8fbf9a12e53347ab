"""A client that costs little: sends requests on kept connections, and looks at every answer.

`python -m benchmarks.load` reads a plan as JSON from the first line of standard input. When the gateway is warm it
writes `ready` and waits for another line; then it sends what is measured, and writes what it saw as JSON.
"""

import asyncio
import base64
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import uvloop

from benchmarks.conversations import Conversation, Same, Script, Seeds, unknown_calls


class Tally:
    """The results of all connections; times in seconds."""

    def __init__(self, count: int, mark: str) -> None:
        self.left = count
        self.count = count
        self.mark = mark.encode()
        self.wrong: list[str] = []
        self.latencies: list[float] = []
        self.first_chunks: list[float] = []
        self.bytes_sent = 0


class Caller(asyncio.Protocol):
    """One connection, which sends its script's bodies until the tally has enough answers."""

    transport: asyncio.Transport

    def __init__(self, head: bytes, script: Script, stream: bool) -> None:
        self._head = head
        self._script = script
        self._stream = stream
        self._tally = Tally(0, "")
        self._done: asyncio.Future[None] | None = None
        self._received = bytearray()
        self._begun = 0.0
        self._first = False
        self.is_connected = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.is_connected = True

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait for an answer: the connection broke."""
        self.is_connected = False
        if self._done is not None and not self._done.done():
            self._tally.wrong.append(f"the connection broke: {exc!r}")
            self._done.set_result(None)

    def send(self, tally: Tally) -> asyncio.Future[None]:
        """Send requests; done when so many are answered, by all connections together."""
        self._tally = tally
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def _next(self) -> None:
        assert self._done is not None
        if self._tally.left <= 0:
            self._done.set_result(None)
            return
        self._tally.left -= 1
        self._received.clear()
        self._first = False
        body = self._script.body()
        self._tally.bytes_sent += len(body)
        self._begun = time.perf_counter()
        self.transport.write(self._head + b"content-length: %d\r\n\r\n" % len(body) + body)

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
                self._tally.left = 0
            else:
                self._script.read(bytes(self._received))
            self._next()

    def _complete(self) -> bool:
        head, found, _ = bytes(self._received[:2000]).partition(b"\r\n\r\n")
        if not found:
            return False
        _, sized, rest = head.lower().partition(b"content-length:")
        if not sized:
            return self._received.endswith(b"0\r\n\r\n")
        return len(self._received) >= len(head) + 4 + int(rest.partition(b"\r\n")[0])


def quantile(values: list[float], part: float) -> float:
    """Return the value below which a part of all values lie, in milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def callers_of(plan: dict[str, Any], scripts: Sequence[Script], head: str, stream: bool = False) -> list[Caller]:
    """Return a caller for each script; `head` is the plan's name for the head of its requests."""
    return [Caller(plan[head].encode(), script, stream) for script in scripts]


def _this(caller: Caller) -> Caller:
    return caller


async def send(plan: dict[str, Any], callers: list[Caller], tally: Tally) -> None:
    """Send the tally's requests, on new connections where servers have closed idle ones."""
    loop = asyncio.get_running_loop()
    for caller in callers:
        if not caller.is_connected:
            await loop.create_connection(partial(_this, caller), "127.0.0.1", plan["port"])
    await asyncio.gather(*(caller.send(tally) for caller in callers))


async def scripts_of(plan: dict[str, Any]) -> list[Script]:
    """Return each connection's script. Calls whose ids the gateway must know are asked for first."""
    spec, many = plan["turns"], range(plan["concurrency"])
    if spec is None:
        return [Same(base64.b64decode(plan["body"])) for _ in many]
    calls = unknown_calls(spec["calls"])
    if spec["known"] and plan["is_translated"]:
        seeds = Seeds(plan["model"])
        seeders = callers_of(plan, [seeds] * plan["concurrency"], "seed_head")
        await send(plan, seeders, Tally(spec["calls"], plan["mark"]))
        for caller in seeders:
            caller.transport.close()
        calls = seeds.calls
    body = json.loads(base64.b64decode(plan["body"]))
    return [Conversation(number, spec, body, calls, plan["is_translated"]) for number in many]


async def run(plan: dict[str, Any]) -> dict[str, object]:
    """Send the plan's requests: first those that warm up, which a conversation needs to begin."""
    callers = callers_of(plan, await scripts_of(plan), "head", stream=plan["stream"])
    warm = Tally(plan["warm"], plan["mark"])
    await send(plan, callers, warm)
    print("ready", flush=True)
    sys.stdin.readline()
    tally = Tally(0 if warm.wrong else plan["count"], plan["mark"])
    begun = time.perf_counter()
    await send(plan, callers, tally)
    return {
        "seconds": time.perf_counter() - begun,
        "wrong": [*warm.wrong, *tally.wrong][:3],
        "p50": quantile(tally.latencies, 0.5),
        "p99": quantile(tally.latencies, 0.99),
        "first_p50": quantile(tally.first_chunks, 0.5),
        "first_p99": quantile(tally.first_chunks, 0.99),
        "size": tally.bytes_sent / max(1, tally.count),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.loads(sys.stdin.readline())))))
