"""The command that installs an extra into the environment that runs this program."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

PACKAGE = "gemini-openai-adapter"


def install_command(extra: str) -> str:
    """Return a shell line that works here: the README's environment has no pip of its own."""
    if find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "install"]
    else:
        pip = ["python3", "-m", "pip", "--python", sys.executable, "install"]
    return shlex.join([*pip, *_requirements(extra)])


def _requirements(extra: str) -> list[str]:
    """List what an extra installs, by the package's metadata; in a clone without metadata, name the clone's extra."""
    try:
        listed = requires(PACKAGE) or []
    except PackageNotFoundError:
        return [f".[{extra}]"]
    split = (one.partition(";") for one in listed)
    return [
        name.strip() for name, _, marker in split if marker.strip() in (f'extra == "{extra}"', f"extra == '{extra}'")
    ]
