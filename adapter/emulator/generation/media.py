"""Files in and out: a line about what came, and small real pictures and sounds."""

import hashlib
import math
import struct
import zlib
from typing import Any

SAMPLE_RATE = 24_000
SPEECH_TYPE = f"audio/L16;codec=pcm;rate={SAMPLE_RATE}"
WAV_TYPE = "audio/wav"
PNG_HEADER = b"\x89PNG\r\n\x1a\n"
UNIT = 16
"""Pixels per unit of the aspect ratio's shorter side."""


def describe(part: dict[str, Any]) -> str:
    """`image/png, 70 bytes, 1x1 pixels`, or the address of a file that was only named."""
    if "fileData" in part:
        file = part["fileData"]
        return f"{file.get('mimeType', 'a file')} at {file.get('fileUri', '')}"
    blob = part["inlineData"]
    name = f" named {blob['displayName']}" if blob.get("displayName") else ""
    return f"{blob.get('mimeType', 'data')}{name}, {len(blob['data'])} bytes{pixels(blob['data'])}"


def pixels(data: bytes) -> str:
    """The size of a PNG picture."""
    if not data.startswith(PNG_HEADER) or len(data) < 24:
        return ""
    width, height = struct.unpack(">II", data[16:24])
    return f", {width}x{height} pixels"


def picture(prompt: str, ratio: str) -> bytes:
    """A PNG of one colour, which the prompt decides, in the ratio asked for."""
    across, _, down = (ratio or "1:1").partition(":")
    scale = UNIT / min(int(across), int(down))
    width, height = round(int(across) * scale), round(int(down) * scale)
    row = b"\0" + hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()[:3] * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_HEADER + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def wav(samples: bytes) -> bytes:
    """A WAV file of one channel of 16-bit samples."""
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    body = b"WAVE" + riff(b"fmt ", form) + riff(b"data", samples)
    return riff(b"RIFF", body)


def riff(name: bytes, data: bytes) -> bytes:
    """One RIFF chunk."""
    return name + struct.pack("<I", len(data)) + data


def speech(text: str) -> bytes:
    """16-bit PCM: a tone of 20 ms per character, at most two seconds."""
    count = min(max(len(text), 1) * SAMPLE_RATE // 50, 2 * SAMPLE_RATE)
    pitch = 220 + zlib.crc32(text.encode("utf-8", "surrogatepass")) % 220
    samples = (round(8_000 * math.sin(2 * math.pi * pitch * n / SAMPLE_RATE)) for n in range(count))
    return struct.pack(f"<{count}h", *samples)
