"""POST /v1/audio/speech: sound as it is made, as a file or as events."""

import asyncio
import math
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

import msgspec

from adapter.server.endpoints import media_calls
from adapter.server.http.asgi import ClientGone, until
from adapter.server.media.sound_files import SoundEncoder, check_format, make_encoder
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.event_stream import EventStream
from adapter.server.pipeline.fallback import FallbackPlans
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Media, Options
from adapter.translate.media import speech
from adapter.translate.media.speech import FORMATS, SpeechContext, SpeechPlan, SpeechReader
from adapter.wire.openai.speech import SpeechAudioDelta, SpeechAudioDone, SpeechRequest

AT_ONCE = 48_000
"""Bytes of samples, about a second, that are encoded without a pause."""

SpeechPlans = FallbackPlans[SpeechPlan]


async def create_speech(call: Call) -> None:
    """Speak a text."""
    request, unknown = await call.read(SpeechRequest)

    def make(served: ServedModel, options: Options, _files: Mapping[str, Media]) -> SpeechPlan:
        return speech.to_gemini(SpeechContext(request=request, served=served, options=options), unknown)

    plans = await media_calls.make_plans(call, request.model, "audio/speech", make)
    check_format(plans.plan.format)
    reader = SpeechReader()
    if plans.plan.as_events:
        await _send_events(call, plans, reader)
    else:
        await _send_file(call, plans, reader)


async def _send_events(call: Call, plans: SpeechPlans, reader: SpeechReader) -> None:
    async with media_calls.event_stream(call, plans) as stream:
        async for piece in _pieces(call, plans, reader):
            await media_calls.send_events(call, plans, stream, [SpeechAudioDelta(audio=b64encode(piece).decode())])
        await media_calls.send_events(call, plans, stream, [SpeechAudioDone(usage=reader.usage())])


async def _send_file(call: Call, plans: SpeechPlans, reader: SpeechReader) -> None:
    """Send the file piece by piece. An error after the first one ends the connection: a file has no place for it."""
    exchange, service = call.exchange, call.service
    # Nothing but sound may be written, so there are neither heartbeats nor a head before the first sound.
    settings = msgspec.structs.replace(service.streams, commit_after=math.inf)
    stream = EventStream(call.send_message, settings)
    exchange.status, exchange.answer = 200, [b'"(sound)"']
    with until(stream.keep_alive(None)):
        try:
            async for piece in _pieces(call, plans, reader):
                stream.headers = {**media_calls.headers_of(call, plans), "content-type": FORMATS[plans.plan.format]}
                await stream.write(piece)
        except ClientGone:
            raise
        except Exception as error:
            if not stream.has_begun:
                raise
            service.failures.record(error, exchange, call.client)
            return
    await stream.end()


async def _pieces(call: Call, plans: SpeechPlans, reader: SpeechReader) -> AsyncIterator[bytes]:
    """Yield the file's bytes as they are made. Raises `UpstreamError`, `AnswerError`."""
    encoder: SoundEncoder | None = None
    with call.service.shutdown.limit():
        async for samples in _samples(call, plans, reader):
            for start in range(0, len(samples), AT_ONCE):
                encoder = encoder or make_encoder(plans.plan.format, reader.rate)
                if piece := encoder.encode(samples[start : start + AT_ONCE]):
                    yield piece
                # A long sound may come at once, and others wait for the same processor.
                await asyncio.sleep(0)
    if encoder is not None and (piece := encoder.close()):
        yield piece


async def _samples(call: Call, plans: SpeechPlans, reader: SpeechReader) -> AsyncIterator[bytes]:
    """Yield the samples of all calls, one after the other."""
    try:
        async with aclosing(media_calls.open_events(call, plans)) as events:
            async for response in events:
                yield reader.end_call() if response is None else reader.feed(response)
    finally:
        # Each event's record has the usage of its own call.
        call.exchange.usage = reader.total()
