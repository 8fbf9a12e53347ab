"""The rows of what models can do: dated, sourced, and one for every model that is served in November 2026."""

import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.emulator.core.models import models
from adapter.settings import Calendar, Settings, catalogue, find_served_model, resolve
from adapter.translate.core.capabilities import ModelCapabilities, capabilities_of, served_model

TODAY = datetime.date(2026, 11, 30)
TABLE = catalogue(Settings(), TODAY)
MIDNIGHT = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC).timestamp()

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
    "gemini-3.8-live-extended-thinking",
    "gemini-3.5-transcribe-live",
    "gemini-4-carbon",
    "gemini-4-hydrogen",
    "gemini-4-neon",
    "gemini-omni-1.2-flash",
    "gemini-decision-1",
    "gemini-robotics-er-2-streaming-preview",
    "nano-banana-pro-preview",
    "deep-research-pro-preview-12-2025",
    "lyria-3.5",
    "gemini-robotics-er-2-preview",
    "gemini-embedding-2",
    "gemini-embedding-001",
]


def row(name):
    return capabilities_of(name, TABLE.model)


def test_a_row_that_tells_no_levels_has_the_three_that_all_models_know():
    assert ModelCapabilities(pattern="*", source="", date="").levels == ("low", "medium", "high")


def test_models_have_the_same_turns_if_they_agree_in_what_turns_depend_on():
    plain = ModelCapabilities(pattern="*", source="", date="")
    switches = {one.name for one in msgspec.structs.fields(ModelCapabilities) if one.type is bool}
    on_turns = {
        *("signatures", "call_ids", "function_response_media", "part_media_resolution", "file_urls"),
        "system_instruction",
    }
    for name in switches:
        other = msgspec.structs.replace(plain, **{name: not getattr(plain, name)})
        assert (other.of_turns != plain.of_turns) is (name in on_turns), name


@pytest.mark.parametrize("name", RELAY + GOOGLE)
def test_each_model_has_a_row_of_its_own(name):
    assert row(name).pattern != "*"


@pytest.mark.parametrize("one", TABLE.model, ids=lambda one: one.pattern)
def test_each_row_says_where_it_comes_from_and_makes_sense(one):
    assert one.source
    assert datetime.date.fromisoformat(one.date) <= datetime.datetime.now(datetime.UTC).date()
    assert bool(one.levels) == (one.thinking == "levels")
    assert bool(one.budget_maximum) == (one.thinking == "budget")
    assert set(one.levels) <= {"minimal", "low", "medium", "high", "xhigh"}
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
        ("gemini-4-carbon", ("low", "medium", "high")),
        ("gemini-4-hydrogen", ("low", "medium", "high", "xhigh")),
        ("gemini-4-neon", ("low", "medium", "high", "xhigh")),
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
        ("gemini-omni-1.2-flash", ("VIDEO",)),
        ("nano-banana-pro-preview", ("TEXT", "IMAGE")),
        ("gemini-robotics-er-2-preview", ("TEXT",)),
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


@pytest.mark.parametrize("name", ["olmo-3", "gemini-3.8-flash", "gemini-omni-1.2-flash", "mygpt-4", "text-bison"])
def test_other_names_stand_for_themselves(name):
    assert resolve(name, TABLE.alias) == name


def test_each_name_of_openais_has_the_date_when_it_was_looked_at():
    today = datetime.datetime.now(datetime.UTC).date()
    assert all(datetime.date.fromisoformat(alias.date) <= today for alias in TABLE.alias)


def test_a_model_ends_at_midnight_by_utc_in_a_process_that_runs():
    now = [MIDNIGHT - 0.001]
    calendar = Calendar(TABLE, lambda: now[0])
    before = calendar.catalogue_of("studio")
    assert find_served_model("gemini-2.5-flash", before).model == "gemini-2.5-flash"
    assert calendar.catalogue_of("studio") is before, "one table a day"
    now[0] = MIDNIGHT
    served = find_served_model("gemini-2.5-flash", calendar.catalogue_of("studio"))
    assert (served.model, served.name) == ("gemini-3.5-flash-lite", "gemini-2.5-flash")
    assert served.reason == "gemini-3.5-flash-lite answers for gemini-2.5-flash, which ended on 2026-12-01"
    assert find_served_model("gemini-2.5-flash", calendar.catalogue_of("relay")).model == "gemini-2.5-flash"


DAYS = st.dates(datetime.date(2026, 1, 1), datetime.date(2029, 1, 1))


@given(st.sampled_from(RELAY + GOOGLE), st.sampled_from(["studio", "vertex", "relay"]), DAYS)
def test_on_no_day_is_a_model_asked_that_has_ended_while_another_answers(name, platform, day):
    served = served_model(name, TABLE.model, platform, day)
    assert not (served.row.routes_to and served.row.has_ended(platform, day))
    assert bool(served.reason) == (served.model != name)
    assert served.row is capabilities_of(served.model, TABLE.model, day)


def test_models_that_answer_for_each_other_do_not_go_round_for_ever():
    both = [
        ModelCapabilities(pattern=one, source="", date="", until={"studio": TODAY}, routes_to=other)
        for one, other in (("a", "b"), ("b", "a"))
    ]
    assert served_model("a", both, "studio", TODAY).model in ("a", "b")


def test_a_row_holds_from_its_first_day_on():
    rows = [
        ModelCapabilities(pattern="a", source="new", date="", starts=TODAY),
        ModelCapabilities(pattern="*", source="old", date=""),
    ]
    found = [capabilities_of("a", rows, day).source for day in (TODAY - datetime.timedelta(1), TODAY)]
    assert found == ["old", "new"]


def test_each_model_that_answers_for_another_has_a_row_of_its_own():
    assert all(row(one.routes_to).pattern != "*" for one in TABLE.model if one.routes_to)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("gemini-omni-1.2-flash", "the Interactions API (POST /v1beta/interactions)"),
        ("deep-research-pro-preview-12-2025", "the Interactions API (POST /v1beta/interactions)"),
        ("gemini-3.8-live", "the Live API, a websocket (BidiGenerateContent)"),
        ("gemini-2.5-flash-native-audio-preview-12-2025", "the Live API, a websocket (BidiGenerateContent)"),
        ("gemini-decision-1", "POST /v1/decisions"),
        ("gemini-embedding-2", "POST /v1/embeddings"),
        ("whisper-1", "POST /v1/audio/transcriptions or POST /v1/audio/translations"),
        ("tts-1-hd", "POST /v1/audio/speech"),
        ("gpt-4o-mini-tts", "POST /v1/audio/speech"),
        ("dall-e-3", "POST /v1/images/generations or POST /v1/images/edits or POST /v1/images/variations"),
        ("omni-moderation-latest", "POST /v1/moderations"),
        ("text-embedding-3-small", "POST /v1/embeddings"),
        ("gemini-3.8-flash", ""),
        ("gemini-3.8-flash-tts", ""),
        ("gemini-3.5-transcribe", ""),
        ("gpt-4o", ""),
        ("codex-mini-latest", ""),
    ],
)
def test_what_is_no_chat_model_says_what_serves_it(name, place):
    assert find_served_model(name, TABLE).row.served_by == place


@pytest.mark.parametrize(
    ("name", "endpoint", "model"),
    [
        ("whisper-1", "audio/transcriptions", "gemini-3.5-transcribe"),
        ("gpt-4o-mini-transcribe", "audio/transcriptions", "gemini-3.5-transcribe"),
        ("tts-1", "audio/speech", "gemini-3.8-flash-tts"),
        ("dall-e-3", "images/generations", "gemini-3.1-flash-image"),
        ("omni-moderation-latest", "moderations", "gemini-decision-1"),
    ],
)
def test_a_name_of_openais_means_the_model_of_its_endpoint(name, endpoint, model):
    assert find_served_model(name, TABLE, endpoint).model == model


@pytest.mark.parametrize(
    "name",
    ["google/gemini-3.8-flash", "gemini/gemini-3.8-flash", "vertex_ai/gemini-3.8-flash", "models/gemini-3.8-flash",
     "openrouter/google/gemini-3.8-flash"],
)  # fmt: skip
def test_what_other_tools_put_before_a_models_name_is_left_out(name):
    assert find_served_model(name, TABLE).model == "gemini-3.8-flash"


@pytest.mark.parametrize("name", ["google/other", "tunedModels/mine", "projects/p/locations/l/endpoints/1"])
def test_a_name_with_a_slash_that_is_no_prefix_stays_whole(name):
    assert find_served_model(name, TABLE).model == name


def test_each_model_of_the_emulator_has_a_row_that_says_as_much_of_generate_content():
    for name, model in models().items():
        served = find_served_model(name, TABLE).row.served_by == ""
        assert served == ("generateContent" in model.methods), name


def test_a_level_that_a_row_has_is_one_that_the_emulators_model_takes():
    for name, model in models().items():
        # On the last day: a row may begin after the day of these tests.
        row = capabilities_of(name, TABLE.model)
        ours = set(row.levels) if row.thinking == "levels" else set()
        theirs = {level.lower() for level in model.levels} if model.thinking == "level" else set()
        if find_served_model(name, TABLE).model == name and "generateContent" in model.methods:
            # Models of images have levels that no page of Google's tells: what is not sent is not refused.
            assert ours == theirs or ("IMAGE" in row.output and not ours), name


def test_the_emulators_models_think_by_default_with_a_level_that_they_take():
    wrong = [name for name, model in models().items() if model.levels and model.default_level not in model.levels]
    assert wrong == [], "a model has the default_level of its family unless its row has another one"


def test_a_latest_model_is_the_same_one_here_and_at_the_emulator():
    for model in models().values():
        if model.resolves_to:
            assert (
                find_served_model(model.name, TABLE).row.levels
                == find_served_model(model.resolves_to, TABLE).row.levels
            ), model.name
