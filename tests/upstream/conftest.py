import asyncio

import pytest
import uvloop

from adapter.upstream.transport.asyncio_transport import AsyncioTransport
from adapter.upstream.transport.httpx2_transport import Httpx2Transport
from tests.support.chaos import running
from tests.support.google_cloud import credentials, tokens
from tests.upstream.transports import opened

__all__ = ["credentials", "tokens"]


@pytest.fixture
async def chaos():
    """A scripted server; `chaos.url` is where it listens."""
    async with running() as (server, url):
        server.url = url
        yield server


@pytest.fixture(params=[AsyncioTransport, Httpx2Transport], ids=["asyncio", "httpx2"])
def kind(request):
    """Each of the transports."""
    return request.param


@pytest.fixture
async def send(kind, chaos):
    """Sends to the scripted server."""
    async with opened(kind, chaos.url) as send:
        yield send


def pytest_asyncio_loop_factories(config, item):
    """The transports run on both event loops: uvloop is what serves, asyncio's own is what Windows has."""
    loops = {"loop": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return loops if item.path.name.startswith("test_transport_") else {"loop": loops["loop"]}
