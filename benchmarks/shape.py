"""`python -m benchmarks.shape`: figures on how hard the code is to follow.

Static figures are taken from the source. The others are counted while one process answers requests of each kind
through plain ASGI, with the SQLite store and a canned answer of Gemini's in place of the network. Of several requests
that with the fewest calls counts, since what the store commits in the background may fall into any of them.
`tests/test_shape.py` holds ceilings.

    frames   on the stack at `Transport.send`: ours, from the endpoint's function on, both counted
    calls    of our functions in the event loop's thread: a coroutine counts once, comprehensions and what lies in
             server/http/ and upstream/transport/ do not count
"""

import ast
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple
from unittest import mock

from adapter.server import app
from adapter.settings import Settings
from adapter.upstream.client import Upstream
from adapter.upstream.transport.base import Request

PACKAGE = Path(__file__).parents[1] / "adapter"
EDGES = tuple(str(PACKAGE / edge) for edge in ("server/http/", "upstream/transport/"))

ONE_FILE_PER_RESOURCE = {"wire/openai", "server/endpoints", "translate", "cli"}
"""Folders in which each file is one resource or one command: they may have as many as there are."""

MOST_FILES = 14
MOST_LINES = 450
EVENTS = 8
WARM, COUNTED = 2, 10


class Folder(NamedTuple):
    """A folder and the number of its files."""

    path: str
    files: int


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Parse every file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def repeated_class_names() -> list[str]:
    """Names that more than one class has, outside of `wire`."""
    names = Counter(
        node.name
        for path, tree in trees()
        if not path.is_relative_to(PACKAGE / "wire")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    return sorted(name for name, count in names.items() if count > 1)


def large_folders() -> list[Folder]:
    """Folders with more files than `MOST_FILES`."""
    files = (path.parent.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py")))
    folders = [Folder(path, len(list(group))) for path, group in groupby(sorted(files))]
    return [one for one in folders if one.files > MOST_FILES and one.path not in ONE_FILE_PER_RESOURCE]


def long_files() -> list[str]:
    """Files with more lines than `MOST_LINES`."""
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    return sorted(f"{path.relative_to(PACKAGE)}: {length}" for path, length in lengths.items() if length > MOST_LINES)


def imports() -> dict[str, set[str]]:
    """Return the project's modules that each module imports, by a statement or by a name in a string."""
    known = {_module(path) for path in PACKAGE.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for path, tree in trees():
        names = {name for node in ast.walk(tree) for name in _names(node)}
        graph[_module(path)] = {_find_module(name, known) for name in names} - {_module(path), ""}
    return graph


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _find_module(name: str, known: set[str]) -> str:
    """Return the module for a name: the one of that name, or the one that contains it."""
    owner = name.rpartition(".")[0]
    return name if name in known else owner if owner in known else ""


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
        case ast.ImportFrom(module=str(module), names=aliases):
            yield from (f"{module}.{alias.name}" for alias in aliases)
        case ast.Constant(value=str(text)):
            yield text


def folders_of(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the imports between folders below the layers; a file beside folders stands for itself."""
    folders: dict[str, set[str]] = {}
    for module, targets in graph.items():
        folder = _folder(module)
        same_layer = {name for name in targets if name.split(".")[1:2] == module.split(".")[1:2]}
        folders.setdefault(folder, set()).update({_folder(name) for name in same_layer} - {folder})
    return folders


def _folder(module: str) -> str:
    return ".".join(module.split(".")[:3])


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes of which each leads to all others of its group."""
    reached = {node: _reachable(graph, node) for node in graph}
    groups = {
        tuple(sorted(other for other in reached[node] if node in reached.get(other, ())))
        for node in graph
        if node in reached[node]
    }
    return [list(group) for group in sorted(groups)]


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = list(graph.get(start, ()))
    while ahead:
        node = ahead.pop()
        if node not in seen:
            seen.add(node)
            ahead.extend(graph.get(node, ()))
    return seen


def import_seconds(rounds: int = 5) -> float:
    """Return the least CPU time of several processes that import the server, in seconds."""
    script = "import time; begun = time.process_time(); import adapter.server.app; print(time.process_time() - begun)"
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, check=True) for _ in range(rounds)]
    return min(float(run.stdout) for run in runs)


def modules_at_start() -> list[str]:
    """Return the names of the modules that a process of `adapter serve` has imported when it starts."""
    script = "import sys, adapter.cli.serve; print(*sorted(sys.modules))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout.split()


class CannedResponse:
    """Gemini's answer to one request."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def read(self) -> bytes:
        """Return the next piece."""
        await asyncio.sleep(0)
        return self._pieces.pop(0) if self._pieces else b""

    async def aclose(self) -> None:
        """Hold nothing."""


class CannedTransport:
    """Answers every request with a short text, and remembers the stack that led to the last one."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    async def send(self, request: Request) -> CannedResponse:
        """Answer a request."""
        self.frames = own_frames(sys._getframe())
        await asyncio.sleep(0)
        if "stream" not in request.url:
            return CannedResponse([answer("Hello there.", end=True)])
        texts = [f"piece {number} " for number in range(EVENTS)]
        return CannedResponse([b"data: " + answer(text, end=text is texts[-1]) + b"\r\n\r\n" for text in texts])

    async def aclose(self) -> None:
        """Hold nothing."""


def answer(text: str, *, end: bool) -> bytes:
    """Return a whole answer of Gemini's, or one event."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
    if end:
        candidate["finishReason"] = "STOP"
    said = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.8-flash", "responseId": "r1"}
    return json.dumps(said).encode()


def own_frames(frame: FrameType | None) -> list[str]:
    """Return the project's functions on the stack, from the endpoint to `Transport.send`."""
    names = ["Transport.send"]
    endpoint = 1
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            names.append(f"{path.relative_to(PACKAGE)}:{frame.f_code.co_qualname}")
            if path.is_relative_to(PACKAGE / "server/endpoints"):
                endpoint = len(names)
        frame = frame.f_back
    return names[:endpoint][::-1]


class CallCounter:
    """A profiler for `sys.setprofile` that counts calls of our functions."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._begun: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Take one event of the profiler."""
        if event != "call" or not _counts(frame.f_code) or frame in self._begun:
            return
        # A frame that is held keeps its identity: a coroutine's counts once, however often it goes on.
        self._begun.add(frame)
        path = Path(frame.f_code.co_filename).relative_to(PACKAGE)
        self.calls[f"{path}:{frame.f_code.co_qualname}"] += 1


def _counts(code: CodeType) -> bool:
    path = code.co_filename
    return (
        path.startswith(str(PACKAGE))
        and not path.startswith(EDGES)
        and (not code.co_name.startswith("<") or code.co_name == "<lambda>")
    )


class Counted(NamedTuple):
    """The cost of one request."""

    frames: list[str]
    calls: Counter[str]

    @property
    def total(self) -> int:
        """The number of calls."""
        return sum(self.calls.values())


CHAT = {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Say hello."}]}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "small chat": ("/v1/chat/completions", CHAT),
    "stream of 8 events": ("/v1/chat/completions", {**CHAT, "stream": True}),
    "stored response": ("/v1/responses", {"model": "gemini-3.8-flash", "input": "Say hello."}),
}


async def count_requests() -> dict[str, Counted]:
    """Answer and count each kind of request."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(upstream_keys=("key",), store=f"sqlite:{folder}/store.sqlite")
        transport = CannedTransport()
        with mock.patch.object(app, "open_upstream", lambda chosen, _observer: Upstream(chosen, transport)):
            served = app.create_app(settings)
            async with Lifespan(served):
                return {name: await _count(served, transport, *request) for name, request in REQUESTS.items()}


async def _count(served: Any, transport: CannedTransport, path: str, request: dict[str, Any]) -> Counted:
    counters = []
    for _ in range(WARM + COUNTED):
        counters.append(CallCounter())
        sys.setprofile(counters[-1])
        try:
            await post(served, path, request)
        finally:
            sys.setprofile(None)
    return Counted(transport.frames, min((counter.calls for counter in counters[WARM:]), key=Counter.total))


class Lifespan:
    """Start and end an ASGI application."""

    def __init__(self, served: Any) -> None:
        self._served = served
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(self._served(scope, self._told.get, self._heard.put))
        await self._tell("lifespan.startup")

    async def __aexit__(self, *_exception: object) -> None:
        await self._tell("lifespan.shutdown")
        await self._task

    async def _tell(self, event: str) -> None:
        await self._told.put({"type": event})
        reply = await self._heard.get()
        if reply["type"] != f"{event}.complete":
            raise RuntimeError(reply)


async def post(served: Any, path: str, request: dict[str, Any]) -> bytes:
    """Send a request as an ASGI server does; return the answer's body. Raises `RuntimeError` unless it is a 200."""
    sent = [{"type": "http.request", "body": json.dumps(request).encode(), "more_body": False}]
    heard: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return sent.pop() if sent else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        heard.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    await served(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in heard[1:])
    if heard[0]["status"] != 200:
        raise RuntimeError(body.decode())
    return body


def main() -> None:
    """Print all figures; with `--calls` also each call, with `--frames` each frame."""
    graph = imports()
    print(f"class names used twice outside wire: {', '.join(repeated_class_names()) or 'none'}")
    print(f"folders over {MOST_FILES} files: {', '.join(f'{path} ({n})' for path, n in large_folders()) or 'none'}")
    print(f"files over {MOST_LINES} lines: {', '.join(long_files()) or 'none'}")
    print(f"circles of modules: {circles(graph) or 'none'}")
    print(f"circles of folders: {circles(folders_of(graph)) or 'none'}")
    print(f"import of the server: {import_seconds() * 1000:.0f} ms of CPU")
    for name, counted in asyncio.run(count_requests()).items():
        print(f"{name}: {len(counted.frames)} frames to Transport.send, {counted.total} calls of ours")
        if "--frames" in sys.argv:
            print("\n".join(f"    {frame}" for frame in counted.frames))
        if "--calls" in sys.argv:
            print("\n".join(f"    {count:4} {call}" for call, count in counted.calls.items()))


if __name__ == "__main__":
    main()
