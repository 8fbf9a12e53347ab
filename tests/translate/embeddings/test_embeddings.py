"""Batches of inputs: their order, their sizes, and that each field of a request has a case."""

import datetime
import math
import re
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapter import settings
from adapter.translate.core.context import Options
from adapter.translate.core.errors import AnswerError
from adapter.translate.embeddings import embeddings
from adapter.translate.embeddings.calls import BATCH, PREDICT, STUDIO
from adapter.translate.embeddings.embeddings import BATCH_TOKENS, EmbeddingContext
from adapter.translate.ledger import value_at
from adapter.translate.translations import endpoints
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
    bodies = [msgspec.json.decode(msgspec.json.encode(batch)) for batch in plan.batches]
    sent = [[one["content"]["parts"][0]["text"] for one in body["requests"]] for body in bodies]
    assert [text for batch in sent for text in batch] == texts
    for batch in sent:
        assert 1 <= len(batch) <= BATCH
        assert len(batch) == 1 or sum(len(text) // 4 + 1 for text in batch) <= BATCH_TOKENS


VECTORS = st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3)


@given(st.lists(VECTORS, min_size=1, max_size=5), st.sampled_from(["gemini-embedding-001", "gemini-embedding-2"]))
def test_both_encodings_are_the_same_vectors_and_those_of_embedding_001_have_length_1(vectors, model) -> None:
    found: dict[str, list[Any]] = {}
    for form in ("float", "base64"):
        request = EmbeddingRequest(model=model, input=["x"] * len(vectors), dimensions=3, encoding_format=form)
        plan = plan_of(request)
        answer = plan.method.read(msgspec.json.encode({"embeddings": [{"values": one} for one in vectors]}), decode)
        made, _ = embeddings.from_gemini([answer], plan, request, model)
        found[form] = [one["embedding"] for one in msgspec.json.decode(msgspec.json.encode(made))["data"]]
    for read, other, given_ in zip(found["float"], map(floats_of, found["base64"]), vectors, strict=True):
        assert all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30) for a, b in zip(read, other, strict=True))
        length = math.hypot(*read)
        if model == "gemini-embedding-2":
            assert read == given_
        else:
            assert length == 0 or abs(length - 1) < 2e-3


@given(
    st.lists(VECTORS, min_size=1, max_size=3),
    st.sampled_from([(",", ": ", ""), (", ", ": ", ""), (",\n   ", ": ", "\n")]),
)
def test_numbers_are_passed_on_as_they_were_written_with_at_most_a_space_between_them(vectors, form):
    comma, colon, begin = form
    lists = [f"[{begin}{comma.join(map(repr, one))}{begin}]" for one in vectors]
    text = '{"embeddings"' + colon + "[" + ",".join('{"values"' + colon + one + "}" for one in lists) + "]}"
    request = EmbeddingRequest(model="gemini-embedding-2", input=["x"] * len(vectors), dimensions=3)
    plan = plan_of(request)
    made, _ = embeddings.from_gemini([plan.method.read(text.encode(), decode)], plan, request, "m")
    for one, given_, numbers in zip(made.data, lists, vectors, strict=True):
        assert bytes(one.embedding).decode() == ("".join(given_.split()) if "\n" in given_ else given_)
        assert msgspec.json.decode(bytes(one.embedding)) == numbers


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1, 1) | st.sampled_from(["]", "[", '"values":[1]', "x"]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(["values", "statistics", "a"]), one),
    max_leaves=4,
)
SPACES = st.sampled_from(["", " ", "\n  "])


def embedding(pairs, space):
    """An object of these members, of which one may stand there twice."""
    members = [f'"{name}"{space}:{space}{msgspec.json.encode(value).decode()}' for name, value in pairs]
    return "{" + ",".join(members) + "}"


@given(
    st.lists(
        st.lists(
            st.tuples(st.just("values"), VECTORS | JSON_VALUES) | st.tuples(st.just("other"), JSON_VALUES), max_size=3
        ),
        max_size=4,
    ),
    SPACES,
    st.sampled_from([STUDIO, PREDICT]),
)
@example([[("values", [1.5]), ("values", [2.5])], [("values", [])]], "", STUDIO)
@example([[("other", {"values": [1.5]}), ("values", [2.5])]], "", PREDICT)
def test_vectors_that_are_cut_out_of_an_answer_are_those_that_a_decoder_finds(embeddings_, space, method):
    objects = [embedding(one, space) for one in embeddings_]
    if method is STUDIO:
        text = f'{{"embeddings":[{",".join(objects)}]}}'
    else:
        text = f'{{"predictions":[{",".join(f"""{{"embeddings":{one}}}""" for one in objects)}]}}'
    try:
        expected = method.members(decode(text.encode(), method.answer)[0])
    except msgspec.DecodeError as error:
        with pytest.raises(msgspec.DecodeError, match=re.escape(str(error))):
            method.read(text.encode(), decode)
    else:
        assert method.read(text.encode(), decode) == ([bytes(one) for one in expected.values], expected.tokens)


NO_VECTORS = [
    *("[]", "[1,2]", "[1,2,3,4]", "[1,2,null]", "[1,2,true]", "[1,false,3]", '[1,2,"3"]', "[1,2,[3]]", "[1,2,{}]"),
    *("null", "{}", "7", '"1,2,3"', "[NaN,1,2]", "[1,2,Infinity]", "[1,,3]"),
]


@pytest.mark.parametrize("text", NO_VECTORS)
@pytest.mark.parametrize("form", ["float", "base64"])
def test_what_is_no_vector_of_its_length_is_an_error_in_either_encoding(text, form):
    request = EmbeddingRequest(model="gemini-embedding-2", input="x", dimensions=3, encoding_format=form)
    plan = plan_of(request)
    answer = plan.method.read(f'{{"embeddings": [{{"values": {text}}}]}}'.encode(), decode)
    with pytest.raises(AnswerError, match="Vector 0"):
        embeddings.from_gemini([answer], plan, request, "m")


def test_an_answer_that_ends_too_early_is_no_json():
    whole = b'{"embeddings": [{"values": [0.5,0.25]}, {"values": [0.5,0.75]}]}'
    method = plan_of(EmbeddingRequest(model="gemini-embedding-2", input=["x", "y"], dimensions=2)).method
    assert method.read(whole, decode).values == [b"[0.5,0.25]", b"[0.5,0.75]"]
    for end in range(len(whole)):
        with pytest.raises(msgspec.DecodeError):
            method.read(whole[:end], decode)


def test_a_number_beyond_all_numbers_is_an_error_in_either_encoding():
    for form in ("float", "base64"):
        request = EmbeddingRequest(model="gemini-embedding-2", input="x", dimensions=1, encoding_format=form)
        plan = plan_of(request)
        answer = plan.method.read(b'{"embeddings": [{"values": [1e999]}]}', decode)
        with pytest.raises(AnswerError):
            embeddings.from_gemini([answer], plan, request, "m")


@pytest.mark.parametrize(
    ("platform", "model", "count"),
    [
        ("studio", "gemini-embedding-001", 2),
        ("vertex", "gemini-embedding-001", 2),
        ("vertex", "gemini-embedding-2", 1),
        ("vertex", "gemini-embedding-2", 2),
    ],
)
def test_the_ledger_leads_to_each_input_and_option_in_every_form_of_a_call(platform, model, count):
    texts = [f"text {number}" for number in range(count)]
    body = {"model": model, "input": texts, "dimensions": 7, "title": "T", "task_type": "RETRIEVAL_DOCUMENT"}
    endpoint = endpoints(None)["/v1/embeddings"]
    request, unknown = endpoint.decode(msgspec.json.encode(body))
    served = settings.find_served_model(model, NAMES, "embeddings")
    made = endpoint.translate(request, unknown, served, Options(platform=platform))
    bodies = made.as_json()
    targets = {entry.note.path: entry.targets for entry in made.ledger(bodies)}
    whole = bodies if len(bodies) > 1 else bodies[0]
    for index, text in enumerate(texts):
        [pointer] = targets[f"input[{index}]"]
        assert value_at(whole, pointer) in (text, {"text": text})
    for field, value in (("dimensions", 7), ("title", "T"), ("task_type", "RETRIEVAL_DOCUMENT")):
        assert targets[field]
        assert {value_at(whole, pointer) for pointer in targets[field]} == {value}
