"""What a path may be called where nothing of a request is to be seen: as it was declared, without its values."""

from starlette.routing import Route, WebSocketRoute
from starlette.types import Scope

QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/inspector"})
"""Asked by machines again and again, or by who looks on: no figures, and in the log only in detail."""


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
