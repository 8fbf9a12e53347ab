"""The worker process of a connection, from Linux's /proc."""

from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"


def owners(workers: list[int], port: int) -> dict[int, int]:
    """Return the worker of each open connection to a port, by the client's port."""
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
