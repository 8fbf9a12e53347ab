"""The only outgoing network: calls to Gemini, and the errors that they can end in."""

from adapter.upstream.client import Upstream
from adapter.upstream.observer import Observer
from adapter.upstream.policy.retry import WORLD
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport.asyncio_transport import AsyncioTransport
from adapter.upstream.transport.httpx2_transport import Httpx2Transport


def open_upstream(settings: UpstreamSettings, observer: Observer | None = None) -> Upstream:
    """Build an upstream with the transport that `settings` ask for. Opens no connection yet. Raises `ValueError`."""
    own = settings.http_client == "asyncio" and settings.proxy is None
    return Upstream(settings, AsyncioTransport(settings) if own else Httpx2Transport(settings), WORLD, observer)
