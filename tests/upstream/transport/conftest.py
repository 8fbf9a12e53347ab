import pytest

from adapter.upstream.transport.asyncio_transport import AsyncioTransport
from adapter.upstream.transport.httpx2_transport import Httpx2Transport
from tests.upstream.transport.sending import open_transport


@pytest.fixture(params=[AsyncioTransport, Httpx2Transport], ids=["asyncio", "httpx2"])
def kind(request):
    """Each of the transports."""
    return request.param


@pytest.fixture
async def send(kind, chaos):
    """Sends to the scripted server."""
    async with open_transport(kind, chaos.url) as send:
        yield send
