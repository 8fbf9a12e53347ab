"""The only outgoing network: calls to Gemini, and the errors that they can end in."""

from adapter import extras
from adapter.upstream.client import Upstream
from adapter.upstream.media import FetchSettings, MediaFetcher
from adapter.upstream.observer import Observer
from adapter.upstream.policy.retry import WORLD
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport.asyncio_transport import AsyncioTransport
from adapter.upstream.transport.base import Transport


def open_upstream(settings: UpstreamSettings, observer: Observer | None = None) -> Upstream:
    """Build an upstream with the transport that `settings` ask for. Opens no connection yet. Raises `ValueError`."""
    return Upstream(settings, _build_transport(settings), WORLD, observer)


def _build_transport(settings: UpstreamSettings) -> Transport:
    if settings.http_client == "asyncio" and settings.proxy is None:
        return AsyncioTransport(settings)
    transport: Transport = extras.load("adapter.upstream.transport.httpx2_transport").Httpx2Transport(settings)
    return transport


def open_media_fetcher(settings: FetchSettings) -> MediaFetcher | None:
    """Build the fetcher of what requests point to; None where the operator does not allow fetching."""
    if settings.policy == "off":
        return None
    fetcher: MediaFetcher = extras.load("adapter.upstream.media_fetcher").Fetcher(settings)
    return fetcher
