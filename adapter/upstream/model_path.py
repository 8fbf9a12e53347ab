"""Where a model stands in a URL."""

import re
from functools import lru_cache

from adapter.upstream.errors import InvalidModelName

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._:@+-]*){0,8}")

_METHOD = re.compile(r":(?:[a-z]+[A-Z][A-Za-z]*|predict)(?:/|\Z)")
"""Relays and local servers have names with a colon; Google's methods stand behind one, too."""

_COLLECTIONS = ("models/", "tunedModels/", "publishers/", "projects/", "dynamic/")

MAX_NAME = 256


@lru_cache(maxsize=1_000)
def model_path(name: str, models: str = "models/") -> str:
    """`x` as `models/x`, or under what else stands for `models/`; a name with its collection as it is.

    Nothing needs escaping in what is let through.

    Raises `InvalidModelName`, also for `..`, `?` and `%`, which would change what the URL means, for a method of
    Google's behind the name, and for another project than the one that `models` is in.
    """
    if len(name) > MAX_NAME or ".." in name or not _NAME.fullmatch(name) or _METHOD.search(name):
        raise InvalidModelName
    if name.startswith("projects/") and models.startswith("projects/") and name.split("/")[1] != models.split("/")[1]:
        raise InvalidModelName
    if name.startswith("models/"):
        return models + name.removeprefix("models/")
    return name if name.startswith(_COLLECTIONS) else models + name
