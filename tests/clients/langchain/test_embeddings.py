"""LangChain's own standard suites for embeddings, with its defaults: texts travel as OpenAI's tokens.

Run by `tests/clients/test_frameworks.py` in LangChain's environment, against the adapter at ADAPTER_TEST_URL.
"""

import os

import pytest
from langchain_openai import OpenAIEmbeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

URL = os.environ["ADAPTER_TEST_URL"]
PARAMETERS = {"model": "text-embedding-3-small", "base_url": URL, "api_key": "unused"}


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        return PARAMETERS


class TestIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        return PARAMETERS


def test_tokens_are_the_text_that_they_stand_for():
    """The same text as tokens and as text has the same vector, also one with characters of several tokens."""
    tokens, texts = OpenAIEmbeddings(**PARAMETERS), OpenAIEmbeddings(**PARAMETERS, check_embedding_ctx_length=False)
    for text in ("a cat on a stone", "größer als 猫 🐈‍⬛"):
        assert tokens.embed_query(text) == pytest.approx(texts.embed_query(text), abs=1e-6)


def test_vectors_are_as_long_as_the_models_that_was_named():
    assert len(OpenAIEmbeddings(**PARAMETERS).embed_query("a")) == 1_536
    assert len(OpenAIEmbeddings(**PARAMETERS, dimensions=256).embed_query("a")) == 256
