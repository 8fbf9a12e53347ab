import pytest

from tests.upstream.chaos import running


@pytest.fixture
async def chaos():
    """A scripted server; `chaos.url` is where it listens."""
    async with running() as (server, url):
        server.url = url
        yield server
