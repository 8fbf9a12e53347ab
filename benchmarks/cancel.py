"""`python -m benchmarks.cancel`: clients that leave at any moment, and one that reads nothing.

10,000 requests are cut at random; afterwards no connection to Gemini may be left over, and the next must be served.
Then a client asks for a stream and does not read it: the memory must stay flat.
"""

import asyncio
import json
import random
import sys
import time
import urllib.request
from pathlib import Path

from benchmarks.gateways import BASE_PORT, UPSTREAM_PORT, Gateway, gateway, upstream
from benchmarks.workloads import ALL, Workload

AT_ONCE = 100
PORT = BASE_PORT + 50
STALLED_SECONDS = 10


def sockets_to_gemini(pid: int) -> int:
    """Return the number of a process's connections to the upstream."""
    rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    remote = f"0100007F:{UPSTREAM_PORT:04X}"
    return sum(row.split()[2] == remote and row.split()[3] == "01" for row in rows)


async def send_and_cut(request: bytes, moment: float) -> None:
    """Send a request and leave."""
    _, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(request)
    await asyncio.sleep(moment)
    writer.transport.abort()


async def cancellations(target: Gateway, number: int) -> None:
    """Cut `number` requests, half of them streams, somewhere within 30 ms."""
    chance = random.Random(1)
    requests = [target.request(Workload("", {**ALL[0].body, "stream": stream}, 1, 1)) for stream in (True, False)]
    limit = asyncio.Semaphore(AT_ONCE)

    async def cut_one() -> None:
        async with limit:
            await send_and_cut(chance.choice(requests), chance.random() * 0.03)

    await asyncio.gather(*(cut_one() for _ in range(number)))


async def measure_stalled(target: Gateway) -> list[float]:
    """Megabytes, second by second, while a client does not read its stream."""
    _, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1)
    writer.write(target.request(Workload("", {**ALL[0].body, "stream": True}, 1, 1, stream=True)))
    seen = []
    for _ in range(STALLED_SECONDS):
        await asyncio.sleep(1)
        seen.append(target.memory())
    writer.transport.abort()
    return seen


def ask() -> str:
    """Send one ordinary request."""
    body = json.dumps(ALL[0].body).encode()
    url = f"http://127.0.0.1:{PORT}/v1/chat/completions"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    answer = json.load(urllib.request.urlopen(request, timeout=10))
    return str(answer["choices"][0]["message"]["content"])


def main(number: int) -> None:
    """Do both, print what was seen, and leave with 1 if anything is left over."""
    with upstream(), gateway("adapter", PORT, Path()) as target:
        ask()
        urllib.request.urlopen(f"http://127.0.0.1:{UPSTREAM_PORT}/set/text/0.001").read()
        before = target.memory()
        asyncio.run(cancellations(target, number))
        # Idle connections are kept for half a minute; those of cut streams must go at once.
        time.sleep(35)
        # The next call closes those that were idle for longer, and keeps its own.
        print(f"the next answer: {ask()!r}")
        left = sockets_to_gemini(target.pid) - 1
        print(f"{number} cancellations: {left} connections left, {before:.1f} -> {target.memory():.1f} MB")
        flat = asyncio.run(measure_stalled(target))
        print(f"a client that reads nothing, {STALLED_SECONDS} s: {flat[0]:.1f} -> {flat[-1]:.1f} MB")
        if left or flat[-1] - flat[0] > 1:
            raise SystemExit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
