"""Reads parsed requests: their texts, the start of the current turn, the declared functions."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

Content = dict[str, Any]
Part = dict[str, Any]
Request = dict[str, Any]

BUILT_IN = (
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "fileSearch",
    "computerUse",
)


class Run(NamedTuple):
    """Neighbouring contents of one role; `start` is the index of the first."""

    role: str
    start: int
    contents: list[Content]

    @property
    def calls(self) -> list[Part]:
        """The parts with a function call."""
        return [part for content in self.contents for part in calls(content)]

    @property
    def results(self) -> list[Part]:
        """The parts with a function response."""
        return [part for content in self.contents for part in results(content)]


def role(content: Content) -> str:
    """Return the content's role in lower case, `user` if there is none."""
    return str(content.get("role") or "user").lower()


def runs(contents: list[Content]) -> list[Run]:
    """Return the conversation with neighbours of one role taken together."""
    grouped = groupby(enumerate(contents), key=lambda item: role(item[1]))
    lists = ((who, list(items)) for who, items in grouped)
    return [Run(who, items[0][0], [content for _, content in items]) for who, items in lists]


EXACTLY = re.compile(r"\b(?:say|reply|answer|respond)(?: with| exactly)*:?\s+[\"“]([^\"”]+)[\"”]", re.IGNORECASE)
"""`say "X"`: the answer is X."""


def parts(content: Content) -> list[Part]:
    """Return the parts of a content; [] if it has none."""
    parts_: list[Part] = content.get("parts", [])
    return parts_


def calls(content: Content) -> list[Part]:
    """Return the parts with a function call."""
    return [part for part in parts(content) if "functionCall" in part]


def results(content: Content) -> list[Part]:
    """Return the parts with a function response."""
    return [part for part in parts(content) if "functionResponse" in part]


def visible_text(content: Content) -> str:
    """Return all text except thoughts."""
    return "".join(part["text"] for part in parts(content) if "text" in part and not part.get("thought"))


def starts_turn(content: Content) -> bool:
    """Return whether a content starts a turn, as a user's does (ai.google.dev thought-signatures, 2026-04)."""
    return role(content) == "user" and any("functionResponse" not in part for part in parts(content))


def turn_start(contents: list[Content]) -> int:
    """Return the index of the content that started the current turn; 0 when nothing did."""
    return max((index for index, content in enumerate(contents) if starts_turn(content)), default=0)


def task(contents: list[Content]) -> str:
    """Return the text that the model is to act on: the last user text."""
    for content in reversed(contents):
        if starts_turn(content) and visible_text(content).strip():
            return visible_text(content)
    return ""


def steps_done(contents: list[Content]) -> int:
    """Return how many times the model called functions in the current turn."""
    return sum(bool(run.calls) for run in runs(contents[turn_start(contents) :]) if run.role == "model")


def turn_results(contents: list[Content]) -> list[dict[str, Any]]:
    """Return the function responses that the model has not answered yet, in order."""
    start = turn_start(contents)
    while start and role(contents[start - 1]) == "user":
        start -= 1
    current = contents[start:]
    return [part["functionResponse"] for content in current for part in results(content)]


def declarations(request: Request) -> list[dict[str, Any]]:
    """Return all declared functions."""
    return [declaration for tool in request.get("tools", []) for declaration in tool.get("functionDeclarations", [])]


def built_in(request: Request) -> list[str]:
    """Return the names of the built-in tools that are on."""
    return [name for tool in request.get("tools", []) for name in BUILT_IN if name in tool]


def calling_config(request: Request) -> dict[str, Any]:
    """Return `toolConfig.functionCallingConfig`; {} if it is not set."""
    config: dict[str, Any] = request.get("toolConfig", {}).get("functionCallingConfig", {})
    return config


def generation_config(request: Request) -> dict[str, Any]:
    """Return `generationConfig`; {} if it is not set."""
    config: dict[str, Any] = request.get("generationConfig", {})
    return config


def media(contents: list[Content]) -> Iterator[Part]:
    """Yield every part of a user content that carries or names a file, those inside function responses too."""
    for content in contents:
        for part in parts(content) if role(content) == "user" else ():
            inner = part.get("functionResponse", {}).get("parts", [])
            yield from (item for item in (part, *inner) if "inlineData" in item or "fileData" in item)


def output_format(request: Request) -> tuple[str, Any]:
    """Return the MIME type asked for and the JSON schema, if any, whichever way the request says it."""
    config = generation_config(request)
    for entry in config.get("responseFormat", []):
        if "text" in entry:
            mime = str(entry["text"].get("mimeType", "application/json")).lower().replace("_", "/", 1)
            return mime, entry["text"].get("schema")
    json_schema = config.get("responseJsonSchema", config.get("_responseJsonSchema"))
    return config.get("responseMimeType", "text/plain"), json_schema


def audio_format(request: Request) -> str:
    """Return the form of speech that `responseFormat` asks for; "" if it asks for none."""
    entries = generation_config(request).get("responseFormat", [])
    return next((entry["audio"].get("mimeType", "") for entry in entries if "audio" in entry), "")
