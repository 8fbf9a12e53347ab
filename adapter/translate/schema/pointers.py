"""Places in a schema: JSON pointers of references, and the dotted paths of notes."""

import re
from typing import Any

_BRANCH = re.compile(r"(?:^|\.)(?:anyOf|oneOf)\[\d+\]$")


def target(root: dict[str, Any], pointer: Any) -> dict[str, Any] | None:
    """The schema that a JSON pointer into the document names (RFC 6901)."""
    if not isinstance(pointer, str) or (pointer != "#" and not pointer.startswith("#/")):
        return None
    found: Any = root
    for piece in pointer[1:].split("/")[1:]:
        key = unescaped(piece)
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return None
    return found if isinstance(found, dict) else {} if found is True else None


def unescaped(piece: str) -> str:
    """One step of a JSON pointer as the key it stands for."""
    return piece.replace("~1", "/").replace("~0", "~")


def definition(pointer: Any) -> str | None:
    """The name of the definition at the root that a pointer names, if it names one."""
    start = next((head for head in ("#/$defs/", "#/definitions/") if str(pointer).startswith(head)), None)
    name = str(pointer)[len(start) :] if start else ""
    return name if name and "/" not in name else None


def join(path: str, piece: str) -> str:
    """A path with one more piece."""
    return f"{path}.{piece}" if path else piece


def is_branch(path: str) -> bool:
    """Whether a path ends in one of several alternatives."""
    return _BRANCH.search(path) is not None
