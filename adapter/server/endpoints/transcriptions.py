"""POST /v1/audio/transcriptions and /v1/audio/translations."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial

from adapter.server.endpoints import media_calls
from adapter.server.media.sound_pieces import cut_sound
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.fallback import FallbackPlans
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Media, Options
from adapter.translate.media import transcriptions, transcripts
from adapter.translate.media.sound_headers import duration_reader, read_base64, read_duration, read_duration_of_url
from adapter.translate.media.transcript_stream import TranscriptStream
from adapter.translate.media.transcriptions import SoundPiece, TranscriptionContext, TranscriptionPlan
from adapter.wire.openai.transcriptions import TranscriptionRequest, TranslationRequest


async def create_transcription(call: Call) -> None:
    """Transcribe a sound."""
    await _create(call, TranscriptionRequest, "audio/transcriptions")


async def create_translation(call: Call) -> None:
    """Translate what a sound says into English."""
    await _create(call, TranslationRequest, "audio/translations")


async def _create(call: Call, type_: type[TranscriptionRequest | TranslationRequest], endpoint: str) -> None:
    request, unknown = await call.read(type_)
    files = await media_calls.files_of(call, [request.file], "file")
    duration = await _duration_of(call, request.file, files)
    pieces = await _pieces_of(call) if transcriptions.is_cut(duration, request.response_format) else ()

    def make(served: ServedModel, options: Options, files: Mapping[str, Media]) -> TranscriptionPlan:
        context = TranscriptionContext(
            request=request, served=served, options=options, media=files, duration=duration, pieces=pieces
        )
        return transcriptions.to_gemini(context, unknown)

    plans = await media_calls.make_plans(call, request.model, endpoint, make, files, "file")
    if plans.plan.stream:
        await _send_events(call, plans)
        return
    answers = await media_calls.ask(call, plans)
    transcript, notes = transcripts.from_gemini(answers, plans.plan)
    body, media_type, more_notes = transcripts.answer_of(transcript, plans.plan)
    media_calls.add_notes(call, [*notes, *more_notes])
    await call.send(body, {**media_calls.headers_of(call, plans), "content-type": media_type})


async def _pieces_of(call: Call) -> tuple[SoundPiece, ...]:
    """Cut a form's file into pieces short enough for exact times; return none if its format cannot be cut."""
    form = call.form
    if form is None or not form.uploads:
        return ()
    pieces = await asyncio.to_thread(cut_sound, form.uploads[0], transcriptions.LONGEST_TIMED)
    return tuple(SoundPiece(Media("audio/wav", form.add_piece(piece.data)), piece.start_s) for piece in pieces)


async def _duration_of(call: Call, file: str, files: Mapping[str, Media]) -> float:
    """Return a file's duration in seconds, read from the headers of its format; 0 if they do not have it."""
    if call.form is not None and call.form.uploads:
        sent = call.form.uploads[0]
        return read_duration(sent.read, sent.size)
    stored_files, client = call.service.files, call.client.id
    if (stored := await stored_files.find(file, client)) is not None:
        return await _duration_of_stored(stored_files.reader(file, client), stored.file.bytes)
    data = files[file].data if file in files else ""
    return read_duration(partial(read_base64, data), len(data) * 3 // 4) if data else read_duration_of_url(file)


async def _duration_of_stored(read: Callable[[int, int], Awaitable[bytes]], size: int) -> float:
    reader = duration_reader(size)
    wanted = next(reader)
    while True:
        try:
            wanted = reader.send(await read(*wanted))
        except StopIteration as end:
            return float(end.value)


async def _send_events(call: Call, plans: FallbackPlans[TranscriptionPlan]) -> None:
    """Pass the text on as it comes."""
    async with media_calls.event_stream(call, plans) as stream:
        machine: TranscriptStream | None = None
        async with aclosing(media_calls.open_events(call, plans)) as responses:
            async for response in responses:
                machine = machine or TranscriptStream(plans.plan)
                events = machine.close() if response is None else machine.feed(response)
                media_calls.add_notes(call, machine.notes)
                await media_calls.send_events(call, plans, stream, events)
