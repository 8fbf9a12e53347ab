"""One listening socket for several workers: each connection goes to a worker with the fewest.

Left alone, all workers wake up for a new connection and the first to run takes all that wait: of sixteen connections
that a client opens at once one worker gets sixteen, for as long as the client keeps them. SO_REUSEPORT would spread
them by chance only, and what waits for a worker that ends would be lost. So workers tell each other in a shared file
how many connections they hold, and one that is ahead of another leaves what comes to it.

States of a `SharedListener`:

    waiting        the socket is watched
    stepping back  another worker has fewer connections: the socket is left to it
    out of files   the process may open no more files: the socket is left alone for `PAUSE_S`
    closed         no more connections

Transitions:

    from           event                                             to
    waiting        a connection comes, no worker has clearly fewer   waiting, one is accepted
    waiting        a connection comes, another worker has fewer      stepping back
    stepping back  no worker has clearly fewer any more              waiting (it is seen within `LOOK_S`)
    stepping back  `PATIENCE_S` are over: the other is stuck         waiting, all that wait are accepted
    any            `accept` fails for lack of files                  out of files
    out of files   the time is over                                  waiting
    any            `close`, when uvicorn shuts the worker down       closed

uvicorn asks the event loop for its servers, so a worker's loop (`SharingLoop`) hands these out. A connection costs
some microseconds more by it, a request nothing.
"""

import asyncio
import fcntl
import logging
import mmap
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

log = logging.getLogger("adapter")

LOOK_S = 0.001
"""Seconds between two looks at the counts while stepping back; an idle worker wakes up in less."""

PATIENCE_S = 0.1
"""The most seconds for which a connection is left to another worker: on a busy machine that one may be slow."""

PAUSE_S = 1.0
"""Seconds without accepting when files run out, as in asyncio and libuv: to retry at once would be a busy loop."""

SLOTS = 1_024
"""The number of slots: more than the allowed workers (256), each with a successor while it is replaced."""

_EMPTY = 2**31 - 1
"""The count in a free slot: more than any worker has, so that the least of all counts is a worker's."""


class ConnectionCounts:
    """The number of connections of each worker. A worker owns a slot as long as it holds the lock of its byte.

    The system takes the lock from a process that is killed, so the next worker that starts finds what was left.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._file.truncate(SLOTS * 4)
        self._counts = memoryview(mmap.mmap(self._file.fileno(), SLOTS * 4)).cast("i")
        self._slot = self._claim()

    def _claim(self) -> int:
        """Take the first slot that is nobody's, and empty the others that are.

        The file begins with zeros, so the first worker of all empties all slots but its own.
        """
        free = [slot for slot in range(SLOTS) if self._lock(slot)]
        for slot in free[1:]:
            self._counts[slot] = _EMPTY
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)
        self._counts[free[0]] = 0
        return free[0]

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True

    @property
    def own(self) -> int:
        """Connections of this worker."""
        return self._counts[self._slot]

    def is_ahead(self) -> bool:
        """Return whether another worker has fewer connections: by an eighth, so that hundreds need few steps back."""
        least = min(self._counts)
        return self.own - least > least // 8

    def add(self, number: int) -> None:
        """Count a connection that was opened (1) or closed (-1)."""
        # After `leave` connections still end; the count must stay that of a free slot.
        if self.own != _EMPTY:
            self._counts[self._slot] += number

    def leave(self) -> None:
        """Stop counting: this worker takes no more connections, so no other one may step back for it."""
        self._counts[self._slot] = _EMPTY

    def close(self) -> None:
        """Give the slot back."""
        self._file.close()


class CountedSocket(socket.socket):
    """A connection's socket. Its transport ends it, whatever protocol is spoken by then: uvloop by `detach`."""

    counts: ConnectionCounts

    def close(self) -> None:
        """Close it, and count it off."""
        self._count_off()
        super().close()

    def detach(self) -> int:
        """Give the file away, to be closed, and count it off."""
        self._count_off()
        return super().detach()

    def _count_off(self) -> None:
        # Once only: a socket that was detached may be closed as well.
        if self.fileno() >= 0:
            self.counts.add(-1)


class SharedListener(asyncio.AbstractServer):
    """Accepts this worker's share of the connections to a socket (see the head of the file)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: Callable[[], asyncio.BaseProtocol],
        listener: socket.socket,
        counts: ConnectionCounts,
    ) -> None:
        listener.setblocking(False)
        self._loop = loop
        self._protocol = protocol
        self._listener = listener
        self._counts = counts
        self._timer: asyncio.TimerHandle | None = None
        self._gives_up_at = 0.0
        self._opening: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        self._watch()

    def _watch(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listener.fileno(), self._on_connection)

    def _leave_alone(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._timer = self._loop.call_later(seconds, then)

    def _on_connection(self) -> None:
        if self._counts.is_ahead():
            self._gives_up_at = self._loop.time() + PATIENCE_S
            self._leave_alone(LOOK_S, self._look_again)
        else:
            self._accept()

    def _look_again(self) -> None:
        if not self._counts.is_ahead():
            self._watch()
        elif self._loop.time() < self._gives_up_at:
            self._timer = self._loop.call_later(LOOK_S, self._look_again)
        else:
            self._watch()
            while self._accept():
                pass

    def _accept(self) -> bool:
        """Accept a connection. Return whether there was one."""
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            # Another worker took it, or its client is gone.
            return False
        except OSError as error:
            log.error("cannot accept connections for %g s: %s", PAUSE_S, error)
            self._leave_alone(PAUSE_S, self._watch)
            return False
        # `accept` makes plain sockets only, so a counted one takes the file over.
        connection = CountedSocket(accepted.family, accepted.type, accepted.proto, accepted.detach())
        connection.setblocking(False)
        connection.counts = self._counts
        self._counts.add(1)
        opening = self._loop.create_task(self._open(connection))
        # asyncio itself holds its tasks weakly: one that nobody holds may vanish before it has run.
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: CountedSocket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            log.info("a connection broke before its first request: %s", error)
            connection.close()

    def close(self) -> None:
        """Accept no more. Connections go on."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listener.fileno())
        # The socket itself stays open here: uvicorn closes those that it was given.
        self._counts.leave()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Return whether connections are accepted."""
        return not self._is_closed

    async def start_serving(self) -> None:
        """Do nothing: it serves from the start."""

    async def serve_forever(self) -> None:
        """Accept connections until the caller is cancelled."""
        try:
            await self._loop.create_future()
        finally:
            self.close()

    async def wait_closed(self) -> None:
        """Do nothing: uvicorn waits for the connections itself."""


class SharingLoop(uvloop.Loop):
    """An event loop whose servers share their sockets with other processes; `counts` is a file for all of them."""

    def __init__(self, counts: Path) -> None:
        super().__init__()
        self._counts = ConnectionCounts(counts)

    async def create_server(self, protocol_factory: Any, *_: Any, sock: socket.socket, **__: Any) -> Any:  # type: ignore[override]
        """Serve on a socket that the parent opened."""
        return SharedListener(self, protocol_factory, sock, self._counts)

    def close(self) -> None:
        """Close the loop, and give the worker's slot back."""
        self._counts.close()
        super().close()
