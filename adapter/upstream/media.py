"""The interface between the server and a fetcher of media; media_fetcher.py does the fetching."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

import msgspec

Policy = Literal["off", "https", "on"]

PORTS = frozenset({80, 443})
"""Allowed ports: web servers use these, others belong to other services."""


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one request: `files` files of `bytes` together; `seconds` for each fetch with its redirects."""

    policy: Policy = "off"
    bytes: int = 20 * 1024 * 1024
    files: int = 16
    seconds: float = 10.0
    ports: frozenset[int] = PORTS


class Fetched(NamedTuple):
    """A file: its media type, by its first bytes, and its content as base64."""

    mime_type: str
    data: str


class FetchError(Exception):
    """A URL that could not or may not be fetched. The text reveals nothing about a refused address."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url[:200]} was not fetched: {reason}.")


class MediaFetcher(Protocol):
    """Fetches the media that requests point to."""

    async def fetch(self, urls: Iterable[str]) -> dict[str, Fetched]:
        """Fetch files; return them by URL. Equal URLs are fetched once. Raises `FetchError`."""
        ...
