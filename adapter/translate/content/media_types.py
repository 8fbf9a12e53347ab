"""Media types: by extension, under their registered names, and by the first bytes of the data."""

from base64 import b64decode

MIME_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/m4a",
    "opus": "audio/opus",
    "oga": "audio/ogg",
    "wave": "audio/wav",
    "pcm16": "audio/pcm",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "webm": "video/webm",
    "wmv": "video/wmv",
    "3gp": "video/3gpp",
    "flv": "video/x-flv",
    "pdf": "application/pdf",
    "json": "application/json",
    "txt": "text/plain",
    "md": "text/md",
    "html": "text/html",
    "css": "text/css",
    "csv": "text/csv",
    "xml": "text/xml",
    "rtf": "text/rtf",
    "py": "text/x-python",
    "js": "text/javascript",
}
"""The types that Gemini accepts, by file extension (ai.google.dev, image, audio, video and document understanding)."""

AUDIO_FORMATS = {"webm": "audio/webm", "mp4": "audio/mp4", "mpeg": "audio/mpeg", "mpga": "audio/mpeg"}
"""Formats of sounds whose extension usually means a film (github.com/epam/ai-dial-adapter-vertexai/issues/484)."""

_REGISTERED = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-pn-wav": "audio/wav",
    "audio/oga": "audio/ogg",
    "audio/x-m4a": "audio/m4a",
    "audio/x-flac": "audio/flac",
    "audio/x-aac": "audio/aac",
    "audio/x-aiff": "audio/aiff",
    "audio/x-mp3": "audio/mp3",
    "application/x-pdf": "application/pdf",
    "text/x-markdown": "text/md",
    "text/markdown": "text/md",
}
"""Names that clients use and Gemini refuses (github.com/CherryHQ/cherry-studio/issues/3088)."""

_GENERIC_TYPES = ("", "application/octet-stream", "binary/octet-stream", "application/binary")
"""Types that tell nothing (github.com/Zipstack/unstract/issues/1392)."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"%PDF-", 0, "application/pdf"),
    (b"WAVE", 8, "audio/wav"),
    (b"ID3", 0, "audio/mp3"),
    (b"OggS", 0, "audio/ogg"),
    (b"fLaC", 0, "audio/flac"),
    (b"ftypheic", 4, "image/heic"),
    (b"ftypM4A", 4, "audio/m4a"),
    (b"ftyp", 4, "video/mp4"),
    (b"\x1aE\xdf\xa3", 0, "video/webm"),
)
"""First bytes, where they stand, and what they tell."""


def correct_type(mime_type: str, name: str, data: str) -> str:
    """Return a type's registered name; of a type that says nothing, that of the file's name or of its first bytes."""
    if mime_type not in _GENERIC_TYPES:
        return _REGISTERED.get(mime_type, mime_type)
    return guess(name) or sniff_type(data) or mime_type


def sniff_type(data: str) -> str | None:
    """Return the media type by the first bytes of base64 data."""
    try:
        start = b64decode(data[:32] + "==", altchars=b"-_" if {"-", "_"} & set(data[:32]) else None)
    except ValueError:
        return None
    return next((type_ for magic, at, type_ in _MAGIC if start[at:].startswith(magic)), None)


def guess(name: str) -> str | None:
    """Return the media type by the extension of a file name or URL."""
    last = name.partition("?")[0].partition("#")[0].rsplit("/", 1)[-1]
    return MIME_TYPES.get(last.rpartition(".")[2].lower()) if "." in last else None
