"""The only outgoing network: calls to Gemini, and the errors they can end in."""

from collections.abc import Callable

from adapter.upstream.aiohttp_transport import AiohttpTransport
from adapter.upstream.client import Upstream
from adapter.upstream.httpx2_transport import Httpx2Transport
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport import Transport

_TRANSPORTS: dict[str, Callable[[UpstreamSettings], Transport]] = {
    "aiohttp": AiohttpTransport,
    "httpx2": Httpx2Transport,
}


def open_upstream(settings: UpstreamSettings) -> Upstream:
    """An upstream with the transport of `settings.http_client`. Opens no connection yet. Raises `ValueError`."""
    return Upstream(settings, _TRANSPORTS[settings.http_client](settings))
