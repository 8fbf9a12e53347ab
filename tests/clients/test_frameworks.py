"""Frameworks on top of the OpenAI API, each in its own environment, against a live adapter with its emulator."""

import pytest

from tests.clients.environments import check, suite
from tests.support.live import adapter


@pytest.mark.clients
@pytest.mark.parametrize("name", ["langchain", "llama_index", "openai_agents"])
def test_a_framework_chats_streams_and_runs_an_agent(name, tmp_path):
    with adapter(tmp_path) as live:
        check(name, f"{live.url}/v1")


@pytest.mark.clients
def test_langchains_standard_suites_pass(tmp_path):
    with adapter(tmp_path) as live:
        suite("langchain", f"{live.url}/v1")
