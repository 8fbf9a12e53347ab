"""Batches of inputs: their order, their sizes, and that each field of a request has a case."""

import datetime
import math
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from adapter import settings
from adapter.translate import embeddings
from adapter.translate.embeddings import BATCH, BATCH_TOKENS, EmbeddingContext
from adapter.wire.base import decode
from adapter.wire.openai.embeddings import EmbeddingRequest
from conformance.cases import all_cases
from tests.support.oracles import floats_of

NAMES = settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30))


def plan_of(request: EmbeddingRequest) -> embeddings.EmbeddingPlan:
    served = settings.find_served_model(request.model, NAMES, "embeddings")
    return embeddings.to_gemini(EmbeddingContext(request=request, served=served))


def test_every_field_has_a_case() -> None:
    rules = {case.rule for case in all_cases() if case.suite == "embeddings"}
    assert rules == set(EmbeddingRequest.__struct_fields__)


@given(st.lists(st.sampled_from(["a", "b" * 40_000, "c" * 400_000, "d" * 2_000_000]), min_size=1, max_size=350))
def test_batches_hold_all_inputs_in_order_and_none_is_too_large(texts: list[str]) -> None:
    plan = plan_of(EmbeddingRequest(model="gemini-embedding-2", input=list(texts)))
    sent = [[one.content.parts[0].text for one in batch.requests] for batch in plan.batches]
    assert [text for batch in sent for text in batch] == texts
    for batch in sent:
        assert 1 <= len(batch) <= BATCH
        assert len(batch) == 1 or sum(len(text or "") // 4 + 1 for text in batch) <= BATCH_TOKENS


VECTORS = st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3)


@given(st.lists(VECTORS, min_size=1, max_size=5), st.sampled_from(["gemini-embedding-001", "gemini-embedding-2"]))
def test_both_encodings_are_the_same_vectors_and_those_of_embedding_001_have_length_1(vectors, model) -> None:
    found: dict[str, list[Any]] = {}
    for form in ("float", "base64"):
        request = EmbeddingRequest(model=model, input=["x"] * len(vectors), dimensions=3, encoding_format=form)
        plan = plan_of(request)
        answer, _ = decode(msgspec.json.encode({"embeddings": [{"values": one} for one in vectors]}), plan.answer)
        made, _ = embeddings.from_gemini([answer], plan, request, model)
        found[form] = [one.embedding for one in made.data]
    numbers = [msgspec.json.decode(one, type=list[float]) for one in found["float"]]
    for read, other, given_ in zip(numbers, map(floats_of, found["base64"]), vectors, strict=True):
        assert all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30) for a, b in zip(read, other, strict=True))
        length = math.hypot(*read)
        if model == "gemini-embedding-2":
            assert read == given_
        else:
            assert length == 0 or abs(length - 1) < 2e-3
