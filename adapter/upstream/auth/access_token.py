"""Access tokens, which `GoogleTokens` fetches and `VertexAuth` serves."""

from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.errors import Status

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

REFRESH_EARLY_S = 300.0
"""Seconds before its end at which the next token is fetched, while calls still use this one."""

TOKEN_REQUEST_TIMEOUT_S = 5.0
"""Seconds for one request to the token server."""


class NoToken(UpstreamError):
    """There is no access token for Vertex AI, so nothing was sent."""

    code = "upstream_auth_failed"

    def __init__(self) -> None:
        message = "This server has no access token for Vertex AI: its Google Cloud credentials are missing or refused."
        super().__init__(502, Status(code=502, message=message, status="UNAUTHENTICATED"))
