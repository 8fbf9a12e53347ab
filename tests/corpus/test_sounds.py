"""Recorded speech of Gemini's, recorded requests for images and speech, and what OpenAI answered."""

import datetime
import json
import struct
from itertools import pairwise
from pathlib import Path

from adapter.server.media.sound_files import WavEncoder
from adapter.settings import Settings, catalogue, find_served_model
from adapter.translate.answer.audio import read_wav
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Rejected
from adapter.translate.media.speech import SpeechReader
from adapter.translate.translations import endpoints
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from tests.support.oracles import check_gemini_request, emulator_refusal
from tests.support.recordings import ROOT

NAMES = catalogue(Settings(), datetime.date(2026, 11, 30))


def roughness(data, order):
    """The mean difference between neighbouring samples: large if their bytes are in the wrong order."""
    count = min(len(data) // 2, 24_000)
    samples = struct.unpack(f"{order}{count}h", data[: 2 * count])
    return sum(abs(one - other) for one, other in pairwise(samples))


def speech_recordings():
    """Recorded answers with speech."""
    for record in all_records("gemini_exchanges"):
        if "inlineData" in json.dumps(record.get("response")) and "audio/L16" in json.dumps(record["response"]):
            yield record


def all_records(name):
    with (Path(ROOT or "") / f"{name}.jsonl").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def test_recorded_speech_is_little_endian_in_every_file_that_is_made_of_it(count):
    for record in speech_recordings():
        reader = SpeechReader()
        response, _ = decode(json.dumps(record["response"]).encode(), GenerateContentResponse)
        samples = reader.feed(response) + reader.end_call()
        assert reader.rate == 24_000
        assert roughness(samples, "<") * 4 < roughness(samples, ">"), record["id"]
        encoder = WavEncoder(reader.rate)
        file = encoder.encode(samples) + encoder.close()
        header = read_wav(file)
        assert file[header.start :] == samples
        count("sound")


PATHS = ("images/generations", "images/edits", "audio/speech")


def translate_sound(endpoint, request, unknown, served):
    """The translation; None where it is refused."""
    try:
        return endpoint.translate(request, unknown, served, Options())
    except Rejected:
        return None


def test_recorded_requests_become_calls_that_the_emulator_takes_or_named_refusals(count):
    for record in all_records("openai_other_exchanges"):
        path = next((f"/v1/{one}" for one in PATHS if record["url_path"].endswith(one)), None)
        if path is None or not isinstance(record["request"], dict):
            continue
        endpoint = endpoints(None)[path]
        request, unknown = endpoint.decode(encode(record["request"]))
        served = find_served_model(
            getattr(request, "model", None) or endpoint.default_model, NAMES, path.removeprefix("/v1/")
        )
        made = translate_sound(endpoint, request, unknown, served)
        if made is None:
            # What OpenAI refused, and files that nobody can name here.
            assert record["status"] == 400, record["id"]
            count("refusal")
            continue
        for body in made.as_json():
            check_gemini_request(body)
            assert not emulator_refusal(body, made.served.model, streaming=made.method != "generateContent")
        count("request")
