"""A live adapter with its emulator, and the openai package as its client; modules that need others have their own."""

import openai
import pytest

from tests.support.live import adapter


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with adapter(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture
def client(live):
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="unused", max_retries=0) as made:
        yield made
