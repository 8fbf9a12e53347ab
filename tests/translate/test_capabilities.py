"""The rows of what models can do: dated, sourced, and one for every model that is served in November 2026."""

import datetime

import pytest

from adapter.settings import Settings, catalogue, resolve
from adapter.translate.capabilities import capabilities_of

TABLE = catalogue(Settings())
TODAY = datetime.date(2026, 11, 24)

RELAY = [
    "gemini-3.1-pro-preview",
    "gemini-3.1-flash-image-preview",
    "gemini-3.1-flash-lite-preview",
    "gemini-3-pro-preview",
    "gemini-3-pro-image-preview",
    "gemini-3-flash-preview",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.0-flash",
]

GOOGLE = [
    "gemini-4-argon",
    "gemini-3.8-flash",
    "gemini-3.7-flash",
    "gemini-3.6-flash",
    "gemini-3.5-flash-lite",
    "gemini-3.5-flash",
    "gemini-3.1-pro-preview-customtools",
    "gemini-3.1-flash-lite",
    "gemini-flash-latest",
    "gemini-flash-lite-latest",
    "gemini-pro-latest",
    "gemma-4-26b-a4b-it",
    "gemma-4-31b-it",
    "gemini-nano-banana-2.1",
    "gemini-3-pro-image",
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-lite-image",
    "gemini-2.5-flash-image",
    "gemini-3.8-flash-tts",
    "gemini-3.8-flash-lite-tts",
    "gemini-3.1-flash-tts-preview",
    "gemini-2.5-flash-preview-tts",
    "gemini-3.5-transcribe",
    "gemini-3.8-live",
    "omni-1.2",
    "lyria-3.5",
    "gemini-robotics-er-2-preview",
    "gemini-embedding-2",
    "gemini-embedding-001",
]


def row(name):
    return capabilities_of(name, TABLE.model)


@pytest.mark.parametrize("name", RELAY + GOOGLE)
def test_each_model_has_a_row_of_its_own(name):
    assert row(name).pattern != "*"


@pytest.mark.parametrize("one", TABLE.model, ids=lambda one: one.pattern)
def test_each_row_says_where_it_comes_from_and_makes_sense(one):
    assert one.source
    assert datetime.date.fromisoformat(one.date) <= TODAY
    assert bool(one.levels) == (one.thinking == "levels")
    assert bool(one.budget_maximum) == (one.thinking == "budget")
    assert set(one.levels) <= {"minimal", "low", "medium", "high"}
    assert 0 <= one.budget_minimum <= one.budget_maximum
    assert one.candidates >= 1
    assert one.output


def test_no_row_is_hidden_by_an_earlier_one():
    for one in TABLE.model:
        assert one in [row(one.pattern.replace("*", filler)) for filler in ("", "x")], one.pattern


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("gemini-3.8-flash", ("low", "medium", "high")),
        ("gemini-3.7-flash", ("low", "medium", "high")),
        ("gemini-3.6-flash", ("minimal", "low", "medium", "high")),
        ("gemini-3.1-pro-preview", ("low", "medium", "high")),
        ("gemini-3.1-flash-lite-image", ("minimal", "high")),
        ("gemini-3-flash-preview", ("minimal", "low", "medium", "high")),
        ("gemini-9-unheard-of", ("low", "medium", "high")),
    ],
)
def test_thinking_levels_are_those_of_googles_page(name, levels):
    assert row(name).levels == levels


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("gemini-2.5-pro", (128, 32768, False)),
        ("gemini-2.5-flash", (0, 24576, True)),
        ("gemini-2.5-flash-lite", (512, 24576, True)),
    ],
)
def test_thinking_budgets_are_those_of_googles_page(name, budget):
    one = row(name)
    assert (one.budget_minimum, one.budget_maximum, one.budget_off) == budget


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("gemini-3.8-flash-tts", ("AUDIO",)),
        ("gemini-3.1-flash-image-preview", ("TEXT", "IMAGE")),
        ("gemini-embedding-2", ("EMBEDDING",)),
        ("gemini-3.8-flash", ("TEXT",)),
    ],
)
def test_rows_tell_what_comes_out(name, output):
    assert row(name).output == output


@pytest.mark.parametrize("name", ["models/gemini-2.5-pro", "publishers/google/models/gemini-2.5-pro"])
def test_a_name_in_a_collection_has_the_same_row(name):
    assert row(name) is row("gemini-2.5-pro")


def test_the_last_row_is_the_newest_generation_without_a_claim_of_its_own():
    assert TABLE.model[-1].pattern == "*"
    newest = {
        field: getattr(row("gemini-3.8-flash"), field) for field in ("levels", "sampling", "signatures", "prefill")
    }
    assert newest == {field: getattr(TABLE.model[-1], field) for field in newest}


@pytest.mark.parametrize(
    "name", ["gpt-6-astra", "gpt-4o-mini", "gpt-5-nano", "chatgpt-latest", "o3", "o4-mini", "text-embedding-3-large"]
)
def test_openais_names_stand_for_models_that_have_a_row(name):
    assert row(resolve(name, TABLE.alias)).pattern != "*"


@pytest.mark.parametrize("name", ["olmo-3", "gemini-3.8-flash", "omni-1.2", "mygpt-4", "text-bison"])
def test_other_names_stand_for_themselves(name):
    assert resolve(name, TABLE.alias) == name


def test_each_name_of_openais_has_the_date_when_it_was_looked_at():
    assert all(datetime.date.fromisoformat(alias.date) <= TODAY for alias in TABLE.alias)
