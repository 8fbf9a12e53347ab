"""Embeddings: unit vectors, deterministic, nearer for texts that share words."""

import math
from typing import Any

import pytest

from adapter.emulator.core.errors import Refusal
from adapter.emulator.core.models import models
from adapter.emulator.parsing.parser import parse
from adapter.emulator.service import embed, embed_batch
from tests.emulator.asking import user

MODEL = models()["gemini-embedding-2"]


def vector(text: str, **fields: Any) -> list[float]:
    body = {"content": user(text), **fields}
    return list(embed(parse(body, "EmbedContentRequest"), MODEL)["embedding"]["values"])


def product(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def batch(*texts: str, **fields: Any) -> dict[str, Any]:
    requests = [{"model": f"models/{MODEL.name}", "content": user(text), **fields} for text in texts]
    return embed_batch(parse({"requests": requests}, "BatchEmbedContentsRequest"), MODEL)


@pytest.mark.parametrize("size", [1, 768, 3072])
def test_vectors_have_length_one_and_the_size_asked_for(size: int) -> None:
    found = vector("hello", outputDimensionality=size)
    assert len(found) == size
    assert math.isclose(product(found, found), 1, abs_tol=1e-6)


def test_the_same_text_has_the_same_vector_and_the_default_size() -> None:
    assert vector("hello") == vector("hello")
    assert len(vector("hello")) == 3072


def test_shared_words_are_near() -> None:
    cat, kitten, car = (vector(text) for text in ("the grey cat sleeps", "a grey cat plays", "engines burn fuel"))
    assert product(cat, kitten) > product(cat, car) + 0.2


def test_the_task_matters_a_little() -> None:
    assert 0.5 < product(vector("hello"), vector("hello", taskType="RETRIEVAL_QUERY")) < 1


def test_a_batch_answers_in_order_with_usage() -> None:
    answer = batch("one", "two", outputDimensionality=8)
    assert [entry["values"] for entry in answer["embeddings"]] == [
        vector("one", outputDimensionality=8),
        vector("two", outputDimensionality=8),
    ]
    assert answer["usageMetadata"]["promptTokenDetails"] == [{"modality": "TEXT", "tokenCount": 2}]


def test_a_batch_holds_a_hundred() -> None:
    assert len(batch(*map(str, range(100)), outputDimensionality=1)["embeddings"]) == 100
    with pytest.raises(Refusal) as caught:
        batch(*map(str, range(101)))
    assert caught.value.message == ("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n")


@pytest.mark.parametrize(
    "fields",
    [
        {"outputDimensionality": 0},
        {"outputDimensionality": 3073},
        {"content": {}},
        {"model": ""},
        {"model": "models/x"},
    ],
)
def test_a_bad_request_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        batch("a", **fields)
    assert caught.value.code == 400
    assert caught.value.message.startswith("* BatchEmbedContentsRequest.")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(Refusal, match="Unknown name"):
        vector("a", dimensions=3)
