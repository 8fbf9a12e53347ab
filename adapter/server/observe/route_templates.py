"""What a path may be called where nothing of a request is to be seen: as it was declared, without its values."""

from starlette.routing import Route, WebSocketRoute
from starlette.types import Scope

_QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/inspector"})


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
