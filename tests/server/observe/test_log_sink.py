"""Lines go to the log or are counted; whoever writes them never waits."""

import fcntl
import io
import os
from pathlib import Path

import pytest

from adapter.server.observe.log_sink import PIECE, LogSink


@pytest.fixture
def pipe():
    """A small pipe: where to read, and where to write."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4 * PIECE)
    with os.fdopen(reader, "rb", 0) as read, os.fdopen(writer, "w") as write:
        yield read, write


def read(end):
    return end.read(1_000_000).decode()


def test_a_line_is_written_whole(pipe):
    reader, writer = pipe
    sink = LogSink(writer)
    sink.write("one")
    sink.write("zwei: ü\ud800")
    assert read(reader) == "one\nzwei: ü?\n"


def test_what_does_not_fit_is_counted_and_told(pipe):
    reader, writer = pipe
    sink = LogSink(writer)
    for number in range(1_000):
        sink.write(f"line {number} {'x' * 90}")
    lines = read(reader).splitlines()
    assert lines == [f"line {number} {'x' * 90}" for number in range(len(lines))]
    assert (len(lines) > 50, sink.lost) == (True, 1_000 - len(lines))
    lost = sink.lost
    sink.write("after")
    assert read(reader).splitlines() == [
        f"{lost} lines of the log were lost: the log's reader is full or too slow",
        "after",
    ]
    assert sink.lost == 0


def test_a_long_text_that_is_cut_ends_its_line(pipe):
    reader, writer = pipe
    sink = LogSink(writer)
    sink.write("x" * 10 * PIECE)
    cut = read(reader)
    assert set(cut) == {"x"}
    sink.write("after")
    lines = read(reader).splitlines()
    assert (lines[0], lines[-1]) == ("", "after")


def test_a_reader_that_has_gone_costs_the_lines(pipe):
    reader, writer = pipe
    reader.close()
    sink = LogSink(writer)
    sink.write("one")
    sink.write("two")
    assert sink.lost == 2


@pytest.mark.parametrize("stream", [None, io.StringIO()], ids=["nothing", "no file"])
def test_where_there_is_no_log_nothing_is_written(stream):
    sink = LogSink(stream)
    sink.write("one")
    assert sink.lost == 1


def test_a_full_disk_costs_the_lines():
    with Path("/dev/full").open("w") as full:
        sink = LogSink(full)
        sink.write("one")
        assert sink.lost == 1
