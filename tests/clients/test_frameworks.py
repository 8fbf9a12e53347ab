"""Frameworks on top of the OpenAI API, each in its own environment, against a live adapter with its emulator."""

import platform
import shutil

import pytest

from tests.clients.environments import check, check_javascript, packages_of, suite
from tests.support.live import adapter


@pytest.mark.clients
@pytest.mark.parametrize("name", ["agent_framework", "agno", "langchain", "llama_index", "openai_agents"])
def test_a_framework_chats_streams_and_runs_an_agent(name, tmp_path):
    with adapter(tmp_path) as live:
        check(name, f"{live.url}/v1")


@pytest.mark.clients
def test_langchains_standard_suites_pass(tmp_path):
    with adapter(tmp_path) as live:
        suite("langchain", f"{live.url}/v1")


@pytest.fixture
def tokens():
    """The package tiktoken for the adapter's process, and where its data are: LlamaIndex ships them."""
    data = packages_of("llama_index") / "llama_index" / "core" / "_static" / "tiktoken_cache"
    return {"PYTHONPATH": str(packages_of("tokens")), "TIKTOKEN_CACHE_DIR": str(data)}


@pytest.mark.clients
def test_langchains_standard_suites_for_embeddings_pass(tmp_path, tokens):
    with adapter(tmp_path, settings=tokens) as live:
        data = tokens["TIKTOKEN_CACHE_DIR"]
        suite("langchain", f"{live.url}/v1", "test_embeddings.py", TIKTOKEN_CACHE_DIR=data)


@pytest.mark.clients
@pytest.mark.skipif(
    shutil.which("npm") is None or (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="needs npm, on Linux for x86-64",
)
def test_the_openai_package_for_javascript_works(tmp_path):
    with adapter(tmp_path) as live:
        check_javascript(f"{live.url}/v1")
