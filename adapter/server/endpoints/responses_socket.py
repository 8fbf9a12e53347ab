"""The websocket of /v1/responses: one connection, one response after the other in each lane.

As in openai-python 3.54.0 (`resources/responses/responses.py`, `responses_client_event.py`): the client sends
`response.create` with the fields of a request, the server sends the events of its stream. `stream_id` names a lane.
The connection remembers its last responses also where they are not to be stored.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from adapter.server.endpoints.responses import read_request
from adapter.server.http.asgi import ABORT, ClientGone, header
from adapter.server.http.byte_budget import Overloaded
from adapter.server.limits.access import AccessDenied, ForeignPage, KeyInUrl
from adapter.server.observe.exchange_log import Exchange
from adapter.server.observe.recording import ExchangeScope
from adapter.server.observe.timed_frames import TimedFrames
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.errors import Malformed
from adapter.server.pipeline.responding import Memory, Recipient, ResponseEventWriter, Turn, keep, turn_of
from adapter.server.pipeline.service import Service
from adapter.server.state.ids import new_id
from adapter.store.documents.base import DocumentLimits, MemoryDocuments
from adapter.translate.core.errors import Failure
from adapter.translate.core.notes import Rejected
from adapter.translate.responses.envelope import blank
from adapter.wire.base import encode
from adapter.wire.openai.response_events import Completed, Created, Event, InProgress
from adapter.wire.openai.responses_request import ResponsesRequest

LOCAL = DocumentLimits(max_count=16, memory_bytes=16 * 1024 * 1024)
"""The limits of unstored responses that one connection remembers."""

MAX_LANES = 8
"""Lanes of one connection."""

MAX_WAITING = 16
"""Requests that wait in one lane."""


class Create(ResponsesRequest):
    """The client's event `response.create`."""

    type: str = ""
    stream_id: str | None = None
    generate: bool | None = None


class Envelope(msgspec.Struct):
    """The fields of any event from the client; its type tells a `steer`."""

    type: str = ""
    stream_id: str | None = None
    previous_response_id: str | None = None
    input: msgspec.Raw = msgspec.Raw(b'""')


async def open_responses_socket(call: Call) -> None:
    """Serve one connection. The refusal of one is an answer of HTTP, so it does not pass the door for calls."""
    service = call.service
    socket = WebSocket(call.scope, call.receive, call.send_message)
    try:
        call.client = service.access.client(call.scope)
        _check_origin(call.scope, service)
        service.sockets.reserve(1)
    except (AccessDenied, KeyInUrl, ForeignPage, Overloaded) as error:
        failure = service.failures.build(error, "", None)
        denial = Response(encode(failure.body), failure.status, failure.headers, media_type="application/json")
        await socket.send_denial_response(denial)
        return
    try:
        await socket.accept()
        await ResponsesSocket(call, socket).run()
    finally:
        service.sockets.release(1)


def _check_origin(scope: Scope, service: Service) -> None:
    """Raise `AccessDenied` for a page of another origin: nothing else keeps a browser's websockets apart."""
    origin = header(scope, b"origin")
    allowed = service.allow_origins
    if origin is None or origin in allowed or "*" in allowed:
        return
    if urlsplit(origin).netloc != header(scope, b"host"):
        raise AccessDenied


class ResponsesSocket:
    """One client's connection."""

    def __init__(self, opened_by: Call, socket: WebSocket) -> None:
        self._opened_by = opened_by
        self._service = opened_by.service
        self._socket = socket
        self._client = opened_by.client
        self._local = MemoryDocuments(LOCAL)
        self._memory = Memory(*opened_by.service.state.with_layer(self._local))
        self._lanes: dict[str | None, asyncio.Queue[bytes]] = {}
        self._sending = asyncio.Lock()
        self._held = 0
        self._remembered = 0

    async def run(self) -> None:
        """Serve until the client leaves; then cancel what runs."""
        tasks: list[asyncio.Task[None]] = []
        try:
            while (message := await self._socket.receive())["type"] != "websocket.disconnect":
                text = message.get("text")
                body: bytes = message["bytes"] if text is None else text.encode("utf-8", "surrogatepass")
                try:
                    lane = await self._lane(body)
                except (Malformed, Overloaded) as error:
                    await self._refuse(error)
                    continue
                finally:
                    # A connection that waits holds nothing of its last message.
                    del message, text, body
                if lane is not None:
                    tasks.append(asyncio.create_task(self._serve_all(lane)))
        except ClientGone:
            pass
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            self._service.body_budget.release(self._held)
            self._service.remembered.release(self._remembered)

    async def _lane(self, body: bytes) -> asyncio.Queue[bytes] | None:
        """Put an event into its lane; the lane where it is new. Raises `Malformed`, `Overloaded`."""
        service = self._service
        envelope, _unknown = await service.read(body, Envelope, service.work(body))
        if envelope.type == "response.steer":
            await self._send(_refuse_steering(envelope))
            return None
        if envelope.type != "response.create":
            raise Malformed("type must be response.create or response.steer", "type", "invalid_value")
        waiting = self._lanes.get(envelope.stream_id)
        if waiting is None and len(self._lanes) >= MAX_LANES:
            raise Malformed(f"a connection has at most {MAX_LANES} lanes", "stream_id", "invalid_value")
        if waiting is not None and waiting.full():
            raise Malformed(f"{MAX_WAITING} requests are already waiting", "stream_id", "invalid_value")
        self._service.body_budget.reserve(len(body))
        self._held += len(body)
        lane = self._lanes.setdefault(envelope.stream_id, asyncio.Queue(MAX_WAITING))
        lane.put_nowait(body)
        return lane if waiting is None else None

    async def _serve_all(self, lane: asyncio.Queue[bytes]) -> None:
        with suppress(ClientGone):
            while True:
                body = await lane.get()
                await self._serve(body)
                self._service.body_budget.release(len(body))
                self._held -= len(body)
                del body
                self._count_remembered()

    def _count_remembered(self) -> None:
        """Count what is remembered here; where there is no room for it, it is forgotten."""
        budget = self._service.remembered
        budget.release(self._remembered)
        try:
            self._remembered = self._local.bytes_held
            budget.reserve(self._remembered)
        except Overloaded:
            self._local.clear()
            self._remembered = 0

    async def _serve(self, body: bytes) -> None:
        """Serve one response. Raises `ClientGone`."""
        opened_by = self._opened_by
        exchange = Exchange(
            id=new_id("req_"),
            path=opened_by.exchange.path,
            endpoint=opened_by.exchange.endpoint,
            method="WEBSOCKET",
            started_at=time.time(),
            client=self._client.id,
            request=body,
            stream=True,
            trace_id=opened_by.exchange.trace_id,
            program=opened_by.exchange.program,
        )
        call = Call(
            self._service,
            opened_by.jobs,
            exchange,
            scope=opened_by.scope,
            receive=opened_by.receive,
            send=opened_by.send_message,
            client=self._client,
            body=body,
        )
        with ExchangeScope(self._service.recorder, exchange):
            await self._respond(call)

    async def _respond(self, call: Call) -> None:
        service, stream_id = self._service, None
        try:
            # The key may have been taken back since the connection was opened.
            call.client = service.access.client(call.scope)
            await service.count(call.client)
            request, unknown, text = await read_request(call, Create)
            stream_id, call.exchange.model_asked = request.stream_id, request.model
            if request.background:
                raise Rejected(
                    "background", "setting-contradicted", "websockets have no background mode: use POST /v1/responses"
                )
            await service.admission.acquire()
            try:
                client, memory = call.client, self._memory
                turn = await turn_of(service, request, unknown, client, work=call.work, memory=memory, text=text)
                call.exchange.history_bytes = turn.past.held.size
                call.accept(turn.plans)
                await self._answer(call, turn, request)
            finally:
                service.admission.release()
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the border, as in `http_entry`
            await self._send(_error(call.record_failure(error)), stream_id)

    async def _answer(self, call: Call, turn: Turn, request: Create) -> None:
        service, exchange = self._service, call.exchange
        exchange.status, exchange.answer = 200, []
        sink = SocketLane(self, request.stream_id, service.recorder.exchanges.tap(exchange))
        if request.generate is False:
            for event in await _prepare(turn):
                await sink.write(encode(event))
            return
        writer = ResponseEventWriter(service, turn, Recipient(call.fields, exchange), encode, (), has_error_event=False)
        async with call.relaying(turn.plans, writer, sink) as client, call.open(turn.plans) as answer:
            await client.pass_on(answer)

    async def _refuse(self, error: Exception) -> None:
        """Tell of an event that is in no lane."""
        await self._send(_error(self._service.failures.build(error, "", self._client)))

    async def _send(self, value: Any, stream_id: str | None = None) -> None:
        await self.send(encode(value), stream_id)

    async def send(self, event: bytes, stream_id: str | None) -> None:
        """Send one event, with its lane's name. Raises `ClientGone`, also where the client takes nothing any more."""
        if stream_id is not None:
            event = b'{"stream_id":' + encode(stream_id) + b"," + event[1:]
        try:
            async with self._sending, asyncio.timeout(self._service.streams.write_timeout):
                await self._socket.send_text(event.decode())
        except TimeoutError:
            self._abort()
            raise ClientGone from None
        except WebSocketDisconnect:
            raise ClientGone from None

    def _abort(self) -> None:
        """End the connection and all its lanes. To close it in good order would wait for the client once more."""
        abort = self._socket.scope.get("state", {}).get(ABORT)
        if abort is not None:
            abort()


class SocketLane:
    """Sends the events of one response to the socket that several responses share."""

    def __init__(self, connection: ResponsesSocket, stream_id: str | None, tap: TimedFrames | None) -> None:
        self.has_begun = False
        self._connection = connection
        self._stream_id = stream_id
        self._tap = tap

    async def write(self, *frames: bytes, more: bool = False) -> None:  # noqa: ARG002 - each event is a message
        """Send events one by one."""
        for frame in frames:
            self.has_begun = True
            if self._tap is not None:
                self._tap.record(frame)
            await self._connection.send(frame, self._stream_id)


async def _prepare(turn: Turn) -> list[Event]:
    """Return the events of a response that prepares the next one: it has input and no output."""
    begun, done = blank(turn.view, turn.stamp), blank(turn.view, turn.stamp, "completed")
    done.completed_at = int(time.time())
    await keep(turn, done, [])
    return [
        Created(sequence_number=0, response=begun),
        InProgress(sequence_number=1, response=begun),
        Completed(sequence_number=2, response=done),
    ]


def _error(failure: Failure) -> dict[str, Any]:
    return {"type": "error", "status": failure.status, "error": failure.body.error, "headers": failure.headers}


def _refuse_steering(steer: Envelope) -> dict[str, Any]:
    """Return the event that refuses input while Gemini answers; it gives the client its input back."""
    return {
        "type": "response.steer.failed",
        "sequence_number": 0,
        "error": {
            "type": "invalid_request_error",
            "code": "steering_not_supported",
            "message": "Gemini takes no input while it answers: send it with the next response.create.",
        },
        "steer": {"input": steer.input, "previous_response_id": steer.previous_response_id or ""},
    }
