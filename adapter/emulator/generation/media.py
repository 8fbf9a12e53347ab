"""Files: a line about each received file, and small real pictures and sounds."""

import hashlib
import math
import re
import struct
import zlib
from typing import Any, NamedTuple

SAMPLE_RATE = 24_000
SPEECH_TYPE = f"audio/L16;codec=pcm;rate={SAMPLE_RATE}"
WAV_TYPE = "audio/wav"
PNG_HEADER = b"\x89PNG\r\n\x1a\n"
SIZES = {"512": 1, "1K": 2, "2K": 4, "4K": 8}
"""Sizes of pictures, in halves of 1K."""

PIXELS = {
    "1:1": (1024, 1024), "1:4": (512, 2048), "1:8": (384, 3072), "2:3": (848, 1264), "3:2": (1264, 848),
    "3:4": (896, 1200), "4:1": (2048, 512), "4:3": (1200, 896), "4:5": (928, 1152), "5:4": (1152, 928),
    "8:1": (3072, 384), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip
"""Pixels of a picture of 1K, by its ratio (ai.google.dev, image generation, 2026-11)."""

BYTE_SAMPLES = SAMPLE_RATE // 50
LONGEST = 10 * SAMPLE_RATE
MARK = 1 << 14
"""A sample above it says a byte of the text; the tone between such samples is quieter."""


def describe(part: dict[str, Any]) -> str:
    """Describe a file: `image/png, 70 bytes, 1x1 pixels`; the address, if it was only named."""
    if "fileData" in part:
        file = part["fileData"]
        return f"{file.get('mimeType', 'a file')} at {file.get('fileUri', '')}"
    blob = part["inlineData"]
    name = f" named {blob['displayName']}" if blob.get("displayName") else ""
    return f"{blob.get('mimeType', 'data')}{name}, {len(blob['data'])} bytes{pixels(blob['data'])}"


def pixels(data: bytes) -> str:
    """Return the size of a PNG picture."""
    if not data.startswith(PNG_HEADER) or len(data) < 24:
        return ""
    width, height = struct.unpack(">II", data[16:24])
    return f", {width}x{height} pixels"


def picture(prompt: str, ratio: str, size: str) -> bytes:
    """Return a PNG of one colour, which the prompt decides, in the ratio and size asked for."""
    halves = SIZES[size or "1K"]
    width, height = (side * halves // 2 for side in PIXELS[ratio or "1:1"])
    colour = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()[:3]
    row = bytes(1 + (width + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    packed = zlib.compress(row * height)
    return PNG_HEADER + b"".join(
        (chunk(b"IHDR", header), chunk(b"PLTE", colour), chunk(b"IDAT", packed), chunk(b"IEND", b""))
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def wav(samples: bytes) -> bytes:
    """Return a WAV file of one channel of 16-bit samples."""
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    body = b"WAVE" + riff(b"fmt ", form) + riff(b"data", samples)
    return riff(b"RIFF", body)


def riff(name: bytes, data: bytes) -> bytes:
    """Return one RIFF chunk."""
    return name + struct.pack("<I", len(data)) + data


def speech(text: str) -> bytes:
    """Return 16-bit PCM: a 20 ms tone per byte, at most ten seconds; each tone's first sample is its byte."""
    data = text.encode("utf-8", "surrogatepass") or b" "
    step = max(1, min(BYTE_SAMPLES, LONGEST // len(data)))
    pitch = 220 + zlib.crc32(data) % 220
    tone = [round(8_000 * math.sin(2 * math.pi * pitch * n / SAMPLE_RATE)) for n in range(1, step)]
    return b"".join(struct.pack(f"<{step}h", MARK + byte, *tone) for byte in data)


class Speech(NamedTuple):
    """A text that was spoken, the seconds at which its bytes begin, and the second at which the sound ends."""

    text: str
    starts: list[float]
    end: float


def is_mark(sample: int) -> bool:
    """Return whether a sample says a byte of a text."""
    return MARK <= sample < MARK + 256


def decode_speech(mime: str, data: bytes) -> Speech | None:
    """Decode raw samples or a WAV file that this emulator has made; None for any other sound."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        at = data.find(b"data")
        data = data[at + 8 :] if at >= 0 else b""
    elif not mime.lower().startswith(("audio/l16", "audio/pcm")):
        return None
    # A long sound of somebody else's is not unpacked: it would take ten times its size.
    silence = (len(data) - len(data.lstrip(b"\0"))) // 2 * 2
    if not is_mark(int.from_bytes(data[silence : silence + 2], "little")):
        return None
    samples = struct.unpack(f"<{len(data) // 2}h", data[: len(data) // 2 * 2])
    places = [place for place, sample in enumerate(samples) if is_mark(sample)]
    encoded_text = bytes(samples[place] - MARK for place in places)
    starts = [place / SAMPLE_RATE for place in places]
    return Speech(encoded_text.decode("utf-8", "replace"), starts, len(samples) / SAMPLE_RATE)


def timed_words(sound: Speech) -> list[dict[str, str]]:
    """List the words of a speech with the times between which each is said."""
    data = sound.text.encode()
    times = [*sound.starts, *([sound.end] * (len(data) + 1 - len(sound.starts)))]
    return [
        {
            "word": found[0].decode(),
            "startOffset": f"{times[found.start()]:.3f}s",
            "endOffset": f"{times[found.end()]:.3f}s",
        }
        for found in re.finditer(rb"\S+", data)
    ]
