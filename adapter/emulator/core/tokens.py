"""Counting tokens: four bytes of UTF-8 are one, and media cost a fixed number by kind."""

from typing import Any

import orjson

from adapter.emulator.core.conversation import Content, Request, media, parts
from adapter.emulator.core.models import Model

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = {"IMAGE": 258, "AUDIO": 32, "VIDEO": 263, "DOCUMENT": 258}
IMAGE_TOKENS_3 = 1120
STRUCTURED = ("functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall", "toolResponse")


def text_tokens(text: str) -> int:
    """Return a text's tokens, at least one unless it is empty."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def json_tokens(value: Any) -> int:
    """Return the tokens of a structure, as JSON; bytes inside it are counted as media."""
    return -(-len(orjson.dumps(value, default=lambda _: "")) // BYTES_PER_TOKEN)


def modality(mime: str) -> str:
    """Return the modality of a media type: TEXT, IMAGE, AUDIO, VIDEO or DOCUMENT."""
    kind = mime.split("/", maxsplit=1)[0].upper()
    if kind in MEDIA_TOKENS or kind == "TEXT":
        return kind
    return "DOCUMENT"


def content_tokens(content: Content) -> int:
    """Return the tokens of a content's text, calls and results."""
    return sum(part_tokens(part) for part in parts(content))


def part_tokens(part: dict[str, Any]) -> int:
    """Return the tokens of one part."""
    return text_tokens(part.get("text", "")) + structure_tokens(part)


def structure_tokens(part: dict[str, Any]) -> int:
    """Return the tokens of calls, results and code, as JSON."""
    return sum(json_tokens(part[name]) for name in STRUCTURED if name in part)


def media_tokens(part: dict[str, Any], model: Model) -> tuple[str, int]:
    """Return the modality and the tokens of a file."""
    blob = part.get("inlineData") or part["fileData"]
    kind = modality(str(blob.get("mimeType", "application/pdf")))
    if kind == "TEXT":
        return kind, -(-len(blob.get("data", b"")) // BYTES_PER_TOKEN)
    if kind == "IMAGE" and model.generation >= 3:
        return kind, IMAGE_TOKENS_3
    return kind, MEDIA_TOKENS[kind]


def prompt_tokens(request: Request, model: Model) -> dict[str, int]:
    """Return the prompt's tokens by modality, text first."""
    contents = request.get("contents", [])
    counts = {"TEXT": sum(map(content_tokens, contents)) + content_tokens(request.get("systemInstruction", {}))}
    if request.get("tools"):
        counts["TEXT"] += json_tokens(request["tools"])
    for part in media(contents):
        kind, price = media_tokens(part, model)
        counts[kind] = counts.get(kind, 0) + price
    return counts


def details(counts: dict[str, int]) -> list[dict[str, Any]]:
    """Return `promptTokensDetails`."""
    return [{"modality": kind, "tokenCount": count} for kind, count in counts.items() if count]
