"""Contents, parts and roles."""

from adapter.emulator.core.conversation import Content, Part, Request, media, parts, role
from adapter.emulator.core.errors import bullet
from adapter.emulator.parsing.field_table import snake
from adapter.emulator.parsing.parser import ONEOFS

ROLES = ("user", "model")
DATA_MEMBERS = ONEOFS["Part"][1]

MEDIA_TYPES = ("audio/", "video/", "text/")
"""Classes of media types that are taken whole (ai.google.dev file input pages, 2026)."""

MEDIA_SUBTYPES = (
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/webp",
    "image/heic",
    "image/heif",
    "image/gif",
    "application/pdf",
    "application/json",
    "application/xml",
    "application/rtf",
    "application/x-javascript",
    "application/x-python",
)

MAGIC = {
    "image/png": (b"\x89PNG",),
    "image/jpeg": (b"\xff\xd8",),
    "image/webp": (b"RIFF",),
    "application/pdf": (b"%PDF",),
}
"""The first bytes of a file by its type: the server decodes what it is given."""

UNREADABLE = (
    "Unable to process input image. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)


def content_violations(request: Request) -> list[str]:
    """Check that there are contents, with parts that say something, and of a known role."""
    contents = request.get("contents", [])
    if not contents:
        return [bullet("contents", "contents is not specified")]
    bullets = [line for index, content in enumerate(contents) for line in one_content(content, f"contents[{index}]")]
    bullets += system_violations(request)
    if not all(role(content) in ROLES for content in contents):
        bullets.append("Please use a valid role: user, model.")
    return bullets


def one_content(content: Content, path: str) -> list[str]:
    """Check that a content has parts and that each is complete."""
    if not parts(content):
        return [bullet(f"{path}.parts", "contents.parts must not be empty.")]
    return [
        line
        for index, part in enumerate(parts(content))
        for line in [*without_data(part, f"{path}.parts[{index}]"), *without_name(part, f"{path}.parts[{index}]")]
    ]


def without_data(part: Part, path: str) -> list[str]:
    """Report a signature without data, except on a thought (recorded by crmne/ruby_llm on gemini-3-flash-preview)."""
    signed_thought = part.get("thought") and part.get("thoughtSignature")
    if signed_thought or any(member in part for member in DATA_MEMBERS):
        return []
    return [bullet(f"{path}.data", "required oneof field 'data' must have one initialized field")]


def without_name(part: Part, path: str) -> list[str]:
    """Report calls and results without a function's name."""
    return [
        bullet(f"{path}.{snake(member)}.name", "Name cannot be empty.")
        for member in ("functionCall", "functionResponse")
        if member in part and not part[member].get("name")
    ]


def system_violations(request: Request) -> list[str]:
    """Check that system instructions are text (ai.google.dev API reference, systemInstruction)."""
    return [
        bullet(f"system_instruction.parts[{index}].data", "only text is supported in system_instruction")
        for index, part in enumerate(parts(request.get("systemInstruction", {})))
        if "text" not in part
    ]


def unsupported_media(contents: list[Content]) -> list[str]:
    """List MIME types that Gemini does not read, and media whose bytes are of another type."""
    faults = []
    for part in media(contents):
        blob = part.get("inlineData") or part["fileData"]
        mime = str(blob.get("mimeType", "")).split(";")[0].lower()
        if "inlineData" in part or mime:
            faults += unknown_type(mime) or unreadable(mime, part)
    return faults


def unknown_type(mime: str) -> list[str]:
    """Report a type that Gemini does not read."""
    if mime.startswith(MEDIA_TYPES) or mime in MEDIA_SUBTYPES:
        return []
    return [f"Unsupported MIME type: {mime}"]


def unreadable(mime: str, part: Part) -> list[str]:
    """Report inline data without content, or of another type."""
    data = part.get("inlineData", {}).get("data", b"")
    if "inlineData" not in part or (data.startswith(MAGIC.get(mime, (b"",))) and data):
        return []
    return [UNREADABLE]
