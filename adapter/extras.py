"""The optional extras of this package: which modules each brings, and how code that needs one is loaded.

Code that imports an extra's packages is in modules of its own, which nothing imports at its top: `load` does, once a
setting asks for them. Large packages that are always there and seldom needed (aiohttp, httpx2, Pillow) are loaded the
same way, so that the server starts quickly.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

MODULES = {
    "redis": ("redis",),
    "vertex": ("google.auth", "requests"),
    "limits": ("limits",),
    "metrics": ("prometheus_client",),
    "telemetry": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "tokens": ("tiktoken",),
    "websocket": ("websockets",),
    "audio": ("av",),
}
"""Extras, and the modules that each brings (pyproject.toml)."""


class MissingExtra(ImportError):
    """The error of code whose packages are not installed; the message has the command that installs them."""


def has(extra: str) -> bool:
    """Return whether the packages of an extra are installed."""
    try:
        return all(find_spec(module) is not None for module in MODULES[extra])
    except ModuleNotFoundError:
        # That is how `find_spec` tells that a parent is missing.
        return False


def install_line(extra: str) -> str:
    """Return the shell command that installs an extra."""
    return f"pip install 'gemini-openai-adapter[{extra}]'"


def load(module: str, extra: str | None = None) -> Any:
    """Import a module that only some settings or requests need, and which may need an extra. Raises `MissingExtra`."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if extra is None or has(extra):
            raise
        raise MissingExtra(f"{module} needs {error.name}: {install_line(extra)}") from error
