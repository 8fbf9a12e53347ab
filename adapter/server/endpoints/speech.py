"""POST /v1/audio/speech: sound as it is made, as a file or as events."""

import asyncio
import math
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from adapter.server.endpoints import media_calls, model_calls
from adapter.server.http.asgi import ClientGone, until
from adapter.server.media.sound_files import SoundEncoder, check_format, make_encoder
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.event_stream import EventStream
from adapter.translate.media import speech
from adapter.translate.media.speech import FORMATS, SpeechContext, SpeechPlan, SpeechReader
from adapter.upstream.client import Caller
from adapter.wire.openai.speech import SpeechAudioDelta, SpeechAudioDone, SpeechRequest

AT_ONCE = 48_000
"""Bytes of samples, about a second, that are encoded without a pause."""


async def create_speech(call: Call) -> None:
    """Speak a text."""
    request, unknown = await call.read(SpeechRequest)
    served = model_calls.find_model(call, request.model, "audio/speech")
    context = SpeechContext(request=request, served=served, options=call.service.options)
    plan = await call.work.run(speech.to_gemini, context, unknown)
    check_format(plan.format)
    model_calls.accept(call, plan.notes, plan.bodies[0] if len(plan.bodies) == 1 else plan.bodies)
    reader = SpeechReader()
    if plan.as_events:
        await _send_events(call, plan, reader)
    else:
        await _send_file(call, plan, reader)


async def _send_events(call: Call, plan: SpeechPlan, reader: SpeechReader) -> None:
    async with media_calls.event_stream(call) as stream:
        async for piece in _pieces(call, plan, reader):
            await media_calls.send_events(call, stream, [SpeechAudioDelta(audio=b64encode(piece).decode())])
        await media_calls.send_events(call, stream, [SpeechAudioDone(usage=reader.usage())])


async def _send_file(call: Call, plan: SpeechPlan, reader: SpeechReader) -> None:
    """Send the file piece by piece. An error after the first one ends the connection: a file has no place for it."""
    exchange, service = call.exchange, call.service
    # Nothing but sound may be written, so there are neither heartbeats nor a head before the first sound.
    settings = msgspec.structs.replace(service.streams, commit_after=math.inf)
    stream = EventStream(call.send_message, settings)
    exchange.status, exchange.answer = 200, [b'"(sound)"']
    with until(stream.keep_alive(None)):
        try:
            async for piece in _pieces(call, plan, reader):
                stream.headers = {**model_calls.headers_for(call), "content-type": FORMATS[plan.format]}
                await stream.write(piece)
        except ClientGone:
            raise
        except Exception as error:
            if not stream.has_begun:
                raise
            service.failures.record(error, exchange, call.client)
            return
    await stream.end()


async def _pieces(call: Call, plan: SpeechPlan, reader: SpeechReader) -> AsyncIterator[bytes]:
    """The bytes of the file as they are made. Raises `UpstreamError`, `AnswerError`."""
    encoder: SoundEncoder | None = None
    with call.service.shutdown.limit():
        async for samples in _samples(call, plan, reader):
            for start in range(0, len(samples), AT_ONCE):
                encoder = encoder or make_encoder(plan.format, reader.rate)
                if piece := encoder.encode(samples[start : start + AT_ONCE]):
                    yield piece
                # A long sound may come at once, and others wait for the same processor.
                await asyncio.sleep(0)
    if encoder is not None and (piece := encoder.close()):
        yield piece


async def _samples(call: Call, plan: SpeechPlan, reader: SpeechReader) -> AsyncIterator[bytes]:
    """The samples of all calls, one after the other."""
    upstream, caller = call.service.upstream, Caller(call.client.key)
    try:
        for body in plan.bodies:
            async with aclosing(upstream.stream(call.exchange.model, body, caller, call.deadline)) as events:
                async for reply in events:
                    call.exchange.record_reply(reply.response)
                    yield reader.feed(reply.response)
            yield reader.end_call()
    finally:
        # What is recorded of each event is the usage of its own call.
        call.exchange.usage = reader.total()
