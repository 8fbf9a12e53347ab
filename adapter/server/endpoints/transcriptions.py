"""POST /v1/audio/transcriptions and /v1/audio/translations."""

from collections.abc import Mapping
from contextlib import aclosing

from adapter.server.endpoints import media_calls
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.fallback import FallbackPlans
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Media, Options
from adapter.translate.media import transcriptions, transcripts
from adapter.translate.media.sound_headers import HEADER_BYTES, read_duration
from adapter.translate.media.transcript_stream import TranscriptStream
from adapter.translate.media.transcriptions import TranscriptionContext, TranscriptionPlan
from adapter.wire.openai.transcriptions import TranscriptionRequest, TranslationRequest


async def create_transcription(call: Call) -> None:
    """Transcribe a sound."""
    await _create(call, TranscriptionRequest, "audio/transcriptions")


async def create_translation(call: Call) -> None:
    """Translate what a sound says into English."""
    await _create(call, TranslationRequest, "audio/translations")


async def _create(call: Call, type_: type[TranscriptionRequest | TranslationRequest], endpoint: str) -> None:
    request, unknown = await call.read(type_)
    duration = await _duration_of(call, request.file)

    def make(served: ServedModel, options: Options, files: Mapping[str, Media]) -> TranscriptionPlan:
        context = TranscriptionContext(request=request, served=served, options=options, media=files, duration=duration)
        return transcriptions.to_gemini(context, unknown)

    files = await media_calls.files_of(call, [request.file], "file")
    plans = await media_calls.make_plans(call, request.model, endpoint, make, files, "file")
    if plans.plan.stream:
        await _send_events(call, plans)
        return
    [answer] = await media_calls.ask(call, plans)
    transcript, notes = transcripts.from_gemini(answer, plans.plan)
    body, media_type, more_notes = transcripts.answer_of(transcript, plans.plan)
    call.exchange.reply_notes = [*notes, *more_notes]
    await call.send(body, {**media_calls.headers_of(call, plans), "content-type": media_type})


async def _duration_of(call: Call, file: str) -> float:
    """Return the seconds of a form's file, or of a stored one, by its first bytes; 0 where they tell nothing."""
    if call.form is not None and call.form.uploads:
        sent = call.form.uploads[0]
        return read_duration(sent.read_start(HEADER_BYTES), sent.size)
    files, client = call.service.files, call.client.id
    if (stored := await files.find(file, client)) is None:
        return 0.0
    return read_duration(await files.reader(file, client)(0, HEADER_BYTES), stored.file.bytes)


async def _send_events(call: Call, plans: FallbackPlans[TranscriptionPlan]) -> None:
    """Pass the text on as it comes."""
    async with media_calls.event_stream(call, plans) as stream:
        machine: TranscriptStream | None = None
        async with aclosing(media_calls.open_events(call, plans)) as responses:
            async for response in responses:
                machine = machine or TranscriptStream(plans.plan)
                told = machine.close() if response is None else machine.feed(response)
                call.exchange.reply_notes = machine.notes
                await media_calls.send_events(call, plans, stream, told)
