"""POST /v1/audio/transcriptions and /v1/audio/translations."""

from adapter.server.endpoints import media_calls, model_calls
from adapter.server.pipeline.call import Call
from adapter.translate.media import transcriptions, transcripts
from adapter.translate.media.sound_headers import HEADER_BYTES, read_duration
from adapter.translate.media.transcriptions import TranscriptionContext, TranscriptionPlan
from adapter.translate.media.transcripts import Transcript
from adapter.wire.openai.transcriptions import TranscriptionRequest, TranslationRequest


async def create_transcription(call: Call) -> None:
    """Transcribe a sound."""
    await _create(call, TranscriptionRequest, "audio/transcriptions")


async def create_translation(call: Call) -> None:
    """Translate what a sound says into English."""
    await _create(call, TranslationRequest, "audio/translations")


async def _create(call: Call, type_: type[TranscriptionRequest | TranslationRequest], endpoint: str) -> None:
    request, unknown = await call.read(type_)
    served = model_calls.find_model(call, request.model, endpoint)
    files = call.form.uploads if call.form is not None else []
    context = TranscriptionContext(
        request=request,
        served=served,
        options=call.service.options,
        media=await media_calls.files_of(call, [request.file]),
        duration=read_duration(files[0].read_start(HEADER_BYTES), files[0].size) if files else 0.0,
    )
    plan = await call.work.run(transcriptions.to_gemini, context, unknown)
    model_calls.accept(call, plan.notes, plan.body)
    if plan.stream:
        async with media_calls.event_stream(call) as stream:
            transcript = await _transcribe(call, plan)
            await media_calls.send_events(call, stream, transcripts.events_of(transcript, plan))
        return
    transcript = await _transcribe(call, plan)
    answer, media_type, notes = transcripts.answer_of(transcript, plan)
    call.exchange.reply_notes += notes
    await call.send(answer, {**model_calls.headers_for(call), "content-type": media_type})


async def _transcribe(call: Call, plan: TranscriptionPlan) -> Transcript:
    """Ask Gemini, and read its transcript. Raises `UpstreamError`, `AnswerError`."""
    [answer] = await media_calls.ask(call, plan.body)
    transcript, call.exchange.reply_notes = transcripts.from_gemini(answer, plan)
    return transcript
