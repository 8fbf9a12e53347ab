"""A scripted Gemini: it takes any request, remembers it, and answers as the case says."""

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from conformance.cases import Turn

_STREAMED = {"generateContent": False, "streamGenerateContent": True}


class ScriptedGemini:
    """Plays one `turn`; `bodies` and `paths` are the requests since it was set."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.paths: list[str] = []
        self._turn: Turn | None = None
        self.app = Starlette(routes=[Route("/{rest:path}", self._answer, methods=["GET", "POST"])])

    def play(self, turn: Turn) -> None:
        """Start over with another turn."""
        self._turn, self.bodies, self.paths = turn, [], []

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        if self._turn is None or request.method == "GET":
            return Response(b'{"models":[]}', media_type="application/json")
        self.bodies.append(msgspec.json.decode(body))
        self.paths.append(re.split(r"models/|v1beta/", request.url.path)[-1])
        status, pieces = self._turn.answer_to(self.bodies[-1]).status, self._pieces(request)
        if request.url.path.endswith(":streamGenerateContent") and status == 200:
            return StreamingResponse(self._events(pieces), media_type="text/event-stream")
        return Response(b"".join(pieces), status, media_type="application/json")

    def _pieces(self, request: Request) -> list[bytes]:
        assert self._turn is not None
        return self._turn.pieces(self.bodies[-1], streamed=_STREAMED.get(request.url.path.rpartition(":")[2]))

    async def _events(self, pieces: list[bytes]) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(0)


@contextmanager
def serving(gemini: ScriptedGemini, port: int) -> Iterator[str]:
    """Serve the scripted Gemini on a port of the loopback address (0: any); yield its URL."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    server = uvicorn.Server(uvicorn.Config(gemini.app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), name="scripted gemini", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
