"""Ceilings for the figures of `python -m benchmarks.shape`, which only go down: who gets below one lowers it here."""

from itertools import chain

from adapter.extras import MODULES
from benchmarks import shape

REPEATED_CLASS_NAMES: set[str] = set()
LARGE_FOLDERS: dict[str, int] = {}
LONG_FILES: set[str] = set()
FRAMES = {"small chat": 5, "stream of 8 events": 5, "stored response": 5}
CALLS = {"small chat": 120, "stream of 8 events": 253, "stored response": 263}
"""More than are counted: what the store does in the background may be counted, too, and each field adds one."""
SELDOM_NEEDED = ("PIL", "adapter.report", "aiohttp", "httpx2", "rich", "yaml", *chain.from_iterable(MODULES.values()))
"""Only some settings, requests or commands need these packages; without them the server starts in half the time."""
FOREIGN_MODULES = 380
"""Modules of the standard library and of other packages, which the start imports."""


def test_classes_have_names_of_their_own():
    new = set(shape.repeated_class_names()) - REPEATED_CLASS_NAMES
    assert not new, f"another class has that name: {new}"


def test_folders_are_small_enough_to_be_a_map():
    large = dict(shape.large_folders())
    assert all(files <= LARGE_FOLDERS.get(path, shape.MOST_FILES) for path, files in large.items()), large


def test_files_are_short_enough_to_be_read():
    long = {line.partition(":")[0] for line in shape.long_files()} - LONG_FILES
    assert not long, f"over {shape.MOST_LINES} lines: {long}"


def test_no_circle_of_imports():
    assert shape.circles(shape.imports()) == []


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert shape.circles(graph) == [["b", "c"]]
    assert shape.folders_of({"adapter.x.a.one": {"adapter.x.b.two", "adapter.y.c"}, "adapter.x.b.two": set()}) == {
        "adapter.x.a": {"adapter.x.b"},
        "adapter.x.b": set(),
    }


async def test_requests_pass_no_more_frames_and_calls_than_they_did():
    counted = await shape.count_requests()
    frames = {name: len(one.frames) for name, one in counted.items()}
    assert all(frames[name] <= most for name, most in FRAMES.items()), frames
    calls = {name: one.total for name, one in counted.items()}
    assert all(calls[name] <= most for name, most in CALLS.items()), calls
    stack = counted["small chat"].frames
    assert stack[0] == "server/endpoints/chat.py:create_chat_completion"
    assert stack[-1] == "Transport.send"


def test_the_server_starts_without_what_is_seldom_needed():
    names = shape.modules_at_start()
    dear = [
        name for name in names if name.startswith(tuple(f"{one}." for one in SELDOM_NEEDED)) or name in SELDOM_NEEDED
    ]
    assert not dear, f"import them where they are needed, with extras.load: {dear}"
    foreign = [name for name in names if name.partition(".")[0] != "adapter"]
    assert len(foreign) <= FOREIGN_MODULES, f"{len(foreign)} modules of others are imported at the start"
