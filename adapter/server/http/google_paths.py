"""Google's paths below /v1, which is the default version of google-genai 3.

OpenAI and Google have some paths in common. The headers tell who calls: Google's clients send `x-goog-api-client`,
and their key in `x-goog-api-key`; OpenAI's send it in `authorization` (Azure's in `api-key`).
"""

import re

from starlette.types import Scope

from adapter.server.http.asgi import fields_of

_SHARED = "models|files|batches|decisions"
_OF_GOOGLE_ALONE = "cachedContents|fileSearchStores|interactions|tunedModels"

_PATH = re.compile(rf"/v1/(?:(?P<shared>{_SHARED})|{_OF_GOOGLE_ALONE})(?=[/:]|\Z)")


def google_path(scope: Scope) -> str | None:
    """Return the path below /v1beta that a Google client means; None for all other requests."""
    path: str = scope["path"]
    match = _PATH.match(path)
    if match is None or (match["shared"] and not _is_from_google_client(scope)):
        return None
    return f"/v1beta/{path.removeprefix('/v1/')}"


def _is_from_google_client(scope: Scope) -> bool:
    fields = fields_of(scope)
    if b"x-goog-api-client" in fields:
        return True
    return b"x-goog-api-key" in fields and b"authorization" not in fields and b"api-key" not in fields
