"""Paths of models in URLs."""

import re

from adapter.upstream.errors import InvalidModelName

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:@+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._:@+-]*){0,8}")

_METHOD = re.compile(r":(?:[a-z]+[A-Z][A-Za-z]*|predict)(?:/|\Z)")
"""A method of Google's behind a colon, which a name must not have: it would turn one call into another.

A colon alone is allowed, since relays and local servers have it in names ("qwen:7b").
"""

_COLLECTIONS = ("models/", "tunedModels/", "publishers/", "projects/", "dynamic/")

MAX_NAME = 256
"""The most characters of a name."""


def model_path(name: str, models: str = "models/") -> str:
    """Return the path of a model: `x` as `models/x`; a name with its collection stays as it is.

    `models` replaces the prefix `models/` for upstreams that have another one. The result needs no escaping.

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
