import asyncio

import pytest
import uvloop

from tests.support.chaos import running
from tests.support.google_cloud import credentials, tokens

__all__ = ["credentials", "tokens"]


@pytest.fixture
async def chaos():
    """A scripted server; `chaos.url` is where it listens."""
    async with running() as (server, url):
        server.url = url
        yield server


def pytest_asyncio_loop_factories(config, item):
    """The transports run on both event loops: uvloop is what serves, asyncio's own is what Windows has."""
    loops = {"loop": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return loops if item.path.parent.name == "transport" else {"loop": loops["loop"]}
