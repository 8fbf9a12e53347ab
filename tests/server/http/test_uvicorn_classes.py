"""The names of uvicorn's private classes that this server uses are there, in the version that is installed."""

import ast
import re
import tomllib
from importlib.metadata import version
from typing import Any

import httpx2
import pytest

from adapter.server.http import asgi, response_writer, uvicorn_protocol
from adapter.server.http.uvicorn_classes import STATUS_LINE, HttpToolsProtocol, cycle_of
from tests.support.paths import REPOSITORY
from tests.support.scripted import serving

FOLDER = REPOSITORY / "adapter" / "server" / "http"


def attributes_of(name: str, *files: str) -> set[str]:
    """The attributes that our files use of a variable, or of an attribute of `self`."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse((FOLDER / file).read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in (name, f"self.{name}", f"self._{name}"):
                found.add(node.attr)
    return found


async def caught() -> tuple[Any, Any]:
    """The objects behind uvicorn's `send` while a request is served, and the connection that it came over."""
    cycles, connections = [], []

    class Remembered(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            connections.append(self)
            super().connection_made(transport)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        assert cycle_of(receive) is cycle_of(send) is not None
        cycles.append(cycle_of(send))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app, Remembered) as url, httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).status_code == 200
    return cycles[0], connections[0]


async def test_a_request_has_what_is_used_of_it():
    cycle, _ = await caught()
    used = attributes_of("cycle", "asgi.py", "response_writer.py", "uvicorn_protocol.py")
    assert {"body", "flow", "transport", "response_started", "response_complete", "message_event"} <= used
    missing = sorted(name for name in used if not hasattr(cycle, name))
    assert not missing
    assert {"drain", "resume_reading", "write_paused"} <= set(dir(cycle.flow))
    assert [type(field) for field in cycle.default_headers[0]] == [bytes, bytes]


async def test_a_connection_has_what_is_used_of_it():
    _, protocol = await caught()
    used = attributes_of("self", "uvicorn_protocol.py")
    own = set(dir(uvicorn_protocol.ServerProtocol)) - set(dir(HttpToolsProtocol))
    set_here = {
        target.attr
        for node in ast.walk(ast.parse((FOLDER / "uvicorn_protocol.py").read_text()))
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute)
    }
    missing = sorted(name for name in used - own - set_here if not hasattr(protocol, name))
    assert not missing


def test_what_is_overridden_exists():
    overridden = set(vars(uvicorn_protocol.ServerProtocol)) & set(dir(HttpToolsProtocol))
    assert {"data_received", "on_headers_complete", "on_message_complete", "on_response_complete"} <= overridden


def test_a_status_line_is_bytes_of_http():
    assert STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("function", [print, len, asgi.read_body, response_writer.respond])
def test_under_another_server_there_is_no_request_behind_a_function(function):
    assert cycle_of(function) is None


def test_the_version_that_is_installed_is_below_the_bound():
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    [bound] = [found[1] for one in listed if (found := re.fullmatch(r"uvicorn>=[\d.]+,<([\d.]+)", one))]
    installed = [int(part) for part in version("uvicorn").split(".")]
    assert installed < [int(part) for part in bound.split(".")]
