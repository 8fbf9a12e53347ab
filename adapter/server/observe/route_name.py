"""Route templates for logs, metrics and spans: never a real id, which may be anything that a client sent."""

import re
from typing import NamedTuple

from starlette.types import Scope

_MAX_SHOWN = 128
"""The most characters of an unknown path that are logged."""

# Shorter than any key that is in use: Google's have 39 characters, OpenAI's more.
_LIKE_A_KEY = re.compile(r"[\w-]{32,}", re.ASCII)
_UNPRINTABLE = re.compile(r"[^!-~]")


class RouteName(NamedTuple):
    """The template of a path, without the values of its variables; None if no endpoint has the path.

    `is_quiet`: a probe that machines call all the time; no metrics, no spans, and a log line only at level debug.
    """

    template: str | None
    is_quiet: bool = False


def loggable_path(scope: Scope) -> str:
    """Return a path that no route has, for the log and the client. Whatever looks like a key is cut."""
    sent: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    text = _UNPRINTABLE.sub("?", sent.partition(b"?")[0].decode("latin-1"))
    text = _LIKE_A_KEY.sub(lambda found: f"{found.group()[:6]}...", text)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
