"""Which worker process holds a connection, by what Linux tells in /proc."""

from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"


def owners(workers: list[int], port: int) -> dict[int, int]:
    """The worker of each connection to a port that it has not closed yet, by the port of its client."""
    clients = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *rest = line.split()
        if state != _LISTENING and _port(local) == port:
            clients[f"socket:[{rest[5]}]"] = _port(remote)
    held = {}
    for worker in workers:
        for file in Path(f"/proc/{worker}/fd").iterdir():
            # A file may be closed meanwhile.
            with suppress(FileNotFoundError):
                target = str(file.readlink())
                if target in clients:
                    held[clients[target]] = worker
    return held


def _port(address: str) -> int:
    return int(address.partition(":")[2], 16)
