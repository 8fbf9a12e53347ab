"""The same stack without translation: Starlette on uvicorn, and one library that carries the call.

`python -m benchmarks.passthrough httpx2|aiohttp PORT UPSTREAM_PORT`.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from benchmarks.workloads import EMBEDDING_MODEL, MODEL

METHODS = {True: "streamGenerateContent?alt=sse", False: "generateContent"}


Send = Callable[[str, bytes, bool], Awaitable[Response]]
"""Sends a body to an address, and returns the answer, perhaps as a stream."""


def by_httpx2() -> Send:
    """Calls by httpx2."""
    client = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=None), timeout=60)

    async def send(url: str, body: bytes, stream: bool) -> Response:
        request = client.build_request("POST", url, content=body)
        answer = await client.send(request, stream=True)
        if not stream:
            return Response(await answer.aread(), media_type="application/json")

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in answer.aiter_raw():
                yield piece
            await answer.aclose()

        return StreamingResponse(pieces(), media_type="text/event-stream")

    return send


def by_aiohttp() -> Send:
    """Calls by aiohttp."""
    session: list[aiohttp.ClientSession] = []

    async def send(url: str, body: bytes, stream: bool) -> Response:
        if not session:
            # It wants a running loop.
            session.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        answer = await session[0].post(url, data=body)
        if not stream:
            return Response(await answer.read(), media_type="application/json")

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in answer.content.iter_any():
                yield piece
            answer.release()

        return StreamingResponse(pieces(), media_type="text/event-stream")

    return send


LIBRARIES = {"httpx2": by_httpx2, "aiohttp": by_aiohttp}


def application(library: str, upstream: str) -> Starlette:
    """Return an application that passes bodies on as they are."""
    send = LIBRARIES[library]()

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        stream = b'"stream":true' in body
        path = request.url.path
        if path == "/v1/embeddings":
            path = f"/v1beta/models/{EMBEDDING_MODEL}:batchEmbedContents"
        elif not path.startswith("/v1beta/"):
            path = f"/v1beta/models/{MODEL}:{METHODS[stream]}"
        return await send(f"{upstream}{path}", body, stream)

    paths = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1beta/{rest:path}")
    return Starlette(routes=[Route(path, endpoint, methods=["POST"]) for path in paths])


if __name__ == "__main__":
    library, port, upstream_port = sys.argv[1:]
    app = application(library, f"http://127.0.0.1:{upstream_port}")
    uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_level="warning")
