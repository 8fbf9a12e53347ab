"""The whole answer to a checked request, before anything is sent: parts, signatures, finish reason, usage."""

import base64
import hashlib
import re
import struct
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from adapter.emulator.core import signatures
from adapter.emulator.core.conversation import (
    Part,
    Request,
    audio_format,
    generation_config,
    media,
    output_format,
    task,
)
from adapter.emulator.core.models import Model
from adapter.emulator.core.tokens import BYTES_PER_TOKEN
from adapter.emulator.generation.answer import answer_text
from adapter.emulator.generation.builtin_tools import grounding, server_side
from adapter.emulator.generation.call_plan import PlannedCall, next_calls
from adapter.emulator.generation.media import (
    SPEECH_TYPE,
    WAV_TYPE,
    decode_speech,
    describe,
    picture,
    speech,
    timed_words,
    wav,
)
from adapter.emulator.generation.usage import Tally, Usage, thought_tokens
from adapter.emulator.settings import EmulatorSettings

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
CALLS_MESSAGE = "Model generated function call(s)."


@dataclass(frozen=True)
class Candidate:
    """One choice; binary fields of its parts are still bytes."""

    parts: list[Part]
    finish: str = "STOP"
    message: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EmulatedReply:
    """The content of a response or of a stream's chunks."""

    candidates: list[Candidate]
    usage: Usage
    model: Model
    id: str

    @property
    def late_signatures(self) -> bool:
        """Return whether a stream sends the signature behind the text, on an empty part (Gemini 3 and later)."""
        return self.model.signatures == "required"


def respond(request: Request, model: Model, settings: EmulatorSettings) -> EmulatedReply:
    """Return the answer to a checked request; it depends on nothing else but the clock, for its id."""
    seed = hashlib.sha256(orjson.dumps(request, default=bytes.hex)).digest()
    thoughts = thought_tokens(request, model)
    count = generation_config(request).get("candidateCount", 1)
    candidates = [candidate(request, model, settings, seed, number) for number in range(count)]
    limited = [limit(found, request, model, thoughts) for found in candidates]
    used_thoughts = limited[0][1]
    return EmulatedReply(
        candidates=[found for found, _ in limited],
        usage=Usage(request, model, used_thoughts),
        model=model,
        id=response_id(seed, settings),
    )


def response_id(seed: bytes, settings: EmulatorSettings) -> str:
    """Return 22 characters; the first four bytes are the time, little-endian, as in recorded ids."""
    return base64.urlsafe_b64encode(struct.pack("<I", int(settings.clock())) + seed[:12]).decode().rstrip("=")


def candidate(request: Request, model: Model, settings: EmulatorSettings, seed: bytes, number: int) -> Candidate:
    """Return calls, if any are due, else what the model makes: sound, pictures or text."""
    planned = next_calls(request) if model.functions else []
    thought = thought_parts(request, model, planned)
    if planned:
        parts = [*thought, *call_parts(planned, model, seed)]
        return Candidate(sign_parts(parts, request, model, settings.signature_key), "STOP", CALLS_MESSAGE)
    made = [*server_side(request, model, seed), *answer_parts(request, model, number)]
    parts = sign_parts([*thought, *made], request, model, settings.signature_key)
    return Candidate(parts, extra=grounding(request, parts) | logprobs(request, parts))


def thought_parts(request: Request, model: Model, planned: list[PlannedCall]) -> list[Part]:
    """Return a summary of the thoughts, when it was asked for and there are any."""
    wants_thoughts = generation_config(request).get("thinkingConfig", {}).get("includeThoughts")
    if not wants_thoughts or not thought_tokens(request, model):
        return []
    aim = f"call {', '.join(call.name for call in planned)}" if planned else "answer in my own words"
    text = f'**Considering the request**\n\nThe user wants: "{task(request["contents"])}". I will {aim}.\n'
    return [{"text": text, "thought": True}]


def call_parts(planned: list[PlannedCall], model: Model, seed: bytes) -> list[Part]:
    """Return the parts of function calls, with ids if the model gives them."""
    return [
        {"functionCall": {"name": call.name, "args": call.args} | call_id(model, seed, index)}
        for index, call in enumerate(planned)
    ]


def call_id(model: Model, seed: bytes, index: int) -> dict[str, str]:
    """Return eight letters and digits, such as `zi06h2mp`."""
    if not model.call_ids:
        return {}
    digest = hashlib.sha256(seed + index.to_bytes(4, "big")).digest()
    return {"id": "".join(ID_LETTERS[byte % len(ID_LETTERS)] for byte in digest[:8])}


def answer_parts(request: Request, model: Model, number: int) -> list[Part]:
    """Return the answer itself, in the modality asked for; candidates after the first say which they are."""
    if model.transcribes:
        return transcription(request)
    text = answer_text(request)
    if number and output_format(request)[0] == "text/plain":
        text += f" (candidate {number + 1})"
    if model.outputs == ("AUDIO",):
        return [{"inlineData": sound(request, model)}]
    modalities = generation_config(request).get("responseModalities") or list(model.outputs)
    stopped = cut_at_stop(text, generation_config(request).get("stopSequences", []))
    parts: list[Part] = [{"text": stopped}] if "TEXT" in modalities else []
    if "IMAGE" in modalities:
        wanted = generation_config(request).get("imageConfig", {})
        data = picture(task(request["contents"]), wanted.get("aspectRatio", ""), wanted.get("imageSize", ""))
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
    return parts


def transcription(request: Request) -> list[Part]:
    """Transcribe sounds that this emulator has spoken, and describe others."""
    config = generation_config(request).get("audioTranscriptionConfig", {})
    return [{"audioTranscription": transcribe(part, config)} for part in media(request["contents"])] or [
        {"audioTranscription": {"text": ""}}
    ]


def transcribe(part: Part, config: dict[str, Any]) -> dict[str, Any]:
    """Transcribe one sound, with words and speaker if they were asked for."""
    blob = part.get("inlineData", {})
    speech = decode_speech(blob.get("mimeType", ""), blob.get("data", b""))
    if speech is None:
        return {"text": f"A sound: {describe(part)}."}
    transcript: dict[str, Any] = {"text": speech.text}
    if config.get("languageCodes"):
        transcript["languageCode"] = config["languageCodes"][0]
    if config.get("diarization"):
        transcript["speakerLabel"] = "spk_1"
    if config.get("wordTimestamp"):
        transcript["words"] = timed_words(speech)
    return transcript


def sound(request: Request, model: Model) -> dict[str, Any]:
    """Return raw samples, or the WAV file that models from 3.8 on make unless asked for `AUDIO_L16`."""
    samples = speech(task(request["contents"]))
    if model.speaks_wav and audio_format(request) != "AUDIO_L16":
        return {"mimeType": WAV_TYPE, "data": wav(samples)}
    return {"mimeType": SPEECH_TYPE, "data": samples}


def cut_at_stop(text: str, stops: list[str]) -> str:
    """Return the text before the first stop sequence."""
    found = re.search("|".join(map(re.escape, filter(None, stops))), text) if any(stops) else None
    return text[: found.start()] if found else text


def sign_parts(parts: list[Part], request: Request, model: Model, key: bytes) -> list[Part]:
    """Sign parts. Gemini 3: the first call, else the last part; pictures. 2.5: the first, with tools or thoughts."""
    if model.signatures == "none":
        return parts
    calls = [index for index, part in enumerate(parts) if "functionCall" in part]
    visible = [index for index, part in enumerate(parts) if not part.get("thought")]
    if model.signatures == "offered":
        wanted = request.get("tools") or thought_tokens(request, model)
        places = set(visible[:1]) if wanted else set()
    else:
        places = {calls[0]} if calls else {visible[-1], *places_of_media(parts)}
    whole = {"role": "model", "parts": parts}
    return [
        part | {"thoughtSignature": signatures.issue(key, model, signatures.digest_signed(part, whole))}
        if index in places
        else part
        for index, part in enumerate(parts)
    ]


def places_of_media(parts: list[Part]) -> set[int]:
    """Return the indexes of pictures and of parts of server-side tools, which are signed one by one."""
    kinds = ("inlineData", "toolCall", "toolResponse", "executableCode")
    return {index for index, part in enumerate(parts) if any(kind in part for kind in kinds)}


def limit(found: Candidate, request: Request, model: Model, thoughts: int) -> tuple[Candidate, int]:
    """Cut a candidate at `maxOutputTokens`, which covers thoughts and answer; thoughts alone may use it up."""
    most = generation_config(request).get("maxOutputTokens", model.output_limit)
    if thoughts and thoughts >= most:
        return Candidate([], "MAX_TOKENS"), most
    left = most - thoughts
    if sum(Tally(model, found.parts).counts().values()) <= left or places_of_media(found.parts):
        return found, thoughts
    return replace(found, parts=cut_text(found.parts, left), finish="MAX_TOKENS", message="", extra={}), thoughts


def cut_text(parts: list[Part], tokens: int) -> list[Part]:
    """Cut parts after so many tokens. A call that does not fit is lost; text that was cut is not signed."""
    result = []
    for part in parts:
        if part.get("thought"):
            result.append(part)
        elif "text" in part:
            text = part["text"].encode()[: tokens * BYTES_PER_TOKEN].decode(errors="ignore")
            result.append({"text": text})
    return result


def logprobs(request: Request, parts: list[Part]) -> dict[str, Any]:
    """Return log probabilities: every word is nearly certain."""
    if not generation_config(request).get("responseLogprobs"):
        return {}
    words = re.findall(r"\s*\S+", "".join(part.get("text", "") for part in parts if not part.get("thought")))
    chosen = [{"token": word, "tokenId": index, "logProbability": -0.01} for index, word in enumerate(words)]
    result: dict[str, Any] = {"chosenCandidates": chosen}
    if generation_config(request).get("logprobs"):
        result["topCandidates"] = [{"candidates": [word]} for word in chosen]
    return {"avgLogprobs": -0.01, "logprobsResult": result}
