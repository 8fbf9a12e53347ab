"""What a path may be called where nothing of a request is to be seen: as it was declared, without its values."""

import re

from starlette.routing import Route, WebSocketRoute
from starlette.types import Scope

_QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/inspector"})

_LONGEST = 128
_LIKE_A_KEY = re.compile(r"[\w-]{32,}", re.ASCII)
_UNPRINTABLE = re.compile(r"[^!-~]")


def is_quiet(path: str) -> bool:
    """Whether machines ask it again and again, or who looks on: no figures, no spans, and a line only in detail."""
    return path in _QUIET or path.startswith("/inspector/")


def route_of(scope: Scope) -> str | None:
    """The path of a request that was routed, as it was declared; None for others."""
    path, endpoint = scope["path"], scope.get("endpoint")
    for route in scope["app"].routes if "app" in scope else ():
        if not isinstance(route, Route | WebSocketRoute):
            if path.startswith(f"{route.path}/"):
                return str(route.path)
        elif route.path == path or (route.endpoint is endpoint and route.path_regex.match(path)):
            return route.path_format
    return None


def shown_path(scope: Scope) -> str:
    """A path that no route has, for the log and the client: what looks like a key is cut, as is what is too long."""
    sent: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
    text = _UNPRINTABLE.sub("?", sent.partition(b"?")[0].decode("latin-1"))
    text = _LIKE_A_KEY.sub(lambda found: f"{found.group()[:6]}...", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
