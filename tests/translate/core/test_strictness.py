"""The levels of strictness: how severe a loss a request may suffer."""

from itertools import chain
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Severity
from adapter.translate.core.notes import Fate, Ledger, Note, SharedNotes, own_notes
from adapter.translate.core.strictness import (
    Strictness,
    count_losses,
    counts_by_severity,
    gravest_first,
    how_to_allow,
    refused_losses,
    strictness_of,
)
from adapter.translate.signatures.sources import SignatureSource

LOSSES = [
    Note("user", Fate.DROPPED, "user-not-sent", "x"),
    Note("n", Fate.APPROXIMATED, "choices-by-calls", "x"),
    Note("temperature", Fate.DROPPED, "sampling-ignored", "x"),
    Note("tools[0].type", Fate.DROPPED, "tool-type-unsupported", "x"),
]
"""One of each severity, the mildest first."""

NOTES = [Note("model", Fate.EXACT), *LOSSES]


def codes(notes):
    return [note.code for note in notes]


@pytest.mark.parametrize(("level", "count"), [(level, number) for number, level in enumerate(Strictness)])
def test_each_level_refuses_one_severity_more(level, count):
    assert codes(refused_losses(NOTES, level, {})) == codes(reversed(LOSSES))[:count]


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "answers", " Answers "])
def test_true_means_answers(word):
    assert strictness_of(word) is Strictness.ANSWERS


@pytest.mark.parametrize("word", ["false", "0", "no", "off", " Off "])
def test_false_means_off(word):
    assert strictness_of(word) is Strictness.OFF


@pytest.mark.parametrize("word", ["perhaps", "", "changes-answers", "2"])
def test_another_word_is_no_level(word):
    assert strictness_of(word) is None


@pytest.mark.parametrize("spelling", ["sampling-ignored", "temperature.dropped"])
def test_a_code_is_allowed_in_either_spelling_whatever_the_level(spelling):
    refused = refused_losses(NOTES, Strictness.ALL, {spelling: "allow"})
    assert codes(refused) == ["tool-type-unsupported", "choices-by-calls", "user-not-sent"]


@pytest.mark.parametrize("spelling", ["user-not-sent", "user.dropped"])
def test_a_code_is_rejected_in_either_spelling_without_a_level(spelling):
    assert codes(refused_losses(NOTES, Strictness.OFF, {spelling: "reject"})) == ["user-not-sent"]


def test_losses_are_counted_and_listed_gravest_first():
    assert list(counts_by_severity(NOTES)) == [severity.value for severity in Severity]
    assert codes(gravest_first(NOTES)) == codes(reversed(LOSSES))
    assert list(count_losses(NOTES)) == codes(gravest_first(NOTES))
    assert list(count_losses([*NOTES, *NOTES]).values()) == [2] * len(LOSSES)
    assert count_losses([]) == {}


def test_what_is_rejected_breaks():
    rejected = Note("n", Fate.REJECTED, reason="x")
    assert counts_by_severity([rejected, rejected]) == {"breaks": 2}
    assert counts_by_severity([*NOTES, rejected])["breaks"] == counts_by_severity(NOTES)["breaks"] + 1


@pytest.mark.parametrize("level", list(Strictness)[1:])
def test_what_the_error_advises_lets_the_loss_pass(level):
    notes = [Note("path", Fate.DROPPED, name, "x") for name in CODES]
    refused = [note for note in notes if refused_losses([note], level, {})]
    assert refused
    for note in refused:
        advice = how_to_allow(note, level)
        milder = strictness_of(advice.partition(",")[0].removeprefix("x-adapter-strict: "))
        name, _, value = advice.rpartition("--notes ")[2].partition("=")
        assert milder is not None, note
        assert refused_losses([note], milder, {}) == [], note
        assert refused_losses([note], level, {name: cast(Any, value)}) == [], note


SHARED = [
    Note("tools[1].function.strict", Fate.DROPPED, "tool-option-ignored", "x"),
    *LOSSES,
    Note("tools", Fate.EXACT),
]
OWN = [*NOTES, Note("m", Fate.REJECTED, "value-missing", "x"), Note("c", Fate.EXACT, signature=SignatureSource.ID)]
SOME = st.lists(st.sampled_from(OWN), max_size=4)


@given(st.lists(st.tuples(SOME, st.lists(st.sampled_from(SHARED), max_size=6)), max_size=3), SOME, SOME)
def test_shared_notes_are_counted_as_if_they_were_the_requests_own(pairs, last, more):
    ledger = Ledger()
    for own, shared in pairs:
        ledger += own
        ledger.add_shared(SharedNotes.of(shared))
    ledger += last
    plain = list(ledger)
    assert list(chain.from_iterable(ledger.pieces())) == plain
    assert list(own_notes(ledger)) == [note for own, _ in pairs for note in own] + last
    assert list(count_losses(ledger, more).items()) == list(count_losses([*plain, *more]).items())
    assert list(counts_by_severity(ledger, more).items()) == list(counts_by_severity([*plain, *more]).items())
