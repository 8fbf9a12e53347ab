"""Vertex AI's forms of embeddings: which model has which method, and what is refused."""

from typing import Any

import pytest

from adapter.cli.prediction import predicted_error
from adapter.emulator.core.errors import Refusal
from adapter.emulator.core.models import models
from adapter.emulator.parsing.parser import parse
from adapter.emulator.vertex_embeddings import MESSAGES, embed

CONTENT: dict[str, Any] = {"content": {"parts": [{"text": "a"}]}}
PREDICT: dict[str, Any] = {"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}]}


def ask(method: str, model: str, body: dict[str, Any]) -> dict[str, Any]:
    return embed(method, parse(body, MESSAGES[method]), models()[model])


def test_each_model_has_its_methods() -> None:
    assert len(ask("predict", "gemini-embedding-001", PREDICT)["predictions"][0]["embeddings"]["values"]) == 3072
    assert len(ask("embedContent", "gemini-embedding-2", CONTENT)["embedding"]["values"]) == 3072
    many = {"requests": [CONTENT, {**CONTENT, "embedContentConfig": {"outputDimensionality": 8}}]}
    assert [len(one["values"]) for one in ask("batchEmbedContents", "gemini-embedding-2", many)["embeddings"]] == [
        3072,
        8,
    ]


@pytest.mark.parametrize(
    ("method", "model", "body"),
    [
        ("predict", "gemini-embedding-2", PREDICT),
        ("embedContent", "gemini-embedding-001", CONTENT),
        ("batchEmbedContents", "gemini-embedding-001", {"requests": [CONTENT]}),
        ("embedContent", "gemini-3.5-flash", CONTENT),
    ],
)
def test_other_methods_are_not_found(method: str, model: str, body: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        ask(method, model, body)
    assert refused.value.code == 404


def test_predict_takes_one_text() -> None:
    with pytest.raises(Refusal, match="batchSize must be 1 but the entered value was 2"):
        ask("predict", "gemini-embedding-001", {"instances": PREDICT["instances"] * 2})


def test_errors_of_vertex_ai_are_predicted_in_its_own_forms() -> None:
    assert predicted_error("gemini-embedding-001", "predict", PREDICT) is None
    assert predicted_error("gemini-embedding-2", "embedContent", CONTENT) is None
    assert predicted_error("gemini-embedding-2", "batchEmbedContents", {"requests": [CONTENT]}) is None
    two = predicted_error("gemini-embedding-001", "predict", {"instances": PREDICT["instances"] * 2})
    assert two is not None
    assert "batchSize must be 1" in two["message"]


def test_options_of_ai_studio_are_unknown_here() -> None:
    with pytest.raises(Refusal, match="Unknown name"):
        ask("embedContent", "gemini-embedding-2", {**CONTENT, "outputDimensionality": 8})
