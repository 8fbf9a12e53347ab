"""The names of tools, there and back.

Gemini takes at most 64 of `[A-Za-z0-9_.:-]`, starting with a letter or underscore. Others are renamed by a pure
function of the name (no state: a history's calls and results get the same new name), and restored in answers.
"""

import re
from hashlib import blake2b

from adapter.translate.core.context import Context
from adapter.translate.core.notes import Rejected

_VALID_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")

_INVALID_CHARACTER = re.compile(r"[^A-Za-z0-9_.:-]")


def upstream_name(name: str) -> str:
    """Return the name under which Gemini knows a function."""
    if _VALID_NAME.fullmatch(name):
        return name
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    readable = _INVALID_CHARACTER.sub("_", name)[:52]
    return f"{readable if _VALID_NAME.match(readable) else '_' + readable}_{digest}"


def check_name_length(length: int, path: str, context: Context) -> None:
    """Refuse a tool's name that is too long: raises `Rejected`."""
    if length > (most := context.options.limits.name_length):
        reason = f"names of tools have at most {most} characters (the setting max_name_length)"
        raise Rejected(path, "limit-exceeded", reason)
