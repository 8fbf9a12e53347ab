"""What a request's path may be called in logs, figures and spans."""

import re
from typing import NamedTuple

from starlette.types import Scope

_LONGEST = 128
_LIKE_A_KEY = re.compile(r"[\w-]{32,}", re.ASCII)
_UNPRINTABLE = re.compile(r"[^!-~]")


class RouteName(NamedTuple):
    """The path's template, without the values of its variables; None for a path that is no endpoint's.

    `is_quiet`: machines ask it again and again, so it has no figures, no spans, and a line only in detail.
    """

    template: str | None
    is_quiet: bool = False


def shown_path(scope: Scope) -> str:
    """A path that no route has, for the log and the client: what looks like a key is cut, as is what is too long."""
    sent: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    text = _UNPRINTABLE.sub("?", sent.partition(b"?")[0].decode("latin-1"))
    text = _LIKE_A_KEY.sub(lambda found: f"{found.group()[:6]}...", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
