"""A run over files: on one process and several, interrupted and taken up again, with the same result."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest import mock

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.report.run import InterruptedRun, ReportRun, SavedRun
from adapter.report.tally import read_counter
from adapter.report.verdicts import Judge, Target
from adapter.settings import Settings, catalogue, find_served_model, options
from tests.report.questions import DAY, look_up_path, make_judge


def write(path: Path, count: int) -> Path:
    bodies = [
        {"model": "gpt-4o", "messages": [{"role": "user", "content": f"Question {number // 2}"}], "user": "u"}
        for number in range(count)
    ]
    path.write_bytes(b"\n".join([*map(orjson.dumps, bodies), b"{}"]))
    return path


def facts(result):
    """A result as plain values; sets of conversations as their numbers, however they are held."""
    for target in result.tally.targets.values():
        target.gravest.fold()
        for code in target.codes.values():
            code.conversations.fold()
    return msgspec.to_builtins(result)


def test_processes_give_what_one_process_gives(tmp_path):
    files = [write(tmp_path / "a.jsonl", 130), write(tmp_path / "b.jsonl", 20)]
    alone = ReportRun(files, make_judge, processes=1).execute()
    assert facts(ReportRun(files, make_judge, processes=2).execute()) == facts(alone)
    assert (alone.pieces, alone.tally.requests, alone.conversations) == (152, 150, 65)
    assert dict(alone.unreadable) == {"no known format": 2}


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("adapter.report.run.SAVED_EVERY", 1)
    files = [write(tmp_path / "a.jsonl", 130)]
    whole = facts(ReportRun(files, make_judge, processes=1).execute())
    saved = tmp_path / "run"

    def stop(judged: int) -> None:
        if judged >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ReportRun(files, make_judge, processes=1, saved=saved, progress=stop).execute()
    assert msgspec.msgpack.decode(saved.read_bytes(), type=SavedRun, dec_hook=read_counter).judged == 50
    judged: list[int] = []
    assert facts(ReportRun(files, make_judge, processes=1, saved=saved, progress=judged.append).execute()) == whole
    assert judged == [100, 130]
    assert not saved.exists()


@given(stops=st.lists(st.integers(1, 70), min_size=1, max_size=4), every=st.integers(1, 4))
def test_a_run_that_stops_anywhere_again_and_again_ends_with_the_same_result(stops, every, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    files, saved = [write(folder / "a.jsonl", 50), write(folder / "b.jsonl", 20)], folder / "saved"
    with mock.patch.multiple("adapter.report.run", CHUNK=3, SAVED_EVERY=every):
        whole = facts(ReportRun(files, make_judge, processes=1).execute())
        for stop in stops:
            with suppress(KeyboardInterrupt):
                ReportRun(files, make_judge, processes=1, saved=saved, progress=partial(interrupt, stop)).execute()
        assert facts(ReportRun(files, make_judge, processes=1, saved=saved).execute()) == whole


def interrupt(at: int, judged: int) -> None:
    if judged >= at:
        raise KeyboardInterrupt


@pytest.mark.parametrize("change", ["question", "file", "content"])
def test_a_saved_run_of_something_else_is_refused(tmp_path, monkeypatch, change):
    monkeypatch.setattr("adapter.report.run.SAVED_EVERY", 1)
    file, saved = write(tmp_path / "a.jsonl", 60), tmp_path / "run"

    def stop(judged: int) -> None:
        if judged >= 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ReportRun([file], make_judge, processes=1, saved=saved, progress=stop).execute()
    question = "other" if change == "question" else ""
    if change == "file":
        write(file, 61)
    if change == "content":
        saved.write_bytes(b"junk")
    with pytest.raises(InterruptedRun, match="delete it, or name another"):
        ReportRun([file], make_judge, processes=1, saved=saved, question=question).execute()


def test_every_target_judges_every_request(tmp_path):
    table = catalogue(Settings(), DAY)
    served = find_served_model("gemini-2.5-flash", table)
    targets = [
        Target("a", lambda model, path: find_served_model(model, table)),
        Target("b", lambda model, path: served),
    ]
    judge = Judge(
        targets, options(Settings()), lambda model, *_: ["never"] if model == served.model else [], look_up_path
    )
    result = ReportRun([write(tmp_path / "a.jsonl", 3)], partial(lambda: judge), processes=1).execute()
    assert {name: dict(one.requests) for name, one in result.tally.targets.items()} == {
        "a": {"cosmetic": 3},
        "b": {"breaks": 3},
    }
    assert dict(result.tally.targets["b"].errors) == {"never": 3}
